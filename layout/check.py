"""Checks that a placement keeps what a layout promises. Run after each layout, whoever made it and however."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.graph import NONE, Progress, Unwatched
from graphreel.graph.types import IntColumn
from graphreel.layout.errors import LayoutBug
from graphreel.layout.grid import overlapping
from graphreel.layout.local import Arrangement, Problem
from graphreel.layout.sheets import Sheet, holds, sheet_of, side_by_side, walk
from graphreel.layout.splines import flattened, segments
from graphreel.layout.types import FloatColumn, Placement, VisibleGraph

_Mask: TypeAlias = npt.NDArray[np.bool_]

_TOLERANCE = 0.01
"""Picture units by which rounding may break a promise."""


def check_placement(view: VisibleGraph, placement: Placement) -> None:
    """Raise LayoutBug, naming how often, where a promise is broken.

    Boxes and stubs beside each other do not overlap and lie within their group; routes begin at their source's border
    and end at their target's; no route runs through a box or a stub; every edge has a route, or a stub at both ends.
    """
    unheard = _untold(view, placement)
    if unheard:
        raise LayoutBug.of("an edge has neither a route nor stubs", unheard)
    check_sheet(sheet_of(view, placement))


def check_arrangements(found: Sequence[tuple[Problem, Arrangement]], progress: Progress = Unwatched()) -> None:
    """The same for groups on their own, all at once: if each keeps its promises, so do they put into each other."""
    if found:
        check_sheet(side_by_side(found, progress), progress)


def check_sheet(sheet: Sheet, progress: Progress = Unwatched()) -> None:
    """Raise LayoutBug where a promise is broken."""
    if not np.all(np.isfinite(sheet.rects)) or not np.all(np.isfinite(sheet.route_points)):
        raise LayoutBug.of("a position is not a number")
    faults: dict[str, Callable[[], int]] = {
        "a box sticks out of its group": lambda: _count_outside(sheet),
        "boxes overlap": lambda: _count_overlaps(sheet, progress),
        "a route does not join its boxes": lambda: _count_loose_ends(sheet),
        "an edge runs through a box": lambda: len(_through(sheet, progress)),
    }
    for fault, count in faults.items():
        progress.step(0, 0)
        cases = count()
        if cases:
            raise LayoutBug.of(fault, cases)


def _untold(view: VisibleGraph, placement: Placement) -> int:
    """How many edges have neither a route nor a stub at both of their ends."""
    stubs = placement.stubs
    owner = np.repeat(np.arange(len(stubs.box)), np.diff(stubs.start))
    leaves = stubs.leaves[owner] != 0
    at = np.where(leaves, view.edge_source[stubs.edge], view.edge_target[stubs.edge]) == stubs.box[owner]
    told = np.zeros((len(view.edge_source), 2), dtype=bool)
    told[stubs.edge[at], leaves[at].astype(np.int64)] = True
    return int((~told.all(axis=1) & (np.diff(placement.route_start) == 0)).sum())


def count_overlaps(view: VisibleGraph, placement: Placement) -> int:
    """How many boxes and stubs overlap another one in the same group."""
    return _count_overlaps(sheet_of(view, placement))


def edges_through_boxes(view: VisibleGraph, placement: Placement) -> IntColumn:
    """Pairs (edge, box), shape (pairs, 2), where a route runs through a box that is neither its end nor around it.

    For a stub the second number is -1.
    """
    found = _through(sheet_of(view, placement))
    found[:, 0] = np.flatnonzero(np.diff(placement.route_start))[found[:, 0]]
    return found


def _count_outside(sheet: Sheet) -> int:
    """How many boxes and stubs do not lie within their group, or within the picture."""
    edges = _borders(sheet.rects)
    inner = np.concatenate((edges, _borders(sheet.stubs)))
    parent = np.concatenate((sheet.parent, sheet.stub_parent))
    around = np.append(edges, [[0.0, 0.0, *sheet.size]], axis=0)[parent]
    over = np.concatenate((around[:, :2] - inner[:, :2], inner[:, 2:] - around[:, 2:]), axis=1)
    return int(np.any(over > _TOLERANCE, axis=1).sum())


def _count_overlaps(sheet: Sheet, progress: Progress = Unwatched()) -> int:
    """How many boxes and stubs overlap one behind them beside them."""
    parent = np.concatenate((sheet.parent, sheet.stub_parent))
    inward = _TOLERANCE * np.array([1.0, 1.0, -1.0, -1.0])
    rects = _borders(np.concatenate((sheet.rects, sheet.stubs))) + inward
    one, other = overlapping(rects, rects, progress)
    return len(np.unique(one[(one < other) & (parent[one] == parent[other])]))


def _count_loose_ends(sheet: Sheet) -> int:
    """How many routes do not begin at their source's border or do not end at their target's."""
    counts = np.diff(sheet.route_start)
    broken = (counts < 4) | (counts % 3 != 1)
    if np.any(broken):
        return int(broken.sum())
    start = sheet.route_points[sheet.route_start[:-1]]
    end = sheet.route_points[sheet.route_start[1:] - 1]
    loose = ~_on_border(sheet.rects[sheet.source], start) | ~_on_border(sheet.rects[sheet.target], end)
    return int(loose.sum())


def _through(sheet: Sheet, progress: Progress = Unwatched()) -> IntColumn:
    pieces = segments(sheet.route_start, sheet.route_points)
    progress.step(0, 0)
    hulls = pieces.hulls()
    boxes, rects = _obstacles(sheet)
    progress.step(0, 0)
    piece, obstacle = overlapping(hulls, rects, progress)
    progress.step(0, 0)
    edge, box = pieces.edge[piece], boxes[obstacle]
    place, size = walk(sheet.parent)
    foreign = ~holds(place, size, box, sheet.source[edge]) & ~holds(place, size, box, sheet.target[edge])
    piece, obstacle, edge, box = piece[foreign], obstacle[foreign], edge[foreign], box[foreign]
    inside = _meets(flattened(pieces.points[piece]), rects[obstacle])
    found = np.stack((edge[inside], box[inside]), axis=1)
    return np.unique(found, axis=0).astype(np.int32)


def _obstacles(sheet: Sheet) -> tuple[IntColumn, FloatColumn]:
    """Boxes and stubs as rectangles, a little smaller; of a group only the four sides, since nothing gets in but
    through one."""
    smaller = np.array([0.5, 0.5, -0.5, -0.5])
    borders = _borders(sheet.rects) + smaller
    rows = np.arange(len(sheet.rects), dtype=np.int32)
    frames, groups = borders[~sheet.solid], rows[~sheet.solid]
    sides = [frames.copy() for _ in range(4)]
    for number, side in enumerate(sides):
        side[:, (number + 2) % 4] = side[:, number]
    stubs = np.full(len(sheet.stubs), NONE, dtype=np.int32)
    return (
        np.concatenate((rows[sheet.solid], *[groups] * 4, stubs)),
        np.concatenate((borders[sheet.solid], *sides, _borders(sheet.stubs) + smaller)),
    )


def _borders(rects: FloatColumn) -> FloatColumn:
    """Left, top, right, bottom."""
    return np.concatenate((rects[:, :2], rects[:, :2] + rects[:, 2:]), axis=1)


def _on_border(rects: FloatColumn, points: FloatColumn) -> _Mask:
    low, high = rects[:, :2], rects[:, :2] + rects[:, 2:]
    within = np.all((points >= low - _TOLERANCE) & (points <= high + _TOLERANCE), axis=1)
    near = np.minimum(np.abs(points - low), np.abs(points - high)).min(axis=1) <= _TOLERANCE
    found: _Mask = within & near
    return found


def _meets(lines: FloatColumn, rects: FloatColumn) -> _Mask:
    """Whether any piece of a broken line, shape (lines, places, 2), runs through its rectangle (Liang and Barsky)."""
    start, step = lines[:, :-1], np.diff(lines, axis=1)
    low, high = rects[:, None, :2], rects[:, None, 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (low - start) / step, (high - start) / step
    still = step == 0
    outside = still & ((start < low) | (start > high))
    enter = np.where(still, -np.inf, np.minimum(one, other)).max(axis=2)
    leave = np.where(still, np.inf, np.maximum(one, other)).min(axis=2)
    hits = (np.maximum(enter, 0.0) <= np.minimum(leave, 1.0)) & ~outside.any(axis=2)
    found: _Mask = hits.any(axis=1)
    return found
