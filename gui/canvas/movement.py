"""What moves on the canvas by itself: a fling, a zoom that catches up, one picture that changes into the next."""

from collections.abc import Callable

from PySide6.QtCore import QElapsedTimer, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QPainter

from graphreel.gui.canvas.camera import Camera
from graphreel.gui.canvas.changing import Fading, Moving, moves_well
from graphreel.gui.canvas.drawing import Drawing, area_of
from graphreel.gui.canvas.gliding import Glide
from graphreel.gui.canvas.tiles import Look
from graphreel.render import Scene

_FRAME_MS = 15
"""Between two frames of a movement."""


class Movement(QObject):
    """Lets time pass for whatever moves, as long as something does.

    Signals:
        camera_moved: The camera glided to here.
        passed: Something looks different now.
    """

    camera_moved = Signal(object)
    passed = Signal()

    def __init__(self, camera: Callable[[], Camera], parent: QObject) -> None:
        super().__init__(parent)
        self._camera = camera
        self._glide = Glide()
        self._change: Moving | Fading | None = None
        self._before: tuple[Scene, Camera, QImage] | None = None
        """The picture that is to change into the one that is shown, until that is painted for the first time."""
        self._into: Drawing | None = None
        self._clock = QElapsedTimer()
        self._frames = QTimer(self, interval=_FRAME_MS, timerType=Qt.TimerType.PreciseTimer)
        self._frames.timeout.connect(self._next_frame)

    @property
    def is_active(self) -> bool:
        """Whether anything moves, or is about to."""
        return self._glide.is_moving or self._change is not None or self._before is not None

    def rest(self) -> None:
        """Stop what moves the camera, and show no more of where it was."""
        self._glide.stop()
        if isinstance(self._change, Fading):
            self._change = None

    def fling(self, speed: tuple[float, float]) -> None:
        """Let the camera go on at this speed, in pixels a millisecond, and come to rest."""
        self._glide.fling(speed)
        self._run()

    def zoom(self, factor: float, at: tuple[float, float]) -> None:
        """Zoom around a place of the widget within a few frames."""
        self._glide.zoom(factor, at)
        self._run()

    def stop(self) -> None:
        """Stop everything where it is."""
        self._frames.stop()
        self._glide.stop()
        self._change = self._before = self._into = None

    def finish(self) -> None:
        """Bring everything to its end at once."""
        while self._glide.is_moving:
            self.advance(1000.0)
        self.stop()

    def advance(self, milliseconds: float, *, ready: bool = True) -> None:
        """Let so much time pass; `ready` says whether the picture is painted in full."""
        if self._glide.is_moving:
            self.camera_moved.emit(self._glide.advance(self._camera(), milliseconds))
        if self._change is not None and not self._change.advance(milliseconds, ready=ready):
            self._change = None
        self.passed.emit()

    def change_from(self, scene: Scene, image: QImage) -> None:
        """Let the picture that is on screen now change into the next one that is painted."""
        self._change, self._before = None, (scene, self._camera(), image)

    def begin_change(self, drawing: Drawing, look: Look) -> None:
        """Start to change into this drawing, if something is to; the camera stands by now where it shall."""
        if self._before is None:
            return
        (scene, camera, image), self._before = self._before, None
        area = area_of(look)
        if moves_well(scene, drawing.painting.scene, area):
            self._change = Moving((scene, camera), (drawing.painting, self._camera()), area)
        else:
            self._change = Fading(image)
        self._into = drawing
        self._run()

    def paint_moving(self, painter: QPainter, drawing: Drawing, look: Look) -> bool:
        """Paint the picture on its way from the one before, if it is; gives whether it is."""
        if not isinstance(self._change, Moving):
            return False
        drawing.enter(painter, look)
        self._change.paint(painter, drawing.theme, look.zoom / look.ratio)
        painter.restore()
        return True

    def paint_fading(self, painter: QPainter) -> None:
        """Paint what is left of the picture before over the picture."""
        if isinstance(self._change, Fading):
            self._change.paint_over(painter)

    def _run(self) -> None:
        if not self._frames.isActive() and (self._glide.is_moving or self._change is not None):
            self._clock.start()
            self._frames.start()

    def _next_frame(self) -> None:
        # After a long pause things go on, rather than jump.
        self.advance(min(self._clock.restart(), 4 * _FRAME_MS), ready=self._into is None or not self._into.pending)
        if not self._glide.is_moving and self._change is None:
            self._frames.stop()
