"""All groups put into each other: from arrangements to the columns of a placement."""

from dataclasses import dataclass

import numpy as np

from graphreel.graph import NONE, Progress, Unwatched
from graphreel.graph.types import IntColumn
from graphreel.layout.columns import Tree
from graphreel.layout.grid import ranges
from graphreel.layout.local import Arrangement
from graphreel.layout.stubs import Split, placed
from graphreel.layout.types import SCOPE_KINDS, BoxKind, FloatColumn, LayoutOptions, Placement, VisibleGraph


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Arrangements, and which of them each group has; the outermost level's is the last."""

    arrangements: tuple[Arrangement, ...]
    number: IntColumn


def assembled(
    view: VisibleGraph,
    tree: Tree,
    split: Split,
    sizes: FloatColumn,
    found: Found,
    options: LayoutOptions,
    progress: Progress = Unwatched(),
) -> Placement:
    """Everything in the picture's own coordinates. O(boxes × log depth + points), on whole columns."""
    outer = found.arrangements[found.number[NONE]]
    progress.step(0, 0)
    corners, rows = _corners(tree, found)
    progress.step(0, 0)
    rects = np.zeros((tree.boxes, 4))
    rects[:, :2] = corners[: tree.boxes]
    rects[:, 2:] = sizes
    groups = np.flatnonzero(tree.is_group[: tree.boxes])
    spans = np.array([(a.width, a.height) for a in found.arrangements]).reshape(-1, 2)
    rects[groups, 2:] = spans[found.number[groups]]
    progress.step(0, 0)
    start, points = _routes(view, split, found, corners)
    progress.step(0, 0)
    return Placement(
        rects=rects,
        route_start=start,
        route_points=points,
        size=(outer.width, outer.height),
        refs=references(view),
        rows=rows[: tree.boxes],
        stubs=placed(split.stubs, rects, options),
        graph=view.graph,
    )


def references(view: VisibleGraph) -> IntColumn:
    """What each box stands for, the same for a scope whether it is collapsed or expanded."""
    kind = np.where(np.isin(view.kind, SCOPE_KINDS), BoxKind.SCOPE, view.kind)
    return np.stack((kind, view.ref), axis=1).astype(np.int32)


def _corners(tree: Tree, found: Found) -> tuple[FloatColumn, IntColumn]:
    """Top left corner of each box, and last the picture's own; the row of each box.

    A corner is its group's and so on outward; each step adds what twice as many groups say.
    """
    corners = np.concatenate([a.corners for a in found.arrangements])
    rows = np.array([row for a in found.arrangements for row in a.rows], dtype=np.int32)
    first = np.cumsum([0, *(len(a.corners) for a in found.arrangements)])
    place = first[found.number[tree.parent]] + tree.local
    at = np.concatenate((corners[place], [[0.0, 0.0]]))
    above = np.append(tree.parent, NONE)
    while np.any(above != NONE):
        some = above != NONE
        at = at + np.where(some[:, None], at[above], 0.0)
        above = np.where(some, above[above], NONE)
    return at, rows[place]


def _routes(view: VisibleGraph, split: Split, found: Found, corners: FloatColumn) -> tuple[IntColumn, FloatColumn]:
    """The legs of each edge joined end to end; each but the first begins where the one before ends."""
    table = split.legs
    points = np.concatenate([a.points for a in found.arrangements])
    starts = np.concatenate([a.leg_start[:-1] for a in found.arrangements])
    counts = np.concatenate([np.diff(a.leg_start) for a in found.arrangements])
    starts = starts + np.repeat(_before_each([len(a.points) for a in found.arrangements]), _leg_counts(found))
    first_leg = _before_each(_leg_counts(found))
    row = table.edge_leg
    group = table.group[row]
    leg = first_leg[found.number[group]] + row - table.group_start[group + 1]
    continues = np.ones(len(row), dtype=np.int64)
    continues[table.edge_start[:-1]] = 0
    length = counts[leg] - continues
    route = points[ranges(starts[leg] + continues, length)] + np.repeat(corners[group], length, axis=0)
    per_edge = np.zeros(len(view.edge_source), dtype=np.int64)
    ends = np.append(0, np.cumsum(length))
    per_edge[split.drawn] = ends[table.edge_start[1:]] - ends[table.edge_start[:-1]]
    return np.append(0, np.cumsum(per_edge)).astype(np.int32), route


def _leg_counts(found: Found) -> list[int]:
    return [len(a.leg_start) - 1 for a in found.arrangements]


def _before_each(counts: list[int]) -> IntColumn:
    found: IntColumn = np.cumsum([0, *counts[:-1]])
    return found
