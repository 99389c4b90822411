"""The session: the one trace, the one selection and the one cursor that all views show.

Views ask the session and hear from it; they never speak to each other. What takes long runs as a job.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from graphreel.analysis import Cursor, Hits, carried
from graphreel.graph import NodeId, ScopeId
from graphreel.gui import folding, work
from graphreel.gui.choices import Choices
from graphreel.gui.session_state import SessionState
from graphreel.gui.views import Selection, Shown, carried_selection, linked, paths_around
from graphreel.render import Scene
from graphreel.tracefile import Trace


class Session(SessionState):
    """Changes what is open, what of it is on screen, and what is selected; see SessionState for what it knows."""

    def open(self, path: Path, failed: Callable[[Exception], None] | None = None) -> None:
        """Open a file in place of what is open; that stays where the file cannot be opened.

        `failed` hears of it then, instead of whoever listens to the signal of that name.
        """
        title = f"Opening {path.name}"
        self.jobs.run(
            "open", work.open_file, path, then=self.show_trace, failed=failed, dropped=Trace.close, title=title
        )

    def show_trace(self, trace: Trace) -> None:
        """Show a trace that is open already; the session closes it in the end."""
        self.close()
        self.trace = trace
        for view in list(self._views):
            view.trace_opened(trace)
        self.state_changed.emit()
        first = work.first_shown(trace)
        if first is not None:
            self.show_iteration(first)

    def close(self) -> None:
        """Close what is open, if anything is."""
        if self.trace is None:
            return
        for tag in ("iteration", "layout", "search", "follow"):
            self.jobs.cancel(tag)
        self.trace.close()
        self._reset()
        for view in list(self._views):
            view.trace_closed()
        self.picture_changed.emit()
        self.hits_changed.emit()
        self.state_changed.emit()

    def show_iteration(self, index: int) -> None:
        """Bring another iteration of the trace on screen."""
        if self.trace is not None:
            asked = self.trace, index, self.view
            self.jobs.run("iteration", work.load_iteration, *asked, then=self._show, title=f"Reading iteration {index}")

    def show_view(self, view: str) -> None:
        """Bring another view of the pass on screen; empty for the pass itself."""
        self.view = view
        if self.shown is not None and self.shown.view != view:
            self.show_iteration(self.shown.iteration.index)

    def take_growth(self) -> None:
        """Tell everybody that the trace has more in it than before."""
        self.grew.emit()
        self.state_changed.emit()
        if self.trace is not None and self.trace.iterations and self.shown is None:
            self.show_iteration(self.trace.iterations[0].index)

    def _show(self, shown: Shown) -> None:
        old, self.shown = self.shown, shown
        if old is None:
            self.expanded = work.expanded_at_first(shown.graph)
            self._keep_unfolded(self.expanded)
            self.cursor = Cursor(shown.iteration.index)
        elif old.view != shown.view:
            self.expanded |= work.expanded_at_first(shown.graph)
            node = None if self.cursor.node is None else linked(self.cursor.node, old, shown)
            self.cursor = Cursor(shown.iteration.index, node)
        else:
            self.cursor = carried(self.cursor, old.graph, shown.graph, shown.iteration.index)
        self.selection = carried_selection(self.selection, old, shown)
        for view in list(self._views):
            view.iteration_shown(shown)
        if self.failed_node is not None:
            self.cursor = Cursor(shown.iteration.index, self.failed_node)
            self.selection = Selection.of_node(self.failed_node)
            self.expanded |= set(paths_around(shown.graph.node(self.failed_node).scope))
            self._keep_unfolded(self.expanded)
        self._tell_selection()
        self._tell_cursor()
        self._draw()
        if self.hits is not None:
            self.search(self.hits.query)

    def select(self, selection: Selection) -> None:
        """Select something everywhere."""
        if selection != self.selection and self.shown is not None:
            self.selection = selection
            self._tell_selection()
            self._unfold_around(selection)

    def move_cursor(self, cursor: Cursor) -> None:
        """Step to a node of the iteration on screen, and select it."""
        if cursor == self.cursor or cursor.node is None:
            return
        self.cursor = cursor
        self.selection = Selection.of_node(cursor.node)
        self._tell_cursor()
        self._tell_selection()
        self._unfold_around(self.selection)

    def expand(self, paths: Iterable[str], *, also_collapse: Iterable[str] = ()) -> None:
        """Open scopes, and close others, by their paths; the picture follows when it is laid out."""
        expanded = (self.expanded | set(paths)) - set(also_collapse)
        if expanded != self.expanded and self.shown is not None:
            # A run of which a scope was open stays unfolded when that closes: nothing else shall move then.
            self._keep_unfolded(expanded - self.expanded)
            self.expanded = expanded
            self._draw()

    def arrange(self, expanded: Iterable[str], unfolded: Iterable[str]) -> None:
        """Open just these scopes, and unfold just these runs."""
        if self.shown is not None:
            self.expanded, self.unfolded = set(expanded), set(unfolded)
            self._draw()

    def toggle(self, path: str) -> None:
        """Open a scope, with all around it, or close it."""
        if path in self.expanded:
            self.expand([], also_collapse=[path])
        elif self.shown is not None and path in self.shown.graph.paths:
            graph = self.shown.graph
            self.expand(paths_around(graph.scope(graph.paths.index(path))))

    def unfold(self, path: str | None) -> None:
        """Show the scopes of a run one by one, if there is one; `path` is that of its first scope."""
        if path is not None and path not in self.unfolded and self.shown is not None:
            self.unfolded.add(path)
            self._draw()

    def fold(self, scope: ScopeId) -> None:
        """Show the run that a scope is part of as one box again, whatever is open in it."""
        if self.shown is not None:
            members = folding.members_of(self.shown.graph, scope)
            self.unfolded -= members
            self._unfolded_by_hits -= members
            self.expanded -= members
            self._draw()

    def collapse_all(self) -> None:
        """Close every scope but the outermost, and fold what is unfolded."""
        if self.shown is not None:
            self.unfolded, self._unfolded_by_hits = set(), set()
            self.expanded &= {child.path for child in self.shown.graph.scope(0).children}
            self._draw()

    def _keep_unfolded(self, paths: Iterable[str]) -> None:
        assert self.shown is not None
        self.unfolded |= folding.runs_of(self.shown.graph, set(paths))

    def _unfold_around(self, selection: Selection) -> None:
        """Show the block in which something is; the first scope of a fold stands for the fold, so that stays."""
        if self.shown is not None:
            unfolded = self.unfolded | self._unfolded_by_hits
            self.unfold(folding.fold_around(self.shown.graph, selection, self.expanded, unfolded))

    def reveal(self, node: NodeId) -> None:
        """Open every scope around a node, and show it where it is hidden."""
        if self.shown is not None:
            self.choose(self.choices.showing(self.shown.graph, node))
            self.expand(paths_around(self.shown.graph.node(node).scope))

    def go_to(self, selection: Selection) -> None:
        """Select something that may stand inside a collapsed scope; it is shown once its place is known."""
        self.select(selection)
        self.went_to.emit()

    def search(self, query: str, failed: Callable[[Exception], None] | None = None) -> None:
        """Look for nodes; an empty query forgets the last search. `failed` hears of a query that means nothing."""
        if self.shown is None or not query.strip():
            self.jobs.cancel("search")
            self._show_hits(None)
            return
        self.jobs.run("search", work.find, self.shown, query, then=self._show_hits, failed=failed, title="Searching")

    def choose(self, choices: Choices) -> None:
        """Show other things of the graph, or other colours."""
        before, self.choices = self.choices, choices
        if self.shown is None or choices == before:
            return
        drawing = any(job.tag == "layout" for job in self.jobs.running)
        stale = drawing or self.scene is None or self.scene.view.graph is not self.shown.graph
        if self.scene is None or stale or replace(before, colour_by="") != replace(choices, colour_by=""):
            self._draw()
        else:
            shown, scene = self.shown, self.scene
            self.jobs.run("layout", work.colour, shown, choices, scene, then=self._show_scene, title="Colouring")
        self.state_changed.emit()

    def _show_hits(self, hits: Hits | None) -> None:
        self.hits = hits
        self.hits_changed.emit()
        self.state_changed.emit()
        unfolded = folding.told_apart_by(self.graph, hits)
        if unfolded != self._unfolded_by_hits and self.shown is not None:
            self._unfolded_by_hits = unfolded
            self._draw()

    def _draw(self) -> None:
        assert self.shown is not None
        self.arranged.emit()
        self.jobs.run(
            "layout",
            work.draw,
            self.shown,
            frozenset(self.expanded),
            frozenset(self.unfolded | self._unfolded_by_hits),
            self.choices,
            self.scene,
            self._layouts,
            then=self._show_scene,
            title="Laying out the graph",
        )

    def _show_scene(self, scene: Scene) -> None:
        self.scene = scene
        self.picture_changed.emit()
        self.state_changed.emit()
