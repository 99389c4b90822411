"""The last phase: an edge from a forward box to its backward box is drawn after all where nothing stands between them.

Both stand in one row, so it is a straight line from side to side. What it crosses are edges and the borders of groups
around its ends, never a box, a stub or another group.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from graphreel.graph import Phase, Progress, Unwatched
from graphreel.graph.types import IntColumn
from graphreel.layout.columns import Tree
from graphreel.layout.grid import overlapping
from graphreel.layout.sheets import holds, walk
from graphreel.layout.stubs import placed
from graphreel.layout.types import BoxKind, FloatColumn, LayoutOptions, Placement, Stubs, VisibleGraph

_CLEAR = 3.0
"""How far a line stays from stubs and from corners."""


def bridged(
    view: VisibleGraph,
    tree: Tree,
    placement: Placement,
    rooms: FloatColumn,
    options: LayoutOptions,
    progress: Progress = Unwatched(),
) -> Placement:
    """The placement with such lines, and without the stubs that stood for them.

    `rooms` is what the stubs of each box may take (see `stubs.rooms`). O(boxes log boxes).
    """
    progress.step(0, 0)
    edges = _candidates(view, tree)
    if not len(edges):
        return placement
    others = _without(placement.stubs, edges)
    height = _heights(view, placement, others, edges, options)
    edges, height = edges[~np.isnan(height)], height[~np.isnan(height)]
    progress.step(0, 0)
    free = _free(view, placement, rooms, edges, height)
    progress.step(0, 0)
    edges, height = edges[free], height[free]
    start, points = _with_lines(view, placement, edges, height)
    stubs = placed(_without(placement.stubs, edges), placement.rects, options)
    return replace(placement, route_start=start, route_points=points, stubs=stubs)


def _candidates(view: VisibleGraph, tree: Tree) -> IntColumn:
    """Edges from a forward box to its partner."""
    source, target = view.edge_source, view.edge_target
    found = (tree.partner[source] == target) & (tree.column[source] == Phase.FORWARD)
    return np.flatnonzero(found).astype(np.int32)


def _without(stubs: Stubs, edges: IntColumn) -> Stubs:
    """The stubs for all edges but these."""
    kept = ~np.isin(stubs.edge, edges)
    owner = np.repeat(np.arange(len(stubs.box)), np.diff(stubs.start))
    counts = np.bincount(owner[kept], minlength=len(stubs.box))
    rows = counts > 0
    start = np.append(0, np.cumsum(counts[rows])).astype(np.int32)
    return Stubs(stubs.box[rows], stubs.leaves[rows], stubs.rects[rows], start, stubs.edge[kept])


def _heights(
    view: VisibleGraph, placement: Placement, others: Stubs, edges: IntColumn, options: LayoutOptions
) -> FloatColumn:
    """Where each line may run: through the middles, or above the other stubs of both boxes; NaN for nowhere."""
    source, target = view.edge_source[edges], view.edge_target[edges]
    counts = np.zeros((len(view.kind), 2), dtype=np.int64)
    np.add.at(counts, (others.box, others.leaves), 1)
    stack = np.maximum(counts[source, 1], counts[target, 0])
    high = stack * options.stub_height + np.maximum(stack - 1, 0) * options.stub_gap
    rects = placement.rects
    one, other = (rects[box, 1] + rects[box, 3] / 2 for box in (source, target))
    found = np.where(stack > 0, one - high / 2 - _CLEAR, one)
    tops = np.maximum(rects[source, 1], rects[target, 1]) + _CLEAR
    return np.where((np.abs(one - other) < 0.01) & (found >= tops), found, np.nan)


def _free(
    view: VisibleGraph, placement: Placement, rooms: FloatColumn, edges: IntColumn, height: FloatColumn
) -> npt.NDArray[np.bool_]:
    """Which lines meet no box, no room of its stubs, and no group that is not around one of the line's ends."""
    rects, source, target = placement.rects, view.edge_source[edges], view.edge_target[edges]
    start, end = rects[source, 0] + rects[source, 2], rects[target, 0]
    lines = np.stack((start, height, end, height), axis=1)
    room = rooms[: len(rects)]
    middle = rects[:, 1] + rects[:, 3] / 2
    half = np.maximum(rects[:, 3], room[:, 2]) / 2
    cells = np.stack(
        (rects[:, 0] - room[:, 0], middle - half, rects[:, 0] + rects[:, 2] + room[:, 1], middle + half), axis=1
    )
    line, found_box = overlapping(lines, cells)
    box = found_box.astype(np.int32)
    place, size = walk(view.parent)
    group = view.kind[box] == BoxKind.GROUP
    around = holds(place, size, box, source[line]) | holds(place, size, box, target[line])
    foreign = np.where(group, ~around, (box != source[line]) & (box != target[line]))
    found: npt.NDArray[np.bool_] = end > start
    found[line[foreign]] = False
    return found


def _with_lines(
    view: VisibleGraph, placement: Placement, edges: IntColumn, height: FloatColumn
) -> tuple[IntColumn, FloatColumn]:
    """All routes, with four points for each line."""
    rects = placement.rects
    source, target = view.edge_source[edges], view.edge_target[edges]
    start, end = rects[source, 0] + rects[source, 2], rects[target, 0]
    share = np.array([0.0, 1 / 3, 2 / 3, 1.0])
    x = start[:, None] + (end - start)[:, None] * share
    lines = np.stack((x, np.repeat(height[:, None], 4, axis=1)), axis=2).reshape(-1, 2)
    counts = np.diff(placement.route_start).astype(np.int64)
    at = np.repeat(placement.route_start[edges], 4)
    counts[edges] = 4
    points = np.insert(placement.route_points, at, lines, axis=0)
    return np.append(0, np.cumsum(counts)).astype(np.int32), points
