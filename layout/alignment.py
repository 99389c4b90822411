"""Which vertices stand straight below each other: the first half of placing (see `placing`)."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate

from graphreel.layout.layers import Layers

_SLACK, _SLACK_LEAST = 1.1, 40.0
"""How much wider than its widest vertex a block may be: by a part of that, and by so much."""


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


def may_be_straight(layers: Layers, *, wrapped: bool) -> list[bool]:
    """Which segments may be drawn straight: the most important at both of their ends, and not across a long edge.

    Long edges come first, then edges between boxes, of these the one on the longest way, so that the main way through
    a group stays straight and what skips it or joins it bends. In wrapped rows boxes do not stand below their ports:
    the ports would have to lie as far apart as all boxes beside each other.
    """
    before, after = _ways(layers)
    weight = [
        (_weight(layers, upper, lower), before[upper] + after[lower])
        for upper, lower in zip(layers.upper, layers.lower, strict=True)
    ]
    none = (0, 0)
    best_down = [max([weight[s] for s in segments], default=none) for segments in layers.downs]
    best_up = [max([weight[s] for s in segments], default=none) for segments in layers.ups]
    found = [
        weight[s] == best_down[upper] and weight[s] == best_up[lower] and (weight[s][0] > 1 or not wrapped)
        for s, (upper, lower) in enumerate(zip(layers.upper, layers.lower, strict=True))
    ]
    _mark_conflicts(layers, [weight == 3 for weight, _ in weight], found)
    return found


def _ways(layers: Layers) -> tuple[list[int], list[int]]:
    """How many boxes the longest way to each vertex passes, and the longest way from it."""
    before, after = [0] * len(layers.rank), [0] * len(layers.rank)
    boxes = len(layers.problem.sizes)
    for row in layers.rows:
        for vertex in row:
            way = max([before[layers.upper[s]] for s in layers.ups[vertex]], default=0)
            before[vertex] = way + (vertex < boxes)
    for row in reversed(layers.rows):
        for vertex in row:
            way = max([after[layers.lower[s]] for s in layers.downs[vertex]], default=0)
            after[vertex] = way + (vertex < boxes)
    return before, after


def _weight(layers: Layers, upper: int, lower: int) -> int:
    dummies = layers.is_dummy(upper) + layers.is_dummy(lower)
    return 3 if dummies == 2 else 1 if dummies else 2


def _mark_conflicts(layers: Layers, inside: list[bool], allowed: list[bool]) -> None:
    """Forbid segments that cross a part of a long edge."""
    place = places(layers)
    for row in layers.rows[1:]:
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


def one_side(layers: Layers, allowed: list[bool], *, down: bool) -> Side:
    """For each vertex its neighbours in the row before, by place, with the shift that draws the edge straight."""
    place = places(layers)
    choices: list[list[tuple[int, int, float]]] = []
    for vertex in range(len(layers.rank)):
        found: list[tuple[int, int, float]] = []
        for s in layers.ups[vertex] if down else layers.downs[vertex]:
            if allowed[s]:
                other = layers.upper[s] if down else layers.lower[s]
                shift = layers.upper_at[s] - layers.lower_at[s]
                found.append((place[other], other, shift if down else -shift))
        found.sort()
        choices.append(found)
    return Side(layers.rows if down else layers.rows[::-1], choices)


def aligned(side: Side, wide: tuple[list[float], list[float]], *, left: bool) -> tuple[list[int], list[float]]:
    """Blocks: the first vertex of each vertex's block, and its shift from that vertex."""
    extents = _Extents(wide)
    root, shift = list(range(len(wide[0]))), [0.0] * len(wide[0])
    taken = [False] * len(root)
    for row in side.rows:
        reached = -1 if left else 1 << 60
        for vertex in row if left else reversed(row):
            choice = side.choices[vertex]
            if not choice:
                continue
            lower, higher = (len(choice) - 1) // 2, len(choice) // 2
            for middle in (lower, higher) if left else (higher, lower):
                slot, other, delta = choice[middle]
                free = not taken[other] and (slot > reached if left else slot < reached)
                if free and extents.takes(root[other], vertex, shift[other] + delta, straight=delta == 0.0):
                    root[vertex] = root[other]
                    shift[vertex] = shift[other] + delta
                    taken[other] = True
                    reached = slot
                    break
    return root, shift


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
        left, right = min(self.left[block], shift - one), max(self.right[block], shift + other)
        widest = max(self.widest[block], width)
        if not straight and right - left > widest * _SLACK + _SLACK_LEAST:
            return False
        self.left[block], self.right[block], self.widest[block] = left, right, widest
        return True
