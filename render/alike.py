"""Which boxes say the same, found on whole columns: what is worked out of a label is worked out once for all of them.

A network of 100,000 nodes has a few hundred different labels. Nothing here makes a text.
"""

import re
from collections.abc import Iterable
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from graphreel.graph import NONE, Graph, ValueKind
from graphreel.layout.types import BoxKind, VisibleGraph

Whole: TypeAlias = npt.NDArray[np.integer[Any]]

_MOST = np.iinfo(np.int64).max


def alike(view: VisibleGraph, most_weights: int) -> tuple[Whole, Whole]:
    """One box of each set of boxes that say the same, and for every box the row of its set.

    Needs: a label tells the first `most_weights` of a node's weights, and how many more there are.
    """
    nodes, scopes = view.kind == BoxKind.NODE, np.isin(view.kind, (BoxKind.SCOPE, BoxKind.GROUP))
    # What is neither node nor scope is like nothing else; there are few of them.
    within = np.arange(len(view.kind), dtype=np.int64)
    within[nodes] = _node_keys(view.graph, most_weights)[view.ref[nodes]]
    within[scopes] = _scope_keys(view, np.flatnonzero(scopes))
    return distinct([view.kind, within])


def distinct(columns: Iterable[Whole]) -> tuple[Whole, Whole]:
    """The first of each set of rows that agree in all these columns of integers, and for every row its set."""
    columns = list(columns)
    key = np.zeros(len(columns[0]), dtype=np.int64)
    if not len(key):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    span = 1
    for its in columns:
        column: Whole = its
        low = int(column.min())
        width = int(column.max()) - low + 1
        if span > _MOST // width:
            # Number the sets anew before the product of the ranges grows too large for 64 bits.
            found, inverse = np.unique(key, return_inverse=True)
            key, span = inverse.astype(np.int64), len(found)
        if span > _MOST // width:
            found, column = np.unique(column, return_inverse=True)
            low, width = 0, len(found)
        key = key * width + (column.astype(np.int64) - low)
        span *= width
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    return first.astype(np.int64), inverse.astype(np.int64)


def outside_inputs(graph: Graph) -> tuple[Whole, Whole]:
    """The rows of `graph.inputs` that take weights and constants from outside, and where each node's begin in them."""
    values = graph.values
    outside = (values.producer == NONE) & (values.kind != ValueKind.INPUT)
    rows = np.flatnonzero(outside[graph.inputs.value])
    return rows, np.searchsorted(rows, graph.inputs.start)


def last_part(name: str) -> str:
    """What follows the last `.` or `/` of a name: `layers.0.fc1.weight` is `weight`."""
    return re.split(r"[./]", name.rstrip("./"))[-1]


_known: WeakKeyDictionary[Graph, tuple[int, Whole]] = WeakKeyDictionary()


def _node_keys(graph: Graph, most_weights: int) -> Whole:
    """A number for each node; nodes with the same number say the same. Kept beside the graph."""
    known = _known.get(graph)
    if known is not None and known[0] == most_weights:
        return known[1]
    values = graph.values
    first, count = first_outputs(graph)
    known_type = first != NONE
    dtype = np.where(known_type, values.dtype[first], -1) if graph.value_count else first
    shape = np.where(known_type, values.shape[first], -2) if graph.value_count else first
    _, found = distinct([graph.nodes.op, dtype, shape, count, _weight_keys(graph, most_weights)])
    _known[graph] = most_weights, found
    return found


def first_outputs(graph: Graph) -> tuple[Whole, Whole]:
    """The first value that each node gives, or -1, and how many it gives."""
    values = graph.values
    made = np.flatnonzero(values.producer != NONE)
    made = made[np.lexsort((values.port[made], values.producer[made]))]
    count = np.bincount(values.producer[made], minlength=graph.node_count)
    first = np.full(graph.node_count, NONE, dtype=np.int64)
    some = count > 0
    first[some] = made[(np.cumsum(count) - count)[some]]
    return first, count


def _weight_keys(graph: Graph, most: int) -> Whole:
    """A number for each node's weights: how many, and the name and type of the first few."""
    rows, start = outside_inputs(graph)
    if not len(rows):
        return np.zeros(graph.node_count, dtype=np.int64)
    values = graph.values
    value = graph.inputs.value[rows]
    called = _last_parts(graph)[values.name[value]]
    # Where a value has no name the input's stands for it, or the value's kind.
    named = called > 0
    columns = (called, np.where(named, 0, graph.inputs.name[rows]), np.where(named, 0, values.kind[value]))
    _, row_key = distinct([*columns, values.dtype[value], values.shape[value]])
    row_key = np.append(row_key + 1, 0)
    count = np.diff(start)
    firsts = [row_key[np.where(count > at, start[:-1] + at, len(rows))] for at in range(most)]
    _, found = distinct([count, *firsts])
    return found


def _last_parts(graph: Graph) -> Whole:
    """For each string a number of what `last_part` makes of it, 0 for nothing; asked of values' names only."""
    found = np.zeros(len(graph.strings), dtype=np.int64)
    numbers: dict[str, int] = {"": 0}
    for name in np.unique(graph.values.name).tolist():
        found[name] = numbers.setdefault(last_part(graph.strings[name]), len(numbers))
    return found


def _scope_keys(view: VisibleGraph, boxes: Whole) -> Whole:
    scopes = view.graph.scopes
    refs = view.ref[boxes]
    inside = view.node_box[view.node_box >= 0]
    nodes = np.bincount(inside, minlength=len(view.kind))[boxes]
    parent = np.maximum(scopes.parent[refs], 0)
    above = np.where(scopes.parent[refs] > 0, scopes.name[parent], -1)
    columns = (refs == 0, above, scopes.name[refs], scopes.type[refs], scopes.kind[refs], nodes)
    _, found = distinct([column.astype(np.int64) for column in columns])
    return found
