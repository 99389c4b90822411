"""Stable keys: scope path, op, source location, and how-many-th such node within that scope.

A key outlives the iteration, the run and every new layout, so diff, positions, breakpoints and bookmarks speak of
nodes by key. Written out: `forward/GPT/layers/0/fc1/aten.addmm.default@train.py:41#1`.
"""

import difflib
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache
from pathlib import PurePath
from re import Pattern
from re import compile as compile_pattern
from weakref import WeakKeyDictionary

import numpy as np

from graphreel.graph.errors import UnknownKey, UnknownScope
from graphreel.graph.model import Graph
from graphreel.graph.types import IntColumn, NodeId, ScopeId

_keys: "WeakKeyDictionary[Graph, tuple[str, ...]]" = WeakKeyDictionary()
_rows: "WeakKeyDictionary[Graph, dict[str, NodeId]]" = WeakKeyDictionary()


def node_keys(graph: Graph) -> tuple[str, ...]:
    """The stable key of every node, in execution order; each is unique within the graph."""
    found = _keys.get(graph)
    if found is None:
        found = _keys[graph] = _node_keys(graph)
    return found


def find_node(graph: Graph, key: str) -> NodeId:
    """The node with this key; raises UnknownKey, which offers the keys that come near."""
    rows = _rows.get(graph)
    if rows is None:
        rows = _rows[graph] = {known: NodeId(node) for node, known in enumerate(node_keys(graph))}
    if key not in rows:
        raise UnknownKey.in_graph(key, difflib.get_close_matches(key, rows, n=3))
    return rows[key]


def find_scopes(graph: Graph, pattern: str) -> list[ScopeId]:
    """The scopes whose path, or whose path's end from any part on, matches a glob such as `layers.*`.

    The parts of a path may be separated by `/` or by `.`. Raises UnknownScope where nothing matches.
    """
    matcher = _matcher(pattern)
    found = [ScopeId(scope) for scope, path in enumerate(graph.paths) if scope and matcher.search(_dotted(path))]
    if not found:
        raise UnknownScope.matching(pattern, list(graph.paths[1:]))
    return found


def _dotted(path: str) -> str:
    return path.replace("/", ".")


@lru_cache(maxsize=64)
def _matcher(pattern: str) -> Pattern[str]:
    return compile_pattern(rf"(?:^|\.){translate(_dotted(pattern))}")


def _node_keys(graph: Graph) -> tuple[str, ...]:
    places = _place_texts(graph)
    ordinals = _ordinals(graph).tolist()
    strings, paths = graph.strings, graph.paths
    columns = graph.nodes.scope.tolist(), graph.nodes.op.tolist(), graph.nodes.source.tolist(), ordinals
    return tuple(
        f"{paths[scope]}/{strings[op]}{places[source]}#{ordinal}"
        if scope
        else f"{strings[op]}{places[source]}#{ordinal}"
        for scope, op, source, ordinal in zip(*columns, strict=True)
    )


def _place_texts(graph: Graph) -> list[str]:
    """The `@file:line` of each source row, and an empty text last, which is what row -1 finds."""
    table = graph.sources
    files: Iterable[int] = table.file.tolist()
    texts = [
        f"@{PurePath(graph.strings[file]).name}:{line}" for file, line in zip(files, table.line.tolist(), strict=True)
    ]
    return [*texts, ""]


def _ordinals(graph: Graph) -> IntColumn:
    """Count nodes of the same scope, op and place, from 1, in execution order."""
    texts = _place_texts(graph)
    numbers: dict[str, int] = {}
    place_of_source = np.array([numbers.setdefault(text, len(numbers)) for text in texts], dtype=np.int64)
    place = place_of_source[graph.nodes.source]
    order = np.lexsort((place, graph.nodes.op, graph.nodes.scope))
    columns = [column[order] for column in (graph.nodes.scope, graph.nodes.op, place)]
    count = len(order)
    first = np.ones(count, dtype=bool)
    if count:
        first[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    positions = np.arange(count)
    since = positions - np.maximum.accumulate(np.where(first, positions, 0))
    ordinals = np.empty(count, dtype=np.int32)
    ordinals[order] = since + 1
    return ordinals
