"""Between mouse and glow: what is under the mouse for a moment is lit up with what gives to it and takes from it."""

from PySide6.QtCore import QEvent, QObject, QPointF, QTimer
from PySide6.QtGui import QMouseEvent

from graphreel.gui.canvas import Canvas
from graphreel.gui.canvas.glow import Glow, Lit
from graphreel.gui.canvas.neighbours import Neighbours, neighbours_of
from graphreel.gui.canvas.picking import box_at, edge_at
from graphreel.gui.session import Session
from graphreel.layout.types import BoxKind
from graphreel.render import Scene

_PAUSE_MS = 50
"""How long the mouse rests before anything is lit, so that nothing flickers on its way."""
_LEAST_BOX, _REACH = 4.0, 5.0
"""Pixels: a box lower than this is not hovered, and an edge further away neither."""
_CROWD = 400
"""Where more edges than this are near the mouse, none of them is meant."""


class Hovering(QObject):
    """Follows the mouse over a canvas.

    Attributes:
        neighbours: The edges of the picture by box, once they are sorted; that is done off the GUI thread.
        glow: What lights things up.
    """

    def __init__(self, session: Session, canvas: Canvas) -> None:
        super().__init__(canvas)
        self._session, self._canvas = session, canvas
        self.glow = Glow(canvas)
        self.neighbours: Neighbours | None = None
        self._place: QPointF | None = None
        self._over: tuple[str, int] | None = None
        self._pause = QTimer(self, interval=_PAUSE_MS, singleShot=True)
        self._pause.timeout.connect(self._look)
        canvas.installEventFilter(self)
        canvas.looked.connect(self._moved)
        session.picture_changed.connect(self._sort)

    def sorted_edges(self) -> Neighbours | None:
        """The edges by box, sorted at once where that is not done yet; None without a picture."""
        scene = self._canvas.scene
        if scene is not None and (self.neighbours is None or self.neighbours.scene is not scene):
            self.neighbours = neighbours_of(scene)
        return None if scene is None else self.neighbours

    def _sort(self) -> None:
        self._clear()
        self.neighbours = None
        scene = self._session.scene
        if scene is None:
            self._session.jobs.cancel("edges")
        else:
            self._session.jobs.run("edges", neighbours_of, scene, then=self._keep, title="Sorting the edges")

    def _keep(self, neighbours: Neighbours) -> None:
        if neighbours.scene is self._session.scene:
            self.neighbours = neighbours

    def _moved(self) -> None:
        """The picture moved under the mouse."""
        if self._over is not None:
            self._clear()

    def _clear(self) -> None:
        self._pause.stop()
        self._over = None
        if self.glow.lit is not None:
            self.glow.show_lit(None, None)

    def _look(self) -> None:
        scene, neighbours = self._canvas.scene, self.neighbours
        if scene is None or neighbours is None or neighbours.scene is not scene or self._place is None:
            return
        over = self._thing_at(scene, self._place)
        if over == self._over:
            return
        self._over = over
        if over is None:
            self.glow.show_lit(None, None)
        else:
            made = Lit.of_box if over[0] == "box" else Lit.of_edge
            self.glow.show_lit(scene, made(neighbours, over[1]))

    def _thing_at(self, scene: Scene, place: QPointF) -> tuple[str, int] | None:
        camera = self._canvas.camera
        x, y = camera.to_scene(place.x(), place.y())
        box, reach = box_at(scene, x, y), _REACH / camera.zoom
        if box is not None and scene.view.kind[box] != BoxKind.GROUP:
            return ("box", box) if scene.placement.rects[box, 3] * camera.zoom >= _LEAST_BOX else None
        if scene.where.of_routed.count((x - reach, y - reach, x + reach, y + reach)) > _CROWD:
            return None
        edge = edge_at(scene, x, y, reach)
        return None if edge is None else ("edge", edge)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseMove and not event.buttons().value:
            self._place = event.position()
            self._pause.start()
        elif event.type() in (QEvent.Type.Leave, QEvent.Type.MouseButtonPress, QEvent.Type.Hide):
            self._place = None
            self._clear()
        return False
