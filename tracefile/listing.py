"""The list of a trace's iterations, kept up with a file that grows, and of what is wrong with them."""

import sqlite3
import threading
from bisect import bisect_left
from collections.abc import Collection, Sequence
from typing import overload

from graphreel.tracefile.errors import one_line
from graphreel.tracefile.model import Iteration
from graphreel.tracefile.rows import (
    ERRORS,
    GRAPHS,
    ITERATIONS,
    KEYFRAMES,
    SCALARS,
    Row,
    iteration,
    recorded_error,
    row_fault,
    scalars,
    scan,
)


class Iterations(Sequence[Iteration]):
    """The iterations as of one moment. Each is made when it is asked for, so that a list of 100,000 costs little."""

    def __init__(self, rows: Sequence[Row], count: int, listing: "Listing") -> None:
        self._rows = rows
        self._count = count
        self._listing = listing

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, position: int) -> Iteration: ...
    @overload
    def __getitem__(self, position: slice) -> tuple[Iteration, ...]: ...
    def __getitem__(self, position: int | slice) -> Iteration | tuple[Iteration, ...]:
        if isinstance(position, slice):
            return tuple(self._listing.entry(self._rows[row]) for row in range(self._count)[position])
        return self._listing.entry(self._rows[range(self._count)[position]])

    def numbers(self) -> list[int]:
        """The index of each."""
        return [row[0] for row in self._rows[: self._count]]


class Listing:
    """Iterations by index, and faults by text: the same fault of many iterations is one line. Thread-safe."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._graphs: dict[int, Row] = {}
        self._scalars: list[Row] = []
        self._errors: dict[int, Row] = {}
        self._keyframes: list[int] = []
        self._last = -(1 << 63)
        self._last_graph = -(1 << 63)
        self._faults: dict[str, set[int]] = {}
        self._lock = threading.Lock()

    @property
    def iterations(self) -> Iterations:
        """Those found so far."""
        return Iterations(self._rows, len(self._rows), self)

    @property
    def keyframes(self) -> tuple[int, ...]:
        """Those of them that have a keyframe."""
        return tuple(self._keyframes)

    def read(self, connection: sqlite3.Connection, *, keyframes: bool) -> None:
        """Take in what was added since the last time. One thread at a time.

        `keyframes` says whether the file has that table.
        """
        after = self._last
        for row in self._scan(connection, "graphs", GRAPHS, self._last_graph):
            self._graphs[row[0]] = row
            self._last_graph = row[0]
        rows = self._scan(connection, "iterations", ITERATIONS, after)
        if not rows:
            return
        self._last = rows[-1][0]
        self._scalars += self._scan(connection, "scalars", SCALARS, after)
        self._errors.update((row[0], row) for row in self._scan(connection, "errors", ERRORS, after))
        whole = [row for row in rows if self._is_whole(row)]
        if keyframes:
            known = {row[0] for row in whole}
            found = self._scan(connection, "keyframes", KEYFRAMES, after)
            self._keyframes += [index for (index,) in found if index in known]
        # Last, since from here on the iterations show.
        self._rows += whole

    def entry(self, row: Row) -> Iteration:
        """The iteration that a row is about."""
        index = row[0]
        first, behind = (bisect_left(self._scalars, (bound,)) for bound in (index, index + 1))
        error = self._errors.get(index)
        found = None if error is None else recorded_error(error)
        return iteration(row, self._graphs[row[2]], scalars(self._scalars[first:behind]), found)

    def _is_whole(self, row: Row) -> bool:
        fault = row_fault(row, self._graphs.get(row[2]))
        if fault:
            self.add_fault(row[0], fault)
        return fault is None

    def _scan(self, connection: sqlite3.Connection, table: str, query: str, after: int) -> list[Row]:
        rows, fault = scan(connection, query, after)
        if fault is not None:
            self.add_fault(None, f"some {table} are missing: {fault}")
        return rows

    def drop(self, graphs: Collection[str], why: str) -> None:
        """List the iterations with these graphs no longer."""
        dropped = {row[0] for row in self._rows if self._graphs[row[2]][1] in graphs}
        self._rows = [row for row in self._rows if row[0] not in dropped]
        self._keyframes = [index for index in self._keyframes if index not in dropped]
        for index in dropped:
            self.add_fault(index, why)

    def add_fault(self, index: int | None, what: str) -> None:
        """Note what is wrong with an iteration, or with the file."""
        with self._lock:
            found = self._faults.setdefault(one_line(what), set())
            if index is not None:
                found.add(index)

    def problems(self) -> list[str]:
        """The faults, one line each."""
        with self._lock:
            return [f"{_spans(sorted(found))}{what}" for what, found in self._faults.items()]


def _spans(indices: list[int]) -> str:
    """`iteration 7: `, `iterations 3 to 9, 12: `, or nothing where a fault belongs to none."""
    if not indices:
        return ""
    starts = [index for position, index in enumerate(indices) if position == 0 or indices[position - 1] != index - 1]
    ends = [index for position, index in enumerate(indices) if indices[position + 1 : position + 2] != [index + 1]]
    spans = ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in zip(starts, ends, strict=True))
    return f"iteration{'s' if len(indices) > 1 else ''} {spans}: "
