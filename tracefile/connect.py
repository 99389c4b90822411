"""How a `.reel` is opened for reading: never written to, also where its folder cannot be, also where it was cut off.

A connection lives for one question. So readers on any thread share nothing, nobody is in the writer's way when it
closes, and a file that another recording replaced is noticed.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from graphreel.tracefile.codec import LARGEST
from graphreel.tracefile.errors import DamagedTrace, TraceError
from graphreel.tracefile.schema import ADDED_TABLES, TABLES

Found = TypeVar("Found")

READ_ERRORS = (sqlite3.Error, MemoryError, UnicodeDecodeError)
"""What reading a damaged file may raise. The last comes of SQLite's messages, when they quote damaged text."""

_PATIENCE = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Way:
    """One manner of opening a file, of which some may work where others do not."""

    options: str
    pragmas: tuple[str, ...] = ()
    ignores_journal: bool = False
    """Iterations that stand beside the file only are not seen."""
    cut_short: bool = False
    """Pages may be missing, and each question may fail half way."""


_PLAIN = Way("mode=ro")
_WITHOUT_LOCKS = Way("mode=ro&vfs=unix-none", ("PRAGMA locking_mode=EXCLUSIVE",))
"""Reads the journal without writing anything beside the file: for a folder that is read-only."""
_ALONE = Way("mode=ro&immutable=1", ignores_journal=True)
_CUT_SHORT = Way("mode=ro&immutable=1", ("PRAGMA writable_schema=ON",), ignores_journal=True, cut_short=True)
"""SQLite refuses a file with fewer pages than its header says, unless someone may be repairing it."""


def ways(path: Path) -> Iterator[Way]:
    """The manners of opening that are worth trying, the best first."""
    yield _PLAIN
    if path.with_name(path.name + "-wal").exists():
        yield _WITHOUT_LOCKS
    yield _ALONE
    yield _CUT_SHORT


@contextmanager
def connected(path: Path, way: Way) -> Iterator[sqlite3.Connection]:
    """A connection for one question, at one moment of the file: what is written meanwhile is not seen."""
    address = f"{path.as_uri()}?{way.options}"
    with closing(sqlite3.connect(address, uri=True, timeout=_PATIENCE, isolation_level=None)) as connection:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
        # Damaged text is shown as far as it goes.
        connection.text_factory = _decode
        for pragma in ("PRAGMA query_only=ON", "PRAGMA trusted_schema=OFF", *way.pragmas, "BEGIN"):
            connection.execute(pragma)
        yield connection


def find_way(path: Path, ask: Callable[[sqlite3.Connection], Found]) -> tuple[Way, Found]:
    """The first way on which the question is answered, and the answer; raises TraceError where none is."""
    first: Exception | None = None
    for way in ways(path):
        try:
            with connected(path, way) as connection:
                _check_tables(connection)
                return way, ask(connection)
        except READ_ERRORS as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                # The other ways ask for no lock, and would read what is just being changed.
                raise TraceError.unreadable(path, str(error)) from error
            first = first or error
    raise DamagedTrace.whole(path, str(first)) from first


def table_names(connection: sqlite3.Connection) -> frozenset[str]:
    """The tables of the file, ours and others."""
    query = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0"
    return frozenset(str(name) for (name,) in connection.execute(query))


def _check_tables(connection: sqlite3.Connection) -> None:
    """Refuse a file in which a view or a virtual table stands for one of ours: reading it would run its code."""
    found = table_names(connection)
    named = {str(name) for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
    for name in TABLES:
        if name not in found and (name in named or name not in ADDED_TABLES):
            raise sqlite3.DatabaseError(f"table {name} is missing")


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "replace")
