"""What each thing of one graph is in another version of it: the next iteration, an edited model, another run.

Scopes are the same by their paths. Within a scope nodes are compared as two versions of a text are, by their
operations: what was put in, taken out or replaced leaves the others matched, whatever their numbers are.
"""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from graphreel.graph import NONE, Graph, Progress, Unwatched
from graphreel.graph.types import IntColumn
from graphreel.layout.watching import watched

_MOST_EDITS = 300
"""Where more was put in and taken out of a scope than this, nodes are matched by how-many-th of their operation."""

_Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """For each node, scope and value of the one graph that of the other, or -1."""

    nodes: IntColumn
    scopes: IntColumn
    values: IntColumn


_known: "WeakKeyDictionary[Graph, WeakKeyDictionary[Graph, Match]]" = WeakKeyDictionary()


def match(old: Graph, new: Graph, progress: Progress = Unwatched()) -> Match:
    """Match two graphs; once for each pair. O(nodes + scopes), where few differ."""
    matches = _known.setdefault(new, WeakKeyDictionary())
    found = matches.get(old)
    if found is None:
        found = matches[old] = _match(old, new, progress)
    return found


def _match(old: Graph, new: Graph, progress: Progress) -> Match:
    rows = {path: scope for scope, path in enumerate(new.paths)}
    scopes = np.array([rows.get(path, NONE) for path in old.paths], dtype=np.int32)
    progress.step(0, 0)
    nodes = _nodes(old, new, scopes, progress)
    return Match(nodes, scopes, _values(old, new, nodes))


def _nodes(old: Graph, new: Graph, scopes: IntColumn, progress: Progress) -> IntColumn:
    ops, new_ops = _numbered(_texts(old, old.nodes.op), _texts(new, new.nodes.op))
    found = np.full(old.node_count, NONE, dtype=np.int32)
    if np.array_equal(ops, new_ops) and np.array_equal(scopes[old.nodes.scope], new.nodes.scope):
        return np.arange(old.node_count, dtype=np.int32)
    order, start = _by_scope(old)
    new_order, new_start = _by_scope(new)
    ops, new_ops = ops[order], new_ops[new_order]
    starts, new_starts = start.tolist(), new_start.tolist()
    for scope, other in watched(enumerate(scopes.tolist()), progress):
        low, high = starts[scope], starts[scope + 1]
        if other == NONE or low == high:
            continue
        new_low, new_high = new_starts[other], new_starts[other + 1]
        one, two = aligned(ops[low:high], new_ops[new_low:new_high], progress)
        found[order[low + one]] = new_order[new_low + two]
    return found


def _texts(graph: Graph, column: IntColumn) -> list[str]:
    return [graph.strings[number] for number in column.tolist()]


def _numbered(one: list[str], other: list[str]) -> tuple[IntColumn, IntColumn]:
    """Equal texts get equal numbers."""
    numbers: dict[str, int] = {}
    columns = [[numbers.setdefault(text, len(numbers)) for text in texts] for texts in (one, other)]
    return np.array(columns[0], dtype=np.int32), np.array(columns[1], dtype=np.int32)


def _by_scope(graph: Graph) -> tuple[IntColumn, IntColumn]:
    """The nodes scope by scope, in execution order; where those of each scope begin."""
    order = np.argsort(graph.nodes.scope, kind="stable").astype(np.int32)
    start = np.searchsorted(graph.nodes.scope[order], np.arange(graph.scope_count + 1))
    return order, start.astype(np.int32)


def aligned(one: IntColumn, other: IntColumn, progress: Progress = Unwatched()) -> tuple[_Rows, _Rows]:
    """Places in two sequences that belong together. After Myers 1986, "An O(ND) difference algorithm"."""
    shorter = min(len(one), len(other))
    apart = np.flatnonzero(one[:shorter] != other[:shorter])
    head = int(apart[0]) if len(apart) else shorter
    apart = np.flatnonzero(one[len(one) - shorter + head :][::-1] != other[len(other) - shorter + head :][::-1])
    tail = int(apart[0]) if len(apart) else shorter - head
    inner, new_inner = one[head : len(one) - tail], other[head : len(other) - tail]
    pairs = _edited(inner.tolist(), new_inner.tolist(), progress)
    middle = _counted(inner, new_inner) if pairs is None else np.array(pairs, dtype=np.int64).reshape(-1, 2)
    heads, tails = np.arange(head), np.arange(tail)
    return (
        np.concatenate((heads, middle[:, 0] + head, tails + len(one) - tail)),
        np.concatenate((heads, middle[:, 1] + head, tails + len(other) - tail)),
    )


def _edited(one: list[int], other: list[int], progress: Progress) -> list[tuple[int, int]] | None:
    """The pairs that the fewest insertions and deletions leave; None where these are too many."""
    if not one or not other:
        return []
    reached = {1: 0}
    history: list[dict[int, int]] = []
    for edits in range(min(_MOST_EDITS, len(one) + len(other)) + 1):
        progress.step(0, 0)
        history.append(reached.copy())
        for diagonal in range(-edits, edits + 1, 2):
            below = diagonal == -edits or (diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1])
            x = reached[diagonal + 1] if below else reached[diagonal - 1] + 1
            y = x - diagonal
            while x < len(one) and y < len(other) and one[x] == other[y]:
                x, y = x + 1, y + 1
            reached[diagonal] = x
            if x >= len(one) and y >= len(other):
                return _traced(history, len(one), len(other))
    return None


def _traced(history: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    """The way back from the ends of both sequences to their starts: the pairs on it."""
    found: list[tuple[int, int]] = []
    for edits in range(len(history) - 1, -1, -1):
        reached, diagonal = history[edits], x - y
        below = diagonal == -edits or (diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1])
        before = diagonal + 1 if below else diagonal - 1
        start = reached[before]
        # The snake that this edit ends in, from where the edit arrived.
        arrived = start if below else start + 1
        while x > max(arrived, 0) and y > 0:
            x, y = x - 1, y - 1
            found.append((x, y))
        x, y = start, start - before
    return found[::-1]


def _counted(one: IntColumn, other: IntColumn) -> _Rows:
    """The first of each operation with the first of it, the second with the second, and so on."""
    tables = [dict(zip(_counts(ops), range(len(ops)), strict=True)) for ops in (one, other)]
    pairs = [(row, tables[1][key]) for key, row in tables[0].items() if key in tables[1]]
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


def _counts(ops: IntColumn) -> list[tuple[int, int]]:
    seen: dict[int, int] = {}
    found: list[tuple[int, int]] = []
    for op in ops.tolist():
        seen[op] = seen.get(op, -1) + 1
        found.append((op, seen[op]))
    return found


def _values(old: Graph, new: Graph, nodes: IntColumn) -> IntColumn:
    """Values by the node that makes them and how-many-th output they are; those from outside by their names."""
    found = np.full(old.value_count, NONE, dtype=np.int32)
    made, new_made = np.flatnonzero(old.values.producer != NONE), np.flatnonzero(new.values.producer != NONE)
    producer = nodes[old.values.producer[made]]
    made, producer = made[producer != NONE], producer[producer != NONE]
    span = 1 + int(max(old.values.port.max(initial=0), new.values.port.max(initial=0)))
    wanted = producer.astype(np.int64) * span + old.values.port[made]
    there = new.values.producer[new_made].astype(np.int64) * span + new.values.port[new_made]
    order = np.argsort(there, kind="stable")
    if len(there):
        at = order[np.minimum(np.searchsorted(there[order], wanted), len(there) - 1)]
        same = there[at] == wanted
        found[made[same]] = new_made[at[same]]
    outside, new_outside = np.flatnonzero(old.values.producer == NONE), np.flatnonzero(new.values.producer == NONE)
    names = _numbered(_texts(old, old.values.name[outside]), _texts(new, new.values.name[new_outside]))
    pairs = _counted(*names)
    found[outside[pairs[:, 0]]] = new_outside[pairs[:, 1]]
    return found
