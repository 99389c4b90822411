"""Which node feeds which: data edges, edges through the boundaries of bodies, and control edges.

Diff, layout and search all need the flow between nodes; it is derived here once.
"""

from dataclasses import dataclass

import numpy as np

from graphreel.graph.model import Graph
from graphreel.graph.types import NONE, Direction, IntColumn


@dataclass(frozen=True, slots=True, eq=False)
class FlowEdges:
    """One row an edge. `value` is the value that flows, or -1 for a control edge. Sorted by target, then input."""

    source: IntColumn
    target: IntColumn
    value: IntColumn


def flow_edges(graph: Graph) -> FlowEdges:
    """Edges from producer to consumer.

    A value that enters a body flows from its producer outside to the consumers of the inner value; where the inner
    value has no producer outside, and for bodies that take nothing, it flows from the node that owns the body. A
    value that leaves a body flows from its producer inside to the consumers of the outer value.
    """
    owner = np.repeat(np.arange(graph.node_count, dtype=np.int32), np.diff(graph.inputs.start))
    value = graph.inputs.value
    origin = _origins(graph)
    rows = [(origin[value], owner, value)]
    rows.extend(_second_exits(graph))
    rows.append((graph.controls.before, graph.controls.after, np.full(len(graph.controls.before), NONE, np.int32)))
    rows.append(_owner_edges(graph, origin))
    source, target, values = (np.concatenate(column).astype(np.int32) for column in zip(*rows, strict=True))
    kept = source != NONE
    source, target, values = source[kept], target[kept], values[kept]
    order = np.argsort(target, kind="stable")
    return FlowEdges(source[order], target[order], values[order])


def _origins(graph: Graph) -> IntColumn:
    """The node that each value comes from, seen through boundaries; -1 for what comes from outside the graph."""
    table = graph.boundaries
    origin = graph.values.producer.copy()
    # An inner value without a producer comes from where its outer value comes from; bodies nest, so follow on.
    enters = table.direction == Direction.ENTER
    leaves = ~enters
    aliases = dict(zip(table.inner[enters].tolist(), table.outer[enters].tolist(), strict=True))
    aliases |= dict(zip(table.outer[leaves].tolist(), table.inner[leaves].tolist(), strict=True))
    for value in aliases:
        at, seen = value, {value}
        while at in aliases and aliases[at] not in seen:
            at = aliases[at]
            seen.add(at)
        found = int(graph.values.producer[at])
        if found != NONE:
            origin[value] = found
    return origin


def _second_exits(graph: Graph) -> list[tuple[IntColumn, IntColumn, IntColumn]]:
    """Edges for values with several inner sources, such as what either branch of an `If` gives."""
    table = graph.boundaries
    leaves = np.flatnonzero(table.direction == Direction.LEAVE)
    chosen = dict(zip(table.outer[leaves].tolist(), leaves.tolist(), strict=True))
    rows: list[tuple[int, int, int]] = []
    for row in leaves.tolist():
        outer = int(table.outer[row])
        if chosen[outer] == row:
            continue
        producer = int(graph.values.producer[table.inner[row]])
        rows.extend((producer, int(consumer), outer) for consumer in graph.consumers_of(outer))
    if not rows:
        return []
    columns = np.array(rows, dtype=np.int32).T
    return [(columns[0], columns[1], columns[2])]


def _owner_edges(graph: Graph, origin: IntColumn) -> tuple[IntColumn, IntColumn, IntColumn]:
    """Control edges from the owner of a body to those of its nodes that nothing else feeds."""
    owners = graph.scopes.owner
    empty = np.zeros(0, np.int32)
    if not np.any(owners != NONE):
        return empty, empty, empty
    # The owner of the innermost body around each scope; parents stand before their children.
    around = owners.copy()
    for scope in range(1, graph.scope_count):
        if around[scope] == NONE:
            around[scope] = around[graph.scopes.parent[scope]]
    fed = np.zeros(graph.node_count, dtype=bool)
    consumer = np.repeat(np.arange(graph.node_count), np.diff(graph.inputs.start))
    fed[consumer[origin[graph.inputs.value] != NONE]] = True
    body = around[graph.nodes.scope]
    targets = np.flatnonzero((body != NONE) & ~fed).astype(np.int32)
    return body[targets], targets, np.full(len(targets), NONE, np.int32)
