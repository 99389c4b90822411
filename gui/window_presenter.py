"""Keeps what is the window's own in step with the session: pages, docks, title, status bar, messages, recent files."""

from functools import partial
from typing import TYPE_CHECKING

from graphreel.analysis import Cursor
from graphreel.gui.presenters import Presenter
from graphreel.gui.session import Session
from graphreel.gui.text import count_text
from graphreel.gui.views import Selection, Shown
from graphreel.tracefile import Trace

if TYPE_CHECKING:
    from graphreel.gui.window import Window


class WindowPresenter(Presenter):
    """Keeps the window."""

    def __init__(self, session: Session, window: "Window") -> None:
        super().__init__(session, window)
        self.window = window
        session.failed.connect(window.message.say_error)
        session.told.connect(window.message.say)
        session.grew.connect(self._say_place)
        window.welcome.open_asked.connect(window.files.open)
        window.welcome.recent_asked.connect(window.open)
        window.welcome.demo_asked.connect(self._demo)
        window.demo.progressed.connect(window.welcome.show_recording)
        window.demo.recorded.connect(window.open)
        window.demo.failed.connect(window.message.say_error)
        self._arrange(opened=False)

    def trace_opened(self, trace: Trace) -> None:
        self.window.message.clear()
        self.window.settings.add_recent(trace.path)
        self._arrange(opened=True)
        if found := trace.problems:
            first, *others = found
            more = f" (and {count_text(len(others), 'more problem')})" if others else ""
            self.window.message.say(f"{first}{more}", level="warning", details="\n".join(found))

    def trace_closed(self) -> None:
        self.window.message.clear()
        self.window.find_bar.hide()
        self._arrange(opened=False)

    def iteration_shown(self, shown: Shown) -> None:
        error = shown.iteration.error
        if error is not None:
            line = f"Iteration {shown.iteration.index} failed: {error.type}: {error.message}".splitlines()[0]
            self.window.message.say(line, level="error", details=error.traceback)
        elif self.window.message.level == "error":
            self.window.message.clear()
        self._say_place()

    def cursor_moved(self, cursor: Cursor) -> None:
        self._say_place()

    def selection_changed(self, selection: Selection) -> None:
        self._say_place()

    def _arrange(self, *, opened: bool) -> None:
        """Show the canvas with its panels, or the welcome page without any."""
        window, trace = self.window, self.session.trace
        window.pages.setCurrentWidget(window.canvas if opened else window.welcome)
        for dock in window.docks:
            dock.setVisible(opened)
        window.findings_dock.hide()  # until an iteration with findings is shown
        window.tools.setVisible(opened)
        window.setWindowTitle(f"{trace.path.name} – Graphreel" if trace is not None else "Graphreel")
        recent = window.settings.recent
        window.welcome.show_recent(recent)
        window.recent_menu.clear()
        window.recent_menu.setEnabled(bool(recent))
        for path in recent:
            window.recent_menu.addAction(str(path), partial(window.open, path))
        (window.canvas if opened else window.welcome.open_button).setFocus()
        self._say_place()

    def _say_place(self) -> None:
        """Where one is: iteration, operation, and what the trace is doing."""
        trace, shown, cursor = self.session.trace, self.session.shown, self.session.cursor
        if trace is None or shown is None:
            self.window.place.setText("")
            return
        parts = [f"Iteration {shown.iteration.index}", count_text(shown.graph.node_count, "operation")]
        if cursor.node is not None:
            node = shown.graph.node(cursor.node)
            where = f" in {node.scope.path}" if node.scope.path else ""
            parts[1] = f"operation #{cursor.node} of {shown.graph.node_count:,}: {node.op}{where}"
        if trace.running:
            parts.append("still recording")
        self.window.place.setText("   ·   ".join(parts))

    def _demo(self) -> None:
        if self.window.demo.running:
            self.window.demo.stop()
        else:
            self.window.message.clear()
            self.window.demo.start()
