"""Whole values for the inspector: from the trace where it holds them, else from the iteration executed again."""

from collections import OrderedDict
from functools import partial

from PySide6.QtCore import QObject, Signal

from graphreel.gui import work
from graphreel.gui.presenters import Presenter
from graphreel.gui.session import Session
from graphreel.gui.views import Known, Numbers, Shown
from graphreel.replay import Replay
from graphreel.tracefile import Trace

_KEPT = 64
"""How many values stay known; what is shown of one is small."""


class NumbersPresenter(Presenter):
    """Fetches what is asked for, and keeps it while the trace is open.

    Attributes:
        replay: What executes the iteration on screen again; None before it was asked to.

    Signals:
        changed: Something else is known of the iteration on screen.
    """

    changed = Signal()

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(session, parent)
        self._known: OrderedDict[tuple[int, int], Known] = OrderedDict()
        self.replay: Replay | None = None
        self._replayed = -1

    def known(self) -> dict[int, Known]:
        """What is known of values of the iteration on screen, by their number."""
        shown = self.session.shown
        if shown is None or shown.view:
            return {}
        index = shown.iteration.index
        return {value: known for (iteration, value), known in self._known.items() if iteration == index}

    def ask(self, value: int) -> None:
        """Fetch a value of the iteration on screen."""
        trace, shown = self.session.trace, self.session.shown
        if trace is None or shown is None or shown.view:
            return
        index = shown.iteration.index
        again = value not in shown.kept
        for key in [key for key, known in self._known.items() if known is None]:
            del self._known[key]  # the job that was asked for it is replaced
        self._note((index, value), None)
        self.session.jobs.run(
            "numbers",
            work.numbers,
            trace,
            index,
            value,
            self._replay_of(trace, index) if again else None,
            then=partial(self._note, (index, value)),
            failed=lambda error: self._note((index, value), str(error)),
            title=f"Executing iteration {index} again" if again else "Reading the value",
        )

    def trace_closed(self) -> None:
        self._known.clear()
        self._let_go()

    def iteration_shown(self, shown: Shown) -> None:
        if self._replayed != shown.iteration.index:
            self._let_go()

    def _replay_of(self, trace: Trace, index: int) -> Replay | None:
        """The iteration's process, which stays, since the next question is often of the same iteration."""
        if self.replay is None or self._replayed != index:
            self._let_go()
            self.replay, self._replayed = work.replay_of(trace, index), index
        return self.replay

    def _let_go(self) -> None:
        replay, self.replay, self._replayed = self.replay, None, -1
        if replay is not None:
            self.session.jobs.cancel("numbers")
            # It may still be at work, and waits for that.
            self.session.jobs.run("numbers-end", work.end_replay, replay, then=lambda _: None, title="Ending a replay")

    def _note(self, key: tuple[int, int], known: Numbers | str | None) -> None:
        self._known[key] = known
        self._known.move_to_end(key)
        while len(self._known) > _KEPT:
            self._known.popitem(last=False)
        self.changed.emit()
