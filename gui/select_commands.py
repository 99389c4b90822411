"""Selecting what is joined with the selection, and what stands beside it, as declared actions."""

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QObject
from PySide6.QtWidgets import QInputDialog, QWidget

from graphreel.analysis.reach import Nodes, Way, between, reached, shortest
from graphreel.graph import ROOT, Graph
from graphreel.gui.actions import action
from graphreel.gui.choices import nodes_in
from graphreel.gui.session import Session
from graphreel.gui.views import Selection, What

_STEPS = 3
"""How many steps are offered at first."""


class SelectCommands(QObject):
    """Makes one selection from another. What takes long runs as a job."""

    def __init__(self, session: Session, parent: QWidget) -> None:
        super().__init__(parent)
        self.session, self._window = session, parent
        self._steps = _STEPS

    @property
    def has_graph(self) -> bool:
        """Whether there is anything to select."""
        return self.session.graph is not None

    @property
    def has_selection(self) -> bool:
        """Whether anything is selected."""
        return self.has_graph and bool(self.session.selection)

    @property
    def has_ends(self) -> bool:
        """Whether just two things are selected."""
        selection = self.session.selection
        return self.has_graph and len(selection.every_node) + len(selection.every_scope) == 2

    @action("select.all", text="Select all in the scope", keys="Ctrl+A", menu="Select", when="has_graph", section=True)
    def all(self) -> None:
        """Select every operation in the scope around the selection; where all are selected, of the scope around that.

        Without a selection, all there are.
        """
        graph, selection = self.session.graph, self.session.selection
        if graph is None:
            return
        chosen = frozenset(nodes_of(graph, selection))
        scope = int(ROOT)
        if selection.what in (What.NODE, What.SCOPE):
            scope = int(graph.nodes.scope[selection.id]) if selection.what is What.NODE else selection.id
        found = frozenset(nodes_of(graph, Selection.of_scope(scope)))
        while scope != ROOT and found <= chosen and selection.what is What.NODE:
            scope = int(graph.scopes.parent[scope])
            found = frozenset(nodes_of(graph, Selection.of_scope(scope)))
        self.session.select(Selection.of(found, (), selection))

    @action(
        "select.ancestors",
        text="Ancestors",
        keys="Ctrl+Shift+Up",
        menu="Select",
        when="has_selection",
        tip="Select all that leads to the selection",
        section=True,
    )
    def ancestors(self) -> None:
        """Select everything that the selection depends on."""
        self._reach(Way.UP)

    @action(
        "select.descendants",
        text="Descendants",
        keys="Ctrl+Shift+Down",
        menu="Select",
        when="has_selection",
        tip="Select all that the selection leads to",
    )
    def descendants(self) -> None:
        """Select everything that depends on the selection."""
        self._reach(Way.DOWN)

    @action("select.ancestors-near", text="Ancestors within…", menu="Select", when="has_selection")
    def ancestors_near(self) -> None:
        """Ask for a number of steps, and select the ancestors within it."""
        self._ask(Way.UP)

    @action("select.descendants-near", text="Descendants within…", menu="Select", when="has_selection")
    def descendants_near(self) -> None:
        """Ask for a number of steps, and select the descendants within it."""
        self._ask(Way.DOWN)

    @action("select.wider-up", text="One step up", keys="Alt+Shift+Up", menu="Select", when="has_selection")
    def wider_up(self) -> None:
        """Select the producers besides."""
        self._reach(Way.UP, 1)

    @action("select.wider-down", text="One step down", keys="Alt+Shift+Down", menu="Select", when="has_selection")
    def wider_down(self) -> None:
        """Select the consumers besides."""
        self._reach(Way.DOWN, 1)

    @action(
        "select.path",
        text="All paths between two",
        keys="P",
        menu="Select",
        when="has_ends",
        tip="Select every operation on a directed path between the two that are selected",
    )
    def path(self) -> None:
        """Select all that lies between the two things that are selected."""
        self._connect(
            between, "No path leads from one to the other. Shift+P selects the shortest connection in any direction."
        )

    @action(
        "select.shortest",
        text="Shortest connection of two",
        keys="Shift+P",
        menu="Select",
        when="has_ends",
        tip="Select a shortest way between the two that are selected, whichever way its edges run",
    )
    def shortest(self) -> None:
        """Select the shortest connection of the two things that are selected."""
        self._connect(shortest, "Nothing joins the two, whichever way one follows the edges.")

    def _ask(self, way: Way) -> None:
        dialog = QInputDialog(self._window)
        dialog.setObjectName("steps")
        dialog.setInputMode(QInputDialog.InputMode.IntInput)
        dialog.setIntRange(1, 100_000)
        dialog.setIntValue(self._steps)
        dialog.setWindowTitle("Ancestors" if way is Way.UP else "Descendants")
        dialog.setLabelText("Within how many steps?")
        dialog.intValueSelected.connect(lambda steps: self._reach(way, steps, remember=True))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _reach(self, way: Way, steps: int | None = None, *, remember: bool = False) -> None:
        graph, selection = self.session.graph, self.session.selection
        if graph is None:
            return
        if remember and steps is not None:
            self._steps = steps
        self.session.jobs.run(
            "reach",
            lambda progress: reached(graph, seeds_of(graph, selection, way), way, steps, progress),
            then=lambda found: self._select(graph, selection, found),
            title="Following the edges",
        )

    def _connect(self, question: Callable[..., Nodes], nothing: str) -> None:
        graph, selection = self.session.graph, self.session.selection
        if graph is None or not self.has_ends:
            return
        ends = [Selection.of_node(node) for node in sorted(selection.every_node)]
        ends += [Selection.of_scope(scope) for scope in sorted(selection.every_scope)]
        one, other = (nodes_of(graph, end) for end in ends)

        def show(found: Nodes) -> None:
            if len(found):
                self._select(graph, selection, found)
            else:
                self.session.told.emit(nothing)

        self.session.jobs.run(
            "reach", lambda progress: question(graph, one, other, progress), then=show, title="Following the edges"
        )

    def _select(self, graph: Graph, before: Selection, found: Nodes) -> None:
        """Select these, as long as the question still makes sense; the primary one stays what it was."""
        if self.session.graph is graph and self.session.selection == before:
            self.session.select(Selection.of(found.tolist(), (), before))


def nodes_of(graph: Graph, selection: Selection) -> list[int]:
    """The nodes that are selected, and those in the scopes that are."""
    found: list[int] = np.flatnonzero(nodes_in(graph, selection)).tolist()
    return found


def seeds_of(graph: Graph, selection: Selection, way: Way) -> list[int]:
    """Where to start from: the nodes that are selected; of a value what gives it, or takes it, as the way is."""
    if selection.what is not What.VALUE:
        return nodes_of(graph, selection)
    producer = int(graph.values.producer[selection.id])
    if way is Way.UP:
        return [producer] if producer >= 0 else []
    consumers: list[int] = graph.consumers_of(selection.id).tolist()
    return consumers
