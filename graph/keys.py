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
    return compile_pattern(rf"(?:^|\.){translate(_dotted(pattern).strip('.'))}")


def _node_keys(graph: Graph) -> tuple[str, ...]:
    texts, text_of_node = _texts(graph)
    ordinals = _ordinals(text_of_node)
    return tuple(f"{texts[text]}#{ordinal}" for text, ordinal in zip(text_of_node.tolist(), ordinals, strict=True))


def _texts(graph: Graph) -> tuple[list[str], IntColumn]:
    """The distinct keys without their ordinal, and which of them each node has."""
    places = _place_texts(graph)
    columns = graph.nodes.scope, graph.nodes.op, graph.nodes.source % len(places)
    spans = (max(1, graph.scope_count), len(graph.strings), len(places))
    rows, row_of_node = np.unique(np.ravel_multi_index(columns, spans), return_inverse=True)
    numbers: dict[str, int] = {}
    number_of_row: list[int] = []
    for scope, op, source in zip(*(column.tolist() for column in np.unravel_index(rows, spans)), strict=True):
        path = graph.told_paths[scope]
        # Within a key `/` separates the parts of the path, and nothing else.
        name = graph.strings[op].replace("/", "∕")
        text = f"{path}/{name}{places[source]}" if path else f"{name}{places[source]}"
        number_of_row.append(numbers.setdefault(text, len(numbers)))
    return list(numbers), np.array(number_of_row, dtype=np.int32)[row_of_node]


def _place_texts(graph: Graph) -> list[str]:
    """The `@file:line` of each source row, and an empty text last, which is what row -1 finds."""
    table = graph.sources
    files: Iterable[int] = table.file.tolist()
    texts = [
        f"@{PurePath(graph.strings[file]).name}:{line}" for file, line in zip(files, table.line.tolist(), strict=True)
    ]
    return [*texts, ""]


def _ordinals(group: IntColumn) -> list[int]:
    """Count the nodes of each group from 1, in execution order."""
    order = np.argsort(group, kind="stable")
    ordered = group[order]
    positions = np.arange(len(order))
    head = np.ones(len(order), dtype=bool)
    head[1:] = ordered[1:] != ordered[:-1]
    ordinals = np.empty(len(order), dtype=np.int32)
    ordinals[order] = positions - np.maximum.accumulate(np.where(head, positions, 0)) + 1
    found: list[int] = ordinals.tolist()
    return found
