"""Writes a trace on a thread of its own, so that the recorded program hardly waits."""

import errno
import os
import sqlite3
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import Queue

from graphreel.tracefile.database import FileFull, ReelDatabase, info_rows
from graphreel.tracefile.errors import CannotWrite, ReachedLimit, TraceError, one_line
from graphreel.tracefile.lock import claim, drop_old, put_back
from graphreel.tracefile.model import IterationRecord, TraceInfo

_Waiting = tuple[int, IterationRecord | Callable[[], IterationRecord]]

_REASONS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_BUSY: "another program holds it locked",
}


_OF_THE_RECORD = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.ProgrammingError)
"""SQLite's errors that speak of what is written, not of the file."""


class TraceWriter:
    """Appends iterations to a new `.reel`, and replaces an old one, which goes when the first iteration is written.

    `put` hands an iteration over and returns. At most `capacity` iterations are on their way at a time, the one being
    written included: then `put` blocks, so that neither memory nor what a kill can cost grows. Call it from one
    thread. In a forked child every call does nothing.

    With a `limit`, the file never grows past so many bytes; what stands beside it while it is written may take as much
    as one iteration more. An iteration is first written without its keyframe and whole values; the first that does not
    fit even so ends the recording, as a full disk would: `put` and `close` raise CannotWrite. The file is whole, says
    why it ended (`TraceInfo.ended`), and counts as finished.

    Raises CannotWrite at once where the path cannot be written, holds something other than a trace, or another
    recording writes it.
    """

    def __init__(self, path: Path, info: TraceInfo, *, capacity: int = 4, limit: int | None = None) -> None:
        rows = info_rows(info)
        self._path = path.resolve()
        self._limit = limit
        self._lock = claim(self._path)
        self._process = os.getpid()
        self._queue: Queue[_Waiting | None] = Queue()
        self._room = threading.Semaphore(capacity)
        self._files: set[str] = set()
        self._sources: list[tuple[str, str]] = []
        self._last_put: int | None = None
        self._committed: int | None = None
        self._count = 0
        self._lost: list[str] = []
        self._cause: Exception | None = None
        self._failure: CannotWrite | None = None
        self._finished = False
        self._ended = ""
        self._closed = False
        self._old_is_back = False
        opened = threading.Event()
        # A daemon, so that a program that forgets to close its recording can still end.
        self._thread: threading.Thread | None = threading.Thread(
            target=self._run, args=(rows, opened), name="graphreel-writer", daemon=True
        )
        self._thread.start()
        opened.wait()
        self._give_up_if_not_opened()

    @property
    def path(self) -> Path:
        """The file that is written."""
        return self._path

    @property
    def committed(self) -> int | None:
        """The newest iteration that is safe in the file, whatever becomes of this process; None before the first."""
        return self._committed

    def put(self, record: IterationRecord | Callable[[], IterationRecord], index: int) -> None:
        """Hand one iteration over; its arrays must not change any more. A callable is called on the writer's thread.

        Blocks while `capacity` iterations are on their way. Indices rise, and may leave gaps. Raises CannotWrite
        once the file cannot be written any longer. A callable that raises loses its iteration only; `close` tells.
        """
        if self._is_elsewhere():
            return
        self._check_writable()
        if self._last_put is not None and index <= self._last_put:
            raise ValueError(f"recorder bug, please report: iteration {index} is put after {self._last_put}")
        self._last_put = index
        self._room.acquire()
        self._queue.put((index, record))

    def add_source(self, file: str, text: str) -> None:
        """Keep the text of a source file, once; it is written with the next iteration."""
        if self._is_elsewhere() or file in self._files:
            return
        self._files.add(file)
        self._sources.append((file, text))

    def flush(self) -> None:
        """Wait until everything put so far is in the file; raises CannotWrite if it cannot be."""
        if self._is_elsewhere():
            return
        self._check_writable()
        self._queue.join()
        self._check_writable()

    def close(self, *, finished: bool = True, problem: str = "") -> None:
        """Write what waits, and leave one single file. `finished` says whether the recording came to its end.

        `problem` is one line for whoever opens the file: why it came to its end before the program did, such as a
        fault of the recorder's own. Raises CannotWrite if anything was lost. Closing twice is allowed.
        """
        if self._is_elsewhere() or self._closed:
            return
        self._closed = True
        self._finished = finished
        self._ended = one_line(problem)
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
        # Python calls something of its own when it dies, where an exception of a signal handler would be lost: now,
        # and not wherever the program stands.
        self._thread = None
        if self._committed is None:
            self._old_is_back = put_back(self._path)
        self._lock.release()
        if self._failure is not None:
            raise self._failure
        if self._lost:
            raise CannotWrite.lost(self._path, self._lost) from self._cause

    def discard(self) -> None:
        """Close a recording that came to nothing: the path holds what it held before, the old trace or no file.

        For a recording without an iteration only. Raises CannotWrite as `close` does.
        """
        if self._is_elsewhere() or self._closed:
            return
        try:
            self.close(finished=False)
        finally:
            if not self._old_is_back:
                self._path.unlink(missing_ok=True)

    def abandon(self) -> None:
        """In a forked child: let the parent's recording alone. Every later call does nothing."""
        # The queue's lock may be held by a thread that does not exist here, so it is not touched; and SQLite's
        # connection is known to the writer's thread only, so nothing here closes it.
        self._process = -1
        self._lock.forget()

    def _give_up_if_not_opened(self) -> None:
        if self._failure is not None:
            self._closed = True
            self._path.unlink(missing_ok=True)
            put_back(self._path)
            self._lock.release()
            raise self._failure

    def _is_elsewhere(self) -> bool:
        return self._process != os.getpid()

    def _check_writable(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise TraceError.after_close(self._path)

    def _run(self, info: Mapping[str, str], opened: threading.Event) -> None:
        try:
            database = ReelDatabase(self._path, info, self._limit)
        except (sqlite3.Error, OSError) as error:
            self._failure = CannotWrite.at(self._path, _reason(error))
            self._failure.__cause__ = error.with_traceback(None)
            return
        finally:
            opened.set()
        while (waiting := self._queue.get()) is not None:
            # After a failure the queue is still emptied, or the recorded program would wait for ever.
            if self._failure is None:
                self._write(database, *waiting)
            # Let go of it before waiting for the next: an iteration is large.
            del waiting
            self._room.release()
            self._queue.task_done()
        if self._failure is None:
            self._finish(database, self._sources, finished=self._finished, ended=self._ended)
        database.close()

    def _write(
        self, database: ReelDatabase, index: int, record: IterationRecord | Callable[[], IterationRecord]
    ) -> None:
        try:
            iteration = record() if callable(record) else record
            sources = self._sources[:]
            if self._guard(lambda: database.add_iteration(index, iteration, sources)):
                # Those that came meanwhile stay.
                del self._sources[: len(sources)]
                if self._committed is None:
                    drop_old(self._path)
                self._committed = index
                self._count += 1
        except FileFull:
            self._end_at_limit(database, index)
        except Exception as error:  # noqa: BLE001 - whatever one iteration's conversion raises, the next is recorded
            self._lost.append(one_line(f"iteration {index} could not be written: {type(error).__name__}: {error}"))
            self._cause = self._cause or _without_locals(error)

    def _end_at_limit(self, database: ReelDatabase, index: int) -> None:
        assert self._limit is not None
        reason = f"with iteration {index} the file would grow past its limit of {self._limit:,} bytes"
        self._failure = ReachedLimit.stopped(self._path, reason, self._count)
        # At once: the recorded program may go on for days, and the file says already why it does not grow.
        self._finish(database, [], finished=True, ended=f"the recording ended: {reason}")

    def _finish(
        self, database: ReelDatabase, sources: Sequence[tuple[str, str]], *, finished: bool, ended: str
    ) -> None:
        self._guard(lambda: database.finish(sources, finished=finished, lost=self._lost, ended=ended))

    def _guard(self, write: Callable[[], None]) -> bool:
        """Run one write; where the file itself has become unwritable, the recording ends here."""
        try:
            write()
        except _OF_THE_RECORD:
            raise
        except sqlite3.DatabaseError as error:
            self._failure = CannotWrite.stopped(self._path, _reason(error), self._count)
            self._failure.__cause__ = error.with_traceback(None)
            return False
        return True


def _without_locals(error: Exception) -> Exception:
    """The error, no longer keeping an iteration or the database alive through the frames it passed."""
    within = error.__traceback__.tb_next if error.__traceback__ else None
    traceback.clear_frames(within)
    return error.with_traceback(within)


def _reason(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        return "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
    code = getattr(error, "sqlite_errorcode", 0)
    return _REASONS.get(code & 0xFF, f"{error} ({getattr(error, 'sqlite_errorname', 'SQLite')})")
