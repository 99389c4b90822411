"""The nodes of one graph of the file, each asked only once for what it takes, gives and holds.

ONNX asks files to be sorted, not every file is; the runtimes sort, and so do we.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from graphreel.capture.onnx.attributes import Attribute, Attributes
from graphreel.capture.onnx.functions import all_nodes
from graphreel.graph.order import execution_order

if TYPE_CHECKING:
    from onnx import NodeProto

Entry: TypeAlias = "tuple[NodeProto, list[str], list[str], tuple[Attribute, ...]]"
"""A node, the names it takes and gives, and its attributes; outputs at the end that nobody wants are left out."""


@dataclass(frozen=True, slots=True)
class Entries:
    """Nodes in the order in which they run, and every name that they give."""

    ordered: Sequence[Entry]
    given: set[str]


def read_entries(nodes: "Iterable[NodeProto]", attributes: Attributes) -> Entries:
    """The nodes after all that they need: always the first in the file of those that are ready.

    Where a cycle leaves none ready, the first in the file goes on.
    """
    entries: list[Entry] = []
    asked: set[str] = set()
    given: set[str] = set()
    in_order = True
    for node in nodes:
        takes, gives, held = node.input[:], node.output[:], node.attribute
        while gives and not gives[-1]:
            gives.pop()
        entry = node, takes, gives, attributes.read(held) if held else ()
        entries.append(entry)
        asked.update(_uses(entry) if held else takes)
        in_order = in_order and asked.isdisjoint(gives)
        given.update(gives)
    given.discard("")
    # A name that is given twice may have been asked for in between, so this looks closer.
    return Entries(entries if in_order else _sorted(entries), given)


def _sorted(entries: Sequence[Entry]) -> Sequence[Entry]:
    uses = [_uses(entry) for entry in entries]
    producer: dict[str, int] = {}
    for index, (_, _, gives, _) in enumerate(entries):
        for name in gives:
            producer.setdefault(name, index)
    producer.pop("", None)
    if all(producer.get(name, -1) < index for index, names in enumerate(uses) for name in names):
        return entries
    edges = {(producer[name], index) for index, names in enumerate(uses) for name in names if name in producer}
    return [entries[index] for index in execution_order(len(entries), sorted(edges))]


def _uses(entry: Entry) -> list[str]:
    """The names that a node takes, itself or in a body of its own."""
    node, takes, _, attributes = entry
    graphs = [graph for attribute in attributes for graph in attribute.graphs]
    if not graphs:
        return takes
    found = [name for inner in all_nodes([node]) for name in inner.input]
    # A body may also give back an outer value as it is.
    return found + [value.name for graph in graphs for value in graph.output]
