"""Numbers of operations and of their outputs, by the names that searches and colours know them by.

Of times, what the trace recorded; of sizes, what shapes and dtypes say; of statistics, what the level `stats` keeps.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from graphreel.graph import NONE, Graph
from graphreel.graph.nesting import body_scopes
from graphreel.tracefile.extras import Kernels

FloatColumn = npt.NDArray[np.float64]


class Unit(Enum):
    """What a number counts."""

    TIME = "ns"
    BYTES = "bytes"
    COUNT = "count"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that is known by name.

    Attributes:
        of_values: Whether each output has one of its own, rather than the operation.
        needs: The level of recording that keeps it; empty where every graph has it.
        adds: Whether that of a group is the sum of what is in it, rather than the largest.
    """

    name: str
    unit: Unit
    text: str
    of_values: bool = False
    needs: str = ""
    adds: bool = False


_ALL = (
    Measure("time", Unit.TIME, "Time", needs="timing", adds=True),
    Measure("self", Unit.TIME, "Time without the operations in its body", needs="timing", adds=True),
    Measure("total", Unit.TIME, "Time with the operations in its body", needs="timing"),
    Measure("device", Unit.TIME, "Time on devices", needs="kernels", adds=True),
    Measure("bytes", Unit.BYTES, "Memory of the outputs", adds=True),
    Measure("numel", Unit.COUNT, "Elements of an output", of_values=True),
    Measure("dim", Unit.COUNT, "Dimensions of an output", of_values=True),
    Measure("calls", Unit.COUNT, "Operations with the same op"),
    Measure("nan", Unit.COUNT, "NaN in an output", of_values=True, needs="stats"),
    Measure("inf", Unit.COUNT, "Infinities in an output", of_values=True, needs="stats"),
    Measure("zeros", Unit.COUNT, "Zeros in an output", of_values=True, needs="stats"),
    Measure("min", Unit.NUMBER, "Smallest element", of_values=True, needs="stats"),
    Measure("max", Unit.NUMBER, "Largest element", of_values=True, needs="stats"),
    Measure("absmax", Unit.NUMBER, "Largest magnitude", of_values=True, needs="stats"),
    Measure("mean", Unit.NUMBER, "Mean", of_values=True, needs="stats"),
    Measure("std", Unit.NUMBER, "Standard deviation", of_values=True, needs="stats"),
)
MEASURES = {measure.name: measure for measure in _ALL}
"""Every number there is, by name."""


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """What a trace holds of an iteration beside its graph: one number per node, and per value."""

    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    value_columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    kernels: Kernels | None = None


NOTHING_RECORDED = Recorded()


def node_numbers(graph: Graph, recorded: Recorded, name: str) -> FloatColumn | None:
    """This number of each operation, NaN where there is none; None where none was recorded.

    Of several outputs the largest counts.
    """
    if MEASURES[name].of_values:
        values = value_numbers(graph, recorded, name)
        return None if values is None else largest_output(graph, values)
    if name == "calls":
        found: FloatColumn = np.bincount(graph.nodes.op, minlength=1)[graph.nodes.op].astype(np.float64)
        return found
    if name == "bytes":
        return _bytes(graph)
    if name == "device":
        return _device_times(graph, recorded)
    times = _column(recorded.columns, "duration_ns", graph.node_count)
    return times if times is None or name in ("time", "total") else _without_bodies(graph, times)


def value_numbers(graph: Graph, recorded: Recorded, name: str) -> FloatColumn | None:
    """This number of each value, NaN where there is none; None where none was recorded."""
    if name in ("numel", "dim"):
        elements, dims = _extents(graph)
        found: FloatColumn = (dims if name == "dim" else elements)[graph.values.shape]
        return found
    columns, count = recorded.value_columns, graph.value_count
    if name == "absmax":
        low, high = _column(columns, "min", count), _column(columns, "max", count)
        numbers = None if low is None or high is None else np.maximum(np.abs(low), np.abs(high))
    else:
        numbers = _column(columns, name, count)
    counted = columns.get("counted")
    return numbers if numbers is None or counted is None else np.where(counted.astype(bool), numbers, np.nan)


def largest_output(graph: Graph, values: FloatColumn) -> FloatColumn:
    """For each operation the largest number of its outputs; NaN where none has one."""
    found = np.full(graph.node_count, -np.inf)
    known = np.flatnonzero((graph.values.producer != NONE) & ~np.isnan(values))
    np.maximum.at(found, graph.values.producer[known], values[known])
    some = np.zeros(graph.node_count, dtype=bool)
    some[graph.values.producer[known]] = True
    return np.where(some, found, np.nan)


def _column(columns: Mapping[str, npt.NDArray[Any]], name: str, count: int) -> FloatColumn | None:
    column = columns.get(name)
    if column is None or len(column) != count:
        return None
    found = column.astype(np.float64)
    # Durations of -1 are those that nobody measured.
    return np.where(found < 0, np.nan, found) if name.endswith("_ns") else found


def _device_times(graph: Graph, recorded: Recorded) -> FloatColumn | None:
    measured = _column(recorded.columns, "device_duration_ns", graph.node_count)
    kernels = recorded.kernels
    if measured is not None or kernels is None:
        return measured
    launched = (kernels.node >= 0) & (kernels.node < graph.node_count)
    nodes = kernels.node[launched]
    spent = np.bincount(nodes, kernels.duration_ns[launched].astype(np.float64), graph.node_count)
    return np.where(np.bincount(nodes, minlength=graph.node_count) > 0, spent, np.nan)


def _without_bodies(graph: Graph, times: FloatColumn) -> FloatColumn:
    """The times of nodes less those of what runs directly in their bodies."""
    bodies = body_scopes(graph)[graph.nodes.scope]
    inside = np.flatnonzero(bodies != NONE)
    owners = graph.scopes.owner[bodies[inside]]
    spent = np.bincount(owners, np.nan_to_num(times[inside]), graph.node_count) if len(inside) else 0.0
    return np.maximum(times - spent, 0.0)


def _bytes(graph: Graph) -> FloatColumn:
    """The bytes of all outputs of each node; NaN where a type or shape is not known, or there is no output."""
    elements, _ = _extents(graph)
    widths = np.full(len(graph.strings), np.nan)
    for dtype in np.unique(graph.values.dtype).tolist():
        widths[dtype] = element_bytes(graph.strings[dtype])
    sizes = elements[graph.values.shape] * widths[graph.values.dtype]
    made = np.flatnonzero(graph.values.producer != NONE)
    producer = graph.values.producer[made]
    found = np.bincount(producer, sizes[made], graph.node_count)
    return np.where(np.bincount(producer, minlength=graph.node_count) > 0, found, np.nan)


@lru_cache(maxsize=256)
def element_bytes(dtype: str) -> float:
    """The bytes of one element, by the dtype's name; NaN where that does not tell."""
    if dtype in ("bool", "byte", "char"):
        return 1.0
    match = re.search(r"(\d+)", dtype)
    return float("nan") if match is None else int(match[1]) / 8


_known: "WeakKeyDictionary[Graph, tuple[FloatColumn, FloatColumn]]" = WeakKeyDictionary()


def _extents(graph: Graph) -> tuple[FloatColumn, FloatColumn]:
    """Elements and dimensions of each distinct shape; the last row, which -1 means, is that of what is unknown."""
    found = _known.get(graph)
    if found is None:
        start = graph.shapes.start
        dims = np.where(graph.shapes.dim >= 0, graph.shapes.dim, np.nan).astype(np.float64)
        count = len(start) - 1
        elements = np.array([float(np.prod(dims[start[row] : start[row + 1]])) for row in range(count)])
        found = np.append(elements, np.nan), np.append(np.diff(start).astype(np.float64), np.nan)
        _known[graph] = found
    return found


def quantity_text(number: float, unit: Unit) -> str:
    """A number with the unit that suits, three digits that count: `1.24 ms`, `4.3 MB`, `3,230`, `-0.012`."""
    if unit is Unit.TIME:
        for name, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
            if number >= size:
                return f"{number / size:.3g} {name}" if number < 1000 * size else f"{number / size:,.0f} {name}"
        return f"{number:.3g} ns"
    if unit is Unit.BYTES:
        names = ("B", "kB", "MB", "GB", "TB")
        power = int(min(np.log2(max(number, 1)) // 10, len(names) - 1))
        return f"{number / 1024**power:.4g} {names[power]}"
    return f"{number:,.0f}" if unit is Unit.COUNT else f"{number:.3g}"
