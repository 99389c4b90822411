"""Paints what stands on edges: how many each stands for, and near by what flows along it."""

from functools import cached_property

import numpy as np
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from graphreel.gui.canvas.lettering import Lettering
from graphreel.render import EdgeLabels, Scene, Theme
from graphreel.render.edge_types import EdgeTypes
from graphreel.render.spatial import Area, Rows
from graphreel.render.styles import COUNT

TYPES_FROM = 1.2
"""Zoom from which on edges say the types and shapes of their values."""


class ChipPainting:
    """Draws the chips on the edges of a scene."""

    def __init__(self, scene: Scene, lettering: Lettering) -> None:
        self._scene, self._lettering = scene, lettering

    @cached_property
    def _types(self) -> EdgeTypes:
        return EdgeTypes(self._scene)

    def paint(self, painter: QPainter, theme: Theme, edges: Rows) -> None:
        """How many edges each of these stands for."""
        chips = self._scene.edge_labels
        rows = np.flatnonzero(np.isin(chips.edge, edges)).tolist()
        painter.setBrush(QColor(theme.page))
        for row in rows:
            x, y, width, height = chips.rects[row].tolist()
            painter.setPen(QPen(QColor(theme.edges[self._scene.edge_class[chips.edge[row]]].stroke), 1.0))
            painter.drawRoundedRect(QRectF(x, y, width, height), height / 2, height / 2)
        self._write(painter, theme, chips, rows)

    def paint_types(self, painter: QPainter, theme: Theme, area: Area) -> None:
        """What flows along the edges in an area, on a ground that lets through a little of what is below."""
        labels = self._types.within(area)
        ground = QColor(theme.page)
        ground.setAlpha(225)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ground)
        for x, y, width, height in labels.rects.tolist():
            painter.drawRoundedRect(QRectF(x, y, width, height), 4.0, 4.0)
        self._write(painter, theme, labels, range(len(labels.text)))

    def _write(self, painter: QPainter, theme: Theme, labels: EdgeLabels, rows: "list[int] | range") -> None:
        self._lettering.begin(painter)
        self._lettering.use(painter, COUNT, theme.muted)
        for row in rows:
            x, y, room = float(labels.x[row]), float(labels.y[row]), float(labels.width[row])
            self._lettering.draw(painter, COUNT, x, y, room, labels.text[row])
        painter.restore()
