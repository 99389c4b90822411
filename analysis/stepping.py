"""Stepping: a cursor over the execution order of one iteration.

Nodes are numbered in the order they ran, so a step is an addition; what takes thought is keeping the place when
another iteration, with another graph, comes on screen.
"""

from dataclasses import dataclass

from graphreel.graph import Graph, NodeId, node_keys


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where stepping stands: an iteration, and the node in it, or None before the first step."""

    iteration: int
    node: NodeId | None = None


def first(cursor: Cursor, graph: Graph) -> Cursor:
    """At the first node; where the graph has none, the cursor stays."""
    return _at(cursor, graph, 0)


def last(cursor: Cursor, graph: Graph) -> Cursor:
    """At the last node; where the graph has none, the cursor stays."""
    return _at(cursor, graph, graph.node_count - 1)


def next_node(cursor: Cursor, graph: Graph) -> Cursor:
    """One node on; from nowhere to the first, and at the last it stays."""
    return _at(cursor, graph, 0 if cursor.node is None else cursor.node + 1)


def previous_node(cursor: Cursor, graph: Graph) -> Cursor:
    """One node back; from nowhere to the last, and at the first it stays."""
    return _at(cursor, graph, graph.node_count - 1 if cursor.node is None else cursor.node - 1)


def carried(cursor: Cursor, old: Graph, new: Graph, iteration: int) -> Cursor:
    """The same place in another iteration: the node with the same key, else the one with the same number.

    Where the new graph has fewer nodes the cursor stands at its last, and before the first step it stays there.
    """
    if cursor.node is None or new.node_count == 0:
        return Cursor(iteration)
    same = same_node(cursor.node, old, new)
    return Cursor(iteration, _clamped(cursor.node, new) if same is None else same)


def same_node(node: NodeId, old: Graph, new: Graph) -> NodeId | None:
    """The node of `new` that has the key of this node of `old`; None where there is none."""
    if old is new:
        return node
    keys = node_keys(new)
    wanted = node_keys(old)[node]
    # From one iteration to the next most nodes keep their number.
    if node < len(keys) and keys[node] == wanted:
        return node
    return NodeId(keys.index(wanted)) if wanted in keys else None


def _at(cursor: Cursor, graph: Graph, node: int) -> Cursor:
    return cursor if graph.node_count == 0 else Cursor(cursor.iteration, _clamped(node, graph))


def _clamped(node: int, graph: Graph) -> NodeId:
    return NodeId(min(max(node, 0), graph.node_count - 1))
