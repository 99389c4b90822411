"""Finds structure in a sequence of items that feed each other: repeated blocks, and narrow places to cut at.

Nothing here knows nodes or scopes: items are numbers in the order in which they run.
"""

from dataclasses import dataclass

import numpy as np

from graphreel.graph.hashing import mix
from graphreel.graph.types import HashColumn, IntColumn

LEAST_COVERED = 24
"""Fewer items than this are not worth telling as blocks."""
_LEAST_BLOCK, _MANY_BLOCKS = 4, 12
"""Blocks of fewer items than this are told where there are this many of them."""
_LONG_PERIOD = 16
"""From this many items on two blocks are a repetition; below, it takes three."""
_CANDIDATES, _MOST_SEGMENTS = 8, 256


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """Items in execution order.

    Attributes:
        look: What each item does, roughly: blocks are found by it.
        exact: What each item is, in all that tells blocks apart.
        source, target: Edges between items, by source.
    """

    look: HashColumn
    exact: HashColumn
    source: IntColumn
    target: IntColumn

    def __len__(self) -> int:
        return len(self.look)

    def part(self, start: int, stop: int) -> "Sequence":
        """The items from `start` up to `stop`, with the edges among them."""
        rows = slice(*np.searchsorted(self.source, (start, stop)))
        source, target = self.source[rows] - start, self.target[rows] - start
        inside = (target >= 0) & (target < stop - start)
        return Sequence(self.look[start:stop], self.exact[start:stop], source[inside], target[inside])

    def crossing(self) -> IntColumn:
        """How many items before each place feed something at or behind it; one more place than items."""
        last = np.arange(len(self), dtype=np.int64)
        np.maximum.at(last, self.source, self.target)
        steps = np.zeros(len(self) + 2, dtype=np.int32)
        np.add.at(steps, np.arange(1, len(self) + 1), 1)
        np.add.at(steps, last + 1, -1)
        return np.cumsum(steps)[: len(self) + 1].astype(np.int32)


@dataclass(frozen=True, slots=True)
class Block:
    """Items from `start` up to `stop`; blocks with the same `wiring` repeat, those with the same `exact` are equal.

    `filled` says that it is but a number of items that are all the same.
    """

    start: int
    stop: int
    wiring: int
    exact: int
    filled: bool


def repeated_blocks(sequence: Sequence, crossing: IntColumn, filling: int) -> list[Block]:
    """Blocks that stand one behind the other and do the same, in order, none overlapping another.

    They begin where few edges cross. Where one item repeats, `filling` of them are a block. Linear but for sorting.
    """
    found: list[Block] = []
    free = np.ones(len(sequence), dtype=bool)
    for first, last, period in _segments(sequence):
        start, stop = _longest_free(free, first, last)
        length = filling if period == 1 else period
        if not _worth_telling(stop - start, length):
            continue
        blocks = _cut_evenly(sequence, crossing, start, stop, length, filled=period == 1)
        found += blocks
        for block in blocks:
            free[block.start : block.stop] = False
    return sorted(found, key=lambda block: block.start)


def narrow_places(crossing: IntColumn, starts: IntColumn, most: int) -> list[int]:
    """Cut units that begin at `starts` into parts of a third of `most` up to `most`, at the narrowest places.

    Gives the first unit of each part. The widest part that a tie allows is taken, so that there are few.
    """
    count, least = len(starts), max(most // 3, 1)
    cost = crossing[starts]
    found = [0]
    while count - found[-1] > most:
        at = found[-1]
        low, high = at + least, min(at + most, max(count - least, at + least))
        places = cost[low : high + 1]
        found.append(high - int(np.argmin(places[::-1])))
    return found


def _worth_telling(length: int, period: int) -> bool:
    least = 2 if period >= _LONG_PERIOD else 3
    return length >= max(LEAST_COVERED, least * period, 0 if period >= _LEAST_BLOCK else _MANY_BLOCKS * period)


def _segments(sequence: Sequence) -> list[tuple[int, int, int]]:
    """Stretches that look the same shifted by a period: start, stop, period; the longest first, of the least period."""
    look = sequence.look
    found: list[tuple[int, int, int]] = []
    for period in _periods(look):
        same = np.flatnonzero(np.diff(np.concatenate(([0], look[period:] == look[:-period], [0]))))
        starts, stops = same[::2], same[1::2] + period
        long = stops - starts >= max(LEAST_COVERED, 2 * period)
        found += [(a, b, period) for a, b in zip(starts[long].tolist(), stops[long].tolist(), strict=True)]
    found.sort(key=lambda segment: (segment[0] - segment[1], segment[2], segment[0]))
    return found[:_MOST_SEGMENTS]


def _periods(look: HashColumn) -> list[int]:
    """The distances at which the same few items most often come again."""
    found: set[int] = set()
    window, width = look, 1
    while width <= 16 and len(window) > width:
        if width in (1, 4, 16):
            order = np.argsort(window, kind="stable")
            again = window[order][1:] == window[order][:-1]
            counts = np.bincount(np.diff(order)[again]) if again.any() else np.zeros(1, dtype=np.int64)
            counts[len(look) // 2 + 1 :] = 0
            best = np.argsort(-counts, kind="stable")[:_CANDIDATES]
            found.update(best[counts[best] > 0].tolist())
        window = mix(window[:-width], window[width:])
        width *= 2
    return sorted(found)


def _longest_free(free: "np.ndarray[tuple[int], np.dtype[np.bool_]]", start: int, stop: int) -> tuple[int, int]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], free[start:stop], [False])).astype(np.int8)))
    if not len(edges):
        return start, start
    best = int(np.argmax(edges[1::2] - edges[::2]))
    return start + int(edges[2 * best]), start + int(edges[2 * best + 1])


def _cut_evenly(
    sequence: Sequence, crossing: IntColumn, start: int, stop: int, period: int, *, filled: bool
) -> list[Block]:
    """Blocks of one period that are wired the same, where at least two do so one behind the other."""
    rounds = (stop - start) // period
    narrow = crossing[start : start + rounds * period].reshape(rounds, period).sum(axis=0)
    begin = start + int(np.argmin(narrow))
    count = (stop - begin) // period
    part = sequence.part(begin, begin + count * period)
    block, other = part.source // period, part.target // period
    inside = block == other
    block, source, target = block[inside], part.source[inside] % period, part.target[inside] % period
    wiring = np.zeros(count, dtype=np.uint64)
    np.add.at(wiring, block, mix(source.astype(np.uint64), target.astype(np.uint64)))
    place = np.tile(np.arange(period, dtype=np.uint64), count)
    exact = wiring + mix(part.exact, place).reshape(count, period).sum(axis=1, dtype=np.uint64)
    alike = np.concatenate(([False], wiring[1:] == wiring[:-1], [False]))
    return [
        Block(begin + n * period, begin + (n + 1) * period, int(wiring[n]), int(exact[n]), filled)
        for n in range(count)
        if alike[n] or alike[n + 1]
    ]
