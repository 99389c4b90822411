"""Paints the marks over a picture: where stepping stands, what is selected, failed or found."""

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen, QPolygonF

from graphreel.assets import FONT_FAMILY
from graphreel.gui.canvas.batches import Batches
from graphreel.render import Mark, Overlay, Scene, Theme
from graphreel.render.shapes import (
    BADGE,
    MARK_DASH,
    MARK_WIDTH,
    badge,
    badge_text_baseline,
    corner_radius,
    mark_rect,
)
from graphreel.render.spatial import Area, Rows

_COUNT_FROM = 0.3
"""Zoom from which on the numbers of finds can be read."""
_TINTS = {Mark.FOUND: 26, Mark.SELECTED: 0, Mark.FAILED: 26, Mark.CURSOR: 0}
"""How strongly a marked box is tinted where the picture is too small for the outline to tell much, of 255."""
MANY = 300
"""More finds, or boxes selected, than this are only tinted: outlines would cover everything, and take long."""


class Marks:
    """The marks of an overlay on a scene, ready to be painted again and again."""

    def __init__(self, scene: Scene, overlay: Overlay) -> None:
        self._scene = scene
        self._counts = overlay.counts
        # Of finds and selected boxes there may be as many as there are boxes; those are no list of pairs.
        many = [(Mark.FOUND, overlay.found), (Mark.SELECTED, overlay.selected)]
        columns = [(mark, np.sort(np.fromiter(boxes, dtype=np.intp))) for mark, boxes in many]
        few = replace(overlay, found=frozenset(), selected=frozenset())
        columns += [(mark, np.array([box])) for box, mark in few.marks(scene.view)]
        self._boxes = np.concatenate([boxes for _, boxes in columns])
        self._marks = np.repeat([mark for mark, _ in columns], [len(boxes) for _, boxes in columns])
        shown = self._boxes < len(scene.view.kind)
        self._boxes, self._marks = self._boxes[shown], self._marks[shown]

    def paint(self, painter: QPainter, theme: Theme, area: Area, zoom: float) -> None:
        """Paint the marks in an area; outlines keep their weight on screen however small the picture is."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rows = self._in(area)
        for mark in (Mark.FOUND, Mark.SELECTED):
            alike = self._marks[rows] == mark
            if np.count_nonzero(alike) > MANY:
                self._tint(painter, QColor(theme.mark_colour(mark)), rows[alike], zoom)
                rows = rows[~alike]
        for row in rows.tolist():
            _paint_mark(painter, self._scene, theme, int(self._boxes[row]), Mark(self._marks[row]), zoom)
        for box in self._boxes[rows].tolist() if self._counts and zoom >= _COUNT_FROM else ():
            if count := self._counts.get(box):
                _paint_count(painter, theme, self._scene.placement.rects[box].tolist(), count)

    def _in(self, area: Area) -> Rows:
        x, y, width, height = self._scene.placement.rects[self._boxes].T
        left, top, right, bottom = area[0] - 2 * BADGE, area[1] - BADGE, area[2] + BADGE, area[3] + BADGE
        return np.flatnonzero((x <= right) & (x + width >= left) & (y <= bottom) & (y + height >= top))

    def _tint(self, painter: QPainter, tint: QColor, rows: Rows, zoom: float) -> None:
        tint.setAlpha(110)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(tint)
        rects = self._scene.placement.rects[self._boxes[rows]]
        sizes = np.maximum(rects[:, 2:], 2.0 / zoom)
        for _ in Batches().rects(painter, np.concatenate([rects[:, :2], sizes], axis=1)):
            pass


def _paint_mark(painter: QPainter, scene: Scene, theme: Theme, box: int, mark: Mark, zoom: float) -> None:
    grown = max(1.0, 0.7 / zoom)
    rect = scene.placement.rects[box].tolist()
    outline = QRectF(*mark_rect(mark, *rect))
    color = QColor(theme.mark_colour(mark))
    pen = QPen(color, MARK_WIDTH[mark] * grown)
    if MARK_DASH[mark]:
        pen.setDashPattern([length / MARK_WIDTH[mark] for length in MARK_DASH[mark]])
    painter.setPen(pen)
    tint = QColor(color)
    tint.setAlpha(_TINTS[mark] if zoom > 0.4 else 70)
    painter.setBrush(tint)
    radius = corner_radius(int(scene.view.kind[box]), rect[2], rect[3]) + rect[0] - outline.left()
    painter.drawRoundedRect(outline, radius, radius)
    if corners := _badge(mark, rect, grown):
        _paint_badge(painter, theme, mark, corners)


def _paint_count(painter: QPainter, theme: Theme, rect: list[float], count: int) -> None:
    """How much of what was found is in a closed group: a number at its upper right corner."""
    font = QFont(FONT_FAMILY)
    font.setPixelSize(11)
    font.setWeight(QFont.Weight.DemiBold)
    painter.setFont(font)
    width = painter.fontMetrics().horizontalAdvance(text := f"{count:,}") + 12.0
    pill = QRectF(rect[0] + rect[2] - width + 6.0, rect[1] - 9.0, width, 17.0)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.mark_colour(Mark.FOUND)))
    painter.drawRoundedRect(pill, 8.5, 8.5)
    painter.setPen(QColor(theme.on_mark))
    painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, text)


def _badge(mark: Mark, rect: list[float], grown: float) -> list[tuple[float, float]]:
    """The corners of a mark's badge, larger around its anchor where the picture is small; empty for marks without."""
    if mark not in (Mark.CURSOR, Mark.FAILED):
        return []
    corners = badge(mark, *rect)
    if mark is Mark.CURSOR:
        x, y = corners[0]
    else:
        x, y = (corners[0][0] + corners[2][0]) / 2, (corners[0][1] + corners[2][1]) / 2
    return [(x + (left - x) * grown, y + (top - y) * grown) for left, top in corners]


def _paint_badge(painter: QPainter, theme: Theme, mark: Mark, corners: list[tuple[float, float]]) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.mark_colour(mark)))
    if mark is Mark.CURSOR:
        painter.drawPolygon(QPolygonF([QPointF(*corner) for corner in corners]))
        return
    (left, top), (right, bottom) = corners[0], corners[2]
    painter.drawEllipse(QRectF(left, top, right - left, bottom - top))
    font = QFont(FONT_FAMILY)
    scale = (bottom - top) / BADGE
    font.setPixelSize(max(1, round(11 * scale)))
    font.setWeight(QFont.Weight.DemiBold)
    painter.setFont(font)
    painter.setPen(QColor(theme.on_mark))
    baseline = (top + bottom) / 2 + (badge_text_baseline(0, BADGE) - BADGE / 2) * scale
    across = painter.fontMetrics().horizontalAdvance("!")
    painter.drawText(QPointF((left + right - across) / 2, baseline), "!")
