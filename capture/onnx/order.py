"""The order in which a graph's nodes run.

ONNX asks files to be sorted, not every file is; the runtimes sort, and so do we.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from graphreel.capture.onnx.functions import all_nodes
from graphreel.graph.order import execution_order

if TYPE_CHECKING:
    from onnx import NodeProto


def in_execution_order(nodes: "Sequence[NodeProto]") -> "list[NodeProto]":
    """The nodes after all that they need: always the first in the file of those that are ready.

    Sorted files come back as they are. Where a cycle leaves none ready, the first in the file goes on.
    """
    needs = _needs(nodes)
    if not any(before > node for node, befores in enumerate(needs) for before in befores):
        return list(nodes)
    edges = ((before, node) for node, befores in enumerate(needs) for before in befores)
    return [nodes[node] for node in execution_order(len(nodes), edges)]


def _needs(nodes: "Sequence[NodeProto]") -> list[set[int]]:
    """For each node the other nodes whose outputs it takes, itself or in a body of its own."""
    producer: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in node.output:
            producer.setdefault(name, index)
    producer.pop("", None)
    found: list[set[int]] = []
    for index, node in enumerate(nodes):
        befores = {producer[name] for name in _uses(node) if name in producer}
        befores.discard(index)
        found.append(befores)
    return found


def _uses(node: "NodeProto") -> Iterator[str]:
    if not any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
        yield from node.input
        return
    for inner in all_nodes([node]):
        yield from inner.input
    # A body may also give back an outer value as it is.
    for attribute in node.attribute:
        yield from (value.name for value in attribute.g.output)
