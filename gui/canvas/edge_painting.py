"""Paints the routes of edges: many with one call, straight where the picture is small."""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPen

from graphreel.gui.canvas.batches import PATH_CHUNK, Batches, curves, polygons
from graphreel.layout.types import FloatColumn, Placement
from graphreel.render import Theme
from graphreel.render.shapes import arrow_heads
from graphreel.render.spatial import Rows

CURVE_FROM, HEAD_FROM = 0.16, 0.2
"""Zoom from which on edges are curves, and have arrow heads; below, straight lines without."""


def routes(placement: Placement, edges: Rows) -> Placement:
    """The placement with the routes of these edges only, in this order."""
    start = placement.route_start
    counts = (start[edges + 1] - start[edges]).astype(np.intp)
    begins = np.concatenate([[0], np.cumsum(counts)])
    rows = np.arange(begins[-1]) + np.repeat(start[edges] - begins[:-1], counts)
    return replace(placement, route_start=begins, route_points=placement.route_points[rows])


def paint_routes(
    painter: QPainter, batches: Batches, placement: Placement, edges: Rows, pen: QPen, zoom: float
) -> Generator[None]:
    """Draw the routes of these edges, all of which have one, with a pen; stops after each call to Qt."""
    some = routes(placement, edges)
    starts, points = some.route_start, some.route_points
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if zoom < CURVE_FROM:
        yield from batches.lines(painter, _straight(starts, points))
        return
    for at in range(0, len(edges), PATH_CHUNK):
        bounds = starts[at : at + PATH_CHUNK + 1]
        painter.drawPath(curves(points[bounds[0] : bounds[-1]], bounds - bounds[0]))
        yield
    if zoom >= HEAD_FROM:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QBrush(pen.color()))
        heads = arrow_heads(some)
        for at in range(0, len(heads), PATH_CHUNK):
            painter.drawPath(polygons(heads[at : at + PATH_CHUNK]))
            yield


def _straight(starts: npt.NDArray[np.integer[Any]], points: FloatColumn) -> FloatColumn:
    """A line for each segment of each route."""
    within = np.arange(len(points)) - np.repeat(starts[:-1], np.diff(starts))
    knots = np.flatnonzero(within % 3 == 0)
    # The last point of a route begins no segment.
    begins = knots[~np.isin(knots, starts[1:] - 1)]
    return np.concatenate([points[begins], points[begins + 3]], axis=1)


def edge_pen(theme: Theme, edge_class: int, zoom: float) -> QPen:
    """The pen of a class of edges; never thinner than a faint pixel."""
    paint = theme.edges[edge_class]
    width = max(paint.width, 0.7 / zoom)
    pen = QPen(QColor(paint.stroke), width)
    if paint.dash and zoom >= CURVE_FROM:
        pen.setDashPattern([length / width for length in paint.dash])
    return pen
