"""Which boxes and edges show for a set of expanded scopes.

Nothing here knows sizes or positions. Everything is done on whole columns: 100,000 nodes take well under a second.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from graphreel.graph import NONE, ROOT, Direction, Graph, ScopeId, ValueKind, flow_edges
from graphreel.graph.types import ByteColumn, IntColumn
from graphreel.layout.types import BoxKind, EdgeKind, VisibleGraph


@dataclass(frozen=True, slots=True, eq=False)
class ScopeTree:
    """What the hierarchy says of each scope.

    Attributes:
        depth: How many scopes stand around each; 0 for the root.
        order: The place of each scope in a walk that takes a scope before what is in it.
        first: The first node in or below each scope; the number of nodes where there is none.
        opened: Whether the scope and all around it are expanded; always so for the root, never where nothing is in it.
        shown: The scope that shows in the place of each: itself, or the outermost collapsed one around it.
    """

    depth: IntColumn
    order: IntColumn
    first: IntColumn
    opened: ByteColumn
    shown: IntColumn


@dataclass(frozen=True, slots=True, eq=False)
class _Boxes:
    """Boxes before they are numbered: `holder` is the scope around each."""

    kind: IntColumn
    ref: IntColumn
    holder: IntColumn
    first: IntColumn


@dataclass(frozen=True, slots=True, eq=False)
class _Crossings:
    """Values that enter from outside: one row for each consumer."""

    value: IntColumn
    consumer: IntColumn


def visible(graph: Graph, expanded: Collection[ScopeId]) -> VisibleGraph:
    """The boxes and edges to draw while these scopes are expanded.

    A scope inside a collapsed one does not show, whether expanded or not; nor does a scope without any node. Values of
    kind input and the graph's outputs get a box outside of every scope; other values that enter from outside are told
    inside their consumers.
    """
    tree = scope_tree(graph, expanded)
    entering = _entering(graph)
    boxes = _boxes(graph, tree, entering)
    order = _box_order(graph, tree, boxes)
    kind, ref, holder, first = boxes.kind[order], boxes.ref[order], boxes.holder[order], boxes.first[order]
    box_of = _Numbers(graph, kind, ref)
    source, target, value = _edges(graph, tree, entering, box_of)
    return _assembled(graph, kind, ref, box_of.scope[holder], first, (source, target, value), box_of.nodes(graph, tree))


def scope_tree(graph: Graph, expanded: Collection[int] = ()) -> ScopeTree:
    """Walk the hierarchy once, down and up: O(scopes)."""
    count, nodes = graph.scope_count, graph.node_count
    parents = graph.scopes.parent.tolist()
    column = np.full(count, nodes, dtype=np.int64)
    np.minimum.at(column, graph.nodes.scope, np.arange(nodes))
    first, size = column.tolist(), [1] * count
    for scope in range(count - 1, 0, -1):
        parent = parents[scope]
        size[parent] += size[scope]
        first[parent] = min(first[parent], first[scope])
    opened, shown, depth = [False] * count, [0] * count, [0] * count
    order, following = [0] * count, [1] * count
    opened[ROOT] = True
    wanted = set(map(int, expanded))
    for scope in range(1, count):
        parent = parents[scope]
        depth[scope] = depth[parent] + 1
        order[scope] = following[parent]
        following[parent] += size[scope]
        following[scope] = order[scope] + 1
        shown[scope] = scope if opened[parent] else shown[parent]
        opened[scope] = opened[parent] and scope in wanted and first[scope] < nodes
    return ScopeTree(_ints(depth), _ints(order), _ints(first), np.array(opened, dtype=np.uint8), _ints(shown))


def _entering(graph: Graph) -> _Crossings:
    """Values of kind input without a producer, with each node that takes them, also through bodies' boundaries."""
    source = np.arange(graph.value_count, dtype=np.int32)
    table = graph.boundaries
    enters = table.direction == Direction.ENTER
    source[table.inner[enters]] = table.outer[enters]
    source[table.outer[~enters]] = table.inner[~enters]
    made = graph.values.producer != NONE
    source[made] = np.flatnonzero(made)
    # Bodies nest: follow to the outermost value. Twice as far each time, and no further where a file has a circle.
    for _ in range(32):
        further = source[source]
        if np.array_equal(further, source):
            break
        source = further
    consumer = np.repeat(np.arange(graph.node_count, dtype=np.int32), np.diff(graph.inputs.start))
    value = source[graph.inputs.value]
    kept = (graph.values.kind[value] == ValueKind.INPUT) & (graph.values.producer[value] == NONE)
    return _Crossings(value[kept], consumer[kept])


def _boxes(graph: Graph, tree: ScopeTree, entering: _Crossings) -> _Boxes:
    nodes = np.flatnonzero(tree.opened[graph.nodes.scope]).astype(np.int32)
    scopes = np.arange(1, graph.scope_count, dtype=np.int32)
    scopes = scopes[(tree.opened[graph.scopes.parent[1:]] != 0) & (tree.first[1:] < graph.node_count)]
    # What enters the graph and what it gives back stands outside of every scope.
    inputs, input_first = _inputs(graph, entering)
    outputs = np.unique(graph.outputs).astype(np.int32)
    # Outputs come last: whatever runs, runs before the graph gives them back.
    end = np.full(len(outputs), max(graph.node_count - 1, 0), dtype=np.int32)
    return _Boxes(
        kind=np.concatenate(
            (
                np.full(len(nodes), BoxKind.NODE, dtype=np.int32),
                np.where(tree.opened[scopes], BoxKind.GROUP, BoxKind.SCOPE).astype(np.int32),
                np.full(len(inputs), BoxKind.INPUT, dtype=np.int32),
                np.full(len(outputs), BoxKind.OUTPUT, dtype=np.int32),
            )
        ),
        ref=np.concatenate((nodes, scopes, inputs, outputs)),
        holder=np.concatenate(
            (
                graph.nodes.scope[nodes],
                graph.scopes.parent[scopes],
                np.full(len(inputs) + len(outputs), ROOT, dtype=np.int32),
            )
        ),
        first=np.concatenate((nodes, tree.first[scopes], input_first, end)),
    )


def _inputs(graph: Graph, entering: _Crossings) -> tuple[IntColumn, IntColumn]:
    """The values that get an INPUT box, and the node that each comes before: its first consumer."""
    values, row = np.unique(entering.value, return_inverse=True)
    first = np.full(len(values), graph.node_count, dtype=np.int32)
    np.minimum.at(first, row, entering.consumer)
    unused = np.setdiff1d(_given_back_untouched(graph), values)
    end = np.full(len(unused), max(graph.node_count - 1, 0), dtype=np.int32)
    return np.concatenate((values, unused)).astype(np.int32), np.concatenate((first, end))


def _given_back_untouched(graph: Graph) -> IntColumn:
    """Outputs of the graph that are inputs of the graph."""
    values = graph.values
    entering = (values.producer == NONE) & (values.kind == ValueKind.INPUT)
    found: IntColumn = graph.outputs[entering[graph.outputs]]
    return found


def _box_order(graph: Graph, tree: ScopeTree, boxes: _Boxes) -> IntColumn:
    """Execution order; at the same node an outer box before an inner one, and an input before what takes it."""
    depth = tree.depth[boxes.holder]
    last = boxes.kind == BoxKind.OUTPUT
    return np.lexsort((boxes.ref, boxes.kind != BoxKind.INPUT, depth, boxes.first, last)).astype(np.int32)


class _Numbers:
    """The box of each node, scope and value that has one, else -1."""

    def __init__(self, graph: Graph, kind: IntColumn, ref: IntColumn) -> None:
        self.node = np.full(graph.node_count, NONE, dtype=np.int32)
        self.scope = np.full(graph.scope_count, NONE, dtype=np.int32)
        self.entering = np.full(graph.value_count, NONE, dtype=np.int32)
        self.leaving = np.full(graph.value_count, NONE, dtype=np.int32)
        rows = np.arange(len(kind), dtype=np.int32)
        scopes = (kind == BoxKind.SCOPE) | (kind == BoxKind.GROUP)
        for table, chosen in (
            (self.node, kind == BoxKind.NODE),
            (self.scope, scopes),
            (self.entering, kind == BoxKind.INPUT),
            (self.leaving, kind == BoxKind.OUTPUT),
        ):
            table[ref[chosen]] = rows[chosen]

    def nodes(self, graph: Graph, tree: ScopeTree) -> IntColumn:
        """The box in which each node shows."""
        return np.where(self.node == NONE, self.scope[tree.shown[graph.nodes.scope]], self.node).astype(np.int32)


def _edges(
    graph: Graph, tree: ScopeTree, entering: _Crossings, box_of: _Numbers
) -> tuple[IntColumn, IntColumn, IntColumn]:
    """Source box, target box and value of every node-to-node edge that shows."""
    flow = flow_edges(graph)
    node_box = box_of.nodes(graph, tree)
    source, target = node_box[flow.source], node_box[flow.target]
    # What runs inside a collapsed scope is not an edge of the picture; a node that feeds itself is.
    kept = (source != target) | (flow.source == flow.target) & (box_of.node[flow.source] != NONE)
    outputs = np.unique(graph.outputs)
    producer = _producers(graph, outputs)
    given = np.where(producer == NONE, box_of.entering[outputs], node_box[producer] if len(node_box) else NONE)
    ends = given != NONE
    return (
        np.concatenate((source[kept], box_of.entering[entering.value], given[ends])).astype(np.int32),
        np.concatenate((target[kept], node_box[entering.consumer], box_of.leaving[outputs[ends]])).astype(np.int32),
        np.concatenate((flow.value[kept], entering.value, outputs[ends])).astype(np.int32),
    )


def _producers(graph: Graph, values: IntColumn) -> IntColumn:
    """The node that makes each value, seen through the boundaries that values leave bodies by; -1 for none."""
    at = values.copy()
    table = graph.boundaries
    leaves = table.direction == Direction.LEAVE
    inner = np.arange(graph.value_count, dtype=np.int32)
    inner[table.outer[leaves]] = table.inner[leaves]
    for _ in range(32):
        at = np.where(graph.values.producer[at] == NONE, inner[at], at)
    return graph.values.producer[at]


def _assembled(
    graph: Graph,
    kind: IntColumn,
    ref: IntColumn,
    parent: IntColumn,
    first: IntColumn,
    edges: tuple[IntColumn, IntColumn, IntColumn],
    node_box: IntColumn,
) -> VisibleGraph:
    """Merge edges alike in both ends and kind, and put all together."""
    source, target, value = edges
    edge_kind = np.where(value == NONE, EdgeKind.CONTROL, EdgeKind.DATA)
    key = (source.astype(np.int64) * len(kind) + target) * len(EdgeKind) + edge_kind
    _, chosen, counts = np.unique(key, return_index=True, return_counts=True)
    return VisibleGraph(
        graph=graph,
        kind=kind.astype(np.uint8),
        ref=ref.astype(np.int32),
        parent=parent.astype(np.int32),
        first=first.astype(np.int32),
        edge_source=source[chosen],
        edge_target=target[chosen],
        edge_value=value[chosen],
        edge_count=counts.astype(np.int32),
        edge_kind=edge_kind[chosen].astype(np.uint8),
        node_box=node_box,
    )


def _ints(numbers: list[int]) -> IntColumn:
    return np.array(numbers, dtype=np.int32)
