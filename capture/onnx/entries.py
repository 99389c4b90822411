"""The nodes of one graph of the file, each asked only once for what it takes, gives and holds.

ONNX asks files to be sorted, not every file is; the runtimes sort, and so do we.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from graphreel.capture.onnx.attributes import Attribute, Attributes
from graphreel.capture.onnx.functions import all_nodes
from graphreel.graph.order import execution_order

if TYPE_CHECKING:
    from onnx import NodeProto

Entry: TypeAlias = tuple[int, str, str, str, tuple[str, ...], tuple[str, ...], tuple[Attribute, ...], Mapping[str, str]]
"""A node's place in the file, its name, domain and op, the names it takes and gives, its attributes and metadata.

Outputs at the end that nobody wants are left out. A tuple of texts, since the garbage collector looks through
anything else again and again while a hundred thousand of them are made.
"""
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Entries:
    """The nodes of a graph.

    Attributes:
        nodes: As they stand in the file.
        ordered: In the order in which they run.
        given: Every name that they give.
    """

    nodes: "Sequence[NodeProto]"
    ordered: Sequence[Entry]
    given: set[str]


def read_entries(nodes: "Sequence[NodeProto]", cache: Attributes) -> Entries:
    """The nodes after all that they need: always the first in the file of those that are ready.

    Where a cycle leaves none ready, the first in the file goes on.
    """
    entries: list[Entry] = []
    asked: set[str] = set()
    given: set[str] = set()
    in_order = True
    for index, node in enumerate(nodes):
        takes, gives, held, metadata = node.input[:], node.output[:], node.attribute, node.metadata_props
        while gives and not gives[-1]:
            gives.pop()
        attributes = cache.read(held) if held else ()
        told = {each.key: each.value for each in metadata} if metadata else _NOTHING
        entries.append((index, node.name, node.domain, node.op_type, tuple(takes), tuple(gives), attributes, told))
        asked.update(_uses(node, attributes) if held else takes)
        in_order = in_order and asked.isdisjoint(gives)
        given.update(gives)
    given.discard("")
    # A name that is given twice may have been asked for in between, so this looks closer.
    return Entries(nodes, entries if in_order else _sorted(nodes, entries), given)


def _sorted(nodes: "Sequence[NodeProto]", entries: Sequence[Entry]) -> Sequence[Entry]:
    uses = [_uses(node, attributes) for node, (*_, attributes, _) in zip(nodes, entries, strict=True)]
    producer: dict[str, int] = {}
    for index, (*_, gives, _, _) in enumerate(entries):
        for name in gives:
            producer.setdefault(name, index)
    producer.pop("", None)
    if all(producer.get(name, -1) < index for index, names in enumerate(uses) for name in names):
        return entries
    edges = {(producer[name], index) for index, names in enumerate(uses) for name in names if name in producer}
    return [entries[index] for index in execution_order(len(entries), sorted(edges))]


def _uses(node: "NodeProto", attributes: Sequence[Attribute]) -> Sequence[str]:
    """The names that a node takes, itself or in a body of its own."""
    graphs = [graph for attribute in attributes for graph in attribute.graphs]
    if not graphs:
        takes: list[str] = node.input[:]
        return takes
    found = [name for inner in all_nodes([node]) for name in inner.input]
    # A body may also give back an outer value as it is.
    return found + [value.name for graph in graphs for value in graph.output]
