"""The groups of a tree as problems: what is to be laid out in each, told apart by bytes before anything is built.

A network repeats few shapes many times. Groups whose columns here are equal, with boxes inside that are equal too, are
one problem.
"""

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.graph import NONE, Phase
from graphreel.graph.types import IntColumn
from graphreel.layout.columns import Tree
from graphreel.layout.local import Arrangement, Net, Problem
from graphreel.layout.stubs import Split
from graphreel.layout.types import FloatColumn, LayoutOptions

Mask: TypeAlias = npt.NDArray[np.bool_]

Row = tuple[int, int, int, int, int, int]
"""A leg within its group: number of its source, tail, head, port of the tail, port of the head, number of its own
port. Boxes are numbered within the group; -1 for the border."""


@dataclass(frozen=True, slots=True, eq=False)
class Before:
    """Where boxes stood in the picture before: NaN and 0 where that is not known.

    Attributes:
        place: The middle of each box, from the left.
        row: Its row, from 1.
    """

    place: FloatColumn
    row: IntColumn


class Groups:
    """What each group of a tree is to be laid out from. Group -1 is the outermost level.

    Attributes:
        entries, exits: How many ports each group has, by group + 1.
    """

    def __init__(self, tree: Tree, split: Split, rooms: FloatColumn, before: Before, options: LayoutOptions) -> None:
        self.tree, self.rooms, self.before, self.options = tree, rooms, before, options
        self.rows, self.entries, self.exits = _leg_rows(tree, split)
        self.row_start = split.legs.group_start.tolist()
        self.child_start = tree.child_start.tolist()
        self.after, self.after_start = _after_rows(tree, split)
        self.sorted_rooms = rooms[tree.child]
        self.has_rooms = _any_by_group(tree, np.any(rooms > 0, axis=1))
        self.hints = _hints(tree, before)
        self.has_hints = _any_by_group(tree, ~np.isnan(before.place))
        self.column = tree.column.tolist()

    def key(self, group: int, shapes: IntColumn) -> tuple[object, ...]:
        """What tells a group apart from others, given the shapes of all boxes in the order of `tree.child`."""
        low, high = self.child_start[group + 1], self.child_start[group + 2]
        legs = self.rows[self.row_start[group + 1] : self.row_start[group + 2]]
        after = self.after[self.after_start[group + 1] : self.after_start[group + 2]]
        hints = self.hints[low:high].tobytes() if self.has_hints[group + 1] else b""
        column = self._column(group)
        turned = column == Phase.BACKWARD, column == Phase.OPTIMIZER
        return shapes[low:high].tobytes(), legs.tobytes(), after.tobytes(), hints, turned, self.tree.is_frame(group)

    def _column(self, group: int) -> int:
        return NONE if group == NONE else self.column[group]

    def problem(self, group: int, sizes: list[tuple[float, float]], inside: list[Arrangement | None]) -> Problem:
        """What is to be laid out, given sizes of all boxes and arrangements of the groups among them."""
        low, high = self.child_start[group + 1], self.child_start[group + 2]
        children = self.tree.child[low:high].tolist()
        rows = self.rows[self.row_start[group + 1] : self.row_start[group + 2]].tolist()
        after = self.after[self.after_start[group + 1] : self.after_start[group + 2]].tolist()
        framed = group != NONE and not self.tree.is_frame(group)
        beside = group != NONE and group == self.tree.step
        padding = self.options.group_padding if framed or group == NONE else 0.0
        return Problem(
            sizes=tuple(sizes[child] for child in children),
            entries=int(self.entries[group + 1]),
            exits=int(self.exits[group + 1]),
            nets=self._nets(group, rows, [inside[child] for child in children]),
            least_width=sizes[group][0] if framed else 0.0,
            header=self.options.group_header if framed else padding,
            padding=padding,
            hints=() if beside else self._places_before(low, high),
            rows=() if beside else self._rows_before(low, high),
            rooms=tuple(map(tuple, self.sorted_rooms[low:high].tolist())) if self.has_rooms[group + 1] else (),
            after=tuple(map(tuple, after)),
            upward=self._column(group) == Phase.BACKWARD,
            beside=beside,
            narrow=self._column(group) == Phase.OPTIMIZER,
        )

    def _nets(self, group: int, rows: list[Row], inside: list[Arrangement | None]) -> tuple[Net, ...]:
        """The legs of a group, gathered by source."""
        first = len(inside)
        exits = first + int(self.entries[group + 1])
        found: list[Net] = []
        for _, legs_of_source in groupby(rows, key=itemgetter(0)):
            ends: list[tuple[int, float | None]] = []
            tail, tail_at = NONE, None
            for _, from_box, head, exit_port, entry_port, own in legs_of_source:
                if head == NONE:
                    ends.append((exits + own, 0.0))
                else:
                    ends.append((head, _port_at(inside[head], entry_port, leaves=False)))
                if from_box == NONE:
                    tail, tail_at = first + exit_port, 0.0
                else:
                    tail, tail_at = from_box, _port_at(inside[from_box], exit_port, leaves=True)
            found.append(Net(tail, tail_at, tuple(ends)))
        return tuple(found)

    def _places_before(self, low: int, high: int) -> tuple[float | None, ...]:
        """The order in which children stood before. Not where: groups alike in all but that stay alike."""
        hints = self.hints[low:high, 0].tolist()
        return tuple([None if hint < 0 else float(hint) for hint in hints]) if max(hints, default=NONE) >= 0 else ()

    def _rows_before(self, low: int, high: int) -> tuple[int, ...]:
        rows = self.hints[low:high, 1].tolist()
        return tuple(rows) if all(rows) else ()


def _port_at(around: Arrangement | None, port: int, *, leaves: bool) -> float | None:
    """Where a port of an inner group lies, from the group's middle; None for a box, which edges meet anywhere."""
    if around is None:
        return None
    return (around.exit_x if leaves else around.entry_x)[port] - around.width / 2


def _any_by_group(tree: Tree, boxes: Mask) -> list[bool]:
    """Whether anything is said of any child, by group + 1."""
    counts = np.append(0, np.cumsum(boxes[tree.child]))
    found: list[bool] = (counts[tree.child_start[1:]] > counts[tree.child_start[:-1]]).tolist()
    return found


def _leg_rows(tree: Tree, split: Split) -> tuple[IntColumn, IntColumn, IntColumn]:
    """The legs as `Row`s, and how many entries and exits each group has, by group + 1."""
    table, count = split.legs, len(tree.parent)
    net_key = (table.group.astype(np.int64) + 1) * count + table.source
    nets, first, net = np.unique(net_key, return_index=True, return_inverse=True)
    group = table.group[first]
    enters = table.tail[first] == NONE
    # Within a net the leg to the border comes first.
    leaves = table.head[first] == NONE
    entry, entries = _numbered(group, enters, count)
    exit_, exits = _numbered(group, leaves, count)
    starts = np.searchsorted(group, np.arange(-1, count))
    own = np.full((len(net), 6), NONE, dtype=np.int32)
    own[:, 0] = net - starts[table.group + 1]
    from_box, to_box = table.tail != NONE, table.head != NONE
    own[from_box, 1] = tree.local[table.tail[from_box]]
    own[to_box, 2] = tree.local[table.head[to_box]]
    own[~from_box, 3] = entry[net[~from_box]]
    out = from_box & (tree.is_group[table.tail] != 0)
    own[out, 3] = exit_[_net_of(nets, count, table.tail[out], table.source[out])]
    into = to_box & (tree.is_group[table.head] != 0)
    own[into, 4] = entry[_net_of(nets, count, table.head[into], table.source[into])]
    own[~to_box, 5] = exit_[net[~to_box]]
    return own, entries, exits


def _net_of(nets: npt.NDArray[np.int64], count: int, group: IntColumn, source: IntColumn) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = np.searchsorted(nets, (group.astype(np.int64) + 1) * count + source)
    return found


def _numbered(group: IntColumn, chosen: Mask, count: int) -> tuple[IntColumn, IntColumn]:
    """Number the chosen nets of each group from 0, in the order of their sources; how many there are."""
    counts = np.bincount(group[chosen] + 1, minlength=count + 1).astype(np.int32)
    before = np.cumsum(counts) - counts
    found = np.full(len(group), NONE, dtype=np.int32)
    found[chosen] = np.arange(int(chosen.sum())) - before[group[chosen] + 1]
    return found, counts


def _after_rows(tree: Tree, split: Split) -> tuple[IntColumn, list[int]]:
    """Pairs that say what stands lower, as numbers within their group; where each group's begin, by group + 1."""
    rows = np.stack((tree.local[split.upper], tree.local[split.lower]), axis=1).astype(np.int32)
    starts: list[int] = np.searchsorted(split.group, np.arange(-1, len(tree.parent) + 1)).tolist()
    return rows, starts


def _hints(tree: Tree, before: Before) -> IntColumn:
    """How-many-th of its siblings each box stood before, or -1, and its row, or 0; in the order of `tree.child`.

    Where the rows of all in a group are known, how-many-th in its row: that does not change with how wide boxes are, so
    that what was laid out before is known again.
    """
    place, parent, row = before.place[tree.child], tree.parent[tree.child], before.row[tree.child]
    order = np.lexsort((place, parent))
    found = np.full((len(place), 2), NONE, dtype=np.int32)
    # NaN sorts last within its group, so known ones get the numbers from 0.
    found[order, 0] = np.arange(len(place)) - tree.child_start[parent[order] + 1]
    found[np.isnan(place), 0] = NONE
    found[:, 1] = row
    unknown = np.bincount(parent[np.isnan(place) | (row == 0)] + 1, minlength=len(tree.parent) + 1)
    order = np.lexsort((place, row, parent))
    heads = np.ones(len(order), dtype=bool)
    heads[1:] = (np.diff(parent[order]) != 0) | (np.diff(row[order]) != 0)
    at = np.arange(len(order))
    slot = np.empty(len(order), dtype=np.int64)
    slot[order] = at - np.maximum.accumulate(np.where(heads, at, 0))
    whole = unknown[parent + 1] == 0
    found[whole, 0] = slot[whole]
    return found
