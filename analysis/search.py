"""Search: the nodes of a graph that a few words describe, best first.

Every word must match somewhere. A word is looked for in op, name, scope path, the names of inputs and outputs,
source line and attributes; `op:`, `name:`, `scope:`, `value:`, `shape:`, `source:` and `attr:` look in one of them
only. A word that looks like a shape (`[8, 16]`, `8x16`) is looked for in shapes as well.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from graphreel.graph import NONE, Graph, Progress, Unwatched
from graphreel.graph.nesting import told_scopes
from graphreel.graph.types import ByteColumn, IntColumn

BoolColumn = npt.NDArray[np.bool_]


class Place(IntEnum):
    """Where a word was found; the lower, the better the hit."""

    OP_EXACTLY = 0
    OP = 1
    NAME = 2
    SCOPE = 3
    VALUE = 4
    SHAPE = 5
    SOURCE = 6
    ATTRIBUTE = 7


_UNWATCHED = Unwatched()
_NOWHERE = 99
_WORD = re.compile(r'(?:(?P<field>[a-z]+):)?(?:"(?P<quoted>[^"]*)"|(?P<shape>\[[^\]]*\]?)|(?P<plain>\S+))')
_SHAPE = re.compile(r"\[.*|\d+(?:[x×,]\d+)+")


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """The nodes found, best first, and the `Place` of each one's best word."""

    query: str
    nodes: IntColumn
    place: ByteColumn

    def __len__(self) -> int:
        return len(self.nodes)


def search(graph: Graph, query: str, progress: Progress = _UNWATCHED) -> Hits:
    """The nodes that all words of the query match, best first, then in execution order. No word: no hit."""
    words = [word for match in _WORD.finditer(query.casefold()) if (word := _word(match))[1]]
    total = np.zeros(graph.node_count, dtype=np.int64)
    best = np.full(graph.node_count, _NOWHERE, dtype=np.uint8)
    for done, (field, text) in enumerate(words):
        progress.step(done, len(words))
        place = _places(graph, field, text)
        total += np.where(place == _NOWHERE, 1_000_000, place.astype(np.int64))
        best = np.minimum(best, place)
    found = np.flatnonzero(total < 1_000_000) if words else np.zeros(0, dtype=np.int64)
    found = found[np.argsort(total[found], kind="stable")]
    return Hits(query, found.astype(np.int32), best[found])


def _word(match: re.Match[str]) -> tuple[str | None, str]:
    """The field that a word is looked for in, None for any, and the word itself."""
    field, text = match["field"], match["quoted"] or match["shape"] or match["plain"] or ""
    # A colon need not set off a field: `train.py:41` is one word.
    return (field, text) if field is None or field in _FIELDS else (None, f"{field}:{text}")


def _places(graph: Graph, field: str | None, text: str) -> ByteColumn:
    """The best place where each node has the word; `_NOWHERE` where it does not."""
    place = np.full(graph.node_count, _NOWHERE, dtype=np.uint8)
    inside = _Matcher(graph, text)
    for known, (found_at, finder) in _FIELDS.items():
        wanted = field == known or (field is None and (known != "shape" or _SHAPE.fullmatch(text)))
        if wanted:
            place[finder(inside) & (place > found_at)] = found_at
    exact = inside.strings_that(lambda string: text == string or text in string.split("."))[graph.nodes.op]
    place[exact & (place == Place.OP)] = Place.OP_EXACTLY
    return place


class _Matcher:
    """One word against the columns of one graph; each interned string is looked at once."""

    def __init__(self, graph: Graph, text: str) -> None:
        self.graph, self.text = graph, text
        self.strings = self.strings_that(lambda string: text in string)

    def strings_that(self, holds: Callable[[str], bool]) -> BoolColumn:
        return _each((string.casefold() for string in self.graph.strings), holds)

    def op(self) -> BoolColumn:
        found: BoolColumn = self.strings[self.graph.nodes.op]
        return found

    def name(self) -> BoolColumn:
        found: BoolColumn = self.strings[self.graph.nodes.name]
        return found

    def scope(self) -> BoolColumn:
        wanted = self.text.replace("/", ".")
        paths = (path.casefold().replace("/", ".") for path in self.graph.told_paths)
        types = self.strings[self.graph.scopes.type][told_scopes(self.graph)]
        found: BoolColumn = (_each(paths, lambda path: wanted in path) | types)[self.graph.nodes.scope]
        return found

    def value(self) -> BoolColumn:
        return self._nodes_of_values(self.strings[self.graph.values.name])

    def shape(self) -> BoolColumn:
        wanted = re.sub(r"[x×]", ",", self.text.replace(" ", ""))
        rows = range(len(self.graph.shapes.start) - 1)
        shapes = (f"[{','.join('?' if d is None else str(d) for d in self.graph.shape(row) or ())}]" for row in rows)
        matching = np.append(_each(shapes, lambda shape: wanted in shape.casefold()), False)
        return self._nodes_of_values(matching[self.graph.values.shape])

    def source(self) -> BoolColumn:
        table = self.graph.sources
        places = (
            f"{PurePath(self.graph.strings[file]).name}:{line}".casefold()
            for file, line in zip(table.file.tolist(), table.line.tolist(), strict=True)
        )
        # A line number is meant as a whole: `train.py:4` is not `train.py:41`.
        matching = np.append(
            _each(places, lambda place: place.endswith(self.text) or self.text in place.rpartition(":")[0]), False
        )
        found: BoolColumn = matching[self.graph.nodes.source]
        return found

    def attribute(self) -> BoolColumn:
        table = self.graph.node_attributes
        key, equals, text = self.text.partition("=")
        if equals:
            keys = self.strings_that(lambda string: key == string)[table.key]
            rows = keys & self.strings_that(lambda string: text in string)[table.text]
        else:
            rows = self.strings[table.key] | self.strings[table.text]
        found = np.zeros(self.graph.node_count, dtype=bool)
        found[np.repeat(np.arange(self.graph.node_count), np.diff(table.start))[rows]] = True
        return found

    def _nodes_of_values(self, values: BoolColumn) -> BoolColumn:
        """The nodes that make or take one of these values."""
        graph = self.graph
        found = np.zeros(graph.node_count, dtype=bool)
        producers = graph.values.producer[values]
        found[producers[producers != NONE]] = True
        owner = np.repeat(np.arange(graph.node_count), np.diff(graph.inputs.start))
        found[owner[values[graph.inputs.value]]] = True
        return found


_FIELDS: dict[str, tuple[Place, Callable[[_Matcher], BoolColumn]]] = {
    "op": (Place.OP, _Matcher.op),
    "name": (Place.NAME, _Matcher.name),
    "scope": (Place.SCOPE, _Matcher.scope),
    "value": (Place.VALUE, _Matcher.value),
    "shape": (Place.SHAPE, _Matcher.shape),
    "source": (Place.SOURCE, _Matcher.source),
    "attr": (Place.ATTRIBUTE, _Matcher.attribute),
}


def _each(texts: Iterable[str], holds: Callable[[str], Any]) -> BoolColumn:
    return np.fromiter((bool(holds(text)) for text in texts), dtype=bool)
