"""Finds what meets an area of the picture without looking at the rest: a loose grid in levels. Arrays only.

Each rectangle stands in one cell of one level: the level whose cells are at least as large as it is, the cell of its
upper left corner. So an area meets only rectangles of the cells that it covers and of their neighbours above and left,
and what is too small to be seen is passed over by whole levels.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.layout.types import BoxKind, FloatColumn, Placement, VisibleGraph

Rows: TypeAlias = npt.NDArray[np.intp]
Area: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom."""

_SMALLEST = 32.0
_BITS = 28
"""Of a cell's column and row each, in its key; pictures up to 2^28 × 32 units wide have cells of their own."""


class SpatialIndex:
    """Rectangles, as left, top, right and bottom, shape (rectangles, 4), by where they are.

    Attributes:
        visited: How many rectangles the last question looked at.
    """

    def __init__(self, bounds: FloatColumn) -> None:
        self.bounds = bounds
        self.visited = 0
        extent = np.maximum(bounds[:, 2] - bounds[:, 0], bounds[:, 3] - bounds[:, 1])
        # A rectangle that is nowhere has no extent that is a number; nothing meets it.
        extent = np.where(np.isfinite(extent), np.maximum(extent, 0.0), 0.0)
        level: npt.NDArray[np.int64] = np.ceil(np.log2(np.maximum(extent / _SMALLEST, 1.0))).astype(np.int64)
        self._cells: list[float] = []
        self._spans: list[tuple[int, int]] = []
        """The first and the last row of cells of each level."""
        keys, rows = [np.zeros(0, np.int64)], [np.zeros(0, np.intp)]
        for number, one in enumerate(np.unique(level).tolist()):
            its = np.flatnonzero(level == one)
            cell = _SMALLEST * 2.0**one
            lines = _cells(bounds[its, 1], cell)
            self._cells.append(cell)
            self._spans.append((int(lines.min()), int(lines.max())))
            keys.append((number << 2 * _BITS) | (lines << _BITS) | _cells(bounds[its, 0], cell))
            rows.append(its)
        key, row = np.concatenate(keys), np.concatenate(rows)
        order = np.argsort(key, kind="stable")
        self._keys, self._rows = key[order], row[order]

    def within(self, area: Area, least: float = 0.0) -> Rows:
        """The rectangles that meet an area, in order; without those of levels whose cells are smaller than `least`."""
        starts, ends = self._ranges(area, least)
        counts = ends - starts
        last = np.cumsum(counts)
        candidates = np.arange(last[-1]) + np.repeat(starts - last + counts, counts) if len(last) else starts
        found = self._rows[candidates]
        self.visited = len(found)
        its = self.bounds[found]
        left, top, right, bottom = area
        hit = (its[:, 0] <= right) & (its[:, 2] >= left) & (its[:, 1] <= bottom) & (its[:, 3] >= top)
        return np.sort(found[hit])

    def count(self, area: Area, least: float = 0.0) -> int:
        """About how many rectangles meet an area, rather too many; looks at none."""
        starts, ends = self._ranges(area, least)
        return int((ends - starts).sum())

    def _ranges(self, area: Area, least: float) -> tuple[Rows, Rows]:
        """From where to where in `_rows` the candidates are: a range for each row of cells."""
        left, top, right, bottom = area
        lows, highs = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for number, (cell, (first, last)) in enumerate(zip(self._cells, self._spans, strict=True)):
            if cell < least:
                continue
            # A rectangle begins up to one cell before where it is met.
            lines = np.arange(max(_cell(top, cell) - 1, first), min(_cell(bottom, cell), last) + 1, dtype=np.int64)
            base = (lines << _BITS) | (number << 2 * _BITS)
            lows.append(base | (_cell(left, cell) - 1))
            highs.append(base | _cell(right, cell))
        starts = np.searchsorted(self._keys, np.concatenate(lows), side="left")
        ends = np.maximum(np.searchsorted(self._keys, np.concatenate(highs), side="right"), starts)
        some = ends > starts
        return starts[some], ends[some]


_MIDDLE = 1 << (_BITS - 1)


def _cell(place: float, cell: float) -> int:
    """Cells are counted from far left of and above the picture, so that none is negative."""
    return min(max(math.floor(place / cell), 1 - _MIDDLE), _MIDDLE - 1) + _MIDDLE


def _cells(places: FloatColumn, cell: float) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = np.clip(np.floor(places / cell), 1 - _MIDDLE, _MIDDLE - 1).astype(np.int64)
    return found + _MIDDLE


@dataclass(frozen=True, slots=True, eq=False)
class Whereabouts:
    """What of a picture stands where.

    Attributes:
        frames, nodes: The groups, and the other boxes.
        routed: The edges that are drawn.
        of_frames, of_nodes, of_routed: Where these are, by row of `frames`, `nodes` and `routed`.
        of_stubs: Where the placement's stubs are.
    """

    frames: Rows
    nodes: Rows
    routed: Rows
    of_frames: SpatialIndex
    of_nodes: SpatialIndex
    of_routed: SpatialIndex
    of_stubs: SpatialIndex

    def groups_in(self, area: Area, least: float = 0.0) -> Rows:
        """The groups that meet an area, in the order of the scene; see `SpatialIndex.within`."""
        return self.frames[self.of_frames.within(area, least)]

    def boxes_in(self, area: Area) -> Rows:
        """The other boxes that meet an area."""
        return self.nodes[self.of_nodes.within(area)]

    def edges_in(self, area: Area, least: float = 0.0) -> Rows:
        """The edges whose surroundings meet an area."""
        return self.routed[self.of_routed.within(area, least)]


def whereabouts(view: VisibleGraph, placement: Placement) -> Whereabouts:
    """Note where everything stands. O(n log n) for n boxes and points of edges."""
    is_group = view.kind == BoxKind.GROUP
    frames, nodes = np.flatnonzero(is_group), np.flatnonzero(~is_group)
    routed = np.flatnonzero(np.diff(placement.route_start) > 0)
    around = np.zeros((0, 4))
    if len(routed):
        # Edges without a route have no points, so that those of each other edge are in one run. A spline stays
        # within its control points.
        start, points = placement.route_start[routed], placement.route_points
        around = np.concatenate([np.minimum.reduceat(points, start), np.maximum.reduceat(points, start)], axis=1)
    around_boxes = corners(placement.rects)
    return Whereabouts(
        frames,
        nodes,
        routed,
        of_frames=SpatialIndex(around_boxes[frames]),
        of_nodes=SpatialIndex(around_boxes[nodes]),
        of_routed=SpatialIndex(around),
        of_stubs=SpatialIndex(corners(placement.stubs.rects)),
    )


def corners(rects: FloatColumn) -> FloatColumn:
    """x, y, width and height as left, top, right and bottom."""
    return np.concatenate([rects[:, :2], rects[:, :2] + rects[:, 2:]], axis=1)
