"""Back and forward through the places one looked at, and undo and redo of what was opened, closed and hidden."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import ref

from graphreel.graph import Graph, node_keys
from graphreel.gui.actions import action
from graphreel.gui.canvas import Canvas
from graphreel.gui.canvas.camera import Camera
from graphreel.gui.presenters import Presenter
from graphreel.gui.session import Session
from graphreel.gui.views import Selection, Shown, What

if TYPE_CHECKING:
    from graphreel.analysis import Cursor

MOST = 200
"""Places, and arrangements, that are remembered."""

Item = TypeVar("Item")


class Trail(Generic[Item]):
    """What came one after the other, and where in it one is; what comes next takes the place of all that followed."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._at = -1

    def clear(self) -> None:
        """Forget everything."""
        self._items, self._at = [], -1

    @property
    def current(self) -> Item | None:
        """Where one is."""
        return self._items[self._at] if self._at >= 0 else None

    def add(self, item: Item) -> None:
        """Go on to this."""
        self._items = [*self._items[: self._at + 1], item][-MOST:]
        self._at = len(self._items) - 1

    def replace(self, item: Item) -> None:
        """Be here, rather than where one is."""
        if self._at < 0:
            self.add(item)
        else:
            self._items[self._at] = item

    def can_move(self, step: int) -> bool:
        """Whether there is anything so many steps away."""
        return 0 <= self._at + step < len(self._items)

    def move(self, step: int) -> Item:
        """Go so many steps on, or back; there has to be something."""
        self._at += step
        return self._items[self._at]


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """What was selected in which iteration and view, how it is found in another graph, and where one looked then.

    Attributes:
        graph: What `selection` speaks of, as long as it is there.
        name: The stable key of the node, or the path of the scope; of a value nothing.
        picture, camera: Where one looked, in which picture, by number. In another one the selection is brought into
            view.
    """

    iteration: int
    view: str
    selection: Selection
    graph: "ref[Graph]"
    name: str
    picture: int
    camera: Camera


@dataclass(frozen=True, slots=True)
class Arrangement:
    """What was open, which runs showed one by one, and what was hidden; see `Session` and `Choices`."""

    expanded: frozenset[str]
    unfolded: frozenset[str]
    hidden: frozenset[str]
    kept: frozenset[str] | None


class History(Presenter):
    """Remembers places and arrangements, and goes back to them."""

    def __init__(self, session: Session, canvas: Canvas) -> None:
        super().__init__(session, canvas)
        self.canvas = canvas
        self.places, self.arrangements = Trail[Place](), Trail[Arrangement]()
        self._stepped = self._going = self._rearranging = False
        self._cursor: Cursor | None = None
        self._picture = 0
        self._wanted: Place | None = None
        """The place that one goes to, as soon as its iteration is drawn."""
        session.arranged.connect(self._arranged)

    def follow(self) -> None:
        """Hear of pictures from now on; to be called when whoever draws them hears of them already."""
        self.session.picture_changed.connect(self._drawn)

    def trace_opened(self, trace: object) -> None:
        self.places.clear()
        self.arrangements.clear()
        self._wanted = None

    def trace_closed(self) -> None:
        self.places.clear()
        self.arrangements.clear()
        self._wanted = None

    def iteration_shown(self, shown: Shown) -> None:
        # What another view opens besides is nothing that anyone did, so there is nothing to undo.
        self._going = True

    def selection_changed(self, selection: Selection) -> None:
        cursor, before, stepped_before = self.session.cursor, self._cursor, self._stepped
        self._cursor, self._stepped = cursor, cursor != before and Selection.of_node(cursor.node or 0) == selection
        shown = self.session.shown
        if shown is None or not selection or self._is_arriving(shown):
            return
        self._wanted = None
        self._note_camera()
        place, here = self._place(shown, selection), self.places.current
        # Stepping through thousands of operations is one place, where it has come to.
        if self._stepped and stepped_before:
            self.places.replace(place)
        elif here is None or (here.iteration, here.view, here.selection) != (place.iteration, place.view, selection):
            self.places.add(place)

    def _is_arriving(self, shown: Shown) -> bool:
        wanted = self._wanted
        return wanted is not None and (shown.iteration.index, shown.view) == (wanted.iteration, wanted.view)

    def _place(self, shown: Shown, selection: Selection) -> Place:
        name, picture = name_of(shown.graph, selection), (self._picture, self.canvas.camera)
        return Place(shown.iteration.index, shown.view, selection, ref(shown.graph), name, *picture)

    def _note_camera(self) -> None:
        """Before one leaves a place, note where one looks by then."""
        here = self.places.current
        if here is not None:
            self.places.replace(replace(here, picture=self._picture, camera=self.canvas.camera))

    def _arranged(self) -> None:
        if self._rearranging:
            return
        hidden = self.session.choices.hidden, self.session.choices.kept
        now = Arrangement(frozenset(self.session.expanded), frozenset(self.session.unfolded), *hidden)
        if self._going:
            self.arrangements.replace(now)
        elif now != self.arrangements.current:
            self.arrangements.add(now)
        self._going = False

    @property
    def can_go_back(self) -> bool:
        """Whether there was a place before."""
        return self.places.can_move(-1)

    @property
    def can_go_on(self) -> bool:
        """Whether one has gone back."""
        return self.places.can_move(1)

    @action(
        "go.back",
        text="Back",
        keys=("Ctrl+[", "Back"),
        menu="Go",
        when="can_go_back",
        tip="Select what was selected before, and look there; also the mouse's back button",
    )
    def back(self) -> None:
        """Go to the place before."""
        self._go(-1)

    @action("go.forward", text="Forward", keys=("Ctrl+]", "Forward"), menu="Go", when="can_go_on")
    def forward(self) -> None:
        """Go to the place after, where one has gone back."""
        self._go(1)

    def turn(self, step: int) -> None:
        """Back (-1) or forward (1), where there is a place."""
        if self.places.can_move(step):
            self._go(step)
            self.session.state_changed.emit()

    def _go(self, step: int) -> None:
        self._note_camera()
        place, shown = self.places.move(step), self.session.shown
        self._wanted = place
        if shown is not None and (shown.iteration.index, shown.view) != (place.iteration, place.view):
            self.session.view = place.view
            self.session.show_iteration(place.iteration)
        else:
            self._arrive()

    def _drawn(self) -> None:
        self._picture += 1
        shown, place = self.session.shown, self._wanted
        if shown is not None and place is not None and shown.iteration.index == place.iteration:
            self._arrive()

    def _arrive(self) -> None:
        place, graph = self._wanted, self.session.graph
        if place is None or graph is None:
            return
        self.session.go_to(found_again(graph, place))
        self._wanted = None
        if self._picture == place.picture:
            self.canvas.look(place.camera)

    @property
    def can_undo(self) -> bool:
        """Whether anything was opened, closed or hidden."""
        return self.arrangements.can_move(-1)

    @property
    def can_redo(self) -> bool:
        """Whether anything was undone."""
        return self.arrangements.can_move(1)

    @action(
        "view.undo",
        text="Undo opening, closing and hiding",
        keys="Ctrl+Z",
        menu="View",
        when="can_undo",
        section=True,
        tip="Show scopes and folds as they were before the last that opened, closed or was hidden",
    )
    def undo(self) -> None:
        """Open, close and hide as it was before."""
        self._rearrange(-1)

    @action(
        "view.redo",
        text="Redo opening, closing and hiding",
        keys=("Ctrl+Shift+Z", "Ctrl+Y"),
        menu="View",
        when="can_redo",
    )
    def redo(self) -> None:
        """Open, close and hide again."""
        self._rearrange(1)

    def _rearrange(self, step: int) -> None:
        wanted = self.arrangements.move(step)
        self._rearranging = True
        self.session.arrange(wanted.expanded, wanted.unfolded)
        self.session.choose(replace(self.session.choices, hidden=wanted.hidden, kept=wanted.kept))
        self._rearranging = False


def name_of(graph: Graph, selection: Selection) -> str:
    """The stable key of a node, or the path of a scope."""
    if selection.what is What.NODE:
        return node_keys(graph)[selection.id]
    return graph.paths[selection.id] if selection.what is What.SCOPE else ""


def found_again(graph: Graph, place: Place) -> Selection:
    """What was selected at a place, in this graph; nothing where it has no such thing."""
    selection = place.selection
    if place.graph() is graph:
        return selection
    names = node_keys(graph) if selection.what is What.NODE else graph.paths
    if selection.what is What.VALUE or place.name not in names:
        return Selection()
    row = names.index(place.name)
    return Selection.of_node(row) if selection.what is What.NODE else Selection.of_scope(row)
