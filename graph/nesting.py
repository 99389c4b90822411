"""How scopes stand within one another."""

import numpy as np

from graphreel.graph.model import Graph
from graphreel.graph.types import NONE, IntColumn, ScopeKind


def common_scopes(graph: Graph, one: IntColumn, other: IntColumn) -> IntColumn:
    """The innermost scope that holds both, for each pair of scopes."""
    depth = scope_depths(graph)
    parent = graph.scopes.parent
    left, right = one.copy(), other.copy()
    apart = np.flatnonzero(left != right)
    while len(apart):
        one_side, other_side = left[apart], right[apart]
        deeper = depth[one_side] - depth[other_side]
        left[apart] = np.where(deeper >= 0, parent[one_side], one_side)
        right[apart] = np.where(deeper <= 0, parent[other_side], other_side)
        apart = apart[left[apart] != right[apart]]
    return left


def scope_depths(graph: Graph) -> IntColumn:
    """How many scopes stand around each; 0 for the root."""
    depths = [0] * graph.scope_count
    for scope, parent in enumerate(graph.scopes.parent.tolist()):
        if scope:
            depths[scope] = depths[parent] + 1
    return np.array(depths, dtype=np.int32)


def body_scopes(graph: Graph) -> IntColumn:
    """For each scope the innermost body around it, itself included: a scope that some node owns; -1 for none."""
    owners, parents = graph.scopes.owner.tolist(), graph.scopes.parent.tolist()
    found = [NONE] * graph.scope_count
    # Parents stand before their children.
    for scope, owner in enumerate(owners):
        found[scope] = scope if owner != NONE else found[parents[scope]]
    return np.array(found, dtype=np.int32)


def told_scopes(graph: Graph) -> IntColumn:
    """For each scope the innermost one around it that the source tells of: itself, unless it is detected."""
    parents = graph.scopes.parent
    found = np.where(graph.scopes.kind == ScopeKind.DETECTED, parents, np.arange(graph.scope_count, dtype=np.int32))
    while not np.array_equal(further := found[found], found):
        found = further
    return found


def lifted_ends(graph: Graph, source: IntColumn, target: IntColumn) -> tuple[IntColumn, IntColumn, IntColumn]:
    """Edges between nodes as edges within the innermost scope that holds both: two items, and that scope.

    An item is what stands directly in that scope: a node by its number, or scope s as `graph.node_count + s`.
    """
    at = graph.nodes.scope
    common = common_scopes(graph, at[source], at[target])
    return _item(graph, source, common), _item(graph, target, common), common


def _item(graph: Graph, node: IntColumn, within: IntColumn) -> IntColumn:
    depth, parent = scope_depths(graph), graph.scopes.parent
    scope = graph.nodes.scope[node]
    found = np.where(scope == within, node, NONE).astype(np.int32)
    rows = np.flatnonzero(found == NONE)
    climbing = scope[rows]
    wanted = depth[within[rows]] + 1
    while np.any(higher := depth[climbing] > wanted):
        climbing = np.where(higher, parent[climbing], climbing)
    found[rows] = graph.node_count + climbing
    return found
