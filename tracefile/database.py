"""The writing side of one `.reel`: what is put where, and in which transaction. Belongs to one thread."""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from graphreel.graph import Graph, structure_hash
from graphreel.tracefile.codec import Encoded, encode, type_of
from graphreel.tracefile.model import IterationRecord, RecordedError, TraceInfo, edge_count
from graphreel.tracefile.schema import APPLICATION_ID, TABLES, VERSION, WAL_MODE, storable
from graphreel.tracefile.sections import encode_graph

SourceTexts = Sequence[tuple[str, str]]
"""Pairs of file and text."""

_PATIENCE = 5.0  # seconds; readers hold the file for milliseconds


@dataclass(frozen=True, slots=True)
class _Stored:
    """A graph that stands in the file: its row, and the meta that stands with it."""

    id: int
    meta: str


class ReelDatabase:
    """An open `.reel` to append to. Every method either commits or leaves the file as it was.

    Errors of SQLite and of the system pass through as they are; a record that cannot be stored raises ValueError.
    """

    def __init__(self, path: Path, info: Mapping[str, str]) -> None:
        path.write_bytes(_new_database(info))
        self._stored: dict[str, _Stored] = {}
        # A recorder hands over the same graph again and again; hashing it once is enough.
        self._last: tuple[Graph, str] | None = None
        self._connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
        try:
            # The disk is waited for when the journal is folded in, not at every iteration: a killed program loses
            # nothing by it, and a power cut only the newest iterations.
            self._connection.execute("PRAGMA synchronous=NORMAL")
            # The journal and its index are made now: better no recording than one that fails at the first iteration.
            self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error:
            self._connection.close()
            raise

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # A full disk makes SQLite roll back by itself.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def add_iteration(self, index: int, record: IterationRecord, sources: SourceTexts) -> None:
        """Append one iteration and the sources that came with it: one transaction."""
        columns = _encode_columns(record)
        digest = self._hash(record.graph)
        stored = self._stored.get(digest)
        meta = _meta(record.graph.meta)
        sections = encode_graph(record.graph) if stored is None else {}
        run = self._connection.execute
        with self._transaction():
            self._add_sources(sources)
            if stored is None:
                stored = self._add_graph(digest, record.graph, meta, sections)
            own_meta = None if meta == stored.meta else meta
            # SQLite would store NumPy's integers as blobs.
            times = int(record.started_ns), int(record.duration_ns)
            row = (index, record.status.value, stored.id, *times, own_meta)
            run("INSERT INTO iterations VALUES (?, ?, ?, ?, ?, ?)", row)
            self._add_columns("columns", index, columns)
            # SQLite stores what is not a number as NULL.
            scalars = [(index, storable(name), float(value)) for name, value in record.scalars.items()]
            self._connection.executemany("INSERT INTO scalars VALUES (?, ?, ?)", scalars)
            if record.error is not None:
                run("INSERT INTO errors VALUES (?, ?, ?, ?, ?)", (index, *_error_row(record.error)))
        self._stored[digest] = stored

    def _hash(self, graph: Graph) -> str:
        if self._last is None or self._last[0] is not graph:
            self._last = graph, structure_hash(graph)
        return self._last[1]

    def _add_graph(self, digest: str, graph: Graph, meta: str, sections: Mapping[str, Encoded]) -> _Stored:
        row = (digest, graph.node_count, edge_count(graph), meta)
        added = self._connection.execute("INSERT INTO graphs (hash, nodes, edges, meta) VALUES (?, ?, ?, ?)", row)
        assert added.lastrowid is not None
        self._add_columns("sections", added.lastrowid, sections)
        return _Stored(added.lastrowid, meta)

    def _add_columns(self, table: str, owner: int, columns: Mapping[str, Encoded]) -> None:
        rows = [(owner, name, column.type, column.size, column.data) for name, column in columns.items()]
        self._connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?)", rows)

    def _add_sources(self, sources: SourceTexts) -> None:
        rows = [(storable(file), storable(text)) for file, text in sources]
        self._connection.executemany("INSERT OR IGNORE INTO sources VALUES (?, ?)", rows)

    def finish(self, sources: SourceTexts, *, finished: bool, lost: Sequence[str]) -> None:
        """Write how the recording ended."""
        with self._transaction():
            self._add_sources(sources)
            entries = [("finished", json.dumps(finished)), ("lost", json.dumps(list(lost)))]
            self._connection.executemany("INSERT OR REPLACE INTO info VALUES (?, ?)", entries)

    def close(self) -> None:
        """Leave one single file behind, where no reader stands in the way and the disk has room for it."""
        deadline = time.monotonic() + _PATIENCE
        with suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        while not self._fold() and time.monotonic() < deadline:
            time.sleep(0.01)
        self._connection.close()

    def _fold(self) -> bool:
        """Whether the journal is folded in, or cannot be: then it stays beside the file, and readers read both."""
        try:
            self._connection.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.Error as error:
            return error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY
        return True


def _new_database(info: Mapping[str, str]) -> bytes:
    """The file as it begins: tables, and what is known of the recording.

    It is made in memory and put down in one go, in WAL mode already. Were SQLite to make it in its place, a kill in
    these first milliseconds would leave a journal that nobody can read past.
    """
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version={VERSION}")
        for statement in TABLES.values():
            connection.execute(statement)
        connection.executemany("INSERT INTO info VALUES (?, ?)", info.items())
        made = bytearray(connection.serialize())
    made[18:20] = WAL_MODE
    return bytes(made)


def info_rows(info: TraceInfo) -> dict[str, str]:
    """What a new file says of its recording: JSON by key. It is not finished yet, whatever `info` says."""
    entries: dict[str, object] = {
        "id": uuid4().hex,
        "source": info.source,
        "versions": dict(info.versions),
        "command": list(info.command),
        "settings": dict(info.settings),
        "started_ns": int(info.started_ns),
        "finished": False,
        "lost": [],
    }
    return {key: json.dumps(entry) for key, entry in entries.items()}


def _error_row(error: RecordedError) -> tuple[str, str, str, int | None]:
    node = None if error.node is None else int(error.node)
    return storable(error.type), storable(error.message), storable(error.traceback), node


def _encode_columns(record: IterationRecord) -> dict[str, Encoded]:
    nodes = record.graph.node_count
    for name, column in record.columns.items():
        if column.shape != (nodes,):
            raise ValueError(f"column {name} has the shape {column.shape}, and the graph has {nodes} nodes")
    return {storable(name): encode(column, type_of(column)) for name, column in record.columns.items()}


def _meta(meta: Mapping[str, str]) -> str:
    return json.dumps(dict(meta), sort_keys=True)
