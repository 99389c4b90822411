"""Between session and widgets: each presenter hears from the session and shows it in one widget, and hands on what
the user does there. No presenter knows another.
"""

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject
from PySide6.QtWidgets import QDockWidget, QTreeView

from graphreel.analysis import Cursor
from graphreel.graph import NodeId, Source
from graphreel.gui.panels.find import FindBar
from graphreel.gui.panels.findings import FindingsPanel
from graphreel.gui.panels.inspector import InspectorPanel
from graphreel.gui.panels.outline_model import OutlineModel
from graphreel.gui.panels.outline_tree import OutlineTree, outline
from graphreel.gui.panels.source import SourcePanel
from graphreel.gui.panels.strip import IterationStrip
from graphreel.gui.session import Session
from graphreel.gui.views import Selection, Shown, What
from graphreel.tracefile import Trace
from graphreel.tracefile.extras import Finding

if TYPE_CHECKING:
    from graphreel.gui.numbers import NumbersPresenter


class Presenter(QObject):
    """Hears everything and does nothing: presenters override what concerns their widget."""

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self.session = session
        session.add_view(self)

    def trace_opened(self, trace: Trace) -> None:
        """See TraceView."""

    def trace_closed(self) -> None:
        """See TraceView."""

    def iteration_shown(self, shown: Shown) -> None:
        """See TraceView."""

    def selection_changed(self, selection: Selection) -> None:
        """See TraceView."""

    def cursor_moved(self, cursor: Cursor) -> None:
        """See TraceView."""


class StripPresenter(Presenter):
    """Keeps the iteration strip."""

    def __init__(self, session: Session, strip: IterationStrip) -> None:
        super().__init__(session, strip)
        self.strip = strip
        strip.chosen.connect(session.show_iteration)
        session.grew.connect(self._list)

    def _list(self) -> None:
        trace, shown = self.session.trace, self.session.shown
        if trace is not None:
            nothing = "The recording holds no iteration."
            if trace.running:
                nothing = "Waiting for the first iteration…"
            current = shown.iteration.index if shown else None
            self.strip.show_iterations(trace.iterations, current, nothing, trace.keyframes)

    def trace_opened(self, trace: Trace) -> None:
        self._list()

    def trace_closed(self) -> None:
        self.strip.show_iterations((), None)

    def iteration_shown(self, shown: Shown) -> None:
        self.strip.mark(shown.iteration.index)


class OutlinePresenter(Presenter):
    """Keeps the outline tree; its tree is made off the GUI thread."""

    def __init__(self, session: Session, view: QTreeView, model: OutlineModel) -> None:
        super().__init__(session, view)
        self.view, self.model = view, model
        self._quiet = False
        view.selectionModel().currentChanged.connect(self._chosen)
        view.doubleClicked.connect(self._opened)

    def trace_closed(self) -> None:
        self.session.jobs.cancel("outline")
        self.model.show(None)

    def iteration_shown(self, shown: Shown) -> None:
        if self.model.tree is None or self.model.tree.graph is not shown.graph:
            self.session.jobs.run(
                "outline",
                lambda graph, progress: outline(graph),
                shown.graph,
                then=self._show,
                title="Listing the graph",
            )

    def _show(self, tree: OutlineTree) -> None:
        self._quiet = True
        self.model.show(tree)
        self.view.expandToDepth(0)
        self._quiet = False
        self.selection_changed(self.session.selection)

    def selection_changed(self, selection: Selection) -> None:
        shown = self.session.shown
        if shown is None or self.model.tree is None or self.model.tree.graph is not shown.graph:
            return
        self._quiet = True
        index = self.model.index_of(selection)
        if index.isValid():
            self.view.setCurrentIndex(index)
            self.view.scrollTo(index)
        else:
            self.view.selectionModel().clear()
        self._quiet = False

    def _chosen(self, current: QModelIndex, previous: QModelIndex) -> None:
        if not self._quiet:
            self.session.select(self.model.selection_at(current))

    def _opened(self, index: QModelIndex) -> None:
        """Open the scope on the canvas, or everything around the operation."""
        selection, shown = self.model.selection_at(index), self.session.shown
        if shown is None:
            return
        if selection.what is What.NODE:
            self.session.reveal(shown.graph.node(selection.id).id)
        elif selection.what is What.SCOPE:
            self.session.toggle(shown.graph.scope(selection.id).path)


class InspectorPresenter(Presenter):
    """Keeps the inspector."""

    def __init__(self, session: Session, panel: InspectorPanel, numbers: "NumbersPresenter") -> None:
        super().__init__(session, panel)
        self.panel, self.numbers = panel, numbers
        panel.asked.connect(session.go_to)
        panel.numbers_asked.connect(self.numbers.ask)
        self.numbers.changed.connect(self._tell)
        self._tell()

    def _tell(self) -> None:
        self.panel.show_selection(self.session.shown, self.session.selection, self.numbers.known())

    def trace_closed(self) -> None:
        self._tell()

    def selection_changed(self, selection: Selection) -> None:
        self._tell()


class FindingsPresenter(Presenter):
    """Keeps the findings panel, and its dock on screen while there are any."""

    def __init__(self, session: Session, panel: FindingsPanel, dock: QDockWidget) -> None:
        super().__init__(session, panel)
        self.panel, self.dock = panel, dock
        panel.chosen.connect(self._go)

    def trace_closed(self) -> None:
        self.panel.show_findings((), None)

    def iteration_shown(self, shown: Shown) -> None:
        self.panel.show_findings(shown.findings, None if shown.view else shown.graph)
        self.dock.setVisible(bool(shown.findings))

    def _go(self, finding: Finding) -> None:
        shown = self.session.shown
        if shown is None or finding.node is None:
            return
        if shown.view:
            self.session.show_view("")
        elif finding.node < shown.graph.node_count:
            self.session.reveal(finding.node)
            self.session.go_to(Selection.of_node(finding.node))


class SourcePresenter(Presenter):
    """Keeps the source panel."""

    def __init__(self, session: Session, panel: SourcePanel) -> None:
        super().__init__(session, panel)
        self.panel = panel

    def trace_opened(self, trace: Trace) -> None:
        # Another trace may hold another text of the same file.
        self.trace_closed()

    def trace_closed(self) -> None:
        self.panel.show_stack((), lambda file: None)

    def selection_changed(self, selection: Selection) -> None:
        shown, trace = self.session.shown, self.session.trace
        if shown is None or trace is None:
            return
        stack = stack_of(shown, selection)
        nothing = "The file does not say which line of a program this comes from." if selection else ""
        self.panel.show_stack(stack, trace.source_text, nothing)


class FindPresenter(Presenter):
    """Keeps the find bar."""

    def __init__(self, session: Session, bar: FindBar) -> None:
        super().__init__(session, bar)
        self.bar = bar
        bar.asked.connect(lambda query: session.search(query, bar.show_error))
        bar.chosen.connect(self._go)
        session.hits_changed.connect(lambda: bar.show_hits(session.shown, session.hits))

    def _go(self, row: int) -> None:
        if self.session.shown is not None and row < len(self.bar.model.nodes):
            node = NodeId(int(self.bar.model.nodes[row]))
            self.session.reveal(node)
            self.session.go_to(Selection.of_node(node))


def stack_of(shown: Shown, selection: Selection) -> list[Source]:
    """The lines of the user's program that led to what is selected; for a value, to its producer."""
    graph = shown.graph
    match selection.what:
        case What.NODE:
            return graph.node(selection.id).stack
        case What.SCOPE:
            return graph.stack(int(graph.scopes.source[selection.id]))
        case What.VALUE:
            producer = graph.value(selection.id).producer
            return [] if producer is None else producer.stack
        case What.NOTHING:
            return []
