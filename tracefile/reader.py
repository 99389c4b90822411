"""Reads a `.reel`: any iteration by itself, also while the recording runs, and damaged files as far as they go."""

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy.typing as npt

from graphreel.graph import Graph, LintError, lint
from graphreel.tracefile.codec import Damage, decode
from graphreel.tracefile.columnrows import ColumnRows
from graphreel.tracefile.connect import READ_ERRORS, connected, find_way
from graphreel.tracefile.errors import DamagedTrace, NewerTrace, NotATrace, TraceError, UnknownIteration
from graphreel.tracefile.listing import Iterations, Listing
from graphreel.tracefile.lock import settle
from graphreel.tracefile.model import Trace, TraceInfo
from graphreel.tracefile.rows import Row, info_entries, lost_iterations, meta_of, newest_iteration, trace_info
from graphreel.tracefile.schema import APPLICATION_ID, HEAD, VERSION, Header, is_cut_short, storable
from graphreel.tracefile.sections import check_attributes, decode_graph

Found = TypeVar("Found")

_KEPT_GRAPHS = 4  # the one shown, the one compared with, and a step of either

_ID = "SELECT value FROM info WHERE key = 'id'"
_GRAPH = """
    SELECT graphs.id, graphs.hash, graphs.nodes, coalesce(iterations.meta, graphs.meta)
    FROM iterations JOIN graphs ON graphs.id = iterations.graph WHERE iteration = ?"""


def open_reel(path: Path) -> Trace:
    """Open a `.reel`, in a time that does not depend on its size.

    Raises NotATrace, NewerTrace, or DamagedTrace where nothing of it can be read. What can be read of a damaged one is
    opened, and its `problems` say what is missing. Where the recording was killed, what it left beside the file is
    folded into it, so that it is one file again.
    """
    return ReelTrace(path)


class ReelTrace:
    """An open `.reel`; see Trace. Nothing is read before it is asked for, and no more than that."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._closed = False
        self._lock = threading.RLock()
        self._graphs: OrderedDict[str, Graph] = OrderedDict()
        self._listing = Listing()
        self._sections = ColumnRows("sections", "graph")
        self._columns = ColumnRows("columns", "iteration")
        self._listed = False
        self._newest: int | None = None
        _check_head(self._path)
        self._running = not settle(self._path)
        self._cut_off = _is_cut_off(self._path)
        try:
            self._way, entries = find_way(self._path, self._read)
        except DamagedTrace as error:
            raise (DamagedTrace.cut_off(self._path) if self._cut_off else error) from error.__cause__
        self._cut_off |= self._way.cut_short
        self._id = entries.get("id")
        self._lost: list[str] = []
        self._info = TraceInfo(source="unknown", finished=False)
        self._take_info(entries)
        if self._cut_off:
            self._check_everything()

    @property
    def path(self) -> Path:
        """The file it was opened from."""
        return self._path

    @property
    def info(self) -> TraceInfo:
        """What is known of the recording as a whole."""
        return self._info

    @property
    def iterations(self) -> Iterations:
        """The iterations that stand in the file, by index, as of the last `refresh`."""
        with self._lock:
            if not self._listed:
                self._ask("the list of iterations", self._listing.read)
                self._listed = True
            return self._listing.iterations

    @property
    def running(self) -> bool:
        """Whether the recording still goes on, in some process, as of the last `refresh`."""
        return self._running and not self._info.finished

    @property
    def problems(self) -> Sequence[str]:
        """What is missing or damaged, as far as it was looked at, one line each."""
        found: list[str] = []
        if self._cut_off:
            found.append("the file is cut off: what stood at its end is missing")
        elif self._way.ignores_journal and (journal := self._path.with_name(self._path.name + "-wal")).exists():
            found.append(f"the newest iterations stand in {journal.name}, which cannot be read here")
        if not self._info.finished and not self._running:
            found.append("the recording did not end: the program was killed")
        if not self._closed:
            # What is wrong with the list shows when it is read.
            _ = self.iterations
        return (*found, *self._lost, *self._listing.problems())

    def refresh(self) -> bool:
        """Look for iterations that were added since; True if there are any, or if the recording ended."""
        with self._lock:
            newest, finished = self._newest, self._info.finished
            self._take_info(self._ask("the list of iterations", self._read))
            if not self._info.finished:
                self._running = not settle(self._path)
            return self._newest != newest or self._info.finished != finished

    def graph(self, index: int) -> Graph:
        """The graph of an iteration; raises UnknownIteration, or DamagedTrace where it cannot be read."""
        row, digest, nodes, meta_text = self._graph_row(index)
        try:
            meta = meta_of(meta_text)
            graph = self._known(digest) or self._load_graph(row, digest, nodes, meta)
        except (Damage, LintError) as error:
            raise DamagedTrace.part(self._path, f"the graph of iteration {index}", str(error)) from error
        return graph if graph.meta == meta else replace(graph, meta=meta)

    def columns(self, index: int) -> Mapping[str, npt.NDArray[Any]]:
        """The per-node columns of an iteration; raises UnknownIteration. Damaged ones are left out (see `problems`)."""
        nodes = self._graph_row(index)[2]
        found: dict[str, npt.NDArray[Any]] = {}
        rows, fault = self._ask_rows(self._columns, index)
        if fault:
            self._listing.add_fault(index, f"some of its columns are damaged: {fault}")
        for name, *encoded in rows:
            try:
                column = decode(*encoded)
                if len(column) != nodes:
                    raise Damage(f"it has {len(column)} numbers for {nodes} nodes")
                found[name] = column
            except Damage as error:
                self._listing.add_fault(index, f"column {name} is damaged: {error}")
        return found

    def source_text(self, file: str) -> str | None:
        """The text of a source file as it was when recorded; None where it was not kept."""
        query = "SELECT text FROM sources WHERE file = ?"
        row = self._ask(
            f"the source {file}", lambda connection: connection.execute(query, (storable(file),)).fetchone()
        )
        return None if row is None else str(row[0])

    def close(self) -> None:
        """Let go of the file. Closing twice is allowed."""
        self._closed = True
        self._graphs.clear()

    def _ask(self, what: str, question: Callable[[sqlite3.Connection], Found]) -> Found:
        """The answer to one question; raises DamagedTrace, naming what was asked for."""
        if self._closed:
            raise TraceError.after_close(self._path)
        try:
            with connected(self._path, self._way) as connection:
                # Where that page was damaged from the first, nothing tells one recording from the next.
                if self._id is not None and connection.execute(_ID).fetchone() != (self._id,):
                    raise TraceError.replaced(self._path)
                return question(connection)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_CANTOPEN}:
                raise TraceError.unreadable(self._path, str(error)) from error
            raise DamagedTrace.part(self._path, what, str(error)) from error
        except READ_ERRORS as error:
            raise DamagedTrace.part(self._path, what, str(error)) from error

    def _ask_rows(self, table: ColumnRows, owner: int) -> tuple[list[Row], str | None]:
        trust = not self._cut_off
        return self._ask("the file", lambda connection: table.read(connection, owner, trust=trust))

    def _read(self, connection: sqlite3.Connection) -> dict[str, str]:
        """Read what is new, and what is known of the whole: both as of one moment."""
        if self._listed:
            self._listing.read(connection)
        self._newest = newest_iteration(connection)
        return info_entries(connection)

    def _take_info(self, entries: Mapping[str, str]) -> None:
        try:
            self._info = trace_info(entries)
            self._lost = lost_iterations(entries)
        except Damage as error:
            self._listing.add_fault(None, f"what is known of the recording is damaged: {error}")

    def _graph_row(self, index: int) -> Row:
        """Row, hash, number of nodes and meta of an iteration's graph."""
        row: Row | None = self._ask(
            f"iteration {index}", lambda connection: connection.execute(_GRAPH, (index,)).fetchone()
        )
        if row is None:
            raise UnknownIteration.in_trace(index, self._path, self.iterations.numbers())
        return row

    def _known(self, digest: str) -> Graph | None:
        with self._lock:
            if digest in self._graphs:
                self._graphs.move_to_end(digest)
            return self._graphs.get(digest)

    def _load_graph(self, row: int, digest: str, nodes: int, meta: Mapping[str, str]) -> Graph:
        rows, fault = self._ask_rows(self._sections, row)
        if fault:
            raise Damage(fault)
        graph = decode_graph(rows, meta)
        if graph.node_count != nodes:
            raise Damage(f"it has {graph.node_count} nodes, and {nodes} are listed")
        lint(graph)
        check_attributes(graph)
        with self._lock:
            self._graphs[digest] = graph
            while len(self._graphs) > _KEPT_GRAPHS:
                self._graphs.popitem(last=False)
        return graph

    def _check_everything(self) -> None:
        """Look at every iteration of a file that was cut off, and list those only of which the graph is whole."""
        broken: set[str] = set()
        whole: set[str] = set()
        for entry in self.iterations:
            self.columns(entry.index)
            if entry.graph not in whole | broken:
                try:
                    self.graph(entry.index)
                    whole.add(entry.graph)
                except DamagedTrace:
                    broken.add(entry.graph)
        self._listing.drop(broken, "its graph is damaged")
        if not self.iterations:
            raise DamagedTrace.cut_off(self._path)


def _check_head(path: Path) -> None:
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


def _is_cut_off(path: Path) -> bool:
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
