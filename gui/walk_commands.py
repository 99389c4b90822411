"""Walking over the picture by keyboard, along edges and into scopes, as declared actions."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from graphreel.gui.actions import action
from graphreel.gui.canvas import Canvas
from graphreel.gui.hovering import Hovering
from graphreel.gui.marks import box_of, selection_of
from graphreel.gui.session import Session
from graphreel.layout.types import BoxKind

if TYPE_CHECKING:
    from graphreel.gui.views import Selection

_CANVAS = "canvas"


class WalkCommands(QObject):
    """Goes from box to box; each step selects one and brings it into view."""

    def __init__(self, session: Session, canvas: Canvas, hovering: Hovering) -> None:
        super().__init__(canvas)
        self.session, self.canvas, self.hovering = session, canvas, hovering
        self._last: tuple[list[int], int] | None = None
        """Where the last step could have led, and where it led: by place in that list."""
        self._at: int | None = None
        """The box that the last step led to. A value's own box cannot be told from the value alone."""
        self._known: tuple[Selection, int | None] | None = None
        """The selection that was asked about last, and its box in this picture."""
        session.picture_changed.connect(self._forget)

    def _forget(self) -> None:
        self._last = self._at = self._known = None

    @property
    def has_picture(self) -> bool:
        """Whether there is something to walk on."""
        return self.canvas.scene is not None

    @property
    def _box(self) -> int | None:
        """The box one stands at: the one that was walked to, or that of the selection."""
        scene, selection = self.canvas.scene, self.session.selection
        if scene is None or scene.view.graph is not self.session.graph:
            return None
        if self._at is not None and selection_of(scene.view, self._at) == selection.primary:
            return self._at
        self._last = None
        if self._known is None or self._known[0] != selection.primary:
            self._known = selection.primary, box_of(scene.view, selection)
        return self._known[1]

    def _go(self, box: int | None) -> None:
        scene = self.canvas.scene
        if scene is None or box is None or scene.view.graph is not self.session.graph:
            return
        self._at, self._last = box, None
        self.session.select(selection_of(scene.view, box))
        self.canvas.hold(box)

    def _start(self) -> None:
        """Where nothing is selected: at what is in the middle of the view."""
        neighbours = self.hovering.sorted_edges()
        if neighbours is not None:
            middle = self.canvas.camera.to_scene(self.canvas.width() / 2, self.canvas.height() / 2)
            self._go(neighbours.nearest(*middle))

    def _follow(self, way: str) -> None:
        """To the nearest box that gives (`producers`) or takes (`consumers`)."""
        box, neighbours = self._box, self.hovering.sorted_edges()
        if box is None or neighbours is None:
            self._start()
            return
        boxes = neighbours.producers(box) if way == "producers" else neighbours.consumers(box)
        if boxes:
            self._go(boxes[0])
            self._last = boxes, 0

    @action("go.down", text="To the nearest consumer", keys="Down", menu="Go", when="has_picture", within=_CANVAS)
    def down(self) -> None:
        """Select the nearest of the boxes that take what is selected."""
        self._follow("consumers")

    @action("go.up", text="To the nearest producer", keys="Up", menu="Go", when="has_picture", within=_CANVAS)
    def up(self) -> None:
        """Select the nearest of the boxes that give to what is selected."""
        self._follow("producers")

    @property
    def can_turn(self) -> bool:
        """Whether the last step along an edge could have led elsewhere."""
        return self._last is not None and len(self._last[0]) > 1

    def _turn(self, step: int) -> None:
        if self._box is not None and self._last is not None:
            boxes, at = self._last
            at = (at + step) % len(boxes)
            self._go(boxes[at])
            self._last = boxes, at

    @action(
        "go.other",
        text="The next consumer or producer instead",
        keys="Shift+Down",
        menu="Go",
        when="can_turn",
        within=_CANVAS,
        tip="Where the last step along an edge could have led elsewhere, go there; again and again for all of them",
    )
    def other(self) -> None:
        """Select the next box that the last step could have led to."""
        self._turn(1)

    @action(
        "go.other-back",
        text="The previous consumer or producer instead",
        keys="Shift+Up",
        menu="Go",
        when="can_turn",
        within=_CANVAS,
    )
    def other_back(self) -> None:
        """Select the one before."""
        self._turn(-1)

    def _beside(self, step: int) -> None:
        box, neighbours = self._box, self.hovering.sorted_edges()
        if box is None or neighbours is None:
            self._start()
        else:
            self._go(neighbours.beside(box, step))

    @action("go.left", text="To the box at the left", keys="Left", menu="Go", when="has_picture", within=_CANVAS)
    def left(self) -> None:
        """Select the next box at the left in the same row."""
        self._beside(-1)

    @action("go.right", text="To the box at the right", keys="Right", menu="Go", when="has_picture", within=_CANVAS)
    def right(self) -> None:
        """Select the next box at the right in the same row."""
        self._beside(1)

    @property
    def _kind(self) -> BoxKind | None:
        scene, box = self.canvas.scene, self._box
        return None if scene is None or box is None else BoxKind(scene.view.kind[box])

    @property
    def can_enter(self) -> bool:
        """Whether an open scope is selected."""
        return self._kind is BoxKind.GROUP

    @action("go.into", text="Into the scope", keys="Ctrl+Down", menu="Go", when="can_enter", within=_CANVAS)
    def into(self) -> None:
        """Select the first box in the open scope that is selected."""
        box, neighbours = self._box, self.hovering.sorted_edges()
        if box is not None and neighbours is not None:
            self._go(neighbours.first_in(box))

    @property
    def can_leave(self) -> bool:
        """Whether what is selected stands in a scope."""
        scene, box = self.canvas.scene, self._box
        return scene is not None and box is not None and scene.view.parent[box] >= 0

    @action(
        "go.out",
        text="To the scope around",
        keys=("Backspace", "Ctrl+Up"),
        menu="Go",
        when="can_leave",
        within=_CANVAS,
    )
    def out(self) -> None:
        """Select the scope around what is selected."""
        scene, box = self.canvas.scene, self._box
        if scene is not None and box is not None and scene.view.parent[box] >= 0:
            self._go(int(scene.view.parent[box]))

    @property
    def can_toggle(self) -> bool:
        """Whether a scope is selected."""
        return self._kind in (BoxKind.SCOPE, BoxKind.GROUP, BoxKind.FOLD)

    @action(
        "go.toggle",
        text="Open or close the scope",
        keys=("Return", "Enter"),
        menu="Go",
        when="can_toggle",
        within=_CANVAS,
    )
    def toggle(self) -> None:
        """Open the selected scope or close it; a fold shows its scopes one by one."""
        scene, box = self.canvas.scene, self._box
        if scene is None or box is None:
            return
        path = scene.view.graph.paths[int(scene.view.ref[box])]
        if scene.view.kind[box] == BoxKind.FOLD:
            self.session.unfold(path)
        else:
            self.session.toggle(path)
