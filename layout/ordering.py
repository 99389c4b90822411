"""Phase 4, ordering: few crossings between neighbouring rows."""

from bisect import bisect_right, insort

from graphreel.graph import Progress, Unwatched
from graphreel.layout.layers import Layers

_SWEEPS = 8
_EXCHANGES = 4
_MOST_PAIRS = 4096
"""Neighbours with more pairs of edges than this are not tried the other way round."""

End = tuple[int, float, float]
"""A neighbour, where an edge meets it and where it meets this vertex, both as a part of the width from the middle."""


def order(layers: Layers, progress: Progress = Unwatched()) -> None:
    """Order the rows: Gauss-Seidel barycenter sweeps, the best kept, then exchange of neighbours.

    Ties keep the order that the rows came in, which is execution order, or that of the picture before. What stood
    before is not swept, only exchanged, so that it keeps its order. Needs and gives: the same vertices in each row.
    """
    if all(len(row) < 2 for row in layers.rows):
        return
    state = _Order(layers)
    hints = layers.problem.hints
    if hints and 2 * sum(hint is None for hint in hints) <= len(hints):
        state.exchange(progress)
        return
    best, fewest, since = state.copied(), state.crossings(), 0
    for sweep in range(_SWEEPS):
        if fewest == 0 or since == 3:
            break
        progress.step(sweep, _SWEEPS)
        state.sweep(down=sweep % 2 == 0)
        crossings = state.crossings()
        since += 1
        if crossings < fewest:
            best, fewest, since = state.copied(), crossings, 0
    state.restore(best)
    if fewest:
        state.exchange(progress)


def crossings(layers: Layers) -> int:
    """How many pairs of segments cross between rows."""
    return _Order(layers).crossings()


class _Order:
    """The rows under way, with the place of each vertex in its row."""

    def __init__(self, layers: Layers) -> None:
        self.layers = layers
        self.rows = layers.rows
        self.place: list[int] = [0] * len(layers.rank)
        self.ups: list[list[End]] = [[] for _ in layers.rank]
        self.downs: list[list[End]] = [[] for _ in layers.rank]
        sizes = layers.problem.sizes
        for segment, (upper, lower) in enumerate(zip(layers.upper, layers.lower, strict=True)):
            above = layers.upper_at[segment] / (sizes[upper][0] + 1.0) if upper < len(sizes) else 0.0
            below = layers.lower_at[segment] / (sizes[lower][0] + 1.0) if lower < len(sizes) else 0.0
            self.downs[upper].append((lower, below, above))
            self.ups[lower].append((upper, above, below))
        self._renumber()

    def _renumber(self) -> None:
        for row in self.rows:
            for place, vertex in enumerate(row):
                self.place[vertex] = place

    def copied(self) -> list[list[int]]:
        return [row.copy() for row in self.rows]

    def restore(self, rows: list[list[int]]) -> None:
        self.rows[:] = rows
        self._renumber()

    def sweep(self, *, down: bool) -> None:
        """Sort each row by the mean place of the neighbours in the row before; others keep their places."""
        ends = self.ups if down else self.downs
        place = self.place
        for row in self.rows if down else reversed(self.rows):
            if len(row) < 2:
                continue
            slots = [slot for slot, vertex in enumerate(row) if ends[vertex]]
            keyed = [
                (sum(place[end] + at for end, at, _ in ends[vertex]) / len(ends[vertex]), slot)
                for slot, vertex in ((slot, row[slot]) for slot in slots)
            ]
            keyed.sort()
            moved = [row[slot] for _, slot in keyed]
            for slot, vertex in zip(slots, moved, strict=True):
                row[slot] = vertex
                place[vertex] = slot

    def crossings(self) -> int:
        return sum(self._crossings_above(row) for row in self.rows[1:])

    def _crossings_above(self, row: list[int]) -> int:
        place = self.place
        ends = [(place[v] + own, place[u] + at) for v in row for u, at, own in self.ups[v]]
        if len(ends) < 2:
            return 0
        ends.sort()
        seen: list[float] = []
        count = 0
        for _, above in ends:
            count += len(seen) - bisect_right(seen, above)
            insort(seen, above)
        return count

    def exchange(self, progress: Progress) -> None:
        """Swap neighbours while that removes crossings."""
        dirty = {rank for rank, row in enumerate(self.rows) if len(row) > 1}
        for turn in range(_EXCHANGES):
            progress.step(turn, _EXCHANGES)
            touched = [rank for rank in sorted(dirty) if self._exchange_row(self.rows[rank])]
            near = {rank + step for rank in touched for step in (-1, 0, 1)}
            dirty = {rank for rank in near if 0 <= rank < len(self.rows) and len(self.rows[rank]) > 1}
            if not dirty:
                break

    def _exchange_row(self, row: list[int]) -> bool:
        place, swapped = self.place, False
        for slot in range(len(row) - 1):
            left, right = row[slot], row[slot + 1]
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
        ours = [place[end] + at for end, at, _ in left]
        theirs = [place[end] + at for end, at, _ in right]
        return sum((mine > other) - (mine < other) for mine in ours for other in theirs)
