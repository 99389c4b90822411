"""What a click on a chip in place of edges does: its value is selected, and one sees where the edge leads."""

from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QMenu

from graphreel.gui.canvas import Canvas
from graphreel.gui.canvas.picking import other_ends
from graphreel.gui.marks import selection_of
from graphreel.gui.session import Session
from graphreel.gui.views import Selection
from graphreel.render import Scene

MOST_OFFERED = 30
"""Other ends to choose from; a menu of hundreds would not fit a screen."""


class StubLinks:
    """Follows the chips of a canvas.

    Attributes:
        menu: The ends to choose from, once a chip with several was clicked.
    """

    def __init__(self, session: Session, canvas: Canvas) -> None:
        self._session, self._canvas = session, canvas
        self.menu: QMenu | None = None
        canvas.stub_picked.connect(self._picked)

    def _picked(self, stub: int, place: QPointF) -> None:
        scene = self._canvas.scene
        if scene is None:
            return
        ends = other_ends(scene, stub)
        if len(ends) == 1:
            self._go(scene, *ends[0])
            return
        if self.menu is not None:
            self.menu.deleteLater()
        self.menu = QMenu(self._canvas)
        for end, edge in ends[:MOST_OFFERED]:
            text = " ".join(scene.titles[end].splitlines()[:2]).replace("&", "&&")
            self.menu.addAction(text).triggered.connect(lambda *_, end=end, edge=edge: self._go(scene, end, edge))
        if len(ends) > MOST_OFFERED:
            self.menu.addAction(f"and {len(ends) - MOST_OFFERED} more").setEnabled(False)
        self.menu.popup(self._canvas.mapToGlobal(place).toPoint())

    def _go(self, scene: Scene, end: int, edge: int) -> None:
        """Select what flows along an edge, and bring its other end into view."""
        if self._canvas.scene is not scene:
            return
        value = int(scene.view.edge_value[edge])
        self._session.select(Selection.of_value(value) if value >= 0 else selection_of(scene.view, end))
        self._canvas.hold(end)
