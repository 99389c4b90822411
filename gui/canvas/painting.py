"""Paints a Scene with a QPainter: for the canvas, and for the pictures that are saved. One code for both.

Only what meets the area asked for is painted, in less detail the smaller it is.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QFontMetricsF,
    QPainter,
    QPainterPath,
    QPainterPathStroker,
    QPen,
    QPolygonF,
)

from graphreel.assets import FONT_FAMILY
from graphreel.gui.canvas.picking import Bounds, Rows, boxes_in
from graphreel.layout.types import BoxKind, FloatColumn
from graphreel.render import TEXT_STYLES, Overlay, Scene, Theme
from graphreel.render.labels import PADDING_X, title_middle
from graphreel.render.scene import EdgeLabels, Texts
from graphreel.render.shapes import STACK, STACK_INSET, arrow_heads, chevron, corner_radius, group_depths
from graphreel.render.styles import COUNT
from graphreel.render.theme import halo_colour

TEXT_FROM, SHAPE_FROM, CURVE_FROM = 0.36, 0.2, 0.16
"""Zoom from which on texts, rounded outlines and curves are drawn; below, plain rectangles and straight lines."""
MANY_EDGES = 4000
"""With more visible edges than this they are drawn straight."""
_FINE = 4
"""Fonts are set this many times too large and scaled down: Qt's pixel sizes are whole numbers, the styles' are not."""


@dataclass(eq=False)
class Painting:
    """A scene made ready to be painted again and again."""

    scene: Scene
    _paths: dict[int, QPainterPath] = field(default_factory=dict)
    _halos: dict[int, QPainterPath] = field(default_factory=dict)
    _widths: dict[tuple[str, int, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bounds = Bounds.of(self.scene)
        self.rects = self.scene.placement.rects
        self.is_group = self.scene.view.kind == BoxKind.GROUP

    @cached_property
    def _heads(self) -> FloatColumn:
        return arrow_heads(self.scene.placement)

    @cached_property
    def _depths(self) -> list[int]:
        return group_depths(self.scene.view)

    @cached_property
    def _fonts(self) -> list[QFont]:
        found = []
        for style in TEXT_STYLES:
            font = QFont(FONT_FAMILY)
            font.setPixelSize(round(style.size * _FINE))
            font.setWeight(QFont.Weight(style.weight))
            font.setItalic(style.italic)
            # Hinted letters are wider or narrower than the width table says, and would change width with the zoom.
            font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
            found.append(font)
        return found

    def paint(self, painter: QPainter, theme: Theme, overlay: Overlay, area: QRectF, zoom: float) -> None:
        """Paint what meets `area`; the painter stands in the picture's units, `zoom` pixels to each."""
        left, top, right, bottom = area.left(), area.top(), area.right(), area.bottom()
        boxes = boxes_in(self.rects, left, top, right, bottom)
        edges = self.bounds.edges_in(left, top, right, bottom)
        groups, nodes = boxes[self.is_group[boxes]], boxes[~self.is_group[boxes]]
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, zoom >= SHAPE_FROM)
        self._paint_boxes(painter, theme, groups, zoom)
        self._paint_edges(painter, theme, edges, zoom)
        self._paint_joined(painter, theme, overlay, edges, zoom)
        if zoom >= TEXT_FROM:
            self._paint_chips(painter, theme, edges)
        if zoom >= SHAPE_FROM:
            self._paint_chevrons(painter, theme, groups)
        self._paint_boxes(painter, theme, nodes, zoom)
        if zoom >= SHAPE_FROM:
            self._paint_chevrons(painter, theme, nodes[self.scene.view.kind[nodes] == BoxKind.SCOPE])
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if zoom >= TEXT_FROM:
            self._paint_texts(painter, theme, boxes)

    def _paint_boxes(self, painter: QPainter, theme: Theme, boxes: Rows, zoom: float) -> None:
        """Fill and outline boxes; by class, since changing pen and brush costs more than a rectangle."""
        classes = self.scene.box_class[boxes]
        # Groups lie in one another, so theirs is the order of the scene; other boxes don't overlap.
        batches = (
            [boxes] if len(boxes) and self.is_group[boxes[0]] else [boxes[classes == c] for c in np.unique(classes)]
        )
        for batch in batches:
            kinds = self.scene.view.kind[batch].tolist()
            rects = self.rects[batch].tolist()
            current = -1
            for box, kind, rect in zip(batch.tolist(), kinds, rects, strict=True):
                if (box_class := int(self.scene.box_class[box])) != current:
                    current = box_class
                    _use(painter, theme, box_class, zoom)
                if zoom < SHAPE_FROM:
                    painter.drawRect(QRectF(*rect))
                else:
                    self._paint_box(painter, kind, rect)

    def _paint_box(self, painter: QPainter, kind: int, rect: list[float]) -> None:
        x, y, width, height = rect
        radius = corner_radius(kind, width, height)
        if kind == BoxKind.SCOPE:
            inner = max(width - 2 * STACK_INSET, 0.0)
            painter.drawRoundedRect(QRectF(x + STACK_INSET, y + STACK, inner, height), radius, radius)
        painter.drawRoundedRect(QRectF(x, y, width, height), radius, radius)

    def _paint_chevrons(self, painter: QPainter, theme: Theme, boxes: Rows) -> None:
        """What says that a scope opens, or closes, on a click."""
        for box in boxes.tolist():
            kind, (x, y, _, _) = int(self.scene.view.kind[box]), self.rects[box].tolist()
            pen = QPen(QColor(theme.boxes[self.scene.box_class[box]].text), 1.5)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            painter.setPen(pen)
            points = chevron(x + PADDING_X, y + title_middle(kind), expanded=kind == BoxKind.GROUP)
            painter.drawPolyline([QPointF(*point) for point in points])

    def _paint_edges(self, painter: QPainter, theme: Theme, edges: Rows, zoom: float) -> None:
        classes = self.scene.edge_class[edges]
        straight = zoom < CURVE_FROM or len(edges) > MANY_EDGES
        for edge_class in np.unique(classes).tolist():
            pen = edge_pen(theme, edge_class, zoom)
            self._paint_routes(painter, edges[classes == edge_class], pen, straight=straight, heads=zoom >= SHAPE_FROM)

    def _paint_routes(
        self,
        painter: QPainter,
        edges: Rows,
        pen: QPen,
        *,
        straight: bool,
        heads: bool,
    ) -> None:
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for edge in edges.tolist():
            if straight:
                start, end = self.scene.placement.route_start[edge : edge + 2]
                points = self.scene.placement.route_points[start:end:3].tolist()
                painter.drawPolyline([QPointF(*point) for point in points])
            else:
                painter.drawPath(self.path(edge))
        if heads:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QBrush(pen.color()))
            for triangle in self._heads[edges].tolist():
                painter.drawPolygon(QPolygonF([QPointF(*point) for point in triangle]))

    def _paint_joined(
        self,
        painter: QPainter,
        theme: Theme,
        overlay: Overlay,
        edges: Rows,
        zoom: float,
    ) -> None:
        """Draw the edges of the selected boxes once more, in the accent colour."""
        if not overlay.selected:
            return
        chosen = np.fromiter(overlay.selected, dtype=np.int64)
        view = self.scene.view
        joined = edges[np.isin(view.edge_source[edges], chosen) | np.isin(view.edge_target[edges], chosen)]
        pen = QPen(QColor(theme.accent), max(2.0, 1.2 / zoom))
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        self._paint_routes(painter, joined, pen, straight=zoom < CURVE_FROM, heads=zoom >= SHAPE_FROM)

    def path(self, edge: int) -> QPainterPath:
        """The route of an edge."""
        found = self._paths.get(edge)
        if found is None:
            start, end = self.scene.placement.route_start[edge : edge + 2]
            points = [QPointF(*point) for point in self.scene.placement.route_points[start:end].tolist()]
            found = self._paths[edge] = QPainterPath(points[0])
            for at in range(1, len(points) - 2, 3):
                found.cubicTo(points[at], points[at + 1], points[at + 2])
        return found

    def _paint_chips(self, painter: QPainter, theme: Theme, edges: Rows) -> None:
        """How many edges an edge stands for."""
        chips = self.scene.edge_labels
        rows = np.flatnonzero(np.isin(chips.edge, edges)).tolist()
        painter.setBrush(QColor(theme.page))
        for row in rows:
            x, y, width, height = chips.rects[row].tolist()
            painter.setPen(QPen(QColor(theme.edges[self.scene.edge_class[chips.edge[row]]].stroke), 1.0))
            painter.drawRoundedRect(QRectF(x, y, width, height), height / 2, height / 2)
        painter.save()
        painter.scale(1 / _FINE, 1 / _FINE)
        painter.setPen(QColor(theme.muted))
        painter.setFont(self._fonts[COUNT])
        for row in rows:
            self._paint_text(painter, chips, row, self._fonts[COUNT])
        painter.restore()

    def _paint_texts(self, painter: QPainter, theme: Theme, boxes: Rows) -> None:
        texts = self.scene.texts
        shows = np.zeros(len(self.rects), dtype=bool)
        shows[boxes] = True
        rows = np.flatnonzero(shows[texts.box])
        rows = rows[np.argsort(texts.style[rows], kind="stable")]
        painter.save()
        painter.scale(1 / _FINE, 1 / _FINE)
        current, font = -1, QFont()
        for row in rows.tolist():
            style = int(texts.style[row])
            if style != current:
                current, font = style, self._fonts[style]
                painter.setFont(font)
            box_class = int(self.scene.box_class[texts.box[row]])
            color = theme.muted if TEXT_STYLES[style].muted else theme.boxes[box_class].text
            painter.setPen(QColor(color))
            if self.is_group[texts.box[row]]:
                self._paint_halo(painter, theme, row, font)
            self._paint_text(painter, texts, row, font)
        painter.restore()

    def _paint_halo(self, painter: QPainter, theme: Theme, row: int, font: QFont) -> None:
        """Keep a group's title apart from edges that run past it."""
        texts = self.scene.texts
        halo = self._halos.get(row)
        if halo is None:
            outline = QPainterPath()
            outline.addText(QPointF(float(texts.x[row]) * _FINE, float(texts.y[row]) * _FINE), font, texts.text[row])
            stroker = QPainterPathStroker(QPen(QColor(), 4.0 * _FINE))
            stroker.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            halo = self._halos[row] = stroker.createStroke(outline)
        box = int(texts.box[row])
        color = halo_colour(theme.boxes[self.scene.box_class[box]], theme.page, self._depths[box])
        painter.fillPath(halo, QColor(color))

    def _paint_text(self, painter: QPainter, texts: Texts | EdgeLabels, row: int, font: QFont) -> None:
        x, y, text = float(texts.x[row]) * _FINE, float(texts.y[row]) * _FINE, texts.text[row]
        room = float(texts.width[row]) * _FINE
        squeeze = self._squeeze(text, room, font)
        if squeeze == 1.0:
            painter.drawText(QPointF(x, y), text)
            return
        painter.save()
        painter.translate(x, y)
        painter.scale(squeeze, 1.0)
        painter.drawText(QPointF(0, 0), text)
        painter.restore()

    def _squeeze(self, text: str, room: float, font: QFont) -> float:
        """By how much a text is narrowed; characters that the font lacks have widths that the table does not know."""
        key = text, font.pixelSize(), font.weight()
        across = self._widths.get(key)
        if across is None:
            across = self._widths[key] = QFontMetricsF(font).horizontalAdvance(text)
        return min(1.0, room / across) if across > room + 0.5 else 1.0


def edge_pen(theme: Theme, edge_class: int, zoom: float) -> QPen:
    """The pen of a class of edges; never thinner than a faint pixel."""
    paint = theme.edges[edge_class]
    width = max(paint.width, 0.7 / zoom)
    pen = QPen(QColor(paint.stroke), width)
    if paint.dash and zoom >= CURVE_FROM:
        pen.setDashPattern([length / width for length in paint.dash])
    return pen


def _use(painter: QPainter, theme: Theme, box_class: int, zoom: float) -> None:
    """Set brush and pen for a class of boxes."""
    paint = theme.boxes[box_class]
    fill = QColor(paint.fill)
    fill.setAlphaF(paint.opacity)
    painter.setBrush(QBrush(fill))
    if zoom < SHAPE_FROM and paint.opacity == 1.0:
        # At this size the outline is all there is to see of a box.
        fill = QColor(paint.stroke)
        painter.setBrush(QBrush(fill))
        painter.setPen(Qt.PenStyle.NoPen)
        return
    pen = QPen(QColor(paint.stroke), max(1.25, 0.6 / zoom))
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(pen)
