"""Selecting several things with the mouse: Ctrl or Shift and a click, or Shift and a drag around them."""

import numpy as np
from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QRubberBand

from graphreel.gui.canvas import Canvas
from graphreel.gui.canvas.picking import box_at
from graphreel.gui.marks import selection_of
from graphreel.gui.session import Session
from graphreel.gui.views import Selection, What
from graphreel.layout.types import BoxKind
from graphreel.render import Scene
from graphreel.render.spatial import Area

_ADDING = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


class Choosing(QObject):
    """Stands before a canvas and takes the clicks and drags that select several things, and those of side buttons.

    Attributes:
        band: The frame that is drawn around things.

    Signals:
        turned: One of the mouse's side buttons: -1 for back, 1 for forward.
    """

    turned = Signal(int)

    def __init__(self, session: Session, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._session, self._canvas = session, canvas
        self.band = QRubberBand(QRubberBand.Shape.Rectangle, canvas)
        self._pressed: QPoint | None = None
        canvas.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if not isinstance(event, QMouseEvent):
            return False
        place = event.position().toPoint()
        match event.type():
            case QEvent.Type.MouseButtonPress | QEvent.Type.MouseButtonDblClick:
                return self._press(event, place)
            case QEvent.Type.MouseMove if self._pressed is not None:
                self._drag(place, with_band=bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
                return True
            case QEvent.Type.MouseButtonRelease if self._pressed is not None:
                self._release(place)
                return True
        return False

    def _press(self, event: QMouseEvent, place: QPoint) -> bool:
        if event.button() in (Qt.MouseButton.BackButton, Qt.MouseButton.ForwardButton):
            self.turned.emit(-1 if event.button() == Qt.MouseButton.BackButton else 1)
            return True
        if event.button() != Qt.MouseButton.LeftButton or not event.modifiers() & _ADDING:
            return False
        self._canvas.look(self._canvas.camera)  # whatever moves it by itself stops
        self._canvas.setFocus(Qt.FocusReason.MouseFocusReason)
        self._pressed = place
        return True

    def _drag(self, place: QPoint, *, with_band: bool) -> None:
        assert self._pressed is not None
        far = (place - self._pressed).manhattanLength() >= QApplication.startDragDistance()
        if self.band.isVisible() or (far and with_band):
            self.band.setGeometry(QRect(self._pressed, place).normalized())
            self.band.show()

    def _release(self, place: QPoint) -> None:
        pressed, self._pressed = self._pressed, None
        scene = self._canvas.scene
        assert pressed is not None
        if self.band.isVisible():
            self.band.hide()
            if scene is not None:
                area = QRect(pressed, place).normalized()
                chosen, old = self._within(scene, area), self._session.selection
                nodes, scopes = chosen.every_node | old.every_node, chosen.every_scope | old.every_scope
                self._session.select(Selection.of(nodes, scopes, old if old else None))
        elif scene is not None:
            box = box_at(scene, *self._canvas.camera.to_scene(place.x(), place.y()))
            if box is not None:
                self._add(selection_of(scene.view, box))

    def _add(self, one: Selection) -> None:
        """Select this besides, or no longer; a value cannot be one of several, and takes the place of all."""
        self._session.select(one if one.what is What.VALUE else self._session.selection.toggled(one))

    def _within(self, scene: Scene, area: QRect) -> Selection:
        """What stands whole within an area of the widget; of an open scope what is in it."""
        camera = self._canvas.camera
        left, top = camera.to_scene(area.left(), area.top())
        right, bottom = camera.to_scene(area.left() + area.width(), area.top() + area.height())
        return boxes_within(scene, (left, top, right, bottom))


def boxes_within(scene: Scene, area: Area) -> Selection:
    """The nodes and closed scopes whose boxes stand whole within an area of the picture."""
    left, top, right, bottom = area
    boxes = scene.where.boxes_in(area)
    x, y, width, height = scene.placement.rects[boxes].T
    boxes = boxes[(x >= left) & (y >= top) & (x + width <= right) & (y + height <= bottom)]
    kinds, refs = scene.view.kind[boxes], scene.view.ref[boxes]
    scopes = refs[np.isin(kinds, (BoxKind.SCOPE, BoxKind.FOLD))]
    return Selection.of(refs[kinds == BoxKind.NODE].tolist(), scopes.tolist())
