"""Long edges, before anything is placed: which ones are not drawn, but told by stubs at both of their ends.

An edge becomes stubs where in any group that it passes it would run over too many rows, one of too many beside the
boxes, or one of too many from one source or to one target; and where it joins two phases of a training step. Stubs
need no ports, so the groups around both ends are laid out without a trace of the edge.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.graph import NONE, Phase, Progress
from graphreel.graph.types import IntColumn
from graphreel.layout.columns import Tree
from graphreel.layout.cycles import Flows
from graphreel.layout.layers import LONGEST_ENTRY_SPAN, LONGEST_EXIT_SPAN, LONGEST_SPAN
from graphreel.layout.ports import Legs, legs
from graphreel.layout.ranking import tightened
from graphreel.layout.types import FloatColumn, LayoutOptions, Stubs, VisibleGraph

MOST_ENDS = 20
"""A source with more targets than this in one group, or a target with more sources, has stubs."""

MOST_LANES = 24
"""With more sources than this whose edges run beside the boxes of one group, all of these have stubs."""

MOST_CHIPS = 2
"""A box with more other ends than this on one side has one stub for all of them."""

_Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Which edges are drawn, and what stands for the others.

    Attributes:
        drawn: The numbers of the view's edges that are drawn.
        legs: Of these.
        stubs: In place of the others; rects have a size, but stand nowhere yet.
        group, upper, lower: Edges that are not drawn still say what stands lower: one row a pair of boxes in a group.
    """

    drawn: IntColumn
    legs: Legs
    stubs: Stubs
    group: IntColumn
    upper: IntColumn
    lower: IntColumn


def split(view: VisibleGraph, tree: Tree, options: LayoutOptions, flows: Flows, progress: Progress) -> Split:
    """Decide for every edge. O(edges × depth), but for ranking each group that is unlike the others."""
    source, target = view.edge_source, view.edge_target
    apart = _between_phases(tree, source, target)
    within = np.flatnonzero(~apart)
    table = legs(tree.parent, source[within], target[within])
    progress.step(0, 0)
    far = _far_legs(tree, table, flows, progress)
    far_edge = np.zeros(len(within), dtype=bool)
    if len(within):
        far_edge = np.logical_or.reduceat(far[table.edge_leg], table.edge_start[:-1])
    far_edge |= _loops_beside_stubs(
        source, target, np.concatenate((np.flatnonzero(apart), within[far_edge])).astype(np.int32)
    )[within]
    if not np.any(far_edge):
        nothing = np.zeros(0, dtype=np.int32)
        kept, kept_legs, pairs = within, table, (nothing, nothing, nothing)
    else:
        kept = within[~far_edge]
        kept_legs = legs(tree.parent, source[kept], target[kept])
        pairs = _pairs(table, far_edge)
    pairs = _with_step(view, tree, kept_legs, pairs)
    stubbed = np.sort(np.concatenate((np.flatnonzero(apart), within[far_edge])))
    return Split(kept.astype(np.int32), kept_legs, _chips(view, stubbed.astype(np.int32), options), *pairs)


def _between_phases(tree: Tree, source: IntColumn, target: IntColumn) -> _Mask:
    """Edges from column to column, and all that cross the border of the backward one, which flows upward."""
    one, other = tree.column[source], tree.column[target]
    inside = ((one != NONE) & (other != NONE)) | (one == Phase.BACKWARD) | (other == Phase.BACKWARD)
    found: _Mask = (one != other) & inside
    return found


def _loops_beside_stubs(source: IntColumn, target: IntColumn, stubbed: IntColumn) -> _Mask:
    """Edges from a box to itself where stubs take the room that the loop would need."""
    found: _Mask = (source == target) & np.isin(source, source[stubbed])
    return found


def _far_legs(tree: Tree, table: Legs, flows: Flows, progress: Progress) -> _Mask:
    """Which legs run over too many rows, beside the boxes together with too many others, or to too many."""
    rank, last = _ranks(tree, table, flows, progress)
    entry, leaving = table.tail == NONE, table.head == NONE
    top = np.where(entry, 0, rank[table.tail])
    bottom = np.where(leaving, last[table.group], rank[table.head])
    span = bottom - top
    loop = (table.tail == table.head) & ~entry
    longest = np.where(leaving, LONGEST_EXIT_SPAN, np.where(entry, LONGEST_ENTRY_SPAN, LONGEST_SPAN))
    between = (table.group == tree.step) & (tree.step != NONE)
    lane = ((span > longest) | (span <= 0)) & ~loop & ~between
    net = table.group.astype(np.int64) * len(tree.parent) + table.source
    _, owner, degree = np.unique(net, return_inverse=True, return_counts=True)
    aim = table.group.astype(np.int64) * (len(tree.parent) + 1) + table.head
    _, aimed, into = np.unique(aim, return_inverse=True, return_counts=True)
    far = (span > LONGEST_SPAN) & ~between
    far |= (degree[owner] > MOST_ENDS) & ~leaving & ~loop
    far |= (into[aimed] > MOST_ENDS) & ~leaving & ~loop & ~between
    lane &= ~far
    trunks = np.unique(owner[lane])
    of_group = np.zeros(len(degree), dtype=np.int64)
    of_group[owner] = table.group
    crowd = np.bincount(of_group[trunks] + 1, minlength=len(tree.parent) + 1)
    found: _Mask = far | (lane & (crowd[table.group + 1] > MOST_LANES))
    return found


def _ranks(tree: Tree, table: Legs, flows: Flows, progress: Progress) -> tuple[IntColumn, IntColumn]:
    """The row of each box without regard to ports, and the row below the last one of each group (of the root, at -1).

    Groups whose boxes feed each other alike are ranked once.
    """
    count = len(tree.parent)
    inner = (table.tail != NONE) & (table.head != NONE) & (table.tail != table.head)
    ends = np.stack((tree.local[table.tail[inner]], tree.local[table.head[inner]]), axis=1).astype(np.int32)
    first = np.searchsorted(table.group[inner], np.arange(-1, count + 1)).tolist()
    sizes = np.diff(tree.child_start).tolist()
    rank = np.ones(count, dtype=np.int32)
    last = np.full(count + 1, 2, dtype=np.int32)
    known: dict[tuple[int, bytes], tuple[IntColumn, int]] = {}
    sorted_rank = np.ones(count, dtype=np.int32)
    start = tree.child_start.tolist()
    for group in range(-1, count):
        low, high = first[group + 1], first[group + 2]
        if low == high:
            continue
        key = (sizes[group + 1], ends[low:high].tobytes())
        found = known.get(key)
        if found is None:
            progress.step(0, 0)
            pairs = sorted(set(map(tuple, ends[low:high].tolist())))
            flow, free = flows.of(sizes[group + 1], pairs, progress), [0.0] * sizes[group + 1]
            ranks = tightened(flow, free, free, progress)
            found = known[key] = np.array(ranks, dtype=np.int32), max(ranks) + 1
        sorted_rank[start[group + 1] : start[group + 2]] = found[0]
        last[group] = found[1]
    rank[tree.child] = sorted_rank
    return rank, last


def _with_step(
    view: VisibleGraph, tree: Tree, table: Legs, pairs: tuple[IntColumn, IntColumn, IntColumn]
) -> tuple[IntColumn, IntColumn, IntColumn]:
    """What has no way to or from a training step's columns stands above or below them, as it ran before or after."""
    if tree.step == NONE:
        return pairs
    outer = slice(int(table.group_start[0]), int(table.group_start[1]))
    ends = list(zip(table.tail[outer].tolist(), table.head[outer].tolist(), strict=True))
    told = _reached(tree.step, ends) | _reached(tree.step, [(head, tail) for tail, head in ends])
    inside = np.flatnonzero(tree.column[: tree.boxes] != NONE)
    begins = int(view.first[inside].min())
    others = [box for box in np.flatnonzero(view.parent == NONE).tolist() if tree.column[box] == NONE]
    found = [
        (NONE, box, tree.step) if view.first[box] < begins else (NONE, tree.step, box)
        for box in others
        if box not in told
    ]
    group, upper, lower = np.array(found, dtype=np.int32).reshape(-1, 3).T
    return np.append(group, pairs[0]), np.append(upper, pairs[1]), np.append(lower, pairs[2])


def _reached(start: int, ends: list[tuple[int, int]]) -> set[int]:
    """Everything that edges lead to, itself included."""
    below: dict[int, list[int]] = {}
    for tail, head in ends:
        below.setdefault(tail, []).append(head)
    found, waiting = {start}, [start]
    while waiting:
        for head in below.get(waiting.pop(), []):
            if head not in found:
                found.add(head)
                waiting.append(head)
    return found


def _pairs(table: Legs, far_edge: _Mask) -> tuple[IntColumn, IntColumn, IntColumn]:
    """Group, upper and lower box of the legs between boxes of edges that are not drawn."""
    edge = np.repeat(np.arange(len(far_edge)), np.diff(table.edge_start))
    rows = np.unique(table.edge_leg[far_edge[edge]])
    rows = rows[(table.tail[rows] != NONE) & (table.head[rows] != NONE)]
    found = np.unique(np.stack((table.group[rows], table.tail[rows], table.head[rows]), axis=1), axis=0)
    return found[:, 0], found[:, 1], found[:, 2]


def _chips(view: VisibleGraph, edges: IntColumn, options: LayoutOptions) -> Stubs:
    """The stubs of these edges, beside each other's boxes: by box, what arrives before what leaves."""
    box = np.concatenate((view.edge_target[edges], view.edge_source[edges])).astype(np.int64)
    other = np.concatenate((view.edge_source[edges], view.edge_target[edges])).astype(np.int64)
    leaves = np.repeat(np.array([0, 1], dtype=np.int64), len(edges))
    number = np.concatenate((edges, edges))
    order = np.lexsort((number, other, leaves, box))
    side = (box * 2 + leaves)[order]
    far_end = side * len(view.kind) + other[order]
    _, first, side_of = np.unique(side, return_index=True, return_inverse=True)
    _, first_end = np.unique(far_end, return_index=True)
    several = np.bincount(side_of[first_end], minlength=len(first)) > MOST_CHIPS
    # Where a side has too many ends, they all take the key of the first.
    key = np.where(several[side_of], far_end[first[side_of]], far_end)
    _, start = np.unique(key, return_index=True)
    rects = np.zeros((len(start), 4))
    rects[:, 2], rects[:, 3] = options.stub_width, options.stub_height
    return Stubs(
        box=box[order][start].astype(np.int32),
        leaves=leaves[order][start].astype(np.uint8),
        rects=rects,
        start=np.append(start, len(order)).astype(np.int32),
        edge=number[order].astype(np.int32),
    )


def rooms(stubs: Stubs, boxes: int, options: LayoutOptions) -> FloatColumn:
    """How much room the stubs of each box take on its left and its right, and how high they stand: (boxes, 3)."""
    counts = np.zeros((boxes, 2), dtype=np.int64)
    np.add.at(counts, (stubs.box, stubs.leaves), 1)
    found = np.zeros((boxes, 3))
    found[:, :2] = (counts > 0) * (options.stub_gap + options.stub_width)
    most = counts.max(axis=1, initial=0)
    found[:, 2] = most * options.stub_height + np.maximum(most - 1, 0) * options.stub_gap
    return found


def placed(stubs: Stubs, rects: FloatColumn, options: LayoutOptions) -> Stubs:
    """The stubs beside their boxes, whose rectangles are given: below each other, around the box's middle."""
    side = stubs.box.astype(np.int64) * 2 + stubs.leaves
    _, first, side_of, counts = np.unique(side, return_index=True, return_inverse=True, return_counts=True)
    number = np.arange(len(side)) - first[side_of]
    pitch = options.stub_height + options.stub_gap
    around = rects[stubs.box]
    found = stubs.rects.copy()
    right = around[:, 0] + around[:, 2] + options.stub_gap
    found[:, 0] = np.where(stubs.leaves == 1, right, around[:, 0] - options.stub_gap - found[:, 2])
    middle = around[:, 1] + around[:, 3] / 2
    found[:, 1] = middle + (number - (counts[side_of] - 1) / 2) * pitch - options.stub_height / 2
    return Stubs(stubs.box, stubs.leaves, found, stubs.start, stubs.edge)
