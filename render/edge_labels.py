"""Chips on edges that stand for several, where there is room for them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.graph.types import IntColumn
from graphreel.layout.grid import overlapping
from graphreel.layout.types import BoxKind, EdgeKind, FloatColumn, LayoutOptions, Placement, VisibleGraph
from graphreel.render.scene import EdgeLabels
from graphreel.render.spatial import corners
from graphreel.render.styles import COUNT, TEXT_STYLES
from graphreel.render.text import text_width

HEIGHT, PADDING, MARGIN = 15.0, 5.0, 2.0
_CELL = 128.0
# The first leaves the arrow head of a short edge in sight.
_SPOTS = (0.42, 0.55, 0.3, 0.7, 0.2, 0.8)

_Rect: TypeAlias = tuple[float, float, float, float]


class _Taken:
    """Rectangles that nothing may be drawn over, found by the cells of a grid that they touch."""

    def __init__(self) -> None:
        self.cells: defaultdict[tuple[int, int], list[_Rect]] = defaultdict(list)

    def add(self, rect: _Rect) -> None:
        for cell in _cells(rect):
            self.cells[cell].append(rect)

    def free(self, rect: _Rect) -> bool:
        x, y, width, height = rect
        near = (other for cell in _cells(rect) for other in self.cells.get(cell, ()))
        return not any(x < o[0] + o[2] and o[0] < x + width and y < o[1] + o[3] and o[1] < y + height for o in near)


def _cells(rect: _Rect) -> Iterator[tuple[int, int]]:
    x, y, width, height = rect
    for column in range(int(x // _CELL), int((x + width) // _CELL) + 1):
        for row in range(int(y // _CELL), int((y + height) // _CELL) + 1):
            yield column, row


def edge_labels(view: VisibleGraph, placement: Placement) -> EdgeLabels:
    """Say `×3` on each edge of data that stands for three, unless the chip would cover something else."""
    drawn = np.diff(placement.route_start) > 0
    edges = np.flatnonzero((view.edge_count > 1) & (view.edge_kind == EdgeKind.DATA) & drawn)
    texts = [f"×{count}" for count in view.edge_count[edges].tolist()]
    widths = text_widths(texts)
    rects, free = free_spots(placement, edges, widths, obstacles(view, placement), _SPOTS)
    taken = _Taken()
    kept: list[tuple[int, _Rect]] = []
    for row in np.flatnonzero(free.any(axis=1)).tolist():
        spots = (tuple(rects[row, spot].tolist()) for spot in np.flatnonzero(free[row]).tolist())
        rect = next((rect for rect in spots if taken.free(_grown(rect))), None)
        if rect is not None:
            taken.add(rect)
            kept.append((row, rect))
    rows = np.array([row for row, _ in kept], dtype=np.int32)
    found = np.array([rect for _, rect in kept], dtype=np.float64).reshape(-1, 4)
    return labelled(edges[rows].astype(np.int32), found, widths[rows], [texts[row] for row in rows.tolist()])


def obstacles(view: VisibleGraph, placement: Placement) -> FloatColumn:
    """What no chip may cover: boxes, titles of groups and stubs; left, top, right and bottom of each."""
    taken = placement.rects.copy()
    taken[view.kind == BoxKind.GROUP, 3] = LayoutOptions().group_header
    return corners(np.concatenate((taken, placement.stubs.rects)))


def labelled(edges: IntColumn, rects: FloatColumn, widths: FloatColumn, texts: Sequence[str]) -> EdgeLabels:
    """Chips with their texts in them."""
    return EdgeLabels(
        edge=edges,
        rects=rects,
        x=rects[:, 0] + PADDING,
        y=rects[:, 1] + HEIGHT / 2 + TEXT_STYLES[COUNT].size * 0.36,
        width=widths,
        text=tuple(texts),
    )


def text_widths(texts: Sequence[str]) -> FloatColumn:
    """The widths of chips' texts."""
    style = TEXT_STYLES[COUNT]
    return np.array([text_width(text, style.size, style.weight) for text in texts], dtype=np.float64)


def _grown(rect: _Rect) -> _Rect:
    return rect[0] - MARGIN, rect[1] - MARGIN, rect[2] + 2 * MARGIN, rect[3] + 2 * MARGIN


def free_spots(
    placement: Placement,
    edges: npt.NDArray[np.intp],
    widths: FloatColumn,
    obstacles: FloatColumn,
    shares: Sequence[float],
) -> tuple[FloatColumn, npt.NDArray[np.bool_]]:
    """Where chips could stand on edges at these shares of their routes, and where they would cover no obstacle.

    The first has shape (edges, shares, 4), the second (edges, shares). `widths` are the texts'; obstacles are left,
    top, right and bottom.
    """
    across = widths + 2 * PADDING
    rects = np.zeros((len(edges), len(shares), 4))
    for spot, share in enumerate(shares):
        middles = points_on_routes(placement, edges, share)
        rects[:, spot] = np.stack(
            [middles[:, 0] - across / 2, middles[:, 1] - HEIGHT / 2, across, np.full(len(edges), HEIGHT)], axis=1
        )
    flat = rects.reshape(-1, 4)
    covered, _ = overlapping(corners(flat) + np.array([-MARGIN, -MARGIN, MARGIN, MARGIN]), obstacles)
    free = np.ones(len(flat), dtype=bool)
    free[covered] = False
    return rects, free.reshape(len(edges), len(shares))


def points_on_routes(placement: Placement, edges: npt.NDArray[np.intp], share: float) -> FloatColumn:
    """The point at this share (0 to 1) of each route's parameter: half is the middle of its middle segment."""
    start, end = placement.route_start[edges], placement.route_start[edges + 1]
    segments = np.maximum((end - start - 1) // 3, 1)
    segment = np.minimum((share * segments).astype(np.int64), segments - 1)
    t = (share * segments - segment)[:, None]
    rows = np.minimum(start + 3 * segment, np.maximum(end - 4, start))[:, None] + np.arange(4)
    first, one, two, last = placement.route_points[np.minimum(rows, end[:, None] - 1)].transpose(1, 0, 2)
    found: FloatColumn = first * (1 - t) ** 3 + 3 * one * t * (1 - t) ** 2 + 3 * two * t * t * (1 - t) + last * t**3
    return found
