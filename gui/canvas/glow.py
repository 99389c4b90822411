"""Lights up what the thing under the mouse is joined with: a clear sheet over the canvas, which paints nothing anew."""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from graphreel.graph.types import IntColumn
from graphreel.gui.canvas.batches import Batches
from graphreel.gui.canvas.edge_painting import paint_routes
from graphreel.gui.canvas.lettering import Lettering
from graphreel.gui.canvas.neighbours import Neighbours
from graphreel.gui.canvas.stub_painting import StubPainting
from graphreel.gui.canvas.widget import Canvas
from graphreel.render import Scene
from graphreel.render.shapes import corner_radius
from graphreel.render.spatial import Rows

MOST = 300
"""Edges that are lit at a time; more would cover the picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Lit:
    """What is lit: the box or edge under the mouse, the edges, and the boxes that give and take."""

    edges: Rows
    producers: Rows
    consumers: Rows

    @classmethod
    def of_box(cls, neighbours: Neighbours, box: int) -> "Lit":
        """A box's edges and what is at their other ends."""
        view = neighbours.scene.view
        entering, leaving = neighbours.entering(box), neighbours.leaving(box)
        edges = np.unique(np.concatenate([entering, leaving]))
        return cls(edges[:MOST], _some(view.edge_source[entering]), _some(view.edge_target[leaving]))

    @classmethod
    def of_edge(cls, neighbours: Neighbours, edge: int) -> "Lit":
        """The edges along which an edge's value flows, what gives it and what takes it."""
        view, edges = neighbours.scene.view, neighbours.fan(edge)
        return cls(edges[:MOST], _some(view.edge_source[edges]), _some(view.edge_target[edges]))


class Glow(QWidget):
    """Covers a canvas; lets the mouse through, and is hidden while nothing is lit."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self._canvas, self._batches = canvas, Batches()
        self._scene: Scene | None = None
        self._stubs: StubPainting | None = None
        self.lit: Lit | None = None
        self.hide()

    def show_lit(self, scene: Scene | None, lit: Lit | None) -> None:
        """Light this up; nothing where `lit` is None."""
        if scene is not self._scene:
            self._scene, self._stubs = scene, None
        self.lit = lit
        if lit is not None:
            self.setGeometry(self._canvas.rect())
            self.lower()  # below what else floats over the canvas
        self.setVisible(lit is not None)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        lit, scene, camera = self.lit, self._scene, self._canvas.camera
        if lit is None or scene is None or scene is not self._canvas.scene:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.scale(camera.zoom, camera.zoom)
        painter.translate(-camera.x, -camera.y)
        theme, zoom = self._canvas.theme, camera.zoom
        pen = QPen(QColor(theme.accent), max(2.0, 1.4 / zoom))
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        has_route = np.diff(scene.placement.route_start)[lit.edges] > 0
        for _ in paint_routes(painter, self._batches, scene.placement, lit.edges[has_route], pen, zoom):
            pass
        if not has_route.all():
            self._stubs = self._stubs or StubPainting(scene, Lettering())
            self._stubs.paint_whole(painter, theme, lit.edges[~has_route], zoom)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for boxes, color in ((lit.producers, theme.ok), (lit.consumers, theme.accent)):
            painter.setPen(QPen(QColor(color), max(2.0, 1.4 / zoom)))
            for box in boxes.tolist():
                x, y, width, height = scene.placement.rects[box].tolist()
                radius = corner_radius(int(scene.view.kind[box]), width, height)
                painter.drawRoundedRect(QRectF(x, y, width, height), radius, radius)


def _some(boxes: IntColumn) -> Rows:
    found: Rows = np.unique(boxes)[:MOST].astype(np.intp)
    return found
