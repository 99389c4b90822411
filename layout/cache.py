"""Arrangements kept from one layout to the next, so that opening one scope lays out only the way to it."""

from collections import OrderedDict
from dataclasses import replace

import numpy as np

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
        """Remember an arrangement; the newest one stays whatever its size.

        It is known for the problem with the rows and the order that came out, too: those are what the next layout asks
        for, and what stood so before is to stand so again.
        """
        for known in (problem, _as_before(problem, found)):
            if (known, options) not in self._known:
                self._boxes += _size(found)
            self._known[known, options] = found
        while self._boxes > self.most_boxes and len(self._known) > 1:
            _, old = self._known.popitem(last=False)
            self._boxes -= _size(old)


def _as_before(problem: Problem | Pair, found: Arranged) -> Problem | Pair:
    if isinstance(problem, Pair):
        one, other = (_with_places(p, a) for p, a in zip((problem.forward, problem.backward), found, strict=True))
        return replace(problem, forward=one, backward=other)
    return _with_places(problem, found[0])


def _with_places(problem: Problem, found: Arrangement) -> Problem:
    if not problem.sizes or problem.beside:
        return problem
    widths = np.array([width for width, _ in problem.sizes])
    rows, slots = np.array(found.rows), dict[int, int]()
    hints = [0.0] * len(rows)
    for box in np.lexsort((np.round(found.corners[:, 0] + widths / 2, 2), rows)).tolist():
        hints[box] = float(slots.get(found.rows[box], 0))
        slots[found.rows[box]] = int(hints[box]) + 1
    return replace(problem, hints=tuple(hints), rows=found.rows)


def _size(found: Arranged) -> int:
    return sum(len(arrangement.corners) + len(arrangement.points) // 8 for arrangement in found)
