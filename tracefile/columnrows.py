"""Finds the rows of one graph's sections, or of one iteration's columns, also where the index over them is damaged."""

import sqlite3
import threading
from collections.abc import Iterable
from typing import Any

import numpy.typing as npt

from graphreel.tracefile.codec import Damage, decode
from graphreel.tracefile.connect import READ_ERRORS
from graphreel.tracefile.rows import Row, scan


class ColumnRows:
    """The rows of the table `sections` by graph, or of `columns` and its like by iteration. Thread-safe.

    A page of the index speaks of a hundred iterations: without another way, its loss would be theirs.
    """

    def __init__(self, table: str, owner: str) -> None:
        self.name = table
        self._by_index = f"SELECT rowid FROM {table} WHERE {owner} = ?"
        self._by_scan = f"SELECT rowid, {owner} FROM {table} NOT INDEXED WHERE rowid > ? ORDER BY rowid"
        self._one = f"SELECT name, type, size, data FROM {table} WHERE rowid = ?"
        self._scanned: dict[object, list[int]] | None = None
        self._most = 1
        self._scan_fault: str | None = None
        self._lock = threading.Lock()

    def read(self, connection: sqlite3.Connection, owner: int, *, trust: bool) -> tuple[list[Row], str | None]:
        """Name, type, size and data of each, and what is wrong where some cannot be read.

        With `trust` the index is asked first, else the whole table is looked through, once.
        """
        rows: list[Row] = []
        found, fault = self._find(connection, owner, trust=trust)
        # One by one: a page that is gone takes only its own with it.
        for row in found:
            try:
                rows += connection.execute(self._one, (row,))
            except READ_ERRORS as error:
                fault = str(error)
        return rows, fault

    def _find(self, connection: sqlite3.Connection, owner: int, *, trust: bool) -> tuple[list[int], str | None]:
        if trust:
            try:
                return [row for (row,) in connection.execute(self._by_index, (owner,))], None
            except READ_ERRORS:
                pass  # the table itself may be whole
        with self._lock:
            if self._scanned is None:
                self._scan_all(connection)
            assert self._scanned is not None
            found = self._scanned.get(owner, [])
            # An owner with as many rows as any has all of them, wherever the scan broke off.
            return found, self._scan_fault if len(found) < self._most else None

    def _scan_all(self, connection: sqlite3.Connection) -> None:
        rows, self._scan_fault = scan(connection, self._by_scan, 0)
        self._scanned = {}
        for row, owner in rows:
            self._scanned.setdefault(owner, []).append(row)
        self._most = max(map(len, self._scanned.values()), default=1)


def decode_columns(
    rows: Iterable[Row], count: int, what: str, prefix: str = ""
) -> tuple[dict[str, npt.NDArray[Any]], list[str]]:
    """The columns of so many numbers that rows hold, by name, and a line for each that is damaged.

    Those only whose names begin with the prefix, and without it.
    """
    found: dict[str, npt.NDArray[Any]] = {}
    faults: list[str] = []
    for name, *encoded in rows:
        if not str(name).startswith(prefix):
            continue
        try:
            column = decode(*encoded)
            if len(column) != count:
                raise Damage(f"it has {len(column)} numbers for {count} {what}")
            found[str(name).removeprefix(prefix)] = column
        except Damage as error:
            faults.append(f"column {name} is damaged: {error}")
    return found, faults
