"""The minimap in a corner of the canvas: the whole picture small, and the part that shows as a frame to be dragged."""

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QApplication, QWidget

from graphreel.gui.canvas import Canvas
from graphreel.gui.canvas.miniature import Miniature

WIDEST, HIGHEST = 220, 300
"""The most pixels that the small picture takes."""
_MARGIN, _PADDING = 14, 6
_LEAST = 6.0
"""Pixels: the frame never gets smaller, so that it can be seen and caught."""


class Minimap(QWidget):
    """Lies over a canvas; a click or a drag moves what the canvas shows."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(canvas)
        self.setObjectName("minimap")
        self.setAccessibleName("Minimap")
        self.setCursor(Qt.CursorShape.ArrowCursor)
        self._canvas = canvas
        self.miniature: Miniature | None = None
        self._image = QImage()
        self._grip: QPointF | None = None
        """How far from the middle of what the canvas shows the frame was caught."""
        self.hide()

    def show_miniature(self, miniature: Miniature | None) -> None:
        """Show another small picture, or none."""
        self.miniature = miniature
        if miniature is None:
            self._image = QImage()
            self.hide()
            return
        height, width = miniature.pixels.shape[:2]
        image = QImage(miniature.pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
        self._image = image.copy()  # which owns its pixels
        ratio = self.devicePixelRatioF()
        self.resize(round(width / ratio) + 2 * _PADDING, round(height / ratio) + 2 * _PADDING)
        self.place()
        self.update()

    def place(self) -> None:
        """Stand in the lower right corner of the canvas."""
        self.move(self._canvas.width() - self.width() - _MARGIN, self._canvas.height() - self.height() - _MARGIN)

    @property
    def frame(self) -> QRectF:
        """Where the part that the canvas shows is in the small picture."""
        scale, camera = self._scale, self._canvas.camera
        x, y, width, height = camera.area(self._canvas.width(), self._canvas.height())
        frame = QRectF(x * scale, y * scale, width * scale, height * scale).intersected(self._picture)
        if frame.width() < _LEAST or frame.height() < _LEAST:
            middle = QPointF((x + width / 2) * scale, (y + height / 2) * scale)
            size = max(frame.width(), _LEAST), max(frame.height(), _LEAST)
            frame = QRectF(middle.x() - size[0] / 2, middle.y() - size[1] / 2, *size)
        return frame.translated(_PADDING, _PADDING)

    @property
    def _middle(self) -> QPointF:
        """Where the middle of what the canvas shows is; the frame's own, but where that is cut at the picture's end."""
        x, y, width, height = self._canvas.camera.area(self._canvas.width(), self._canvas.height())
        return QPointF(x + width / 2, y + height / 2) * self._scale + QPointF(_PADDING, _PADDING)

    @property
    def _scale(self) -> float:
        return 1.0 if self.miniature is None else self.miniature.scale / self.devicePixelRatioF()

    @property
    def _picture(self) -> QRectF:
        return QRectF(0, 0, self.width() - 2 * _PADDING, self.height() - 2 * _PADDING)

    def paintEvent(self, event: QPaintEvent) -> None:
        theme, painter = self._canvas.theme, QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(theme.border), 1))
        painter.setBrush(QColor(theme.page))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 7, 7)
        inside = self._picture.translated(_PADDING, _PADDING)
        painter.drawImage(inside, self._image)
        frame = self.frame
        painter.setPen(Qt.PenStyle.NoPen)
        veil = QColor(theme.page)
        veil.setAlpha(130)
        painter.setBrush(veil)
        for beside in _around(inside, frame):
            painter.drawRect(beside)
        painter.setPen(QPen(QColor(theme.accent), 1.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(frame, 2, 2)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            frame, place = self.frame, event.position()
            # A press beside the frame brings its middle there; then it is dragged like any other.
            self._grip = place - self._middle if frame.contains(place) else QPointF(0, 0)
            self._look(place)
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._grip is not None:
            self._look(event.position())
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._grip = None
        event.accept()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.mousePressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom the canvas around its middle."""
        middle = QPointF(self._canvas.width() / 2, self._canvas.height() / 2)
        wheel = QWheelEvent(
            middle,
            self._canvas.mapToGlobal(middle),
            event.pixelDelta(),
            event.angleDelta(),
            event.buttons(),
            event.modifiers(),
            event.phase(),
            event.inverted(),
        )
        QApplication.sendEvent(self._canvas, wheel)
        event.accept()

    def _look(self, place: QPointF) -> None:
        """Let the middle of what the canvas shows be at a place of the small picture."""
        if self._grip is None:
            return
        at = (place - self._grip - QPointF(_PADDING, _PADDING)) / self._scale
        middle = self._canvas.width() / 2, self._canvas.height() / 2
        self._canvas.look(self._canvas.camera.with_at((at.x(), at.y()), middle))


def _around(whole: QRectF, hole: QRectF) -> list[QRectF]:
    """What is left of a rectangle without another."""
    inner = hole.intersected(whole)
    return [
        QRectF(whole.left(), whole.top(), whole.width(), inner.top() - whole.top()),
        QRectF(whole.left(), inner.bottom(), whole.width(), whole.bottom() - inner.bottom()),
        QRectF(whole.left(), inner.top(), inner.left() - whole.left(), inner.height()),
        QRectF(inner.right(), inner.top(), whole.right() - inner.right(), inner.height()),
    ]
