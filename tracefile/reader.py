"""Reads a `.reel`: any iteration by itself, also while the recording runs, and damaged files as far as they go."""

import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy.typing as npt

from graphreel.graph import Graph, ValueId
from graphreel.tracefile.access import Access, check_head
from graphreel.tracefile.blobs import BlobReader
from graphreel.tracefile.codec import Damage, decode_json
from graphreel.tracefile.columnrows import ColumnRows, decode_columns
from graphreel.tracefile.errors import DamagedTrace, UnknownIteration
from graphreel.tracefile.extrarows import FINDINGS, decode_kernels, finding
from graphreel.tracefile.extras import Finding, Kernels
from graphreel.tracefile.graphs import Graphs
from graphreel.tracefile.listing import Iterations, Listing
from graphreel.tracefile.lock import settle
from graphreel.tracefile.model import Trace, TraceInfo
from graphreel.tracefile.rows import (
    GRAPH_OF,
    KEYFRAME_OF,
    TENSOR_OF,
    TENSORS_OF,
    TEXT_OF,
    VIEW_OF,
    VIEWS_OF,
    Row,
    info_entries,
    lost_iterations,
    newest_iteration,
    trace_info,
)
from graphreel.tracefile.schema import storable
from graphreel.tracefile.tensorjson import Get, parse_keyframe, parse_tensor
from graphreel.tracefile.tensors import Keyframe, RecordedTensor

Found = TypeVar("Found")
Columns = Mapping[str, npt.NDArray[Any]]


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
        self._lock = threading.RLock()
        self._listing = Listing()
        self._columns = ColumnRows("columns", "iteration")
        self._value_columns = ColumnRows("value_columns", "iteration")
        self._view_columns = ColumnRows("view_columns", "iteration")
        self._kernels = ColumnRows("kernels", "iteration")
        self._listed = False
        self._newest: int | None = None
        check_head(self._path)
        # First, since it may fold a journal into the file.
        self._running = not settle(self._path)
        self._access = Access(self._path)
        self._graphs = Graphs(self._access)
        self._lost: list[str] = []
        self._info = TraceInfo(source="unknown", finished=False)
        self._take_info(self._access.ask("what is known of the recording", self._read))
        if self._access.cut_off:
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
        self._list()
        return self._listing.iterations

    @property
    def running(self) -> bool:
        """Whether the recording still goes on, in some process, as of the last `refresh`."""
        return self._running and not self._info.finished

    @property
    def problems(self) -> Sequence[str]:
        """What is missing or damaged, as far as it was looked at, one line each."""
        found: list[str] = []
        if self._access.cut_off:
            found.append("the file is cut off: what stood at its end is missing")
        elif (journal := self._access.unread_journal) is not None:
            found.append(f"the newest iterations stand in {journal.name}, which cannot be read here")
        if self._info.ended:
            found.append(self._info.ended)
        elif not self._info.finished and not self._running:
            found.append("the recording did not end: the program was killed")
        if not self._access.closed:
            # What is wrong with the list shows when it is read.
            self._list()
        return (*found, *self._lost, *self._listing.problems())

    def refresh(self) -> bool:
        """Look for iterations that were added since; True if there are any, or if the recording ended."""
        with self._lock:
            newest, finished = self._newest, self._info.finished
            self._take_info(self._access.ask("the list of iterations", self._read))
            if not self._info.finished:
                self._running = not settle(self._path)
            return self._newest != newest or self._info.finished != finished

    def graph(self, index: int) -> Graph:
        """The graph of an iteration; raises UnknownIteration, or DamagedTrace where it cannot be read."""
        return self._graphs.get(f"the graph of iteration {index}", self._graph_row(index))

    def columns(self, index: int) -> Columns:
        """The per-node columns of an iteration; raises UnknownIteration. Damaged ones are left out (see `problems`)."""
        return self._read_columns(self._columns, index, self._graph_row(index)[2], "nodes")

    def value_columns(self, index: int) -> Columns:
        """The per-value columns of an iteration; raises UnknownIteration. Damaged ones are left out (see `problems`).

        Raises DamagedTrace where the graph is damaged.
        """
        return self._read_columns(self._value_columns, index, self.graph(index).value_count, "values")

    @property
    def keyframes(self) -> Sequence[int]:
        """The iterations that have a keyframe, rising, as of the last `refresh`."""
        self._list()
        return self._listing.keyframes

    def keyframe(self, index: int) -> Keyframe | None:
        """What an iteration can be executed again from; None where it was not kept.

        Raises UnknownIteration, and DamagedTrace where any of it cannot be read.
        """
        graph = self.graph(index)
        what = f"the keyframe of iteration {index}"
        parse = partial(parse_keyframe, nodes=graph.node_count, values=graph.value_count)
        return self._read_tensors(what, "keyframes", KEYFRAME_OF, (index,), parse)

    def tensors(self, index: int) -> Sequence[ValueId]:
        """The values of an iteration that were kept whole, rising; raises UnknownIteration."""
        self._graph_row(index)
        rows = self._access.ask_all(f"the list of whole values of iteration {index}", "tensors", TENSORS_OF, index)
        return tuple(ValueId(value) for (value,) in rows if isinstance(value, int))

    def tensor(self, index: int, value: int) -> RecordedTensor | None:
        """A whole value; None where it was not kept. Raises UnknownIteration, and DamagedTrace."""
        self._graph_row(index)
        what = f"value {value} of iteration {index}"
        parse = partial(parse_tensor, value=value)
        return self._read_tensors(what, "tensors", TENSOR_OF, (index, int(value)), parse)

    def kernels(self, index: int) -> Kernels | None:
        """The work of devices in an iteration; None where it was not recorded.

        Raises UnknownIteration, and DamagedTrace where any of it cannot be read.
        """
        nodes = self._graph_row(index)[2]
        rows, fault = self._access.ask_rows(self._kernels, index)
        try:
            if fault:
                raise Damage(fault)
            return decode_kernels(rows, nodes)
        except Damage as error:
            raise DamagedTrace.part(self._path, f"the kernels of iteration {index}", str(error)) from error

    def findings(self, index: int) -> Sequence[Finding]:
        """What the recorder noticed in an iteration; raises UnknownIteration, and DamagedTrace.

        A damaged one is left out (see `problems`).
        """
        nodes = self._graph_row(index)[2]
        found: list[Finding] = []
        for row in self._access.ask_all(f"the findings of iteration {index}", "findings", FINDINGS, index):
            try:
                found.append(finding(row, nodes))
            except Damage as error:
                self._listing.add_fault(index, f"finding {row[0]} is damaged: {error}")
        return tuple(found)

    def views(self, index: int) -> Sequence[str]:
        """Names of the other graphs of an iteration, such as `autograd`; raises UnknownIteration."""
        row = self._graph_row(index)
        return tuple(str(name) for (name,) in self._access.ask_all("the list of views", "views", VIEWS_OF, row[0]))

    def view(self, index: int, name: str) -> Graph | None:
        """Another graph of an iteration; None where there is none. Raises UnknownIteration, and DamagedTrace."""
        row = self._graph_row(index)
        what = f"the graph {name} of iteration {index}"
        found = self._access.ask_all(what, "views", VIEW_OF, row[0], storable(name))
        if not found and name in self.views(index):
            raise DamagedTrace.part(self._path, what, "its graph is missing")
        return self._graphs.get(what, found[0]) if found else None

    def view_columns(self, index: int, name: str) -> Columns:
        """The columns of a view by its nodes; raises what `view` does. Damaged ones are left out (see `problems`)."""
        view = self.view(index, name)
        if view is None:
            return {}
        return self._read_columns(self._view_columns, index, view.node_count, "nodes", f"{storable(name)}/")

    def source_text(self, file: str) -> str | None:
        """The text of a source file as it was when recorded; None where it was not kept."""
        rows = self._access.ask_all(f"the source {file}", "sources", TEXT_OF, storable(file))
        return str(rows[0][0]) if rows else None

    def close(self) -> None:
        """Let go of the file. Closing twice is allowed."""
        self._access.close()
        self._graphs.forget()

    def _list(self) -> None:
        with self._lock:
            if not self._listed:
                self._access.ask("the list of iterations", self._read_list)
                self._listed = True

    def _read_list(self, connection: sqlite3.Connection) -> None:
        self._listing.read(connection, keyframes=self._access.has("keyframes"))

    def _read(self, connection: sqlite3.Connection) -> dict[str, str]:
        """Read what is new, and what is known of the whole: both as of one moment."""
        if self._listed:
            self._read_list(connection)
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
        rows = self._access.ask_all(f"iteration {index}", "iterations", GRAPH_OF, index)
        if not rows:
            raise UnknownIteration.in_trace(index, self._path, self.iterations.numbers())
        return rows[0]

    def _read_columns(self, table: ColumnRows, index: int, count: int, what: str, prefix: str = "") -> Columns:
        """The columns of an iteration in a table, those only whose names begin with the prefix, and without it."""
        rows, fault = self._access.ask_rows(table, index)
        if fault:
            self._listing.add_fault(index, f"some of its columns are damaged: {fault}")
        found, faults = decode_columns(rows, count, what, prefix)
        for line in faults:
            self._listing.add_fault(index, line)
        return found

    def _read_tensors(
        self, what: str, table: str, query: str, about: tuple[int, ...], parse: Callable[[object, Get], Found]
    ) -> Found | None:
        """What a row of `query` describes, with the bytes that it speaks of: both as of one moment."""

        def read(connection: sqlite3.Connection) -> Found | None:
            row = connection.execute(query, about).fetchone()
            return None if row is None else parse(decode_json(*row), BlobReader(connection).read)

        if not self._access.has(table):
            return None
        try:
            return self._access.ask(what, read)
        except Damage as error:
            raise DamagedTrace.part(self._path, what, str(error)) from error

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
