"""The outline as a plain tree over columns: scopes and nodes in execution order, no Qt and no object per row."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphreel.graph import ROOT, Graph
from graphreel.render.classify import short_op

IndexColumn = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class OutlineTree:
    """The rows below each scope: its scopes and nodes, in order of the first node that each of them holds.

    An item is one number: a scope s is item s, a node n is item `scopes + n`. Scopes without nodes are left out.

    Attributes:
        start: The items below scope s are `items[start[s]:start[s + 1]]`.
        items: All items but the root.
        parent: The scope that each item stands in; -1 for the root and for what is left out.
        row: Which row of its parent each item is.
        nodes_in: How many nodes each scope holds, at any depth.
    """

    graph: Graph
    start: IndexColumn
    items: IndexColumn
    parent: IndexColumn
    row: IndexColumn
    nodes_in: IndexColumn

    @property
    def scopes(self) -> int:
        """How many items are scopes; the items from here on are nodes."""
        return self.graph.scope_count

    def count(self, item: int) -> int:
        """How many rows stand below an item."""
        return int(self.start[item + 1] - self.start[item]) if item < self.scopes else 0

    def child(self, item: int, row: int) -> int:
        """The item in a row below a scope."""
        return int(self.items[self.start[item] + row])

    def label(self, item: int) -> str:
        """What the row says: a node's op in short, a scope's name and class."""
        if item >= self.scopes:
            return short_op(self.graph.node(item - self.scopes).op)
        scope = self.graph.scope(item)
        return f"{scope.name}   {scope.type}" if scope.type not in ("", scope.name) else scope.name

    def detail(self, item: int) -> str:
        """What stands beside it: how many nodes a scope holds; a node's number in execution order."""
        return f"#{item - self.scopes}" if item >= self.scopes else f"{self.nodes_in[item]:,}"

    def full(self, item: int) -> str:
        """The whole of it: op and scope path, or path and class."""
        if item >= self.scopes:
            node = self.graph.node(item - self.scopes)
            return f"{node.op}\n{node.scope.path}".strip()
        scope = self.graph.scope(item)
        return f"{scope.path}\n{scope.type}".strip()


def outline(graph: Graph) -> OutlineTree:
    """The tree of a graph; O((nodes + scopes) log)."""
    scopes, nodes = graph.scope_count, graph.node_count
    first = np.full(scopes, nodes, dtype=np.int64)
    np.minimum.at(first, graph.nodes.scope, np.arange(nodes))
    held = np.bincount(graph.nodes.scope, minlength=scopes).astype(np.int64)
    parents = graph.scopes.parent
    for scope in range(scopes - 1, 0, -1):  # parents stand before their children
        parent = parents[scope]
        first[parent] = min(first[parent], first[scope])
        held[parent] += held[scope]
    parent = np.concatenate([parents, graph.nodes.scope]).astype(np.int64)
    order_key = np.concatenate([first, np.arange(nodes)])
    parent[:scopes][held == 0] = -1
    parent[ROOT] = -1
    # A scope comes before the first node in it, which has the same number, hence the item as the last key.
    items = np.lexsort((np.arange(scopes + nodes), order_key, parent))
    items = items[parent[items] >= 0]
    start = np.searchsorted(parent[items], np.arange(scopes + 1))
    row = np.zeros(scopes + nodes, dtype=np.int64)
    row[items] = np.arange(len(items)) - start[parent[items]]
    return OutlineTree(graph, start, items, parent, row, held)
