"""Phase 1, cycle removal: execution order decides which way the edges of a cycle point."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from graphreel.graph import Progress, Unwatched
from graphreel.layout.errors import LayoutBug
from graphreel.layout.local import Problem
from graphreel.layout.watching import watched


@dataclass(frozen=True, slots=True)
class Flow:
    """Which box should stand above which.

    Attributes:
        sequence: The boxes, each after all that should stand above it.
        above, below: For each box the boxes that should stand above it, and below it, each once.
    """

    sequence: list[int]
    above: list[list[int]]
    below: list[list[int]]


class Flows:
    """The flows of one layout: what was worked out to see which edges run far is not worked out again to place them."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, tuple[tuple[int, int], ...]], Flow] = {}

    def of(self, boxes: int, pairs: Sequence[tuple[int, int]], progress: Progress = Unwatched()) -> Flow:
        """The flow of boxes and pairs of different boxes, each pair once, sorted."""
        key = boxes, tuple(pairs)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = flow_of(boxes, pairs, progress)
        return found


def acyclic(problem: Problem, progress: Progress = Unwatched(), flows: Flows | None = None) -> Flow:
    """Edges between boxes without cycles; where there is one, its edge to an earlier box is reversed.

    Always the earliest box that waits for nothing comes next. Where all that is left waits for each other, boxes that
    nothing left waits for are put last, and then the earliest of the others comes next. Self-loops and ports are left
    out; edges that are not drawn count. Gives: no cycle; without one, no edge reversed. O(edges log edges).
    """
    flows = Flows() if flows is None else flows
    return flows.of(len(problem.sizes), _pairs(problem, progress), progress)


def flow_of(boxes: int, pairs: Sequence[tuple[int, int]], progress: Progress = Unwatched()) -> Flow:
    """The same for boxes and pairs alone."""
    sequence = _sequence(boxes, pairs, progress)
    position = [0] * boxes
    for place, box in enumerate(sequence):
        position[box] = place
    progress.step(0, 0)
    turned = sorted({(u, v) if position[u] < position[v] else (v, u) for u, v in pairs if u != v})
    above, below = _neighbours(boxes, turned, progress)
    if len(sequence) != boxes:
        raise LayoutBug.of("cycle removal lost a box")
    return Flow(sequence, above, below)


def _pairs(problem: Problem, progress: Progress) -> list[tuple[int, int]]:
    boxes = len(problem.sizes)
    found: set[tuple[int, int]] = set()
    for net in watched(problem.nets, progress):
        if net.tail < boxes:
            found.update((net.tail, head) for head, _ in net.heads if head < boxes and head != net.tail)
    found.update((upper, lower) for upper, lower in problem.after if upper != lower)
    return sorted(found)


def _neighbours(
    boxes: int, pairs: Sequence[tuple[int, int]], progress: Progress
) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in range(boxes)]
    below: list[list[int]] = [[] for _ in range(boxes)]
    for upper, lower in watched(pairs, progress):
        below[upper].append(lower)
        above[lower].append(upper)
    return above, below


def _sequence(boxes: int, pairs: Sequence[tuple[int, int]], progress: Progress) -> list[int]:
    above, below = _neighbours(boxes, pairs, progress)
    waits, feeds = [len(a) for a in above], [len(b) for b in below]
    left = [True] * boxes
    ready = [box for box in range(boxes) if waits[box] == 0]
    heapify(ready)
    found, last = list[int](), list[int]()
    earliest = 0
    while len(found) + len(last) < boxes:
        if not ready:
            last += _peel_ends(left, feeds, above)
            while earliest < boxes and not left[earliest]:
                earliest += 1
            if earliest == boxes:
                break
            ready = [earliest]
        box = heappop(ready)
        if not len(found) % 4096:
            progress.step(0, 0)
        if not left[box]:
            continue
        left[box] = False
        found.append(box)
        for other in above[box]:
            feeds[other] -= 1
        for other in below[box]:
            waits[other] -= 1
            if waits[other] == 0 and left[other]:
                heappush(ready, other)
    return found + last[::-1]


def _peel_ends(left: list[bool], feeds: list[int], above: list[list[int]]) -> list[int]:
    """Take away the boxes that feed nothing that is left, again and again; the last in execution order first."""
    ends = [box for box in range(len(left) - 1, -1, -1) if left[box] and feeds[box] == 0]
    for box in ends:
        left[box] = False
        for other in above[box]:
            feeds[other] -= 1
            if feeds[other] == 0 and left[other]:
                ends.append(other)
    return ends
