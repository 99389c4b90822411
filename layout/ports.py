"""Phase 0, ports: every edge is cut into legs where it crosses the border of a group.

A leg lies in one group. Legs of one source that go the same way are one leg: a source has one port in one border of
each group that its edges leave, and one in the other border of each group that they enter.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.graph import NONE
from graphreel.graph.types import IntColumn

_LongColumn: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Legs:
    """One row a leg, sorted by group, source and head; the root's legs come first.

    Attributes:
        group: The group it lies in; -1 for the outermost level.
        source: The box whose edges it belongs to.
        tail: The box of that group where it begins, or -1 for the source's entry in the group's border.
        head: The box of that group where it ends, or -1 for the source's exit in the group's border.
        group_start: The legs of group g are rows `group_start[g + 1]` to `group_start[g + 2]`.
        edge_start: The legs of edge e are `edge_leg[edge_start[e]:edge_start[e + 1]]`, from source to target.
        edge_leg: Rows of this table.
    """

    group: IntColumn
    source: IntColumn
    tail: IntColumn
    head: IntColumn
    group_start: IntColumn
    edge_start: IntColumn
    edge_leg: IntColumn


@dataclass(frozen=True, slots=True, eq=False)
class _Pieces:
    """Legs under way: one row a leg of an edge; `step` orders the legs of an edge."""

    edge: _LongColumn
    step: _LongColumn
    group: _LongColumn
    tail: _LongColumn
    head: _LongColumn


def legs(parent: IntColumn, edge_source: IntColumn, edge_target: IntColumn) -> Legs:
    """Cut every edge between boxes of a tree. O(edges × depth), on whole columns."""
    boxes, edges = len(parent), len(edge_source)
    pieces = _pieces(parent.astype(np.int64), edge_source.astype(np.int64), edge_target.astype(np.int64))
    source = edge_source.astype(np.int64)[pieces.edge]
    key = ((pieces.group + 1) * boxes + source) * (boxes + 1) + pieces.head + 1
    _, chosen, row = np.unique(key, return_index=True, return_inverse=True)
    order = np.lexsort((pieces.step, pieces.edge))
    group = pieces.group[chosen]
    return Legs(
        group=group.astype(np.int32),
        source=source[chosen].astype(np.int32),
        tail=pieces.tail[chosen].astype(np.int32),
        head=pieces.head[chosen].astype(np.int32),
        group_start=np.searchsorted(group, np.arange(-1, boxes + 1)).astype(np.int32),
        edge_start=np.searchsorted(pieces.edge[order], np.arange(edges + 1)).astype(np.int32),
        edge_leg=row[order].astype(np.int32),
    )


def _pieces(parent: _LongColumn, source: _LongColumn, target: _LongColumn) -> _Pieces:
    """Walk from both ends of each edge up to the innermost group around both."""
    depth = depths(parent)
    # Legs up to the common group take steps 0, 1, …; the leg in it a middle one; legs down from it count back.
    middle = int(depth.max(initial=0)) + 1
    rows: list[_Pieces] = []
    edge = np.arange(len(source), dtype=np.int64)
    step = 0
    while len(edge):
        met = parent[source] == parent[target]
        rows.append(_piece(edge[met], middle, parent[source[met]], source[met], target[met]))
        edge, source, target = edge[~met], source[~met], target[~met]
        deeper = depth[source] - depth[target]
        out, into = deeper >= 0, deeper <= 0
        rows.append(_piece(edge[out], step, parent[source[out]], source[out], None))
        rows.append(_piece(edge[into], 2 * middle - step, parent[target[into]], None, target[into]))
        source = np.where(out, parent[source], source)
        target = np.where(into, parent[target], target)
        step += 1
    fields = ("edge", "step", "group", "tail", "head")
    columns = [np.concatenate([getattr(piece, name) for piece in rows] or [edge]) for name in fields]
    return _Pieces(*columns)


def _piece(
    edge: _LongColumn, step: int, group: _LongColumn, tail: _LongColumn | None, head: _LongColumn | None
) -> _Pieces:
    nothing = np.full(len(edge), NONE, dtype=np.int64)
    steps = np.full(len(edge), step, dtype=np.int64)
    return _Pieces(edge, steps, group, nothing if tail is None else tail, nothing if head is None else head)


def depths(parent: _LongColumn) -> _LongColumn:
    """How many boxes of a tree stand around each. Twice as far up in each step: O(boxes log depth)."""
    found: _LongColumn = (parent != NONE).astype(np.int64)
    above = parent
    while np.any(above != NONE):
        some = above != NONE
        found = found + np.where(some, found[above], 0)
        above = np.where(some, above[above], NONE)
    return found
