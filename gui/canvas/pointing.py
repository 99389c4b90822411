"""What the mouse does on the canvas: drags, clicks, tooltips, and the shape of the pointer."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QHelpEvent, QMouseEvent, QNativeGestureEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QToolTip

from graphreel.gui.canvas.gliding import Trail
from graphreel.gui.canvas.painting import SHAPE_FROM
from graphreel.gui.canvas.picking import box_at, edge_at, is_openable, stub_at
from graphreel.layout.types import BoxKind
from graphreel.render.labels import PADDING_X, title_middle
from graphreel.render.shapes import CHEVRON

if TYPE_CHECKING:
    from graphreel.gui.canvas.widget import Canvas

_WHEEL = 1.0016
"""Zoom factor per eighth of a degree of a wheel."""
_REACH = 5.0
"""How near to an edge, in pixels, a click has to be."""


class Pointer:
    """Follows the mouse over a canvas."""

    def __init__(self, canvas: "Canvas") -> None:
        self._canvas = canvas
        self._pressed: QPointF | None = None
        self._panned_from: QPointF | None = None
        self._trail = Trail()

    def press(self, event: QMouseEvent) -> None:
        """A button goes down: a click, or the begin of a drag."""
        self._canvas.movement.rest()
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._pressed, self._panned_from, self._trail = event.position(), None, Trail()

    def move(self, event: QMouseEvent) -> None:
        """The mouse moves, and takes the picture along where it drags."""
        if self._pressed is None:
            self._shape(event.position())
            return
        far = (event.position() - self._pressed).manhattanLength() >= QApplication.startDragDistance()
        if self._panned_from is None and far:
            self._panned_from = self._pressed
            self._canvas.setCursor(Qt.CursorShape.ClosedHandCursor)
        if self._panned_from is not None:
            place = event.position()
            moved = place - self._panned_from
            self._panned_from = place
            self._trail.add(event.timestamp(), place.x(), place.y())
            self._canvas.look(self._canvas.camera.panned(moved.x(), moved.y()))

    def release(self, event: QMouseEvent) -> None:
        """The button comes up: a click is one where the mouse did not move."""
        was_click = self._pressed is not None and self._panned_from is None
        was_drag = self._panned_from is not None
        self._pressed = self._panned_from = None
        self._shape(event.position())
        if was_drag:
            self._canvas.fling(self._trail.speed(event.timestamp()))
        elif was_click and event.button() == Qt.MouseButton.LeftButton:
            self._click(event.position())

    def double_click(self, event: QMouseEvent) -> None:
        """Open or close a scope, or zoom to a node."""
        box = self.box_under(event.position())
        scene = self._canvas.scene
        if self.stub_under(event.position()) is not None:
            return
        if event.button() != Qt.MouseButton.LeftButton or box is None or scene is None:
            return
        if not is_openable(scene, box):
            self._canvas.fit_box(box)
        elif not self._on_chevron(box, event.position()):
            # On the chevron each single click of the two has its effect already.
            self._canvas.toggled.emit(box)

    def wheel(self, event: QWheelEvent) -> None:
        """Two fingers on a touchpad pan; a wheel zooms, or pans sideways while Shift is held."""
        canvas = self._canvas
        pixels, touchpad = event.pixelDelta(), event.phase() != Qt.ScrollPhase.NoScrollPhase
        if touchpad and not pixels.isNull() and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            canvas.look(canvas.camera.panned(pixels.x(), pixels.y()))
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            # Some systems turn the wheel sideways while Shift is held, some leave that to the application.
            turned = event.angleDelta()
            canvas.look(canvas.camera.panned(turned.x() or turned.y(), 0))
        else:
            canvas.zoom_smoothly(_WHEEL ** event.angleDelta().y(), event.position())
        event.accept()

    def pinch(self, gesture: QNativeGestureEvent) -> bool:
        """Zoom with two fingers; gives whether that is what the gesture was."""
        if gesture.gestureType() != Qt.NativeGestureType.ZoomNativeGesture:
            return False
        self._canvas.zoom_by(1.0 + gesture.value(), gesture.position())
        return True

    def box_under(self, place: QPointF) -> int | None:
        """The box at a place of the widget."""
        scene = self._canvas.scene
        return None if scene is None else box_at(scene, *self._canvas.camera.to_scene(place.x(), place.y()))

    def edge_under(self, place: QPointF) -> int | None:
        """The edge near a place of the widget, where no box other than a group stands before it."""
        scene, camera = self._canvas.scene, self._canvas.camera
        box = self.box_under(place)
        if scene is None or (box is not None and scene.view.kind[box] != BoxKind.GROUP):
            return None
        return edge_at(scene, *camera.to_scene(place.x(), place.y()), _REACH / camera.zoom)

    def stub_under(self, place: QPointF) -> int | None:
        """The chip in place of an edge at a place of the widget."""
        scene, camera = self._canvas.scene, self._canvas.camera
        if scene is None or camera.zoom < SHAPE_FROM:
            return None
        return stub_at(scene, *camera.to_scene(place.x(), place.y()))

    def chevron_rect(self, box: int) -> QRectF:
        """Where a scope's chevron is clicked, in the widget's pixels: larger than it is drawn."""
        scene, camera = self._canvas.scene, self._canvas.camera
        assert scene is not None
        x, y, _, _ = self._canvas.rect_of(box)
        middle = y + title_middle(int(scene.view.kind[box]))
        left, top = camera.to_screen(x + PADDING_X - 6, middle - CHEVRON / 2 - 6)
        side = (CHEVRON + 12) * camera.zoom
        return QRectF(left, top, side, side)

    def help(self, event: QHelpEvent) -> None:
        """Show the tooltip of what is under the mouse."""
        text = self._tip(QPointF(event.pos()))
        if text:
            QToolTip.showText(event.globalPos(), text, self._canvas)
        else:
            QToolTip.hideText()

    def _tip(self, place: QPointF) -> str:
        """What the tooltip says at a place."""
        scene = self._canvas.scene
        if scene is None:
            return ""
        stub = self.stub_under(place)
        if stub is not None:
            return scene.stub_chips.titles[stub]
        edge = self.edge_under(place)
        if edge is not None:
            return scene.edge_titles[edge]
        box = self.box_under(place)
        return "" if box is None else scene.titles[box]

    def _click(self, place: QPointF) -> None:
        canvas, box, stub = self._canvas, self.box_under(place), self.stub_under(place)
        if stub is not None:
            canvas.stub_picked.emit(stub, place)
            return
        if box is not None and self._on_chevron(box, place):
            canvas.toggled.emit(box)
            return
        edge = self.edge_under(place)
        if edge is not None:
            canvas.edge_picked.emit(edge)
        else:
            canvas.picked.emit(-1 if box is None else box)

    def _on_chevron(self, box: int, place: QPointF) -> bool:
        scene = self._canvas.scene
        openable = scene is not None and is_openable(scene, box)
        return openable and self._canvas.camera.zoom >= SHAPE_FROM and self.chevron_rect(box).contains(place)

    def _shape(self, place: QPointF) -> None:
        """Show by the mouse's shape what a click would do."""
        box, stub = self.box_under(place), self.stub_under(place)
        self._canvas.show_whole(stub)
        pointing = stub is not None or (box is not None and self._on_chevron(box, place))
        self._canvas.setCursor(Qt.CursorShape.PointingHandCursor if pointing else Qt.CursorShape.ArrowCursor)
