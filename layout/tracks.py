"""Tracks: the horizontal ways between boxes and lanes, in the gaps between rows."""

from dataclasses import dataclass
from typing import TypeAlias

Key: TypeAlias = tuple[int, int]
"""A net and the number of one of its heads, or -1 for the way from its tail."""

_APART = 8.0
_MOST_COMPARED = 400
"""With more ways than this in one gap each gets a track of its own, without a look at which could share one."""


@dataclass(frozen=True, slots=True)
class _Way:
    """A way in one gap: where it meets the box and where the lane, and whether it comes from the lane."""

    key: Key
    box_x: float
    lane_x: float
    arrives: bool

    @property
    def order(self) -> tuple[bool, float]:
        """From top to bottom: what leaves goes above what arrives. What leaves farther from its box's lane goes lower,
        what arrives farther from it goes higher, so that ways beside each other nest instead of crossing."""
        right = self.lane_x > self.box_x
        return self.arrives, self.box_x if right == self.arrives else -self.box_x


class Tracks:
    """Horizontal ways in the gaps; those that overlap get different ones."""

    def __init__(self, gaps: int) -> None:
        self._ways: list[list[_Way]] = [[] for _ in range(gaps + 1)]
        self._counts = [0] * (gaps + 1)
        self._numbers: dict[Key, int] = {}

    def ask(self, key: Key, gap: int, box_x: float, lane_x: float, *, arrives: bool) -> None:
        """Say that a way between a box and a lane is needed in a gap."""
        self._ways[gap].append(_Way(key, box_x, lane_x, arrives))

    def settle(self) -> None:
        """Give every way the highest track that is below those of the ways before it that it overlaps."""
        for gap, ways in enumerate(self._ways):
            taken: list[tuple[float, float, int]] = []
            for number, way in enumerate(sorted(ways, key=lambda way: way.order)):
                left, right = sorted((way.box_x, way.lane_x))
                track = number
                if len(ways) <= _MOST_COMPARED:
                    over = [t for low, high, t in taken if low <= right + _APART and left <= high + _APART]
                    track = 1 + max(over, default=-1)
                taken.append((left, right, track))
                self._numbers[way.key] = track
            self._counts[gap] = 1 + max([track for _, _, track in taken], default=-1)

    def count(self, gap: int) -> int:
        """How many tracks lie in a gap."""
        return self._counts[gap]

    def number(self, key: Key) -> int:
        """Which track of its gap a way has, from the top."""
        return self._numbers[key]
