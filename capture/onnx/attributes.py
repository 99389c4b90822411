"""Attributes of nodes, each distinct one read only once: a model has few of them, on very many nodes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphreel.capture.onnx.tensors import plain_attribute
from graphreel.graph import AttributeText, attribute_text

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """One attribute of a node, or of all nodes that have it alike.

    Attributes:
        refers: The attribute of the function around the node that this one stands for; empty for most.
        text: What it holds; None for graphs, which become scopes, and for kinds that are not known.
    """

    name: str
    refers: str
    text: AttributeText | None
    graphs: "tuple[GraphProto, ...]" = ()


class Attributes:
    """Reads attributes, and remembers those that it has read by their bytes."""

    def __init__(self) -> None:
        self._known: dict[bytes, Attribute] = {}

    def read(self, given: "Iterable[AttributeProto]") -> tuple[Attribute, ...]:
        """The attributes of one node or call."""
        return tuple([self._read(attribute) for attribute in given])

    def _read(self, attribute: "AttributeProto") -> Attribute:
        # A body would be written out once a level, and no two nodes share one.
        if attribute.HasField("g") or attribute.graphs:
            return _attribute(attribute)
        key = attribute.SerializeToString()
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = _attribute(attribute)
        return found


def _attribute(attribute: "AttributeProto") -> Attribute:
    plain = plain_attribute(attribute)
    text = None if plain is None else AttributeText(attribute_text(plain))
    graphs = (attribute.g,) if attribute.HasField("g") else tuple(attribute.graphs)
    return Attribute(attribute.name, attribute.ref_attr_name, text, graphs)
