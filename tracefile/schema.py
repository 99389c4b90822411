"""The tables of a `.reel`, and how its first bytes tell it from other files. docs/trace-format.md describes them."""

from dataclasses import dataclass
from typing import Self

APPLICATION_ID = 0x5265656C  # "Reel"
VERSION = 1
"""Rises only when a reader of the last version could misread the file; what is merely new, it skips."""

HEAD = 100
"""The first bytes of a file that say what it is."""

WAL_MODE = b"\2\2"  # the versions for writing and reading: https://sqlite.org/fileformat2.html

_MAGIC = b"SQLite format 3\0"

_FIRST_TABLES: dict[str, str] = {
    "info": """
        CREATE TABLE info (
            key   TEXT PRIMARY KEY,
            value TEXT NOT NULL
        ) WITHOUT ROWID""",
    "graphs": """
        CREATE TABLE graphs (
            id    INTEGER PRIMARY KEY,
            hash  TEXT NOT NULL UNIQUE,
            nodes INTEGER NOT NULL,
            edges INTEGER NOT NULL,
            meta  TEXT NOT NULL
        )""",
    "sections": """
        CREATE TABLE sections (
            graph INTEGER NOT NULL REFERENCES graphs (id),
            name  TEXT NOT NULL,
            type  TEXT NOT NULL,
            size  INTEGER NOT NULL,
            data  BLOB NOT NULL,
            UNIQUE (graph, name)
        )""",
    "iterations": """
        CREATE TABLE iterations (
            iteration   INTEGER PRIMARY KEY,
            status      TEXT NOT NULL,
            graph       INTEGER NOT NULL REFERENCES graphs (id),
            started_ns  INTEGER NOT NULL,
            duration_ns INTEGER NOT NULL,
            meta        TEXT
        )""",
    "columns": """
        CREATE TABLE columns (
            iteration INTEGER NOT NULL REFERENCES iterations (iteration),
            name      TEXT NOT NULL,
            type      TEXT NOT NULL,
            size      INTEGER NOT NULL,
            data      BLOB NOT NULL,
            UNIQUE (iteration, name)
        )""",
    "scalars": """
        CREATE TABLE scalars (
            iteration INTEGER NOT NULL REFERENCES iterations (iteration),
            name      TEXT NOT NULL,
            value     REAL,
            PRIMARY KEY (iteration, name)
        ) WITHOUT ROWID""",
    "errors": """
        CREATE TABLE errors (
            iteration INTEGER PRIMARY KEY REFERENCES iterations (iteration),
            type      TEXT NOT NULL,
            message   TEXT NOT NULL,
            traceback TEXT NOT NULL,
            node      INTEGER
        )""",
    "sources": """
        CREATE TABLE sources (
            file TEXT PRIMARY KEY,
            text TEXT NOT NULL
        ) WITHOUT ROWID""",
}

ADDED_TABLES: dict[str, str] = {
    "value_columns": """
        CREATE TABLE value_columns (
            iteration INTEGER NOT NULL REFERENCES iterations (iteration),
            name      TEXT NOT NULL,
            type      TEXT NOT NULL,
            size      INTEGER NOT NULL,
            data      BLOB NOT NULL,
            UNIQUE (iteration, name)
        )""",
    "blobs": """
        CREATE TABLE blobs (
            id   INTEGER PRIMARY KEY,
            hash BLOB NOT NULL UNIQUE,
            type TEXT NOT NULL,
            size INTEGER NOT NULL,
            data BLOB NOT NULL
        )""",
    "keyframes": """
        CREATE TABLE keyframes (
            iteration INTEGER PRIMARY KEY REFERENCES iterations (iteration),
            type      TEXT NOT NULL,
            size      INTEGER NOT NULL,
            data      BLOB NOT NULL
        )""",
    "tensors": """
        CREATE TABLE tensors (
            iteration INTEGER NOT NULL REFERENCES iterations (iteration),
            value     INTEGER NOT NULL,
            type      TEXT NOT NULL,
            size      INTEGER NOT NULL,
            data      BLOB NOT NULL,
            PRIMARY KEY (iteration, value)
        ) WITHOUT ROWID""",
    "kernels": """
        CREATE TABLE kernels (
            iteration INTEGER NOT NULL REFERENCES iterations (iteration),
            name      TEXT NOT NULL,
            type      TEXT NOT NULL,
            size      INTEGER NOT NULL,
            data      BLOB NOT NULL,
            UNIQUE (iteration, name)
        )""",
    "findings": """
        CREATE TABLE findings (
            iteration INTEGER NOT NULL REFERENCES iterations (iteration),
            position  INTEGER NOT NULL,
            kind      TEXT NOT NULL,
            message   TEXT NOT NULL,
            node      INTEGER,
            file      TEXT NOT NULL,
            line      INTEGER NOT NULL,
            more      TEXT NOT NULL,
            PRIMARY KEY (iteration, position)
        ) WITHOUT ROWID""",
    "views": """
        CREATE TABLE views (
            graph INTEGER NOT NULL REFERENCES graphs (id),
            name  TEXT NOT NULL,
            view  INTEGER NOT NULL REFERENCES graphs (id),
            meta  TEXT,
            PRIMARY KEY (graph, name)
        ) WITHOUT ROWID""",
    "view_columns": """
        CREATE TABLE view_columns (
            iteration INTEGER NOT NULL REFERENCES iterations (iteration),
            name      TEXT NOT NULL,
            type      TEXT NOT NULL,
            size      INTEGER NOT NULL,
            data      BLOB NOT NULL,
            UNIQUE (iteration, name)
        )""",
}
"""Tables that the first files of this version have not: there is nothing of their kind in such a file."""

TABLES: dict[str, str] = {**_FIRST_TABLES, **ADDED_TABLES}


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes of an SQLite database say of it. `size` is the whole file's in bytes, 0 where not told.

    `has_journal` is whether it is in WAL mode, so that a part of it may stand beside it.
    """

    application: int
    version: int
    size: int
    has_journal: bool

    @classmethod
    def parse(cls, head: bytes) -> Self | None:
        """The header, or None where the bytes are no SQLite database's or not even `HEAD` of them are there."""
        if len(head) < HEAD or not head.startswith(_MAGIC):
            return None

        def number(at: int, width: int = 4) -> int:
            return int.from_bytes(head[at : at + width], "big")

        # The number of pages counts only where the last to write the file was one that kept it up.
        pages = number(28) if number(24) == number(92) else 0
        page_size = 65536 if number(16, 2) == 1 else number(16, 2)
        return cls(number(68), number(60), pages * page_size, head[18:20] == WAL_MODE)


def is_reel(head: bytes) -> bool:
    """Whether a file that begins with these bytes (100 are enough) is a trace, of whatever version."""
    header = Header.parse(head)
    return header is not None and header.application == APPLICATION_ID


def is_cut_short(head: bytes) -> bool:
    """Whether these bytes, which are all of a file, are the beginning of some SQLite database's header."""
    return 0 < len(head) < HEAD and (head.startswith(_MAGIC) or _MAGIC.startswith(head))


def storable(text: str) -> str:
    """The text as SQLite can hold it: lone surrogates, which file names and tracebacks can hold, written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
