"""The canvas widget: looks at a Painting through a Camera, and says what the user points at.

It knows no session: what is clicked it tells by signals, what it shows it is given.
"""

from PySide6.QtCore import QElapsedTimer, QEvent, QPoint, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QHideEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QStyle, QWidget

from graphreel.gui.canvas.camera import READABLE, Camera, Rect, beginning, fitting, held
from graphreel.gui.canvas.drawing import Drawing
from graphreel.gui.canvas.movement import Movement
from graphreel.gui.canvas.pointing import Pointer
from graphreel.gui.canvas.tiles import Look
from graphreel.render import Overlay, Scene, Theme

_SETTLED_MS = 90
"""After the last change of zoom, until the picture is painted for just this zoom."""
_SLICE_MS, _SHOWN_AGAIN_MS = 3.0, 40
"""How long painting ahead takes at a time, and how often what it finished is shown meanwhile."""


class Canvas(QWidget):
    """Shows a picture with pan and zoom.

    Attributes:
        animated: Whether pictures change into one another and the camera glides, as far as the system wants any
            movement at all.
        movement: What moves just now.

    Signals:
        picked: The box that was clicked, or -1 for the empty page.
        edge_picked: The edge that was clicked.
        stub_picked: The chip in place of edges that was clicked, and where.
        toggled: The box of a scope that is to open or close.
        looked: Where one looks changed.
    """

    picked = Signal(int)
    edge_picked = Signal(int)
    stub_picked = Signal(int, QPointF)
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
        self.overlay = Overlay()
        self.placeholder = ""
        self.animated = False
        self._drawing: Drawing | None = None
        self._pointer = Pointer(self)
        self._fit_when_sized = self._zooming = False
        self.movement = Movement(lambda: self.camera, self)
        self.movement.camera_moved.connect(self._glide_to)
        self.movement.passed.connect(self.update)
        self._shown = QElapsedTimer()
        self._settle = QTimer(self, interval=_SETTLED_MS, singleShot=True)
        self._settle.timeout.connect(self._settled)
        self._ahead = QTimer(self, interval=0)
        self._ahead.timeout.connect(self._paint_ahead)

    @property
    def scene(self) -> Scene | None:
        """The picture that is shown, or None."""
        return None if self._drawing is None else self._drawing.painting.scene

    @property
    def is_sharp(self) -> bool:
        """Whether what is on screen will not change by itself: nothing moves, nothing is still to be painted."""
        moving = self._zooming or self.movement.is_active
        return not moving and (self._drawing is None or not self._drawing.pending)

    def show_scene(self, scene: Scene | None, overlay: Overlay) -> None:
        """Show another picture through the same camera; None shows the placeholder."""
        self._note_before(scene)
        if self._drawing is not None:
            self._drawing.stop()
        self._drawing = None if scene is None else Drawing(scene, self.theme)
        self.show_overlay(overlay)

    def show_overlay(self, overlay: Overlay) -> None:
        """Show other marks on the same picture."""
        self.overlay = overlay
        if self._drawing is not None:
            self._drawing.show_overlay(overlay)
        self.update()

    def show_placeholder(self, text: str) -> None:
        """Say this while there is no picture."""
        self.placeholder = text
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Draw in other colours."""
        self.theme = theme
        if self._drawing is not None:
            self._drawing.set_theme(theme)
        self.update()

    def look(self, camera: Camera) -> None:
        """Look elsewhere; whatever moves the camera by itself stops."""
        self.movement.rest()
        self._glide_to(camera)

    def _glide_to(self, camera: Camera) -> None:
        if camera.zoom != self.camera.zoom:
            # A second change soon after the first is a movement, and more will follow.
            self._zooming = self._settle.isActive()
            self._settle.start()
        self.camera = camera
        self._fit_when_sized = False
        self.update()
        self.looked.emit()

    def fit(self) -> None:
        """Show the whole picture."""
        if self.scene is not None:
            width, height = self.scene.placement.size
            self.look(fitting((0, 0, width, height), self.width(), self.height()))
            # A window that is not shown yet gets its size later; the picture shall fit that one.
            self._fit_when_sized = not self.isVisible()

    def fit_start(self) -> None:
        """Show the picture so that it can be read: all of it, or, where it is large, its beginning."""
        self.fit()
        if self.scene is not None and self.camera.zoom < READABLE:
            self.look(beginning(self.scene.placement.size, self.width(), self.height()))

    def fit_box(self, box: int) -> None:
        """Zoom so that a box fills a good part of the canvas."""
        if self.scene is not None:
            self.look(fitting(self.rect_of(box), self.width(), self.height(), most=1.6, margin=80.0))

    def hold(self, box: int) -> None:
        """Move as little as brings a box into view; zoom in where it could not be read."""
        if self.scene is None:
            return
        found = held(self.camera, self.rect_of(box), self.width(), self.height())
        if found != self.camera:
            self.look(found)

    def zoom_by(self, factor: float, at: QPointF | None = None) -> None:
        """Zoom around a place, by default the middle."""
        place = at or QPointF(self.width() / 2, self.height() / 2)
        self.look(self.camera.zoomed(factor, place.x(), place.y()))

    def zoom_smoothly(self, factor: float, at: QPointF) -> None:
        """Zoom around a place within a few frames; at once where no movement is wanted."""
        if self.moves_things:
            self.movement.zoom(factor, (at.x(), at.y()))
        else:
            self.zoom_by(factor, at)

    def mouse_place(self) -> QPointF | None:
        """Where the mouse is in the widget, or None where it is elsewhere."""
        place = self.mapFromGlobal(self.cursor().pos())
        return QPointF(QPoint(place)) if self.rect().contains(place) else None

    def rect_of(self, box: int) -> Rect:
        """A box's rectangle in the picture."""
        assert self.scene is not None
        x, y, width, height = self.scene.placement.rects[box].tolist()
        return x, y, width, height

    def screen_rect(self, box: int) -> QRectF:
        """A box's rectangle in the widget's pixels."""
        x, y, width, height = self.rect_of(box)
        left, top = self.camera.to_screen(x, y)
        return QRectF(left, top, width * self.camera.zoom, height * self.camera.zoom)

    def chevron_rect(self, box: int) -> QRectF:
        """Where a scope's chevron is clicked, in the widget's pixels."""
        return self._pointer.chevron_rect(box)

    def show_whole(self, stub: int | None) -> None:
        """Draw the edges that a chip stands for, from end to end; None draws none."""
        if self._drawing is not None and self._drawing.hovered != stub:
            self._drawing.hovered = stub
            self.update()

    def fling(self, speed: tuple[float, float]) -> None:
        """Let the picture go on at this speed, in pixels a millisecond, and come to rest."""
        if self.moves_things:
            self.movement.fling(speed)

    def finish(self) -> None:
        """Bring everything that moves to its end, and paint everything that is missing: for a picture of the widget."""
        self.movement.finish()
        self._settled()
        if self._drawing is not None:
            self._drawing.finish(self._look())
        self.update()

    def _settled(self) -> None:
        self._settle.stop()
        if self._zooming:
            self._zooming = False
            self.update()

    def _paint_ahead(self) -> None:
        """Paint a slice of what is missing, so short that whoever does something need not wait."""
        if self._drawing is None or not self._drawing.pending:
            self._ahead.stop()
        elif self._drawing.work(_SLICE_MS) and (not self._drawing.pending or self._shown.hasExpired(_SHOWN_AGAIN_MS)):
            self.update()

    def _note_before(self, after: Scene | None) -> None:
        """Keep what is on screen, to change from it into another picture."""
        self.movement.stop()
        before = self.scene
        if before is not None and after is not None and self.moves_things and self.isVisible():
            self.movement.change_from(before, self.grab().toImage())

    @property
    def moves_things(self) -> bool:
        """Whether movement is wanted: by the user's choice, and by what the system says of all its programs."""
        wanted = self.style().styleHint(QStyle.StyleHint.SH_Widget_Animation_Duration, None, self)
        return self.animated and wanted > 0

    def _look(self) -> Look:
        ratio = self.devicePixelRatioF()
        return Look.of(self.camera, self.width(), self.height(), ratio, moving=self._zooming)

    def _paint_picture(self, painter: QPainter) -> None:
        """Paint the page, the picture and its marks."""
        painter.fillRect(self.rect(), QColor(self.theme.page))
        drawing, look = self._drawing, self._look()
        if drawing is None:
            painter.setPen(QColor(self.theme.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(40, 40, -40, -40), int(flags), self.placeholder)
            return
        if not self.movement.paint_moving(painter, drawing, look):
            drawing.draw(painter, look)

    def sizeHint(self) -> QSize:
        return QSize(800, 600)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent) and self._pointer.pinch(event):
            return True
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            self._pointer.help(event)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._drawing is not None:
            self.movement.begin_change(self._drawing, self._look())
        # Whatever goes wrong, the painter must end before the event does, or Qt ends the program.
        with QPainter(self) as painter:
            self._paint_picture(painter)
            self.movement.paint_fading(painter)
        self._shown.start()
        if self._drawing is not None and self._drawing.pending and not self._ahead.isActive():
            self._ahead.start()

    def hideEvent(self, event: QHideEvent) -> None:
        self._ahead.stop()
        self.movement.stop()
        if self._drawing is not None:
            self._drawing.stop()

    def resizeEvent(self, event: QResizeEvent) -> None:
        if self._fit_when_sized:
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._pointer.wheel(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pointer.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._pointer.move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._pointer.release(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._pointer.double_click(event)
