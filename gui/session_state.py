"""What a session knows, and whom it tells: the state of the window apart from what changes it."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from graphreel.analysis import Cursor, Hits
from graphreel.graph import Graph, NodeId
from graphreel.gui.choices import Choices
from graphreel.gui.jobs import Jobs
from graphreel.gui.views import Selection, Shown, TraceView
from graphreel.layout import LayoutCache

if TYPE_CHECKING:
    from graphreel.render import Scene
    from graphreel.tracefile import Trace


class SessionState(QObject):
    """What is open, what of it is on screen, and who looks at it.

    Attributes:
        trace: The open trace, or None.
        shown: The iteration on screen, or None.
        scene: The picture of `shown` with `expanded`, or an earlier one while a new one is being made.
        expanded: Paths of the expanded scopes; by path, so that they stay open in every iteration.
        unfolded: Runs of repeated scopes that show one by one, by the path of their first scope.
        selection, cursor: The one selection and the one cursor.
        hits: What the last search found, or None.
        choices: What of the graph the user chose to see.
        view: The view of a pass that is wanted on screen, such as `autograd`; empty for the pass itself.

    Signals:
        grew: The open trace has more iterations than before, or its recording ended.
        arranged: `expanded` or `unfolded` changed; the picture follows.
        picture_changed: `scene` is another.
        hits_changed: `hits` is another.
        went_to: The user asked to see what is selected now, wherever it is.
        state_changed: Anything at all changed; for what can be done now.
        failed: An exception to show to the user.
        told: A line of good news to show to the user.
    """

    grew = Signal()
    arranged = Signal()
    picture_changed = Signal()
    hits_changed = Signal()
    went_to = Signal()
    state_changed = Signal()
    failed = Signal(object)
    told = Signal(str)

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.jobs = jobs
        jobs.failed.connect(self.failed)
        self._views: list[TraceView] = []
        self.choices = Choices()
        self._reset()

    def _reset(self) -> None:
        self.trace: Trace | None = None
        self.shown: Shown | None = None
        self.scene: Scene | None = None
        self.expanded: set[str] = set()
        self.unfolded: set[str] = set()
        self._unfolded_by_hits: set[str] = set()
        self.selection = Selection()
        self.cursor = Cursor(0)
        self.hits: Hits | None = None
        self.choices = self.choices.all_shown()
        self.view = ""
        # One layout at a time asks it: jobs of a tag run one after the other.
        self._layouts = LayoutCache()

    @property
    def graph(self) -> Graph | None:
        """The graph on screen, or None."""
        return None if self.shown is None else self.shown.graph

    @property
    def failed_node(self) -> NodeId | None:
        """The node that raised in the iteration on screen, where one did."""
        error = None if self.shown is None or self.shown.view else self.shown.iteration.error
        return None if error is None else error.node

    def add_view(self, view: TraceView) -> None:
        """Tell a view from now on what changes."""
        self._views.append(view)

    def remove_view(self, view: TraceView) -> None:
        """Tell it no more."""
        self._views.remove(view)

    def _tell_selection(self) -> None:
        for view in list(self._views):
            view.selection_changed(self.selection)
        self.state_changed.emit()

    def _tell_cursor(self) -> None:
        for view in list(self._views):
            view.cursor_moved(self.cursor)
        self.state_changed.emit()
