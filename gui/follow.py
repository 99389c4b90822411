"""Follows a recording that is still being written: asks the trace, now and then, whether it has grown."""

from PySide6.QtCore import QObject, QTimer

from graphreel.gui import work
from graphreel.gui.presenters import Presenter
from graphreel.gui.session import Session
from graphreel.tracefile import Trace

INTERVAL_MS = 700


class Follower(Presenter):
    """Asks while the recording runs, and stops when it has ended or its file is gone."""

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(session, parent)
        self._timer = QTimer(self, interval=INTERVAL_MS, singleShot=True)
        self._timer.timeout.connect(self._ask)

    def trace_opened(self, trace: Trace) -> None:
        if trace.running:
            self._timer.start()

    def trace_closed(self) -> None:
        self._timer.stop()

    def _ask(self) -> None:
        trace = self.session.trace
        if trace is not None:
            self.session.jobs.run(
                "follow", work.refresh, trace, then=self._told, failed=self._failed, title="Following the recording"
            )

    def _told(self, grew: bool) -> None:
        trace = self.session.trace
        if trace is None:
            return
        if grew:
            self.session.take_growth()
        if trace.running:
            self._timer.start()

    def _failed(self, error: Exception) -> None:
        self.session.failed.emit(error)
