"""Paints a legend: on the canvas, and beneath saved pictures."""

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from graphreel.gui.canvas.lettering import Lettering
from graphreel.render import TEXT_STYLES, Theme
from graphreel.render.legend import LegendPicture
from graphreel.render.styles import BoxClass


def paint_legend(painter: QPainter, theme: Theme, legend: LegendPicture) -> None:
    """Paint a legend whose upper left corner is where the painter stands."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(theme.border), 1.0))
    painter.setBrush(QColor(theme.raised))
    painter.drawRoundedRect(QRectF(0.5, 0.5, legend.width - 1, legend.height - 1), 8.0, 8.0)
    for x, y, width, height, colour in legend.fields:
        paint = theme.boxes[len(BoxClass) + colour]
        # Fields of a scale touch each other: without outlines, and not smoothed, there are no seams.
        scale = height != width
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, not scale)
        painter.setPen(Qt.PenStyle.NoPen if scale else QPen(QColor(paint.stroke), 1.0))
        painter.setBrush(QColor(paint.fill))
        painter.drawRect(QRectF(x, y, width + (0.5 if scale else 0.0), height))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if legend.tick is not None:
        x, top, bottom = legend.tick
        painter.setPen(QPen(QColor(theme.text), 1.5))
        painter.drawLine(QLineF(QPointF(x, top), QPointF(x, bottom)))
    lettering = Lettering()
    lettering.begin(painter)
    for text in legend.texts:
        lettering.use(painter, text.style, theme.muted if TEXT_STYLES[text.style].muted else theme.text)
        lettering.draw(painter, text.style, text.x, text.y, text.width, text.text)
    painter.restore()
