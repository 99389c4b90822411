"""Hiding, showing some things alone, and opening groups to a level, as declared actions."""

import numpy as np
from PySide6.QtCore import QObject

from graphreel.graph import NONE, repeats
from graphreel.gui.actions import action
from graphreel.gui.choices import BoolColumn, around, nodes_in, scopes_to_level
from graphreel.gui.session import Session
from graphreel.gui.views import Selection
from graphreel.layout.types import BoxKind

MOST_LEVELS = 9
MORE, LEVELS = "Hide or show more", "Expand to level"
"""The submenus."""


class HideCommands(QObject):
    """What shows and what does not."""

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self.session = session

    @property
    def has_graph(self) -> bool:
        """Whether a graph is on screen."""
        return self.session.graph is not None

    @property
    def has_selection(self) -> bool:
        """Whether operations or groups are selected."""
        selection = self.session.selection
        return self.has_graph and bool(selection.every_node or selection.every_scope)

    @property
    def has_hits(self) -> bool:
        """Whether a search found something."""
        return self.has_graph and bool(self.session.hits)

    @property
    def has_hidden(self) -> bool:
        """Whether anything is hidden."""
        return bool(self.session.choices.hidden) or self.session.choices.kept is not None

    def _hide(self, nodes: BoolColumn) -> None:
        graph = self.session.graph
        if graph is not None:
            self.session.select(Selection())
            self.session.choose(self.session.choices.without(graph, nodes))

    def _show_only(self, nodes: BoolColumn) -> None:
        graph = self.session.graph
        if graph is not None:
            self.session.choose(self.session.choices.only(graph, nodes))

    def _selected(self) -> BoolColumn:
        graph = self.session.graph
        assert graph is not None
        found, scene = nodes_in(graph, self.session.selection), self.session.scene
        if scene is not None and scene.view.graph is graph:
            # A fold is selected as its first scope, and means them all.
            view, scopes = scene.view, sorted(self.session.selection.every_scope)
            folds = np.flatnonzero((view.kind == BoxKind.FOLD) & np.isin(view.ref, scopes))
            found |= np.isin(view.node_box, folds)
        return found

    def _found(self) -> BoolColumn:
        graph, hits = self.session.graph, self.session.hits
        assert graph is not None
        return nodes_in(graph, Selection.of(hits.nodes.tolist() if hits is not None else ()))

    @action(
        "hide.selection",
        text="Hide",
        keys="H",
        menu="View",
        when="has_selection",
        section=True,
        tip="Hide what is selected; dashed edges stand for the ways through it",
    )
    def hide(self) -> None:
        """Hide what is selected."""
        self._hide(self._selected())

    @action(
        "hide.others",
        text="Show only this and its neighbours",
        keys="I",
        menu="View",
        when="has_selection",
        tip="Hide all but what is selected, what it takes from and what takes from it",
    )
    def isolate(self) -> None:
        """Show what is selected, and what is one edge away."""
        graph = self.session.graph
        assert graph is not None
        self._show_only(around(graph, self._selected(), 1))

    @action(
        "hide.but-ancestors", text="Show only what this comes from", when="has_selection", menu="View", submenu=MORE
    )
    def show_ancestors(self) -> None:
        """Show what is selected, and all that it is computed from."""
        graph = self.session.graph
        assert graph is not None
        self._show_only(around(graph, self._selected(), graph.node_count, down=False))

    @action(
        "hide.but-descendants", text="Show only what comes of this", when="has_selection", menu="View", submenu=MORE
    )
    def show_descendants(self) -> None:
        """Show what is selected, and all that is computed from it."""
        graph = self.session.graph
        assert graph is not None
        self._show_only(around(graph, self._selected(), graph.node_count, up=False))

    @action(
        "hide.one-more",
        text="Show one step more around this",
        keys="Shift+I",
        menu="View",
        submenu=MORE,
        when="has_hidden",
        tip="Of what is hidden, show what is one edge away from what shows",
    )
    def show_more(self) -> None:
        """Show what is one edge away from all that shows."""
        graph = self.session.graph
        if graph is not None and (hidden := self.session.choices.hidden_nodes(graph)) is not None:
            self._show_only(around(graph, ~hidden.nodes, 1))

    @action("hide.found", text="Hide what was found", when="has_hits", menu="View", submenu=MORE)
    def hide_found(self) -> None:
        """Hide all that the search found."""
        self._hide(self._found())

    @action("hide.but-found", text="Show only what was found", when="has_hits", menu="View", submenu=MORE)
    def show_found(self) -> None:
        """Show all that the search found, and nothing else."""
        self._show_only(self._found())

    @action("hide.nothing", text="Show all", keys="Shift+H", menu="View", when="has_hidden")
    def show_all(self) -> None:
        """Show everything again."""
        self.session.choose(self.session.choices.all_shown())

    def expand_to(self, level: int) -> None:
        """Open groups until so many levels show; blocks that repeat stay one box."""
        graph = self.session.graph
        if graph is not None:
            members = np.flatnonzero(repeats(graph).first != NONE).tolist()
            self.session.collapse_all()
            opened = scopes_to_level(graph, level, members)
            self.session.expand(opened, also_collapse=self.session.expanded - opened)


def _declare_levels() -> None:
    for level in range(1, MOST_LEVELS + 1):

        def expand(self: HideCommands, level: int = level) -> None:
            self.expand_to(level)

        text = f"Expand to level {level}"
        expand.__doc__ = f"{text}."
        name, keys = f"expand.level-{level}", str(level)
        declared = action(name, text=text, keys=keys, menu="View", submenu=LEVELS, when="has_graph", within="canvas")
        setattr(HideCommands, f"expand_to_level_{level}", declared(expand))


_declare_levels()
