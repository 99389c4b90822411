"""Asks one `.reel` one question after another, and tells what is wrong with the file where it has no answer."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from graphreel.tracefile.columnrows import ColumnRows
from graphreel.tracefile.connect import READ_ERRORS, connected, find_way, table_names
from graphreel.tracefile.errors import DamagedTrace, NewerTrace, NotATrace, TraceError
from graphreel.tracefile.rows import Row, info_entries, newest_iteration
from graphreel.tracefile.schema import APPLICATION_ID, HEAD, VERSION, Header, is_cut_short

Found = TypeVar("Found")
Question = Callable[[sqlite3.Connection], Found]

_ID = "SELECT value FROM info WHERE key = 'id'"


class Access:
    """The file behind a trace, of which `check_head` has seen the head. Thread-safe.

    Raises DamagedTrace where nothing of it can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut_off = is_cut_off(path)
        self._closed = False
        try:
            self._way, (self._tables, entries, _) = find_way(
                path, lambda found: (table_names(found), info_entries(found), newest_iteration(found))
            )
        except DamagedTrace as error:
            raise (DamagedTrace.cut_off(path) if self.cut_off else error) from error.__cause__
        self.cut_off |= self._way.cut_short
        self._id = entries.get("id")

    @property
    def closed(self) -> bool:
        """Whether it was let go of."""
        return self._closed

    @property
    def unread_journal(self) -> Path | None:
        """What stands beside the file and cannot be read here; None where there is no such thing."""
        journal = self.path.with_name(self.path.name + "-wal")
        return journal if self._way.ignores_journal and journal.exists() else None

    def has(self, table: str) -> bool:
        """Whether the file has a table. The first files of the version have not all of them."""
        return table in self._tables

    def ask(self, what: str, question: Question[Found]) -> Found:
        """The answer to one question; raises DamagedTrace, naming what was asked for."""
        if self._closed:
            raise TraceError.after_close(self.path)
        try:
            with connected(self.path, self._way) as connection:
                # Where that page was damaged from the first, nothing tells one recording from the next.
                if self._id is not None and connection.execute(_ID).fetchone() != (self._id,):
                    raise TraceError.replaced(self.path)
                return question(connection)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN}:
                raise TraceError.unreadable(self.path, str(error)) from error
            raise DamagedTrace.part(self.path, what, str(error)) from error
        except READ_ERRORS as error:
            raise DamagedTrace.part(self.path, what, str(error)) from error

    def ask_rows(self, table: ColumnRows, owner: int) -> tuple[list[Row], str | None]:
        """The rows of one owner, and what is wrong where some cannot be read; none where there is no such table."""
        if not self.has(table.name):
            return [], None
        return self.ask("the file", lambda connection: table.read(connection, owner, trust=not self.cut_off))

    def ask_all(self, what: str, table: str, query: str, *about: object) -> list[Row]:
        """The rows of a question about one table; none where there is no such table."""
        return self.ask(what, lambda connection: connection.execute(query, about).fetchall()) if self.has(table) else []

    def close(self) -> None:
        """Answer no more questions."""
        self._closed = True


def check_head(path: Path) -> None:
    """Raise NotATrace, NewerTrace or DamagedTrace where its first bytes tell."""
    head = _head(path)
    if not head:
        raise NotATrace.empty(path)
    header = Header.parse(head)
    if header is None and is_cut_short(head):
        raise DamagedTrace.whole(path, f"only its first {len(head)} bytes are there")
    if header is None:
        raise NotATrace.other(path, "some other kind of file")
    if header.application != APPLICATION_ID:
        raise NotATrace.other(path, "an SQLite database of another program")
    if header.version > VERSION:
        raise NewerTrace.version(path, header.version, VERSION)


def is_cut_off(path: Path) -> bool:
    """Whether bytes are missing at the file's end. SQLite itself minds only where whole pages are."""
    if path.with_name(path.name + "-wal").exists():
        return False  # what is missing in the file may stand in its journal
    header = Header.parse(_head(path))
    return header is not None and path.stat().st_size < header.size


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except FileNotFoundError as error:
        raise NotATrace.missing(path) from error
    except OSError as error:
        raise TraceError.unreadable(path, error.strerror or str(error)) from error
