"""Which boxes and edges show for a set of expanded scopes.

Nothing here knows sizes or positions. Everything is done on whole columns, and what does not depend on the expansion
is known already (`facts`): to expand a scope costs a few passes over the nodes and edges of the graph.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphreel.graph import NONE, ROOT, Graph, ScopeId
from graphreel.graph.types import ByteColumn, IntColumn
from graphreel.layout.facts import Facts, facts
from graphreel.layout.hiding import Hidden, less
from graphreel.layout.types import SCOPE_KINDS, BoxKind, EdgeKind, VisibleGraph


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """How the hierarchy shows.

    Attributes:
        opened: Whether the scope and all around it are expanded; always so for the root, never where nothing is in it.
        folded: Whether the scope stands in an open one as part of a run that shows as one box.
        stand_in: The scope that shows in the place of each: itself, the outermost collapsed one around it, or the
            first of that one's run.
    """

    opened: ByteColumn
    folded: ByteColumn
    stand_in: IntColumn


@dataclass(frozen=True, slots=True, eq=False)
class _Boxes:
    """Boxes before they are numbered: `holder` is the scope around each."""

    kind: IntColumn
    ref: IntColumn
    holder: IntColumn
    first: IntColumn

    def taken(self, rows: IntColumn) -> "_Boxes":
        return _Boxes(self.kind[rows], self.ref[rows], self.holder[rows], self.first[rows])


def visible(
    graph: Graph,
    expanded: Collection[ScopeId],
    unfolded: Collection[ScopeId] = (),
    hidden: Hidden | None = None,
) -> VisibleGraph:
    """The boxes and edges to draw while these scopes are expanded.

    A run of repeated scopes (`repeats`) shows as one FOLD box, unless one of them is in `unfolded` or in `expanded`.
    A scope inside a collapsed one does not show, whether expanded or not; nor does a scope without any node. Values of
    kind input and the graph's outputs get a box outside of every scope; other values that enter from outside are told
    inside their consumers. Of `hidden` nodes none shows, nor a scope that holds no other.
    """
    known, through = facts(graph), (np.zeros(0, np.int32), np.zeros(0, np.int32))
    gone = np.zeros(graph.node_count, dtype=bool) if hidden is None else hidden.nodes
    if hidden is not None:
        known, *ends = less(graph, known, hidden)
        through = ends[0], ends[1]
    shown = _shown(graph, known, expanded, unfolded)
    boxes = _boxes(graph, known, shown, gone)
    boxes = boxes.taken(_box_order(known, boxes))
    box_of = _Numbers(graph, boxes)
    node_box = np.where(box_of.node == NONE, box_of.scope[shown.stand_in[graph.nodes.scope]], box_of.node)
    node_box = np.where(gone, NONE, node_box)
    edges = _edges(known, node_box, box_of, through)
    return _assembled(graph, boxes, box_of.scope[boxes.holder], edges, node_box.astype(np.int32))


def _shown(graph: Graph, known: Facts, expanded: Collection[int], unfolded: Collection[int]) -> _Shown:
    """Walk the hierarchy: O(scopes × log depth)."""
    count, parent = graph.scope_count, graph.scopes.parent
    rows = np.arange(count, dtype=np.int32)
    wanted = _marked(count, expanded) & (known.first < graph.node_count)
    wanted[ROOT] = True
    opened = _followed(np.where(wanted, parent, rows)) == ROOT
    opened[ROOT] = True
    opened &= wanted
    runs = known.repeats.first
    loose = np.zeros(count + 1, dtype=bool)
    loose[runs[wanted | _marked(count, unfolded)]] = True
    folded = (runs != NONE) & ~loose[runs] & opened[parent]
    stand_in = np.where(folded, runs, np.where(opened[parent], rows, parent))
    return _Shown(opened.astype(np.uint8), folded.astype(np.uint8), _followed(stand_in))


def _marked(count: int, scopes: Collection[int]) -> npt.NDArray[np.bool_]:
    rows = np.fromiter(scopes, dtype=np.int64, count=len(scopes))
    return np.isin(np.arange(count), rows)


def _followed(step: IntColumn) -> IntColumn:
    """Where each row gets by following `step` until it stays."""
    while not np.array_equal(further := step[step], step):
        step = further
    return step


def _boxes(graph: Graph, known: Facts, shown: _Shown, gone: npt.NDArray[np.bool_]) -> _Boxes:
    nodes = np.flatnonzero((shown.opened[graph.nodes.scope] != 0) & ~gone).astype(np.int32)
    scopes = np.arange(1, graph.scope_count, dtype=np.int32)
    scopes = scopes[(shown.opened[graph.scopes.parent[1:]] != 0) & (known.first[1:] < graph.node_count)]
    scopes = scopes[shown.stand_in[scopes] == scopes]
    kinds = np.where(shown.folded[scopes], BoxKind.FOLD, np.where(shown.opened[scopes], BoxKind.GROUP, BoxKind.SCOPE))
    inputs, outputs = known.inputs, known.outputs
    # Outputs come last: whatever runs, runs before the graph gives them back.
    end = np.full(len(outputs), max(graph.node_count - 1, 0), dtype=np.int32)
    # What enters the graph and what it gives back stands outside of every scope.
    outside = np.full(len(inputs) + len(outputs), ROOT, dtype=np.int32)
    return _Boxes(
        kind=np.concatenate(
            (
                np.full(len(nodes), BoxKind.NODE, dtype=np.int32),
                kinds.astype(np.int32),
                np.full(len(inputs), BoxKind.INPUT, dtype=np.int32),
                np.full(len(outputs), BoxKind.OUTPUT, dtype=np.int32),
            )
        ),
        ref=np.concatenate((nodes, scopes, inputs, outputs)),
        holder=np.concatenate((graph.nodes.scope[nodes], graph.scopes.parent[scopes], outside)),
        first=np.concatenate((nodes, known.first[scopes], known.input_first, end)),
    )


def _box_order(known: Facts, boxes: _Boxes) -> IntColumn:
    """Execution order; at the same node an outer box before an inner one, and an input before what takes it."""
    depth = known.depth[boxes.holder]
    last = boxes.kind == BoxKind.OUTPUT
    return np.lexsort((boxes.ref, boxes.kind != BoxKind.INPUT, depth, boxes.first, last)).astype(np.int32)


class _Numbers:
    """The box of each node, scope and value that has one, else -1."""

    def __init__(self, graph: Graph, boxes: _Boxes) -> None:
        self.node = np.full(graph.node_count, NONE, dtype=np.int32)
        self.scope = np.full(graph.scope_count, NONE, dtype=np.int32)
        self.entering = np.full(graph.value_count, NONE, dtype=np.int32)
        self.leaving = np.full(graph.value_count, NONE, dtype=np.int32)
        rows = np.arange(len(boxes.kind), dtype=np.int32)
        for table, chosen in (
            (self.node, boxes.kind == BoxKind.NODE),
            (self.scope, np.isin(boxes.kind, SCOPE_KINDS)),
            (self.entering, boxes.kind == BoxKind.INPUT),
            (self.leaving, boxes.kind == BoxKind.OUTPUT),
        ):
            table[boxes.ref[chosen]] = rows[chosen]


_THROUGH = -2
"""In place of a value: an edge that stands for a way through hidden nodes."""


def _edges(
    known: Facts, node_box: IntColumn, box_of: _Numbers, through: Sequence[IntColumn]
) -> tuple[IntColumn, IntColumn, IntColumn]:
    """Source box, target box and value of every node-to-node edge that shows."""
    ways = node_box[through[0]], node_box[through[1]]
    apart = ways[0] != ways[1]
    source, target = node_box[known.source], node_box[known.target]
    # What runs inside a collapsed scope is not an edge of the picture; a node that feeds itself is.
    kept = np.flatnonzero(source != target)
    loops = np.flatnonzero(known.source == known.target)
    loops = loops[box_of.node[known.source[loops]] != NONE]
    kept = np.sort(np.concatenate((kept, loops))) if len(loops) else kept
    outputs, producer = known.outputs, known.producer
    given = np.where(producer == NONE, box_of.entering[outputs], node_box[producer] if len(node_box) else NONE)
    ends = given != NONE
    return (
        np.concatenate((source[kept], box_of.entering[known.entering], given[ends], ways[0][apart])).astype(np.int32),
        np.concatenate((target[kept], node_box[known.consumer], box_of.leaving[outputs[ends]], ways[1][apart])).astype(
            np.int32
        ),
        np.concatenate((known.value[kept], known.entering, outputs[ends], np.full(apart.sum(), _THROUGH))).astype(
            np.int32
        ),
    )


def _assembled(
    graph: Graph,
    boxes: _Boxes,
    parent: IntColumn,
    edges: tuple[IntColumn, IntColumn, IntColumn],
    node_box: IntColumn,
) -> VisibleGraph:
    """Merge edges alike in both ends and kind, and put all together."""
    source, target, value = edges
    edge_kind = np.where(value == NONE, EdgeKind.CONTROL, EdgeKind.DATA)
    edge_kind = np.where(value == _THROUGH, EdgeKind.THROUGH, edge_kind)
    value = np.maximum(value, NONE)
    key = (source.astype(np.int64) * len(boxes.kind) + target) * len(EdgeKind) + edge_kind
    _, chosen, counts = np.unique(key, return_index=True, return_counts=True)
    folds = boxes.kind == BoxKind.FOLD
    repeats = np.ones(len(boxes.kind), dtype=np.int32)
    repeats[folds] = facts(graph).repeats.count[boxes.ref[folds]]
    return VisibleGraph(
        graph=graph,
        kind=boxes.kind.astype(np.uint8),
        ref=boxes.ref.astype(np.int32),
        parent=parent.astype(np.int32),
        first=boxes.first.astype(np.int32),
        edge_source=source[chosen],
        edge_target=target[chosen],
        edge_value=value[chosen],
        edge_count=counts.astype(np.int32),
        edge_kind=edge_kind[chosen].astype(np.uint8),
        node_box=node_box,
        repeats=repeats,
    )
