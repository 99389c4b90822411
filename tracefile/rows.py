"""Turns rows of the file into what a reader gives, and believes none of them unseen."""

import math
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from graphreel.graph import NodeId
from graphreel.tracefile.codec import Damage, expect, parse_json
from graphreel.tracefile.connect import READ_ERRORS
from graphreel.tracefile.model import Iteration, RecordedError, Status, TraceInfo

Kind = TypeVar("Kind")
Row = tuple[Any, ...]

_STATUS = {status.value: status for status in Status}

GRAPHS = "SELECT id, hash, nodes, edges FROM graphs WHERE id > ? ORDER BY id"
ITERATIONS = """
    SELECT iteration, status, graph, started_ns, duration_ns FROM iterations
    WHERE iteration > ? ORDER BY iteration"""
SCALARS = "SELECT iteration, name, value FROM scalars WHERE iteration > ? ORDER BY iteration"
ERRORS = "SELECT iteration, type, message, traceback, node FROM errors WHERE iteration > ? ORDER BY iteration"

KEYFRAMES = "SELECT iteration FROM keyframes WHERE iteration > ? ORDER BY iteration"

GRAPH_OF = """
    SELECT graphs.id, graphs.hash, graphs.nodes, coalesce(iterations.meta, graphs.meta)
    FROM iterations JOIN graphs ON graphs.id = iterations.graph WHERE iteration = ?"""
KEYFRAME_OF = "SELECT type, size, data FROM keyframes WHERE iteration = ?"
TENSOR_OF = "SELECT type, size, data FROM tensors WHERE iteration = ? AND value = ?"
TENSORS_OF = "SELECT value FROM tensors WHERE iteration = ? ORDER BY value"
TEXT_OF = "SELECT text FROM sources WHERE file = ?"
VIEWS_OF = "SELECT name FROM views WHERE graph = ? ORDER BY name"
VIEW_OF = """
    SELECT graphs.id, graphs.hash, graphs.nodes, coalesce(views.meta, graphs.meta)
    FROM views JOIN graphs ON graphs.id = views.view WHERE views.graph = ? AND views.name = ?"""


def scan(connection: sqlite3.Connection, query: str, after: int) -> tuple[list[Row], str | None]:
    """The rows of one of the queries above; where some are damaged, those on both sides of them, and what is wrong."""
    rows, fault = _scan(connection, query, after, 1)
    if fault is None:
        return rows, None
    last = rows[-1][0] if rows else after
    behind, _ = _scan(connection, f"{query} DESC", last, -1)
    return rows + behind[::-1], fault


def _scan(connection: sqlite3.Connection, query: str, after: int, direction: int) -> tuple[list[Row], str | None]:
    rows: list[Row] = []
    try:
        for row in connection.execute(query, (after,)):
            # Pages that point at each other in a ring would never come to an end.
            if rows and (not isinstance(row[0], int) or (row[0] - rows[-1][0]) * direction < 0):
                return rows, "its rows are out of order"
            rows.append(row)
    except READ_ERRORS as error:
        return rows, str(error)
    return rows, None


def row_fault(row: Row, graph: Row | None) -> str | None:
    """What is wrong with a row of ITERATIONS, or with the row of GRAPHS that it points to; None where all is well."""
    index, status, _, started, duration = row
    if graph is None:
        return "its graph is missing"
    if status not in _STATUS:
        return f"its status is {status!r}"
    _, digest, nodes, edges = graph
    numbers = (index, started, duration, nodes, edges)
    if not isinstance(digest, str) or not all(isinstance(number, int) for number in numbers):
        return "what is listed of it is damaged"
    return None


def iteration(row: Row, graph: Row, values: Mapping[str, float], error: RecordedError | None) -> Iteration:
    """A row of ITERATIONS and its row of GRAPHS, neither of which has a fault."""
    index, status, _, started, duration = row
    _, digest, nodes, edges = graph
    return Iteration(index, _STATUS[status], digest, nodes, edges, started, duration, values, error)


def scalars(rows: Iterable[Row]) -> dict[str, float]:
    """Rows of SCALARS. SQLite has no word for what is not a number, and stores NULL."""
    return {
        str(name): math.nan if value is None else float(value)
        for _, name, value in rows
        if isinstance(value, float | int | None)
    }


def recorded_error(row: Row) -> RecordedError:
    """A row of ERRORS."""
    _, kind, message, traceback, node = row
    return RecordedError(str(kind), str(message), str(traceback), NodeId(node) if isinstance(node, int) else None)


def info_entries(connection: sqlite3.Connection) -> dict[str, str]:
    """The table `info`, as far as it is whole: JSON by key."""
    return {str(key): str(value) for key, value in _scan_all(connection, "SELECT key, value FROM info")}


def newest_iteration(connection: sqlite3.Connection) -> int | None:
    """The number of the last iteration; None where there is none, or where its row is damaged."""
    rows = _scan_all(connection, "SELECT max(iteration) FROM iterations")
    return rows[0][0] if rows and isinstance(rows[0][0], int) else None


def _scan_all(connection: sqlite3.Connection, query: str) -> list[Row]:
    rows: list[Row] = []
    try:
        rows.extend(connection.execute(query))
    except sqlite3.OperationalError:
        raise  # of the system, not of the file: the disk, a lock, a missing right
    except READ_ERRORS:
        return rows
    return rows


def trace_info(entries: Mapping[str, str]) -> TraceInfo:
    """What is known of the recording; raises Damage, naming the entry."""

    def entry(key: str, kind: type[Kind]) -> Kind:
        if key not in entries:
            raise Damage(f"info {key} is missing")
        return expect(kind, parse_json(entries[key]), f"info {key}")

    return TraceInfo(
        source=entry("source", str),
        versions=texts(entry("versions", dict)),
        command=tuple(map(str, entry("command", list))),
        settings=texts(entry("settings", dict)),
        started_ns=entry("started_ns", int),
        finished=entry("finished", bool),
        ended=entry("ended", str) if "ended" in entries else "",
    )


def lost_iterations(entries: Mapping[str, str]) -> list[str]:
    """What the writer could not write, one line each."""
    return [str(line) for line in expect(list, parse_json(entries.get("lost", "[]")), "info lost")]


def meta_of(text: object) -> dict[str, str]:
    """A graph's meta; raises Damage."""
    return texts(expect(dict, parse_json(expect(str, text, "its meta")), "its meta"))


def texts(found: Mapping[Any, Any]) -> dict[str, str]:
    """A JSON object of strings; what is no string becomes one."""
    return {str(key): str(value) for key, value in found.items()}
