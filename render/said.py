"""What the box of a node says, as the user chose it: which of the usual lines, and which more."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from graphreel.analysis.measures import Recorded, Unit, node_numbers, quantity_text
from graphreel.graph import NONE, Graph
from graphreel.layout.types import BoxKind, VisibleGraph
from graphreel.render.alike import Whole, distinct
from graphreel.render.styles import DETAIL, NAME
from graphreel.render.text import one_line, shorten

if TYPE_CHECKING:
    from graphreel.render.labels import Label

LINES = {
    "op": "Op",
    "dtype": "Dtype",
    "shape": "Shape",
    "parameters": "Parameters and constants",
    "name": "Name",
    "attributes": "Attributes",
    "source": "Source line",
    "time": "Time",
}
"""What a box can say of its node, and what menus call it."""
USUAL = frozenset({"op", "dtype", "shape", "parameters"})
"""What it says unless something else is chosen."""

_MOST_ATTRIBUTES, _WIDEST = 4, 150.0


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """The lines of all nodes of a graph.

    Attributes:
        lines: Which of LINES a box shows.
        which: For each node a row of `more`.
        more: What is said below the usual lines, row 0 nothing.
    """

    lines: frozenset[str]
    which: Whole
    more: tuple[tuple[tuple[str, int], ...], ...]

    def rows_of(self, view: VisibleGraph) -> Whole:
        """For each box the row of `more` that it says."""
        nodes = view.kind == BoxKind.NODE
        return np.where(nodes, self.which[np.where(nodes, view.ref, 0)] if len(self.which) else 0, 0)

    def type_text(self, text: str) -> str:
        """As much of a type as is chosen: `float32[8, 16]`, `float32`, `[8, 16]` or nothing."""
        dtype, bracket, shape = text.partition("[")
        return (dtype if "dtype" in self.lines else "") + (bracket + shape if "shape" in self.lines else "")

    def label(self, label: "Label", node: int) -> "Label":
        """A label with what is chosen besides, and without the op where that is not wanted and something else is."""
        from graphreel.render.labels import Span

        rows = label if "op" in self.lines else label[1:]
        rows += tuple((Span(text, style),) for text, style in self.more[int(self.which[node])])
        return rows or label


def said(graph: Graph, lines: Collection[str], recorded: Recorded) -> Said | None:
    """What boxes say where these lines are chosen; None where they are the usual ones."""
    chosen = frozenset(lines)
    if chosen == USUAL:
        return None
    columns: list[Whole] = []
    texts: list[list[tuple[str, int]]] = []
    for line, make in (("name", _names), ("attributes", _attributes), ("source", _sources), ("time", _times)):
        if line in chosen:
            column, its = make(graph, recorded)
            columns.append(column)
            texts.append([(one_line(text), NAME if line == "name" else DETAIL) for text in its])
    if not columns:
        return Said(chosen, np.zeros(graph.node_count, np.int64), ((),))
    first, which = distinct(columns)
    rows = zip(*(column[first].tolist() for column in columns), strict=True)
    more = [tuple(its[at] for its, at in zip(texts, row, strict=True) if its[at][0]) for row in rows]
    return Said(chosen, which + 1, ((), *more))


def _names(graph: Graph, recorded: Recorded) -> tuple[Whole, list[str]]:
    used, rows = np.unique(graph.nodes.name, return_inverse=True)
    return rows, [graph.strings[name] for name in used.tolist()]


def _sources(graph: Graph, recorded: Recorded) -> tuple[Whole, list[str]]:
    used, rows = np.unique(graph.nodes.source, return_inverse=True)
    table, texts = graph.sources, list[str]()
    for source in used.tolist():
        file = "" if source == NONE else PurePath(graph.strings[table.file[source]]).name
        texts.append(f"{file}:{int(table.line[source])}" if file else "")
    return rows, texts


def _times(graph: Graph, recorded: Recorded) -> tuple[Whole, list[str]]:
    """Times to two digits: so many operations say the same."""
    times = node_numbers(graph, recorded, "time")
    if times is None:
        return np.zeros(graph.node_count, np.int64), [""]
    known = np.nan_to_num(times, nan=-1.0)
    tens = 10.0 ** np.maximum(np.floor(np.log10(np.maximum(known, 1.0))) - 1, 0)
    used, rows = np.unique(np.round(known / tens) * tens, return_inverse=True)
    return rows, ["" if time < 0 else quantity_text(time, Unit.TIME) for time in used.tolist()]


def _attributes(graph: Graph, recorded: Recorded) -> tuple[Whole, list[str]]:
    """The first few attributes of each node, as `alpha 1 · dim -1`."""
    table, strings = graph.node_attributes, graph.strings
    numbers: dict[tuple[tuple[int, int], ...], int] = {}
    rows = np.zeros(graph.node_count, dtype=np.int64)
    start, keys, texts = table.start.tolist(), table.key.tolist(), table.text.tolist()
    for node in range(graph.node_count):
        its = range(start[node], min(start[node + 1], start[node] + _MOST_ATTRIBUTES))
        rows[node] = numbers.setdefault(tuple((keys[row], texts[row]) for row in its), len(numbers))
    said_of = [" · ".join(f"{strings[key]} {_value_text(strings[text])}" for key, text in its) for its in numbers]
    return rows, said_of


def _value_text(text: str) -> str:
    value = json.loads(text)
    return shorten(value if isinstance(value, str) else text, _WIDEST, 11.0)
