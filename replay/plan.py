"""What is to be done, from the graph alone: the nodes in order, and from when on no value of theirs is needed.

Every node up to the cursor is executed, not only those that the cursor's values come from: a write reaches memory
through views, and each random number moves its generator on. What is left out could be told by neither.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from graphreel.graph import NONE, Graph, NodeId


@dataclass(frozen=True, slots=True)
class Step:
    """One node: the values that it takes by position and gives by port, and those that nobody needs after it."""

    node: NodeId
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    frees: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """All nodes of a graph as steps. Values by number: `producer`, `storage`, `version`, `previous`, `base`."""

    graph: Graph
    steps: tuple[Step, ...]
    producer: tuple[int, ...]
    storage: tuple[int, ...]
    version: tuple[int, ...]
    previous: tuple[int, ...]
    base: tuple[int, ...]

    def count(self, until: NodeId | None) -> int:
        """How many steps lead up to a node and include it; None means all."""
        return len(self.steps) if until is None else until + 1


def plan_of(graph: Graph) -> Plan:
    """Plan a graph's execution. O(nodes + values)."""
    values = graph.values
    producer, previous, base = values.producer.tolist(), values.previous.tolist(), values.base.tolist()
    inputs = [tuple(graph.inputs_of(node).tolist()) for node in range(graph.node_count)]
    outputs = [tuple(graph.outputs_of(node).tolist()) for node in range(graph.node_count)]
    frees = _frees(graph.node_count, _last_uses(inputs, producer, previous, base))
    steps = tuple(
        Step(NodeId(node), inputs[node], outputs[node], tuple(frees[node])) for node in range(graph.node_count)
    )
    return Plan(
        graph,
        steps,
        tuple(producer),
        tuple(values.storage.tolist()),
        tuple(values.version.tolist()),
        tuple(previous),
        tuple(base),
    )


def _last_uses(inputs: list[tuple[int, ...]], producer: list[int], previous: list[int], base: list[int]) -> list[int]:
    """The last node for which each value must be there: one that takes it, or that makes another value of it."""
    last = producer.copy()
    comes = producer.copy()
    for node, taken in enumerate(inputs):
        for value in taken:
            last[value] = max(last[value], node)
            if comes[value] == NONE:
                # From outside: it comes when it is first taken.
                comes[value] = node
    for value, node in enumerate(comes):
        for source in (previous[value], base[value]):
            if source != NONE:
                last[source] = max(last[source], node)
    return last


def _frees(nodes: int, last: Iterable[int]) -> list[list[int]]:
    frees: list[list[int]] = [[] for _ in range(nodes)]
    for value, node in enumerate(last):
        if node != NONE:
            frees[node].append(value)
    return frees
