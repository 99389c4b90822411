"""The canvas widget: looks at a Painting through a Camera, and says what the user points at.

It knows no session: what is clicked it tells by signals, what it shows it is given.
"""

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QMouseEvent, QNativeGestureEvent, QPainter, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QToolTip, QWidget

from graphreel.gui.canvas.camera import Camera, Rect, fitting
from graphreel.gui.canvas.marking import paint_marks
from graphreel.gui.canvas.painting import SHAPE_FROM, Painting
from graphreel.gui.canvas.picking import box_at, edge_at, is_openable
from graphreel.render import Overlay, Scene, Theme
from graphreel.render.labels import PADDING_X, title_middle
from graphreel.render.shapes import CHEVRON

_REACH = 5.0
"""How near to an edge, in pixels, a click has to be."""
READABLE = 0.42
"""The least zoom at which one can read what stands in the boxes."""
_WHEEL = 1.0016
"""Zoom factor per eighth of a degree of a wheel."""


class Canvas(QWidget):
    """Shows a picture with pan and zoom.

    Signals:
        picked: The box that was clicked, or -1 for the empty page.
        edge_picked: The edge that was clicked.
        toggled: The box of a scope that is to open or close.
        looked: Where one looks changed.
    """

    picked = Signal(int)
    edge_picked = Signal(int)
    toggled = Signal(int)
    looked = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("canvas")
        self.setAccessibleName("Graph")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setMinimumSize(240, 180)
        self.setMouseTracking(True)
        self.theme = theme
        self.camera = Camera()
        self.painting: Painting | None = None
        self.overlay = Overlay()
        self.placeholder = ""
        self._pressed: QPointF | None = None
        self._panned_from: QPointF | None = None
        self._fit_when_sized = False

    @property
    def scene(self) -> Scene | None:
        """The picture that is shown, or None."""
        return None if self.painting is None else self.painting.scene

    def show_scene(self, scene: Scene | None, overlay: Overlay) -> None:
        """Show another picture through the same camera; None shows the placeholder."""
        self.painting = None if scene is None else Painting(scene)
        self.show_overlay(overlay)

    def show_overlay(self, overlay: Overlay) -> None:
        """Show other marks on the same picture."""
        self.overlay = overlay
        self.update()

    def show_placeholder(self, text: str) -> None:
        """Say this while there is no picture."""
        self.placeholder = text
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Draw in other colours."""
        self.theme = theme
        self.update()

    def look(self, camera: Camera) -> None:
        """Look elsewhere."""
        self.camera = camera
        self._fit_when_sized = False
        self.update()
        self.looked.emit()

    def fit(self) -> None:
        """Show the whole picture."""
        if self.painting is not None:
            width, height = self.painting.scene.placement.size
            self.look(fitting((0, 0, width, height), self.width(), self.height()))
            # A window that is not shown yet gets its size later; the picture shall fit that one.
            self._fit_when_sized = not self.isVisible()

    def fit_start(self) -> None:
        """Show the picture so that it can be read: all of it, or, where it is large, its beginning."""
        self.fit()
        if self.painting is None or self.camera.zoom >= READABLE:
            return
        width = self.painting.scene.placement.size[0]
        zoom = max(min(0.8, self.width() / (width + 64)), READABLE)
        room = self.width() / zoom
        self.look(Camera(zoom, (width - room) / 2 if width < room else -32.0, -24.0 / zoom))

    def fit_box(self, box: int) -> None:
        """Zoom so that a box fills a good part of the canvas."""
        if self.painting is not None:
            self.look(fitting(self.rect_of(box), self.width(), self.height(), most=1.6, margin=80.0))

    def hold(self, box: int) -> None:
        """Move as little as brings a box into view; zoom in where it could not be read."""
        if self.painting is None:
            return
        rect = self.rect_of(box)
        camera = self.camera
        if camera.zoom < SHAPE_FROM and rect[3] * camera.zoom < 24:
            centre = rect[0] + rect[2] / 2, rect[1] + rect[3] / 2
            at = camera.to_screen(*centre)
            camera = camera.zoomed(0.7 / camera.zoom, *at)
        held = camera.holding(rect, self.width(), self.height())
        if held != self.camera:
            self.look(held)

    def zoom_by(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom around a place, by default the middle."""
        place = at or QPointF(self.width() / 2, self.height() / 2)
        self.look(self.camera.zoomed(factor, place.x(), place.y()))

    def rect_of(self, box: int) -> Rect:
        """A box's rectangle in the picture."""
        assert self.painting is not None
        x, y, width, height = self.painting.rects[box].tolist()
        return x, y, width, height

    def screen_rect(self, box: int) -> QRectF:
        """A box's rectangle in the widget's pixels."""
        x, y, width, height = self.rect_of(box)
        left, top = self.camera.to_screen(x, y)
        return QRectF(left, top, width * self.camera.zoom, height * self.camera.zoom)

    def box_under(self, place: QPointF) -> int | None:
        """The box at a place of the widget."""
        return None if self.scene is None else box_at(self.scene, *self.camera.to_scene(place.x(), place.y()))

    def edge_under(self, place: QPointF) -> int | None:
        """The edge near a place of the widget."""
        if self.painting is None:
            return None
        x, y = self.camera.to_scene(place.x(), place.y())
        return edge_at(self.painting.scene, self.painting.bounds, x, y, _REACH / self.camera.zoom)

    def chevron_rect(self, box: int) -> QRectF:
        """Where a scope's chevron is clicked, in the widget's pixels: larger than it is drawn."""
        assert self.scene is not None
        x, y, _, _ = self.rect_of(box)
        middle = y + title_middle(int(self.scene.view.kind[box]))
        left, top = self.camera.to_screen(x + PADDING_X - 6, middle - CHEVRON / 2 - 6)
        side = (CHEVRON + 12) * self.camera.zoom
        return QRectF(left, top, side, side)

    def _click(self, place: QPointF) -> None:
        box = self.box_under(place)
        if box is not None and self._on_chevron(box, place):
            self.toggled.emit(box)
            return
        edge = self.edge_under(place) if box is None or self._is_group(box) else None
        if edge is not None:
            self.edge_picked.emit(edge)
        else:
            self.picked.emit(-1 if box is None else box)

    def _on_chevron(self, box: int, place: QPointF) -> bool:
        openable = self.scene is not None and is_openable(self.scene, box)
        return openable and self.camera.zoom >= SHAPE_FROM and self.chevron_rect(box).contains(place)

    def _is_group(self, box: int) -> bool:
        return self.painting is not None and bool(self.painting.is_group[box])

    def _tip(self, place: QPointF) -> str:
        """What the tooltip says at a place."""
        if self.scene is None:
            return ""
        box = self.box_under(place)
        edge = self.edge_under(place) if box is None or self._is_group(box) else None
        if edge is not None:
            return self.scene.edge_titles[edge]
        return "" if box is None else self.scene.titles[box]

    def _point_at(self, place: QPointF) -> None:
        """Show by the mouse's shape what a click would do."""
        box = self.box_under(place)
        pointing = box is not None and self._on_chevron(box, place)
        self.setCursor(Qt.CursorShape.PointingHandCursor if pointing else Qt.CursorShape.ArrowCursor)

    def _pinch(self, gesture: QNativeGestureEvent) -> bool:
        if gesture.gestureType() != Qt.NativeGestureType.ZoomNativeGesture:
            return False
        self.zoom_by(1.0 + gesture.value(), gesture.position())
        return True

    def sizeHint(self) -> QSize:
        return QSize(800, 600)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent) and self._pinch(event):
            return True
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            text = self._tip(QPointF(event.pos()))
            if text:
                QToolTip.showText(event.globalPos(), text, self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self.theme.page))
        if self.painting is None:
            painter.setPen(QColor(self.theme.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(40, 40, -40, -40), int(flags), self.placeholder)
            return
        zoom = self.camera.zoom
        area = QRectF(*self.camera.area(self.width(), self.height()))
        painter.scale(zoom, zoom)
        painter.translate(-self.camera.x, -self.camera.y)
        self.painting.paint(painter, self.theme, self.overlay, area, zoom)
        paint_marks(painter, self.painting.scene, self.theme, self.overlay, area, zoom)

    def resizeEvent(self, event: object) -> None:
        if self._fit_when_sized:
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        pixels, touchpad = event.pixelDelta(), event.phase() != Qt.ScrollPhase.NoScrollPhase
        if touchpad and not pixels.isNull() and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.look(self.camera.panned(pixels.x(), pixels.y()))
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            # Some systems turn the wheel sideways while Shift is held, some leave that to the application.
            turned = event.angleDelta()
            self.look(self.camera.panned(turned.x() or turned.y(), 0))
        else:
            self.zoom_by(_WHEEL ** event.angleDelta().y(), event.position())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._pressed, self._panned_from = event.position(), None

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is None:
            self._point_at(event.position())
            return
        far = (event.position() - self._pressed).manhattanLength() >= QApplication.startDragDistance()
        if self._panned_from is None and far:
            self._panned_from = self._pressed
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        if self._panned_from is not None:
            moved = event.position() - self._panned_from
            self._panned_from = event.position()
            self.look(self.camera.panned(moved.x(), moved.y()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        was_click = self._pressed is not None and self._panned_from is None
        self._pressed = self._panned_from = None
        self._point_at(event.position())
        if was_click and event.button() == Qt.MouseButton.LeftButton:
            self._click(event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        box = self.box_under(event.position())
        if event.button() != Qt.MouseButton.LeftButton or box is None or self.scene is None:
            return
        if not is_openable(self.scene, box):
            self.fit_box(box)
        elif not self._on_chevron(box, event.position()):
            # On the chevron each single click of the two has its effect already.
            self.toggled.emit(box)

    def mouse_place(self) -> QPointF | None:
        """Where the mouse is in the widget, or None where it is elsewhere."""
        place = self.mapFromGlobal(self.cursor().pos())
        return QPointF(QPoint(place)) if self.rect().contains(place) else None
