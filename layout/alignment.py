"""Which vertices stand straight below each other: the first half of placing (see `placing`)."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate

from graphreel.graph import Progress, Unwatched
from graphreel.layout.layers import Layers
from graphreel.layout.watching import watched

_SLACK, _SLACK_LEAST = 1.1, 40.0
"""How much wider than its widest vertex a block may be: by a part of that, and by so much."""


_NO_CHOICE: list[tuple[int, int, float]] = []


@dataclass(frozen=True, slots=True)
class Side:
    """The rows in one vertical direction.

    Attributes:
        rows: The rows, from the one where blocks begin.
        choices: For each vertex its neighbours in the row before: place, vertex, and the shift from that vertex that
            draws their edge straight; from left to right.
    """

    rows: list[list[int]]
    choices: list[list[tuple[int, int, float]]]


def may_be_straight(layers: Layers, progress: Progress = Unwatched(), *, wrapped: bool) -> list[bool]:
    """Which segments may be drawn straight: the most important at both of their ends, and not across a long edge.

    Long edges come first, then edges between boxes, of these the one on the longest way, so that the main way through
    a group stays straight and what skips it or joins it bends. In wrapped rows boxes do not stand below their ports:
    the ports would have to lie as far apart as all boxes beside each other.
    """
    kind, weight = _weights(layers, progress)
    nothing = -1
    best_down, best_up = [nothing] * len(layers.rank), [nothing] * len(layers.rank)
    for upper, lower, its in watched(zip(layers.upper, layers.lower, weight, strict=True), progress):
        best_down[upper] = max(best_down[upper], its)
        best_up[lower] = max(best_up[lower], its)
    found = [
        its == best_down[upper] and its == best_up[lower] and (its >= 2 * _KIND or not wrapped)
        for upper, lower, its in zip(layers.upper, layers.lower, weight, strict=True)
    ]
    if _LONG in kind:
        _mark_conflicts(layers, [each == _LONG for each in kind], found, progress)
    return found


_LONG = 3
"""A part of a long edge, between two dummies."""
_KIND = 1 << 40
"""So much more than any length of a way does it count what kind of segment one is."""


def _weights(layers: Layers, progress: Progress) -> tuple[list[int], list[int]]:
    """The kind of each segment, and its importance: by kind, then by the longest way that it is part of."""
    before, after = _ways(layers, progress)
    net = layers.net
    kinds: list[int] = []
    for upper, lower in watched(zip(layers.upper, layers.lower, strict=True), progress):
        dummies = (net[upper] >= 0) + (net[lower] >= 0)
        kinds.append(_LONG if dummies == 2 else 1 if dummies else 2)
    weights = [
        kind * _KIND + before[upper] + after[lower]
        for kind, upper, lower in zip(kinds, layers.upper, layers.lower, strict=True)
    ]
    return kinds, weights


def _ways(layers: Layers, progress: Progress) -> tuple[list[int], list[int]]:
    """How many boxes the longest way to each vertex passes, and the longest way from it."""
    before, after = [0] * len(layers.rank), [0] * len(layers.rank)
    boxes, uppers, lowers = len(layers.problem.sizes), layers.upper, layers.lower
    for row in watched(layers.rows, progress):
        for vertex in row:
            way = 0
            for s in layers.ups[vertex]:
                way = max(way, before[uppers[s]])
            before[vertex] = way + (vertex < boxes)
    for row in watched(reversed(layers.rows), progress):
        for vertex in row:
            way = 0
            for s in layers.downs[vertex]:
                way = max(way, after[lowers[s]])
            after[vertex] = way + (vertex < boxes)
    return before, after


def _mark_conflicts(layers: Layers, inside: list[bool], allowed: list[bool], progress: Progress) -> None:
    """Forbid segments that cross a part of a long edge."""
    place = places(layers)
    for row in watched(layers.rows[1:], progress):
        segments = [s for vertex in row for s in layers.ups[vertex] if allowed[s]]
        inner = sorted((place[layers.lower[s]], place[layers.upper[s]]) for s in segments if inside[s])
        if not inner or len(inner) == len(segments):
            continue
        belows = [below for below, _ in inner]
        # The furthest right that the long edges up to each one come from, and the furthest left from each one on.
        furthest = [-1, *accumulate((above for _, above in inner), max)]
        nearest = [*accumulate((above for _, above in reversed(inner)), min)][::-1]
        nearest.append(len(place))
        for s in segments:
            above, below = place[layers.upper[s]], place[layers.lower[s]]
            if not inside[s] and (
                furthest[bisect_left(belows, below)] > above or nearest[bisect_right(belows, below)] < above
            ):
                allowed[s] = False


def places(layers: Layers) -> list[int]:
    """The place of each vertex in its row."""
    found = [0] * len(layers.rank)
    for row in layers.rows:
        for slot, vertex in enumerate(row):
            found[vertex] = slot
    return found


def one_side(layers: Layers, allowed: list[bool], progress: Progress = Unwatched(), *, down: bool) -> Side:
    """For each vertex its neighbours in the row before, by place, with the shift that draws the edge straight."""
    place = places(layers)
    choices: list[list[tuple[int, int, float]]] = [_NO_CHOICE] * len(layers.rank)
    for s, straight in watched(enumerate(allowed), progress):
        if straight:
            vertex, other = layers.lower[s], layers.upper[s]
            shift = layers.upper_at[s] - layers.lower_at[s]
            if not down:
                vertex, other, shift = other, vertex, -shift
            if choices[vertex] is _NO_CHOICE:
                choices[vertex] = [(place[other], other, shift)]
            else:
                choices[vertex].append((place[other], other, shift))
                choices[vertex].sort()
    return Side(layers.rows if down else layers.rows[::-1], choices)


def aligned(
    side: Side, wide: tuple[list[float], list[float]], progress: Progress = Unwatched(), *, left: bool
) -> tuple[list[int], list[float]]:
    """Blocks: the first vertex of each vertex's block, and its shift from that vertex."""
    takes = _Extents(wide).takes
    root, shift = list(range(len(wide[0]))), [0.0] * len(wide[0])
    taken = [False] * len(root)
    choices = side.choices
    for row in watched(side.rows, progress):
        reached = -1 if left else 1 << 60
        for vertex in row if left else reversed(row):
            choice = choices[vertex]
            if not choice:
                continue
            for slot, other, delta in choice if len(choice) == 1 else _middles(choice, left=left):
                free = not taken[other] and (slot > reached if left else slot < reached)
                if free and takes(root[other], vertex, shift[other] + delta, straight=delta == 0.0):
                    root[vertex] = root[other]
                    shift[vertex] = shift[other] + delta
                    taken[other] = True
                    reached = slot
                    break
    return root, shift


def _middles(choice: list[tuple[int, int, float]], *, left: bool) -> list[tuple[int, int, float]]:
    """The neighbours in the middle: one or two."""
    found = choice[(len(choice) - 1) // 2 : len(choice) // 2 + 1]
    return found if left else found[::-1]


class _Extents:
    """How far each block reaches left and right of its first vertex, and how wide its widest vertex is.

    A block must not be much wider than that. Groups whose ports lie apart would else drift to one side, each a little
    further than the one above it.
    """

    def __init__(self, wide: tuple[list[float], list[float]]) -> None:
        self.reach_left, self.reach_right = wide
        self.left = [-width for width in self.reach_left]
        self.right = self.reach_right.copy()
        self.widest = [one + other for one, other in zip(*wide, strict=True)]

    def takes(self, block: int, vertex: int, shift: float, *, straight: bool) -> bool:
        """Let a block grow by a vertex, unless that is not `straight` below and the block would get too wide."""
        one, other = self.reach_left[vertex], self.reach_right[vertex]
        width = one + other
        left, right, widest = self.left[block], self.right[block], self.widest[block]
        # Comparisons, because this runs for every vertex, four times.
        left = min(left, shift - one)
        right = max(right, shift + other)
        widest = max(widest, width)
        if not straight and right - left > widest * _SLACK + _SLACK_LEAST:
            return False
        self.left[block], self.right[block], self.widest[block] = left, right, widest
        return True
