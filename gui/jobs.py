"""Work off the GUI thread: tagged, latest wins, cancelled by asking.

`jobs.run("layout", lay_out, graph, then=canvas.show)` calls `lay_out(graph, progress)` on a thread of its own. The
work gets a `Progress`, never Qt; its result comes back to the GUI thread as one value by one signal.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from graphreel.graph import Cancelled

Result = TypeVar("Result")

_POLL_MS = 60


@dataclass(eq=False)
class Job:
    """One piece of work: asked for, then running, then done. The work sees it as its `Progress`."""

    tag: str
    title: str
    work: Callable[[], Any]
    then: Callable[[Any], None]
    failed: Callable[[Exception], None] | None
    dropped: Callable[[Any], None] | None
    done: int = 0
    total: int = 0
    _unwanted: threading.Event = field(default_factory=threading.Event)
    _asked: float = field(default_factory=time.monotonic)

    def step(self, done: int, total: int) -> None:
        """Note how far the work is; raises Cancelled once nobody wants its result."""
        if self._unwanted.is_set():
            raise Cancelled
        self.done, self.total = done, total

    def cancel(self) -> None:
        """Ask the work to stop at its next step; its result is dropped in any case."""
        self._unwanted.set()

    def drop(self, result: Any) -> None:
        """Get rid of a result that came too late."""
        if result is not None and self.dropped is not None:
            self.dropped(result)

    @property
    def age_ms(self) -> float:
        """How long ago it was asked for."""
        return (time.monotonic() - self._asked) * 1000

    @property
    def unwanted(self) -> bool:
        """Whether the result will be dropped."""
        return self._unwanted.is_set()


class Jobs(QObject):
    """Runs one job per tag at a time; a further one cancels the one that runs, and replaces the one that waits.

    Signals:
        changed: What runs, or how far it is, changed; `running` tells what.
        failed: A job without a handler of its own raised this exception.
    """

    changed = Signal()
    failed = Signal(object)
    _ended = Signal(object, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._running: dict[str, Job] = {}
        self._waiting: dict[str, Job] = {}
        self._threads: dict[Job, threading.Thread] = {}
        self._ended.connect(self._finish, Qt.ConnectionType.QueuedConnection)
        self._poll = QTimer(self, interval=_POLL_MS)
        self._poll.timeout.connect(self.changed)

    def run(
        self,
        tag: str,
        work: Callable[..., Result],
        *arguments: Any,
        then: Callable[[Result], None],
        failed: Callable[[Exception], None] | None = None,
        dropped: Callable[[Result], None] | None = None,
        title: str = "",
    ) -> None:
        """Call `work(*arguments, progress)` on a thread, then `then(result)` here, or `failed(error)` if it raised.

        Neither is called where the job was cancelled or replaced; a result that came too late goes to `dropped`, on
        any thread, so that it can be closed. `title` is what the progress bar says.
        """
        job = Job(tag, title or tag, lambda: work(*arguments, job), then, failed, dropped)
        running = self._running.get(tag)
        if running is None:
            self._start(job)
        else:
            running.cancel()
            self._waiting[tag] = job

    @property
    def running(self) -> list[Job]:
        """The jobs whose results are still wanted, oldest first."""
        return [job for job in (*self._running.values(), *self._waiting.values()) if not job.unwanted]

    def cancel(self, tag: str | None = None) -> None:
        """Ask the jobs of a tag, or all of them, to stop."""
        for waiting in [known for known in self._waiting if tag in (None, known)]:
            del self._waiting[waiting]
        for known, job in self._running.items():
            if tag in (None, known):
                job.cancel()
        self.changed.emit()

    def close(self) -> None:
        """Cancel everything and wait until the threads have ended."""
        self.cancel()
        self._poll.stop()
        for thread in list(self._threads.values()):
            thread.join()
        self._running.clear()
        self._threads.clear()

    def _start(self, job: Job) -> None:
        self._running[job.tag] = job
        thread = threading.Thread(target=self._work, args=(job,), name=f"graphreel-job-{job.tag}")
        self._threads[job] = thread
        thread.start()
        self._poll.start()
        self.changed.emit()

    def _work(self, job: Job) -> None:
        result, error = None, None
        try:
            result = job.work()
        except Cancelled:
            job.cancel()
        except Exception as raised:  # noqa: BLE001 - whatever it is, the GUI thread shows it
            error = raised
        if job.unwanted:
            job.drop(result)
            result = None
        self._ended.emit(job, result, error)

    def _finish(self, job: Job, result: Any, error: Exception | None) -> None:
        thread = self._threads.pop(job, None)
        if thread is None:  # closed meanwhile
            return
        thread.join()
        del self._running[job.tag]
        following = self._waiting.pop(job.tag, None)
        if following is not None:
            self._start(following)
        if not self._running:
            self._poll.stop()
        self.changed.emit()
        if job.unwanted:
            job.drop(result)
        elif error is None:
            job.then(result)
        elif job.failed is not None:
            job.failed(error)
        else:
            self.failed.emit(error)
