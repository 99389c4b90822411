"""Paints the chips that stand in place of long edges, and the edges themselves where they are asked for."""

from collections.abc import Generator
from functools import cached_property

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from graphreel.graph.types import IntColumn
from graphreel.gui.canvas.batches import curves
from graphreel.gui.canvas.lettering import Lettering
from graphreel.layout.types import FloatColumn
from graphreel.render import Scene, Theme
from graphreel.render.spatial import Rows
from graphreel.render.styles import COUNT

MOST_WHOLE = 300
"""Edges that are drawn whole at a time; more would hide the picture."""
_BEND = 60.0
"""The least distance over which an edge drawn whole turns from its chip to where it goes."""
_STEP = 48
_FAINT = 130


class StubPainting:
    """Draws the stubs of a scene."""

    def __init__(self, scene: Scene, lettering: Lettering) -> None:
        self._scene, self._lettering = scene, lettering

    def paint(self, painter: QPainter, theme: Theme, stubs: Rows, *, written: bool) -> Generator[None]:
        """Draw these chips, each in the colour of its edges; with their texts where these can be read."""
        chips = self._scene.stub_chips
        painter.setBrush(QColor(theme.page))
        classes, rects = chips.chip_class[stubs], chips.rects[stubs]
        for chip_class in np.unique(classes).tolist():
            color = QColor(theme.edges[chip_class].stroke)
            painter.setPen(QPen(color, 1.0) if written else Qt.PenStyle.NoPen)
            if not written:
                # Too small for an outline: a stroke of the edge's colour.
                color.setAlpha(_FAINT)
                painter.setBrush(color)
            for row, rect in enumerate(rects[classes == chip_class].tolist()):
                painter.drawRoundedRect(QRectF(*rect), rect[3] / 2, rect[3] / 2)
                if row % _STEP == _STEP - 1:
                    yield
        if not written:
            return
        columns = (chips.x[stubs], chips.y[stubs], chips.width[stubs])
        self._lettering.begin(painter)
        try:
            self._lettering.use(painter, COUNT, theme.muted)
            places = zip(stubs.tolist(), *(column.tolist() for column in columns), strict=True)
            for row, (stub, x, y, width) in enumerate(places):
                self._lettering.draw(painter, COUNT, x, y, width, chips.text[stub])
                if row % _STEP == _STEP - 1:
                    yield
        finally:
            painter.restore()

    def paint_whole(self, painter: QPainter, theme: Theme, edges: Rows, zoom: float) -> None:
        """Draw edges that stubs stand for, or the first of them, from chip to chip over everything else."""
        if not len(edges):
            return
        points = self._routes(edges[:MOST_WHOLE])
        pen = QPen(QColor(theme.accent), max(1.75, 1.2 / zoom))
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for at in range(0, len(points), 16):
            some = points[at : at + 16]
            painter.drawPath(curves(some.reshape(-1, 2), np.arange(0, 4 * len(some) + 1, 4)))

    def edges_of(self, stub: int) -> Rows:
        """The edges that a stub stands for."""
        stubs = self._scene.placement.stubs
        return stubs.edge[stubs.start[stub] : stubs.start[stub + 1]].astype(np.intp)

    def edges_at(self, boxes: frozenset[int]) -> Rows:
        """The edges without a route at these boxes."""
        view, chosen = self._scene.view, np.fromiter(boxes, dtype=np.int64)
        hidden = np.unique(self._scene.placement.stubs.edge)
        found = np.isin(view.edge_source[hidden], chosen) | np.isin(view.edge_target[hidden], chosen)
        return hidden[found].astype(np.intp)

    @cached_property
    def _chip_of(self) -> tuple[IntColumn, IntColumn]:
        """The chip at the source and the chip at the target of each edge, or -1."""
        stubs = self._scene.placement.stubs
        owner = np.repeat(np.arange(len(stubs.box), dtype=np.int32), np.diff(stubs.start))
        leaving, entering = np.full((2, len(self._scene.view.edge_source)), -1, dtype=np.int32)
        leaves = stubs.leaves[owner] != 0
        leaving[stubs.edge[leaves]] = owner[leaves]
        entering[stubs.edge[~leaves]] = owner[~leaves]
        return leaving, entering

    def _routes(self, edges: Rows) -> FloatColumn:
        """A spline of one segment for each edge, from right to left side, shape (edges, 4, 2)."""
        view, rects = self._scene.view, self._scene.placement.rects
        leaving, entering = self._chip_of
        start = self._beside(leaving[edges], rects[view.edge_source[edges]], right=True)
        end = self._beside(entering[edges], rects[view.edge_target[edges]], right=False)
        bend = np.maximum(np.abs(end - start).sum(axis=1) / 4, _BEND)[:, None] * np.array([1.0, 0.0])
        return np.stack([start, start + bend, end - bend, end], axis=1)

    def _beside(self, chips: IntColumn, boxes: FloatColumn, *, right: bool) -> FloatColumn:
        """The middle of one side of each chip, or of the box where it has no chip."""
        rects = boxes.copy()
        some = chips >= 0
        rects[some] = self._scene.stub_chips.rects[chips[some]]
        return np.stack([rects[:, 0] + rects[:, 2] * right, rects[:, 1] + rects[:, 3] / 2], axis=1)
