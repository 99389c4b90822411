"""The writing side of one `.reel`: what is put where, and in which transaction. Belongs to one thread."""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy.typing as npt

from graphreel.graph import Graph, structure_hash
from graphreel.tracefile.blobs import BlobWriter
from graphreel.tracefile.codec import Damage, Encoded, encode, encode_json, type_of
from graphreel.tracefile.extrarows import encode_kernels, finding_row
from graphreel.tracefile.extras import Finding
from graphreel.tracefile.model import IterationRecord, RecordedError, TraceInfo, edge_count
from graphreel.tracefile.schema import APPLICATION_ID, TABLES, VERSION, WAL_MODE, storable
from graphreel.tracefile.sections import encode_graph
from graphreel.tracefile.tensorjson import keyframe_json, tensor_json

SourceTexts = Sequence[tuple[str, str]]
"""Pairs of file and text."""

_PATIENCE = 5.0  # seconds; readers hold the file for milliseconds


_HASHED = 4  # an iteration's graph and its views, and those of the one that it takes turns with
_JOURNAL = 16 << 20  # bytes
_ROOM_TO_END = 16 << 10  # bytes, for what is written of how the recording ended


class FileFull(Exception):
    """The file has no room for more within the limit it was given."""


@dataclass(frozen=True, slots=True)
class StoredGraph:
    """A graph that stands in the file: its row, the meta that stands with it, and the hashes of its views by name."""

    id: int
    hash: str
    meta: str
    views: Mapping[str, str] = field(default_factory=dict)

    def own_meta(self, graph: Graph) -> str | None:
        """The graph's meta where it is another than what stands there."""
        meta = meta_text(graph)
        return None if meta == self.meta else meta


class ReelDatabase:
    """An open `.reel` to append to. Every method either commits or leaves the file as it was.

    Errors of SQLite and of the system pass through as they are; a record that cannot be stored raises ValueError.
    """

    def __init__(self, path: Path, info: Mapping[str, str], limit: int | None = None) -> None:
        path.write_bytes(_new_database(info))
        self._limit = limit
        self._stored: dict[str, StoredGraph] = {}
        # A recorder hands over the same graphs again and again; hashing them once is enough.
        self._hashed: list[tuple[Graph, str]] = []
        self._connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
        try:
            # The disk is waited for when the journal is folded in, not at every iteration: a killed program loses
            # nothing by it, and a power cut only the newest iterations.
            self._connection.execute("PRAGMA synchronous=NORMAL")
            # The journal grows with a large keyframe, and need not stay so.
            self._connection.execute(f"PRAGMA journal_size_limit={_JOURNAL}")
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

    @property
    def size(self) -> int:
        """Bytes of the file, without the journal beside it; within a transaction, what it is to become."""
        pages, page = (self._connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
        return int(pages[0] * page[0])

    def add_iteration(self, index: int, record: IterationRecord, sources: SourceTexts) -> None:
        """Append one iteration and the sources that came with it: one transaction.

        Where the file has no room for its keyframe and its whole values, or they are not what they should be, it is
        written without them, and a finding says so. Raises FileFull where there is no room even then.
        """
        try:
            self._add_iteration(index, record, sources)
        except (FileFull, Damage) as error:
            if record.keyframe is None and not record.tensors:
                raise
            self._add_iteration(index, _without_tensors(record, error), sources)

    def _add_iteration(self, index: int, record: IterationRecord, sources: SourceTexts) -> None:
        columns = _encode_columns(record.columns, record.graph.node_count, "nodes")
        value_columns = _encode_columns(record.value_columns, record.graph.value_count, "values")
        kernels = {} if record.kernels is None else encode_kernels(record.kernels, record.graph.node_count)
        stored = dict(self._stored)
        with self._transaction():
            self._add_sources(sources)
            graph = self._graph(record.graph, stored)
            self._add_views(graph, record.views, stored)
            # SQLite would store NumPy's integers as blobs.
            times = int(record.started_ns), int(record.duration_ns)
            row = (index, record.status.value, graph.id, *times, graph.own_meta(record.graph))
            self._connection.execute("INSERT INTO iterations VALUES (?, ?, ?, ?, ?, ?)", row)
            self._add_columns("columns", index, columns)
            self._add_columns("value_columns", index, value_columns)
            self._add_columns("kernels", index, kernels)
            self._add_columns("view_columns", index, self._view_columns(record, stored[graph.hash]))
            self._add_small(index, record)
            self._check_room()
            self._add_tensors(index, record)
            self._check_room()
        self._stored = stored

    def _graph(self, graph: Graph, stored: dict[str, StoredGraph]) -> StoredGraph:
        """The graph as it stands in the file; put there if it is new."""
        digest = self._hash(graph)
        if digest not in stored:
            meta = meta_text(graph)
            row = (digest, graph.node_count, edge_count(graph), meta)
            added = self._connection.execute("INSERT INTO graphs (hash, nodes, edges, meta) VALUES (?, ?, ?, ?)", row)
            assert added.lastrowid is not None
            self._add_columns("sections", added.lastrowid, encode_graph(graph))
            stored[digest] = StoredGraph(added.lastrowid, digest, meta)
        return stored[digest]

    def _hash(self, graph: Graph) -> str:
        found = next((digest for known, digest in self._hashed if known is graph), None)
        if found is None:
            found = structure_hash(graph)
            self._hashed = [(graph, found), *self._hashed[: _HASHED - 1]]
        return found

    def _add_views(self, graph: StoredGraph, views: Mapping[str, Graph], stored: dict[str, StoredGraph]) -> None:
        """The views that the graph has not yet: they belong to the structure."""
        for name, view in views.items():
            if name in graph.views:
                continue
            found = self._graph(view, stored)
            row = (graph.id, storable(name), found.id, found.own_meta(view))
            self._connection.execute("INSERT INTO views VALUES (?, ?, ?, ?)", row)
            stored[graph.hash] = replace(stored[graph.hash], views={**stored[graph.hash].views, name: found.hash})

    def _view_columns(self, record: IterationRecord, graph: StoredGraph) -> dict[str, Encoded]:
        """The columns of those views that are what the graph has under their names."""
        found: dict[str, Encoded] = {}
        for name, columns in record.view_columns.items():
            view = record.views[name]
            if graph.views[name] == self._hash(view):
                encoded = _encode_columns(columns, view.node_count, "nodes")
                found |= {f"{storable(name)}/{column}": each for column, each in encoded.items()}
        return found

    def _add_small(self, index: int, record: IterationRecord) -> None:
        # SQLite stores what is not a number as NULL.
        scalars = [(index, storable(name), float(value)) for name, value in record.scalars.items()]
        self._connection.executemany("INSERT INTO scalars VALUES (?, ?, ?)", scalars)
        if record.error is not None:
            row = (index, *_error_row(record.error))
            self._connection.execute("INSERT INTO errors VALUES (?, ?, ?, ?, ?)", row)
        findings = [finding_row(index, position, finding) for position, finding in enumerate(record.findings)]
        self._connection.executemany("INSERT INTO findings VALUES (?, ?, ?, ?, ?, ?, ?, ?)", findings)

    def _add_tensors(self, index: int, record: IterationRecord) -> None:
        put = BlobWriter(self._connection, self._check_room).add
        nodes, values = record.graph.node_count, record.graph.value_count
        if record.keyframe is not None:
            found = encode_json(keyframe_json(record.keyframe, put, nodes, values))
            row = (index, found.type, found.size, found.data)
            self._connection.execute("INSERT INTO keyframes VALUES (?, ?, ?, ?)", row)
        for tensor in record.tensors:
            if not 0 <= tensor.view.value < values:
                raise Damage(f"it speaks of value {tensor.view.value}, and there are {values}")
            found = encode_json(tensor_json(tensor, put))
            tensor_row = (index, int(tensor.view.value), found.type, found.size, found.data)
            self._connection.execute("INSERT INTO tensors VALUES (?, ?, ?, ?, ?)", tensor_row)

    def _check_room(self) -> None:
        if self._limit is not None and self.size > self._limit - _ROOM_TO_END:
            raise FileFull(f"the file would grow past its limit of {self._limit:,} bytes")

    def _add_columns(self, table: str, owner: int, columns: Mapping[str, Encoded]) -> None:
        rows = [(owner, name, column.type, column.size, column.data) for name, column in columns.items()]
        self._connection.executemany(f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?)", rows)

    def _add_sources(self, sources: SourceTexts) -> None:
        rows = [(storable(file), storable(text)) for file, text in sources]
        self._connection.executemany("INSERT OR IGNORE INTO sources VALUES (?, ?)", rows)

    def finish(self, sources: SourceTexts, *, finished: bool, lost: Sequence[str], ended: str) -> None:
        """Write how the recording ended; the sources only where there is room for them."""
        with suppress(FileFull), self._transaction():
            self._add_sources(sources)
            self._check_room()
        entries = {"finished": finished, "lost": list(lost), "ended": ended}
        with self._transaction():
            rows = [(key, json.dumps(entry)) for key, entry in entries.items()]
            self._connection.executemany("INSERT OR REPLACE INTO info VALUES (?, ?)", rows)

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
            # On one line: then what says how the tables lie stands on the first page, and nothing but its loss hurts.
            connection.execute(" ".join(statement.split()))
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
        "ended": "",
    }
    return {key: json.dumps(entry) for key, entry in entries.items()}


def _error_row(error: RecordedError) -> tuple[str, str, str, int | None]:
    node = None if error.node is None else int(error.node)
    return storable(error.type), storable(error.message), storable(error.traceback), node


def _encode_columns(columns: Mapping[str, npt.NDArray[Any]], count: int, what: str) -> dict[str, Encoded]:
    for name, column in columns.items():
        if column.shape != (count,):
            raise ValueError(f"column {name} has the shape {column.shape}, and the graph has {count} {what}")
    return {storable(name): encode(column, type_of(column)) for name, column in columns.items()}


def meta_text(graph: Graph) -> str:
    """The graph's meta as it stands in the file."""
    return json.dumps(dict(graph.meta), sort_keys=True)


def _without_tensors(record: IterationRecord, error: Exception) -> IterationRecord:
    kind = "size-limit" if isinstance(error, FileFull) else "recorder-fault"
    kept = [what for what, found in (("keyframe", record.keyframe), ("whole values", record.tensors)) if found]
    message = f"the iteration was written without its {' and '.join(kept)}: {error}"
    return replace(record, keyframe=None, tensors=(), findings=(*record.findings, Finding(kind, message)))
