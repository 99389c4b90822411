"""Chips on edges that stand for several, where there is room for them."""

from collections import defaultdict
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.layout.types import BoxKind, EdgeKind, FloatColumn, Placement, VisibleGraph
from graphreel.render.scene import EdgeLabels
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
    """Say `×3` on each edge of data that stands for three, unless the chip would cover a box or another chip."""
    edges = np.flatnonzero((view.edge_count > 1) & (view.edge_kind == EdgeKind.DATA))
    taken = _Taken()
    if len(edges):
        for rect in placement.rects[view.kind != BoxKind.GROUP].tolist():
            taken.add(tuple(rect))
    style = TEXT_STYLES[COUNT]
    found: list[tuple[int, _Rect, float, str]] = []
    for edge in edges.tolist():
        text = f"×{view.edge_count[edge]}"
        width = text_width(text, style.size, style.weight)
        route = placement.route_points[placement.route_start[edge] : placement.route_start[edge + 1]]
        rect = _free_spot(route, width + 2 * PADDING, taken)
        if rect is not None:
            taken.add(rect)
            found.append((edge, rect, width, text))
    rects = np.array([rect for _, rect, _, _ in found], dtype=np.float64).reshape(-1, 4)
    return EdgeLabels(
        edge=np.array([edge for edge, *_ in found], dtype=np.int32),
        rects=rects,
        x=rects[:, 0] + PADDING,
        y=rects[:, 1] + HEIGHT / 2 + style.size * 0.36,
        width=np.array([width for _, _, width, _ in found], dtype=np.float64),
        text=tuple(text for *_, text in found),
    )


def _free_spot(route: FloatColumn, width: float, taken: _Taken) -> _Rect | None:
    for share in _SPOTS:
        x, y = point_on_route(route, share)
        rect = (x - width / 2, y - HEIGHT / 2, width, HEIGHT)
        if taken.free((rect[0] - MARGIN, rect[1] - MARGIN, width + 2 * MARGIN, HEIGHT + 2 * MARGIN)):
            return rect
    return None


def point_on_route(route: FloatColumn, share: float) -> tuple[float, float]:
    """The point at this share (0 to 1) of a route's parameter: half is the middle of its middle segment."""
    segments = (len(route) - 1) // 3
    if segments < 1:
        return float(route[0, 0]), float(route[0, 1])
    segment = min(int(share * segments), segments - 1)
    t = share * segments - segment
    weights: npt.NDArray[np.float64] = np.array([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3])
    x, y = weights @ route[3 * segment : 3 * segment + 4]
    return float(x), float(y)
