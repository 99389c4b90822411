"""What the user can do with session and canvas, as declared actions. Menus, toolbar and palette are made from these."""

from PySide6.QtCore import QObject

from graphreel.analysis import Cursor, first, last, next_node, previous_node
from graphreel.graph import NodeId, ScopeId, repeats
from graphreel.gui.actions import action
from graphreel.gui.anchoring import fit_boxes
from graphreel.gui.canvas import Canvas
from graphreel.gui.folding import hiding_fold, run_around
from graphreel.gui.marks import boxes_of
from graphreel.gui.session import Session
from graphreel.gui.views import Selection, What


class StepCommands(QObject):
    """Stepping through the operations, and through the iterations."""

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self.session = session
        self.follow = False

    @property
    def can_go_on(self) -> bool:
        """Whether there is an operation after the cursor."""
        graph, node = self.session.graph, self.session.cursor.node
        return graph is not None and graph.node_count > 0 and (node is None or node < graph.node_count - 1)

    @property
    def can_go_back(self) -> bool:
        """Whether there is an operation before the cursor."""
        node = self.session.cursor.node
        return self.session.graph is not None and node is not None and node > 0

    @property
    def has_cursor(self) -> bool:
        """Whether stepping stands at an operation."""
        return self.session.graph is not None and self.session.cursor.node is not None

    def _step(self, cursor: Cursor) -> None:
        self.session.move_cursor(cursor)
        if self.follow and cursor.node is not None:
            self.session.reveal(cursor.node)

    @action("step.first", text="First operation", keys="Ctrl+Home", menu="Step", icon="first", when="can_go_back")
    def first(self) -> None:
        """Step to the first operation."""
        if self.session.graph is not None:
            self._step(first(self.session.cursor, self.session.graph))

    @action(
        "step.previous", text="Previous operation", keys="Shift+F10", menu="Step", icon="previous", when="can_go_back"
    )
    def previous(self) -> None:
        """Step one operation back."""
        if self.session.graph is not None:
            self._step(previous_node(self.session.cursor, self.session.graph))

    @action("step.next", text="Next operation", keys="F10", menu="Step", icon="next", when="can_go_on")
    def next(self) -> None:
        """Step one operation on."""
        if self.session.graph is not None:
            self._step(next_node(self.session.cursor, self.session.graph))

    @action("step.last", text="Last operation", keys="Ctrl+End", menu="Step", icon="last", when="can_go_on")
    def last(self) -> None:
        """Step to the last operation."""
        if self.session.graph is not None:
            self._step(last(self.session.cursor, self.session.graph))

    @property
    def has_selected_node(self) -> bool:
        """Whether an operation is selected."""
        return self.session.selection.what is What.NODE

    @action(
        "step.to-selection",
        text="Step to the selected operation",
        keys="Ctrl+F10",
        menu="Step",
        when="has_selected_node",
    )
    def to_selection(self) -> None:
        """Move the cursor to the selected operation."""
        self._step(Cursor(self.session.cursor.iteration, NodeId(self.session.selection.id)))

    @action(
        "step.reveal",
        text="Open the groups around the cursor",
        keys="F11",
        menu="Step",
        when="has_cursor",
        tip="Expand every group that hides the operation where stepping stands",
        section=True,
    )
    def reveal(self) -> None:
        """Open every group around the cursor."""
        if self.session.cursor.node is not None:
            self.session.reveal(self.session.cursor.node)

    @action(
        "step.follow",
        text="Open groups while stepping",
        menu="Step",
        checked="follow",
        tip="Expand the groups that the cursor steps into; else the collapsed group is marked",
    )
    def switch_follow(self) -> None:
        """Open groups while stepping, or leave them closed."""
        self.follow = not self.follow

    def _iteration(self, step: int) -> None:
        trace, shown = self.session.trace, self.session.shown
        if trace is None or shown is None:
            return
        indexes = [iteration.index for iteration in trace.iterations]
        row = indexes.index(shown.iteration.index) + step
        if 0 <= row < len(indexes):
            self.session.show_iteration(indexes[row])

    @property
    def has_iterations(self) -> bool:
        """Whether there is another iteration to go to."""
        return self.session.trace is not None and len(self.session.trace.iterations) > 1

    @action(
        "step.previous-iteration",
        text="Previous iteration",
        keys="Alt+Left",
        menu="Step",
        when="has_iterations",
        section=True,
    )
    def previous_iteration(self) -> None:
        """Show the iteration before."""
        self._iteration(-1)

    @action("step.next-iteration", text="Next iteration", keys="Alt+Right", menu="Step", when="has_iterations")
    def next_iteration(self) -> None:
        """Show the iteration after."""
        self._iteration(1)


class CanvasCommands(QObject):
    """Looking around on the canvas, and opening and closing groups."""

    def __init__(self, session: Session, canvas: Canvas) -> None:
        super().__init__(canvas)
        self.session, self.canvas = session, canvas

    @property
    def has_picture(self) -> bool:
        """Whether a picture is on the canvas."""
        return self.canvas.scene is not None

    @property
    def _scope_path(self) -> str:
        """The path of the selected scope, or of the one around the selected operation; empty for none."""
        graph, selection = self.session.graph, self.session.selection
        if graph is None or selection.what not in (What.NODE, What.SCOPE):
            return ""
        scope = graph.scope(selection.id) if selection.what is What.SCOPE else graph.node(selection.id).scope
        return scope.path

    @property
    def can_expand(self) -> bool:
        """Whether a closed scope is selected."""
        return self.session.selection.what is What.SCOPE and self._scope_path not in self.session.expanded

    @property
    def can_collapse(self) -> bool:
        """Whether what is selected is an open scope or stands in one."""
        return self._scope_path in self.session.expanded

    @action("view.fit", text="Fit the graph", keys="F", menu="View", icon="fit", when="has_picture")
    def fit(self) -> None:
        """Show the whole graph."""
        self.canvas.fit()

    @property
    def has_selection(self) -> bool:
        """Whether something on the canvas is selected."""
        return self.has_picture and bool(self.session.selection)

    @action("view.selection", text="Zoom to the selection", keys="Z", menu="View", icon="target", when="has_selection")
    def zoom_to_selection(self) -> None:
        """Fill the canvas with what is selected."""
        scene = self.canvas.scene
        if scene is not None:
            fit_boxes(self.canvas, boxes_of(scene.view, self.session.selection))

    @action("view.zoom-in", text="Zoom in", keys=("Ctrl++", "Ctrl+="), menu="View", when="has_picture")
    def zoom_in(self) -> None:
        """Show less, larger."""
        self.canvas.zoom_by(1.25)

    @action("view.zoom-out", text="Zoom out", keys="Ctrl+-", menu="View", when="has_picture")
    def zoom_out(self) -> None:
        """Show more, smaller."""
        self.canvas.zoom_by(1 / 1.25)

    @action("view.actual", text="Zoom to 100 %", keys="Ctrl+0", menu="View", when="has_picture")
    def actual_size(self) -> None:
        """Show one unit of the picture as one pixel."""
        self.canvas.zoom_by(1 / self.canvas.camera.zoom)

    @property
    def has_autograd(self) -> bool:
        """Whether the autograd graph of the iteration was recorded."""
        shown = self.session.shown
        return shown is not None and "autograd" in shown.views

    @property
    def shows_autograd(self) -> bool:
        """Whether it is on screen."""
        shown = self.session.shown
        return shown is not None and shown.view == "autograd"

    @action(
        "view.autograd",
        text="Autograd graph",
        keys="G",
        menu="View",
        when="has_autograd",
        checked="shows_autograd",
        section=True,
        tip="Show the autograd graph of this iteration, or the operations again",
    )
    def switch_autograd(self) -> None:
        """Show the autograd graph of the iteration, or the operations that it ran."""
        self.session.show_view("" if self.shows_autograd else "autograd")

    @action("view.expand", text="Expand", keys="E", menu="View", icon="expand", when="can_expand", section=True)
    def expand(self) -> None:
        """Open the selected scope, or show the scopes of the selected fold."""
        graph, selection, path = self.session.graph, self.session.selection, self._scope_path
        if graph is None:
            return
        if hiding_fold(graph, ScopeId(selection.id), self.session.expanded, self.session.unfolded) == path:
            self.session.unfold(path)
        else:
            self.session.expand([path])

    @action("view.collapse", text="Collapse", keys="C", menu="View", icon="collapse", when="can_collapse")
    def collapse(self) -> None:
        """Close the selected scope, or the one around what is selected."""
        graph, path = self.session.graph, self._scope_path
        if graph is not None and path:
            self.session.select(Selection.of_scope(graph.paths.index(path)))
            self.session.expand([], also_collapse=[path])

    @action("view.expand-like", text="Expand all beside it", keys="Shift+E", menu="View", when="can_expand")
    def expand_beside(self) -> None:
        """Open the selected scope and all that stand beside it."""
        graph = self.session.graph
        if graph is not None:
            parent = graph.scope(self.session.selection.id).parent
            self.session.expand(child.path for child in (parent.children if parent is not None else []))

    @action("view.collapse-all", text="Collapse all", keys="Ctrl+Shift+C", menu="View", when="has_picture")
    def collapse_all(self) -> None:
        """Close every scope but the outermost."""
        self.session.collapse_all()

    @property
    def _run(self) -> ScopeId | None:
        """The repeated scope that is selected, or the innermost one around what is selected."""
        graph, selection = self.session.graph, self.session.selection
        if graph is None or selection.what not in (What.NODE, What.SCOPE):
            return None
        scope = ScopeId(selection.id) if selection.what is What.SCOPE else graph.node(selection.id).scope.id
        return run_around(graph, scope)

    @property
    def can_fold(self) -> bool:
        """Whether what is selected is, or stands in, one of several equal blocks."""
        return self._run is not None

    @action(
        "view.fold",
        text="Fold or unfold repeated blocks",
        keys="B",
        menu="View",
        when="can_fold",
        tip="Show the blocks that repeat as one box, Block × 12, or one by one",
    )
    def fold(self) -> None:
        """Show the run around the selection as one box, or its scopes one by one."""
        graph, scope = self.session.graph, self._run
        if graph is None or scope is None:
            return
        first = repeats(graph).members(scope)[0]
        if hiding_fold(graph, scope, self.session.expanded, self.session.unfolded) is not None:
            self.session.unfold(graph.paths[first])
        else:
            self.session.select(Selection.of_scope(first))
            self.session.fold(first)
