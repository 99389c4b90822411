"""Phase 4, ordering: few crossings between neighbouring rows."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np

from graphreel.graph import Progress, Unwatched
from graphreel.layout.layers import Layers, keys_before, sort_rows
from graphreel.layout.types import FloatColumn
from graphreel.layout.watching import watched

_SWEEPS = 8
_EXCHANGES = 4
_ROWS = 64
"""So many rows may be wide without anybody hearing that the layout is unwanted."""
_MANY = 3000
"""With more segments than this between two rows, crossings are counted on columns."""
_MOST_PAIRS = 4096
"""Neighbours with more pairs of edges than this are not tried the other way round."""

End = tuple[int, float, float]
"""A neighbour, where an edge meets it and where it meets this vertex, both as a part of the width from the middle."""

_NOWHERE: list[End] = []


def order(layers: Layers, progress: Progress = Unwatched()) -> None:
    """Order the rows: Gauss-Seidel barycenter sweeps, the best kept, then exchange of neighbours.

    Ties keep the order that the rows came in, which is execution order, or that of the picture before. What stood
    before keeps its order; what is new, edges and ports find their places in between. Needs and gives: the same
    vertices in each row.
    """
    if all(len(row) < 2 for row in layers.rows):
        return
    state = _Order(layers, progress)
    _search(state, progress)
    # What stood before stands so again, unless that was not what comes out anyhow.
    stood = {box: hint for box, hint in enumerate(layers.problem.hints) if hint is not None}
    if state.swaps(stood):
        sort_rows(layers, keys_before(layers.problem), progress)
        state = _Order(layers, progress, stood)
        _search(state, progress)


def _search(state: "_Order", progress: Progress) -> None:
    """Sweeps, the best of them kept, then exchange of neighbours."""
    best, fewest, since = state.copied(), state.crossings(progress), 0
    for sweep in range(_SWEEPS):
        if fewest == 0 or since == 3:
            break
        state.sweep(progress, down=sweep % 2 == 0)
        crossings = state.crossings(progress)
        since += 1
        if crossings < fewest:
            best, fewest, since = state.copied(), crossings, 0
    state.restore(best)
    if fewest:
        state.exchange(progress)


def crossings(layers: Layers) -> int:
    """How many pairs of segments cross between rows of which one has several vertices."""
    return _Order(layers).crossings()


def inversions(numbers: FloatColumn) -> int:
    """How many pairs of numbers stand in the wrong order; equal ones do not.

    From the highest bit of the numbers' ranks to the lowest: of two that agree in all bits above, one with a 1 comes
    first in the wrong order. O(n log n log n), on whole columns.
    """
    rank = np.empty(len(numbers), dtype=np.int64)
    rank[np.argsort(numbers, kind="stable")] = np.arange(len(numbers))
    count = 0
    for bit in range(len(numbers).bit_length() - 1, -1, -1):
        same, one = rank >> (bit + 1), (rank >> bit) & 1
        ones = np.cumsum(one) - one
        before = ones[np.searchsorted(same, same)]
        count += int((ones - before)[one == 0].sum())
        rank = rank[np.argsort(rank >> bit, kind="stable")]
    return count


class _Order:
    """The rows under way, with the place of each vertex in its row.

    Attributes:
        stood: How-many-th from the left those boxes stood before that are to keep their order.
    """

    def __init__(
        self, layers: Layers, progress: Progress = Unwatched(), stood: Mapping[int, float] = MappingProxyType({})
    ) -> None:
        self.layers = layers
        self.rows = layers.rows
        self.stood = stood
        self.place: list[int] = [0] * len(layers.rank)
        self.ups: list[list[End]] = [_NOWHERE] * len(layers.rank)
        self.downs: list[list[End]] = [_NOWHERE] * len(layers.rank)
        self.movable = [rank for rank, row in enumerate(self.rows) if len(row) > 1]
        # Only gaps next to a row that can change; the others have the same crossings in every order.
        self.gaps = sorted({gap for rank in self.movable for gap in (rank, rank + 1) if 0 < gap < len(self.rows)})
        self._take_ends(progress)
        self.counted: list[int] = [0] * len(self.rows)
        self.stale = set(self.gaps)
        # Rows to sort in a sweep down, and up: those where they or the row before have changed since.
        self.unsorted = {True: set(self.movable), False: set(self.movable)}
        self._renumber(range(len(self.rows)))

    def _take_ends(self, progress: Progress) -> None:
        layers, sizes = self.layers, self.layers.problem.sizes
        boxes = len(sizes)
        counts = [False] * len(self.rows)
        for gap in self.gaps:
            counts[gap] = True
        uppers, lowers = layers.upper, layers.lower
        for upper, lower, upper_at, lower_at in watched(
            zip(uppers, lowers, layers.upper_at, layers.lower_at, strict=True), progress
        ):
            if not counts[layers.rank[lower]]:
                continue
            above = upper_at / (sizes[upper][0] + 1.0) if upper_at and upper < boxes else 0.0
            below = lower_at / (sizes[lower][0] + 1.0) if lower_at and lower < boxes else 0.0
            if self.downs[upper] is _NOWHERE:
                self.downs[upper] = []
            if self.ups[lower] is _NOWHERE:
                self.ups[lower] = []
            self.downs[upper].append((lower, below, above))
            self.ups[lower].append((upper, above, below))

    def _renumber(self, ranks: Iterable[int]) -> None:
        place = self.place
        for rank in ranks:
            for slot, vertex in enumerate(self.rows[rank]):
                place[vertex] = slot

    def copied(self) -> dict[int, list[int]]:
        """The order of the rows that can change."""
        return {rank: self.rows[rank].copy() for rank in self.movable}

    def restore(self, rows: dict[int, list[int]]) -> None:
        for rank, row in rows.items():
            if self.rows[rank] != row:
                self.rows[rank] = row
                self._renumber((rank,))
                self._touch(rank)

    def swaps(self, stood: Mapping[int, float]) -> bool:
        """Whether any two of these stand in another order in their row than these numbers say."""
        if not stood:
            return False
        known = ([stood[vertex] for vertex in row if vertex in stood] for row in self.rows if len(row) > 1)
        return any(hints != sorted(hints) for hints in known)

    def _touch(self, rank: int) -> None:
        self.stale.update((rank, rank + 1))
        self.unsorted[True].update((rank, rank + 1))
        self.unsorted[False].update((rank, rank - 1))

    def sweep(self, progress: Progress, *, down: bool) -> None:
        """Sort each row by the mean place of the neighbours in the row before; others keep their places."""
        unsorted = self.unsorted[down]
        for rank in watched(self.movable if down else reversed(self.movable), progress, _ROWS):
            if rank in unsorted and self._sort(self.rows[rank], self.ups if down else self.downs):
                self._touch(rank)
            unsorted.discard(rank)

    def _sort(self, row: list[int], ends: list[list[End]]) -> bool:
        place = self.place
        keyed: list[tuple[float, int]] = []
        for slot, vertex in enumerate(row):
            its = ends[vertex]
            if len(its) == 1:
                keyed.append((place[its[0][0]] + its[0][1], slot))
            elif its:
                keyed.append((sum([place[end] + at for end, at, _ in its]) / len(its), slot))
        ordered = sorted(keyed)
        if ordered == keyed:
            return False
        moved = [row[slot] for _, slot in ordered]
        if self.stood:
            before = row.copy()
            for (_, slot), vertex in zip(keyed, moved, strict=True):
                row[slot] = vertex
            self._keep(row)
            for slot, vertex in enumerate(row):
                place[vertex] = slot
            return row != before
        for (_, slot), vertex in zip(keyed, moved, strict=True):
            row[slot] = vertex
            place[vertex] = slot
        return True

    def _keep(self, row: list[int]) -> None:
        """Let what stood before keep its order, in the places that it has in this row."""
        stood = self.stood
        slots = [slot for slot, vertex in enumerate(row) if vertex in stood]
        for slot, vertex in zip(slots, sorted([row[slot] for slot in slots], key=stood.__getitem__), strict=True):
            row[slot] = vertex

    def crossings(self, progress: Progress = Unwatched()) -> int:
        """How many segments cross; counted anew where rows have changed."""
        for gap in watched(self.stale, progress, _ROWS):
            if gap < len(self.rows):
                self.counted[gap] = self._crossings_above(self.rows[gap])
        self.stale.clear()
        return sum(self.counted)

    def _crossings_above(self, row: list[int]) -> int:
        place, ups = self.place, self.ups
        ends: list[tuple[float, float]] = []
        for vertex in row:
            for end, at, own in ups[vertex]:
                ends.append((place[vertex] + own, place[end] + at))
        if len(ends) < 2:
            return 0
        ends.sort()
        if len(ends) > _MANY:
            return inversions(np.array([above for _, above in ends]))
        seen: list[float] = []
        count = 0
        for _, above in ends:
            if seen and seen[-1] > above:
                at_place = bisect_right(seen, above)
                count += len(seen) - at_place
                seen.insert(at_place, above)
            else:
                seen.append(above)
        return count

    def exchange(self, progress: Progress) -> None:
        """Swap neighbours while that removes crossings."""
        dirty = set(self.movable)
        for _ in range(_EXCHANGES):
            touched = [rank for rank in watched(sorted(dirty), progress, _ROWS) if self._exchange_row(self.rows[rank])]
            near = {rank + step for rank in touched for step in (-1, 0, 1)}
            dirty = {rank for rank in near if 0 <= rank < len(self.rows) and len(self.rows[rank]) > 1}
            if not dirty:
                break

    def _exchange_row(self, row: list[int]) -> bool:
        place, stood, swapped = self.place, self.stood, False
        for slot in range(len(row) - 1):
            left, right = row[slot], row[slot + 1]
            if left in stood and right in stood:
                continue
            gain = self._gain(self.ups[left], self.ups[right]) + self._gain(self.downs[left], self.downs[right])
            if gain > 0:
                row[slot], row[slot + 1] = right, left
                place[left], place[right] = slot + 1, slot
                swapped = True
        return swapped

    def _gain(self, left: list[End], right: list[End]) -> int:
        """How many crossings go away if the vertices with these ends change places."""
        if not left or not right or len(left) * len(right) > _MOST_PAIRS:
            return 0
        place = self.place
        if len(left) == len(right) == 1:
            mine, other = place[left[0][0]] + left[0][1], place[right[0][0]] + right[0][1]
            return (mine > other) - (mine < other)
        ours = [place[end] + at for end, at, _ in left]
        theirs = [place[end] + at for end, at, _ in right]
        if max(ours) < min(theirs):
            return -len(ours) * len(theirs)
        return sum((mine > other) - (mine < other) for mine in ours for other in theirs)
