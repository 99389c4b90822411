"""Search: the nodes of a graph that a query describes, best first.

Plain words must all match somewhere: in op, name, scope path, the names of inputs and outputs, source line and
attributes; a word that looks like a shape (`[8, 16]`, `8x16`) is looked for in shapes as well. `query.py` has the rest
of the language. Everything is done on whole columns: 100,000 nodes take a few milliseconds a word.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import reduce

import numpy as np
import numpy.typing as npt

from graphreel.analysis.measures import MEASURES, NOTHING_RECORDED, Recorded, node_numbers, value_numbers
from graphreel.analysis.query import Comparison, Either, Every, QueryError, Term, Without, Word, parse_query
from graphreel.analysis.search_fields import FieldTexts, field_texts, is_shape
from graphreel.analysis.texts import BoolColumn
from graphreel.graph import NONE, Graph, Progress, Unwatched
from graphreel.graph.types import ByteColumn, IntColumn


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
    CONDITION = 8
    """In no text: a number compares so, or a kind is the one asked for."""


_UNWATCHED = Unwatched()
_NOWHERE = 99
_FAR = 1_000_000
_COMPARE: dict[str, Callable[[npt.NDArray[np.float64], float], BoolColumn]] = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
    "=": np.equal,
    "!=": np.not_equal,
}


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """The nodes found, best first, and the `Place` of each one's best word."""

    query: str
    nodes: IntColumn
    place: ByteColumn

    def __len__(self) -> int:
        return len(self.nodes)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """For each node how far down its places are together (`_FAR` where a term does not hold), and the best one."""

    total: npt.NDArray[np.int64]
    best: ByteColumn


def search(graph: Graph, query: str, progress: Progress = _UNWATCHED, recorded: Recorded = NOTHING_RECORDED) -> Hits:
    """The nodes that a query describes, best first, then in execution order. Nothing asked for: no hit.

    Raises QueryError where the query cannot be understood, or compares what `recorded` does not have.
    """
    term = parse_query(query)
    if term is None:
        return Hits(query, np.zeros(0, np.int32), np.zeros(0, np.uint8))
    found = _Searcher(graph, recorded, progress).found(term)
    nodes = np.flatnonzero(found.total < _FAR)
    nodes = nodes[np.argsort(found.total[nodes], kind="stable")]
    return Hits(query, nodes.astype(np.int32), found.best[nodes])


class _Searcher:
    """Finds what terms hold for in one graph."""

    def __init__(self, graph: Graph, recorded: Recorded, progress: Progress) -> None:
        self.graph, self.recorded, self.progress = graph, recorded, progress
        self._done = 0

    def found(self, term: Term) -> _Found:
        self.progress.step(self._done, 0)
        self._done += 1
        match term:
            case Word():
                return self._word(term)
            case Comparison():
                return _condition(self._comparison(term))
            case Without():
                return _condition(self.found(term.term).total >= _FAR)
            case Every():
                return reduce(_both, map(self.found, term.terms))
            case Either():
                return reduce(_any, map(self.found, term.terms))

    def _word(self, word: Word) -> _Found:
        texts, place = field_texts(self.graph), np.full(self.graph.node_count, _NOWHERE, dtype=np.uint8)
        for name, (found_at, finder) in _FIELDS.items():
            by_itself = found_at is not Place.CONDITION and (name != "shape" or is_shape(word.text))
            if word.field == name or (not word.field and by_itself):
                place[finder(texts, word) & (place > found_at)] = found_at
        place[(place == Place.OP) & texts.op_exactly(word)] = Place.OP_EXACTLY
        return _Found(np.where(place == _NOWHERE, _FAR, place.astype(np.int64)), place)

    def _comparison(self, term: Comparison) -> BoolColumn:
        graph, measure = self.graph, MEASURES[term.name]
        numbers = (value_numbers if measure.of_values else node_numbers)(graph, self.recorded, term.name)
        if numbers is None:
            kept = f"; record with --level {measure.needs}" if measure.needs else ""
            raise QueryError.at(term.column, f"nothing was recorded of {term.name!r} here{kept}")
        holds = _COMPARE[term.relation](numbers, term.number) & ~np.isnan(numbers)
        if not measure.of_values:
            return holds
        found = np.zeros(graph.node_count, dtype=bool)
        producers = graph.values.producer[holds]
        found[producers[producers != NONE]] = True
        return found


_FIELDS: dict[str, tuple[Place, Callable[[FieldTexts, Word], BoolColumn]]] = {
    "op": (Place.OP, FieldTexts.op),
    "name": (Place.NAME, FieldTexts.name),
    "scope": (Place.SCOPE, FieldTexts.scope),
    "value": (Place.VALUE, FieldTexts.value),
    "shape": (Place.SHAPE, FieldTexts.shape),
    "source": (Place.SOURCE, FieldTexts.source),
    "attr": (Place.ATTRIBUTE, FieldTexts.attribute),
    "dtype": (Place.CONDITION, FieldTexts.dtype),
    "device": (Place.CONDITION, FieldTexts.device),
    "phase": (Place.CONDITION, FieldTexts.phase),
    "kind": (Place.CONDITION, FieldTexts.kind),
}


def _condition(holds: BoolColumn) -> _Found:
    return _Found(
        np.where(holds, 0, _FAR).astype(np.int64), np.where(holds, Place.CONDITION, _NOWHERE).astype(np.uint8)
    )


def _both(one: _Found, other: _Found) -> _Found:
    return _Found(np.minimum(one.total + other.total, _FAR), np.minimum(one.best, other.best))


def _any(one: _Found, other: _Found) -> _Found:
    return _Found(np.minimum(one.total, other.total), np.minimum(one.best, other.best))
