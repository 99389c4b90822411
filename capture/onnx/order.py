"""The order in which a graph's nodes run.

ONNX asks files to be sorted, not every file is; the runtimes sort, and so do we.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphreel.capture.onnx.functions import all_nodes
from graphreel.graph.order import execution_order

if TYPE_CHECKING:
    from onnx import NodeProto


def in_execution_order(nodes: "Sequence[NodeProto]") -> "Sequence[NodeProto]":
    """The nodes after all that they need: always the first in the file of those that are ready.

    Sorted files come back as they are. Where a cycle leaves none ready, the first in the file goes on.
    """
    uses = [_uses(node) for node in nodes]
    producer: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in node.output:
            producer.setdefault(name, index)
    producer.pop("", None)
    if all(producer.get(name, -1) < index for index, names in enumerate(uses) for name in names):
        return nodes
    edges = {(producer[name], index) for index, names in enumerate(uses) for name in names if name in producer}
    return [nodes[index] for index in execution_order(len(nodes), sorted(edges))]


def _uses(node: "NodeProto") -> list[str]:
    """The names that a node takes, itself or in a body of its own."""
    found = list(node.input)
    if node.attribute and any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
        for inner in all_nodes([node]):
            found.extend(inner.input)
        # A body may also give back an outer value as it is.
        found.extend(value.name for attribute in node.attribute for value in attribute.g.output)
    return found
