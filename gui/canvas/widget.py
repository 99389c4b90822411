"""The canvas widget: looks at a Painting through a Camera, and says what the user points at.

It knows no session: what is clicked it tells by signals, what it shows it is given.
"""

from PySide6.QtCore import QElapsedTimer, QEvent, QPoint, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QHelpEvent,
    QHideEvent,
    QImage,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QStyle, QToolTip, QWidget

from graphreel.gui.canvas.camera import Camera, Rect, fitting
from graphreel.gui.canvas.changing import Fading, Moving, moves_well
from graphreel.gui.canvas.drawing import Drawing, area_of
from graphreel.gui.canvas.gliding import Glide
from graphreel.gui.canvas.marking import Marks
from graphreel.gui.canvas.painting import SHAPE_FROM, Painting
from graphreel.gui.canvas.pointing import Pointer
from graphreel.gui.canvas.tiles import Look
from graphreel.render import Overlay, Scene, Theme

READABLE = 0.42
"""The least zoom at which one can read what stands in the boxes."""
_WHEEL = 1.0016
"""Zoom factor per eighth of a degree of a wheel."""
_FRAME_MS, _SETTLED_MS = 15, 90
"""Between two frames of a movement; and after the last change of zoom, until the picture is painted for just it."""
_SLICE_MS, _SHOWN_AGAIN_MS = 4.0, 40
"""How long painting ahead takes at a time, and how often what it finished is shown meanwhile."""


class Canvas(QWidget):
    """Shows a picture with pan and zoom.

    Attributes:
        animated: Whether pictures change into one another and the camera glides, as far as the system wants any
            movement at all.

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
        self.overlay = Overlay()
        self.placeholder = ""
        self.animated = False
        self._drawing: Drawing | None = None
        self._marks: Marks | None = None
        self._pointer, self._glide = Pointer(self), Glide()
        self._change: Moving | Fading | None = None
        self._before: tuple[Scene, Camera, QImage | None] | None = None
        """The picture that is to change into the one that is shown, until that is painted for the first time."""
        self._fit_when_sized = self._zooming = False
        self._clock, self._shown = QElapsedTimer(), QElapsedTimer()
        self._frames = QTimer(self, interval=_FRAME_MS, timerType=Qt.TimerType.PreciseTimer)
        self._frames.timeout.connect(self._next_frame)
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
        moving = self._zooming or self._change is not None or self._before is not None or self._glide.is_moving
        return not moving and (self._drawing is None or not self._drawing.pending)

    def show_scene(self, scene: Scene | None, overlay: Overlay) -> None:
        """Show another picture through the same camera; None shows the placeholder."""
        self._note_before(scene)
        if self._drawing is not None:
            self._drawing.stop()
        self._drawing = None if scene is None else Drawing(Painting(scene), self.theme)
        self.show_overlay(overlay)

    def show_overlay(self, overlay: Overlay) -> None:
        """Show other marks on the same picture."""
        self.overlay = overlay
        self._marks = None if self.scene is None else Marks(self.scene, overlay)
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
        """Look elsewhere."""
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
        if self.scene is None or self.camera.zoom >= READABLE:
            return
        width = self.scene.placement.size[0]
        zoom = max(min(0.8, self.width() / (width + 64)), READABLE)
        room = self.width() / zoom
        self.look(Camera(zoom, (width - room) / 2 if width < room else -32.0, -24.0 / zoom))

    def fit_box(self, box: int) -> None:
        """Zoom so that a box fills a good part of the canvas."""
        if self.scene is not None:
            self.look(fitting(self.rect_of(box), self.width(), self.height(), most=1.6, margin=80.0))

    def hold(self, box: int) -> None:
        """Move as little as brings a box into view; zoom in where it could not be read."""
        if self.scene is None:
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

    def _zoom_smoothly(self, factor: float, at: QPointF) -> None:
        """Zoom around a place within a few frames; at once where no movement is wanted."""
        if self.moves_things:
            self._glide.zoom(factor, (at.x(), at.y()))
            self._run()
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

    def rest(self) -> None:
        """Stop whatever moves the camera by itself."""
        self._glide.stop()

    def fling(self, speed: tuple[float, float]) -> None:
        """Let the picture go on at this speed, in pixels a millisecond, and come to rest."""
        if self.animated:
            self._glide.fling(speed)
            self._run()

    def advance(self, milliseconds: float) -> None:
        """Move on what moves by itself, by so much time."""
        if self._glide.is_moving:
            self.look(self._glide.advance(self.camera, milliseconds))
        ready = self._drawing is None or not self._drawing.pending
        if self._change is not None and not self._change.advance(milliseconds, ready=ready):
            self._change = None
        self.update()

    def finish(self) -> None:
        """Bring everything that moves to its end, and paint everything that is missing: for a picture of the widget."""
        while self._glide.is_moving or self._change is not None:
            self.advance(1000.0)
        self._settled()
        self._drawn_once()
        while self._drawing is not None and self._drawing.pending:
            self._drawing.work(1000.0)
        self.update()

    def _drawn_once(self) -> None:
        """Note what is missing, without showing anything."""
        if self._drawing is not None:
            unseen = QImage(1, 1, QImage.Format.Format_RGB32)
            with QPainter(unseen) as painter:
                self._drawing.draw(painter, self._look())

    def _run(self) -> None:
        """Have frames come, as long as something moves."""
        if not self._frames.isActive():
            self._clock.start()
            self._frames.start()

    def _next_frame(self) -> None:
        self.advance(min(self._clock.restart(), 4 * _FRAME_MS))
        if not self._glide.is_moving and self._change is None:
            self._frames.stop()

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
        self._change = self._before = None
        before = self.scene
        if not (self.moves_things and self.isVisible()) or before is None or after is None:
            return
        image = QImage(self.size() * self.devicePixelRatioF(), QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(self.devicePixelRatioF())
        with QPainter(image) as painter:
            self._paint_picture(painter)
        self._before = before, self.camera, image

    @property
    def moves_things(self) -> bool:
        """Whether movement is wanted: by the user's choice, and by what the system says of all its programs."""
        wanted = self.style().styleHint(QStyle.StyleHint.SH_Widget_Animation_Duration, None, self)
        return self.animated and wanted > 0

    def _begin_change(self, look: Look) -> None:
        """Start from what was on screen before; the camera stands by now where it shall."""
        assert self._before is not None
        assert self._drawing is not None
        scene, camera, image = self._before
        self._before = None
        area = area_of(look)
        if moves_well(scene, self._drawing.painting.scene, area):
            self._change = Moving((scene, camera), (self._drawing.painting, self.camera), area)
        elif image is not None:
            self._change = Fading(image)
        self._run()

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
        if isinstance(self._change, Moving):
            self._in_scene(painter, look)
            self._change.paint(painter, self.theme, self.camera.zoom)
            painter.restore()
            return
        painter.save()
        painter.scale(1 / look.ratio, 1 / look.ratio)
        drawing.draw(painter, look)
        painter.restore()
        self._in_scene(painter, look)
        drawing.painting.paint_joined(painter, self.theme, self.overlay, self.camera.zoom)
        if self._marks is not None:
            self._marks.paint(painter, self.theme, area_of(look), self.camera.zoom)
        painter.restore()

    def _in_scene(self, painter: QPainter, look: Look) -> None:
        """Let the painter stand in the picture's units."""
        painter.save()
        painter.translate(-look.left / look.ratio, -look.top / look.ratio)
        painter.scale(self.camera.zoom, self.camera.zoom)

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
            text = self._pointer.tip(QPointF(event.pos()))
            if text:
                QToolTip.showText(event.globalPos(), text, self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._before is not None and self._drawing is not None:
            self._begin_change(self._look())
        painter = QPainter(self)
        self._paint_picture(painter)
        if isinstance(self._change, Fading):
            self._change.paint_over(painter)
        self._shown.start()
        if self._drawing is not None and self._drawing.pending and not self._ahead.isActive():
            self._ahead.start()

    def hideEvent(self, event: QHideEvent) -> None:
        self._ahead.stop()
        self._frames.stop()
        self._glide.stop()
        self._change = self._before = None
        if self._drawing is not None:
            self._drawing.stop()

    def resizeEvent(self, event: QResizeEvent) -> None:
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
            self._zoom_smoothly(_WHEEL ** event.angleDelta().y(), event.position())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pointer.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._pointer.move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._pointer.release(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._pointer.double_click(event)
