"""Arrangements kept from one layout to the next, so that opening one scope lays out only the way to it."""

from collections import OrderedDict
from collections.abc import Callable

from graphreel.layout.local import Arrangement, Pair, Problem
from graphreel.layout.types import LayoutOptions

_MOST_BOXES = 400_000

Arranged = tuple[Arrangement, ...]
"""The arrangement of a group, or those of a pair."""


class LayoutCache:
    """Hands out arrangements by what was to be laid out, and forgets those unused for longest.

    It may go from one `lay_out` to the next, of the same graph or of others; not to two at the same time.
    """

    def __init__(self, most_boxes: int = _MOST_BOXES) -> None:
        self.most_boxes = most_boxes
        self._boxes = 0
        self._known: OrderedDict[tuple[Problem | Pair, LayoutOptions], Arranged] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def find(self, problem: Problem | Pair, options: LayoutOptions) -> Arranged | None:
        """What is known of a problem."""
        found = self._known.get((problem, options))
        if found is not None:
            self._known.move_to_end((problem, options))
        return found

    def keep(self, problem: Problem | Pair, options: LayoutOptions, found: Arranged) -> None:
        """Remember an arrangement; the newest one stays whatever its size."""
        if (problem, options) not in self._known:
            self._boxes += _size(found)
        self._known[problem, options] = found
        while self._boxes > self.most_boxes and len(self._known) > 1:
            _, old = self._known.popitem(last=False)
            self._boxes -= _size(old)

    def arranged(self, problem: Problem | Pair, options: LayoutOptions, make: Callable[[], Arranged]) -> Arranged:
        """The arrangement, made where it is not known."""
        found = self.find(problem, options)
        if found is None:
            found = make()
            self.keep(problem, options, found)
        return found


def _size(found: Arranged) -> int:
    return sum(len(arrangement.corners) + len(arrangement.points) // 8 for arrangement in found)
