"""Who may write a file: one recording at a time, and nobody while it lasts.

SQLite's own locks cannot say so. On POSIX a process loses them as soon as any part of it opens the file and closes it
again, and a program that records may well copy or upload its own trace meanwhile. `flock` has no such flaw.
"""

import os
import sqlite3
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from graphreel.tracefile.errors import CannotWrite
from graphreel.tracefile.schema import HEAD, Header, is_reel

if sys.platform != "win32":
    import fcntl

_PATIENCE = 1.0  # seconds; a reader that looks whether a recording still runs holds the lock for a moment


@dataclass(slots=True)
class WriteLock:
    """The right to write a file. `handle` is -1 where the system has no `flock`, and after release."""

    handle: int

    def release(self) -> None:
        """Give the right back, also on behalf of forked children, which share it."""
        if self.handle < 0:
            return
        if sys.platform != "win32":
            with suppress(OSError):
                fcntl.flock(self.handle, fcntl.LOCK_UN)
        self.forget()

    def forget(self) -> None:
        """Close this process's handle only: in a forked child, where the parent goes on writing."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1


_SUFFIXES = ("", "-wal", "-shm", "-journal")
"""What may stand beside a database, and belongs to it."""


def claim(path: Path) -> WriteLock:
    """Make an empty file at the path, in place of a trace that stands there, and lock it.

    Raises CannotWrite where that cannot be, or where what stands there is no trace.
    """
    if path.is_dir():
        raise CannotWrite.at(path, "it is a folder; name a file in it, such as run.reel")
    if not path.parent.is_dir():
        raise CannotWrite.at(path, f"there is no folder {path.parent}; make it first")
    try:
        _set_aside(path)
        if sys.platform == "win32":
            path.touch()
            return WriteLock(-1)
        return _locked(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    except (BlockingIOError, FileExistsError) as error:
        raise CannotWrite.in_use(path) from error
    except OSError as error:
        raise CannotWrite.at(path, error.strerror or str(error)) from error


def _set_aside(path: Path) -> None:
    """Give the trace that stands at the path another name, until the new one has something in it."""
    lock = WriteLock(-1)
    if path.exists():
        if not path.is_file():
            raise CannotWrite.at(path, "it is no regular file")
        if path.stat().st_size and not is_reel(_head(path)):
            raise CannotWrite.not_ours(path)
        if sys.platform != "win32":
            lock = _locked(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    try:
        if path.exists():
            drop_old(path)
        # An old journal beside a new database would be taken for the new one's.
        for suffix in _SUFFIXES:
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.replace(_aside(path, suffix))
    finally:
        lock.release()


def drop_old(path: Path) -> None:
    """Remove the trace that a new one at the path has replaced."""
    for suffix in _SUFFIXES:
        _aside(path, suffix).unlink(missing_ok=True)


def put_back(path: Path) -> bool:
    """Put the trace that stood at the path before in the place of the new one; False where none did."""
    if not _aside(path, "").exists():
        return False
    for suffix in _SUFFIXES:
        part, old = path.with_name(path.name + suffix), _aside(path, suffix)
        if old.exists():
            old.replace(part)
        else:
            part.unlink(missing_ok=True)
    return True


def _aside(path: Path, suffix: str) -> Path:
    return path.with_name(f".{path.name}.before{suffix}")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _locked(handle: int) -> WriteLock:
    """The handle, locked; BlockingIOError where another keeps the lock."""
    if sys.platform == "win32":
        return WriteLock(handle)
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(handle)
                raise
            time.sleep(0.01)
        except OSError:
            return WriteLock(handle)  # some network file systems have no locks
        else:
            return WriteLock(handle)


def settle(path: Path) -> bool:
    """Whether no recording into the file runs. Where one was killed, what it left beside the file is folded in.

    A trace is then one file again, that can be copied. Where it may not be written it stays as it is.
    """
    if sys.platform == "win32":
        return _fold(path)
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        if _leftovers(path):
            # Alone: of two readers that come at the same time, one folds.
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return _fold(path)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _leftovers(path: Path) -> bool:
    header = Header.parse(_head(path))
    return (header is not None and header.has_journal) or path.with_name(f"{path.name}-journal").exists()


def _fold(path: Path) -> bool:
    """Whether SQLite found nobody else at the file; what else may go wrong here, reading it will say."""
    if not _leftovers(path):
        return True
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0)) as connection:
            # The first question takes back what a killed writer left half done.
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            connection.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        return getattr(error, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY
    return True
