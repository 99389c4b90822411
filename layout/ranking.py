"""Phase 2, ranking: which row each item stands in."""

from graphreel.layout.errors import LayoutBug
from graphreel.layout.local import Problem

_PORT_PULL = 0.5
"""What an edge to the group's border weighs: its length matters less than that of an edge between boxes."""


def rank(problem: Problem, pairs: list[tuple[int, int]]) -> list[int]:
    """A row for each box, from 1, by longest path, then tightened: boxes move towards where more of their edges go.

    Needs: the upper box of each pair stands first. Gives: every pair goes to a higher row. O(boxes + pairs).
    """
    above, below = neighbours(len(problem.sizes), pairs)
    ranks = [1] * len(problem.sizes)
    for box, uppers in enumerate(above):
        if uppers:
            ranks[box] = 1 + max(ranks[upper] for upper in uppers)
    into, out = _pulls(problem)
    for box, (uppers, lowers) in enumerate(zip(above, below, strict=True)):
        into[box] += len(uppers)
        out[box] += len(lowers)
    last = max(ranks, default=0)
    for order in (range(len(ranks) - 1, -1, -1), range(len(ranks)), range(len(ranks) - 1, -1, -1)):
        for box in order:
            if out[box] > into[box]:
                ranks[box] = min((ranks[lower] for lower in below[box]), default=last + 1) - 1
            else:
                ranks[box] = max((ranks[upper] for upper in above[box]), default=0) + 1
    check_ranks(ranks, pairs)
    return ranks


def neighbours(boxes: int, pairs: list[tuple[int, int]]) -> tuple[list[list[int]], list[list[int]]]:
    """For each box the boxes that stand above it by some pair, and those that stand below."""
    above: list[list[int]] = [[] for _ in range(boxes)]
    below: list[list[int]] = [[] for _ in range(boxes)]
    for upper, lower in pairs:
        below[upper].append(lower)
        above[lower].append(upper)
    return above, below


def check_ranks(ranks: list[int], pairs: list[tuple[int, int]]) -> None:
    """Raise LayoutBug unless every pair goes to a higher row."""
    wrong = sum(ranks[upper] >= ranks[lower] for upper, lower in pairs)
    if wrong:
        raise LayoutBug.of("an edge does not go to a lower row", wrong)


def _pulls(problem: Problem) -> tuple[list[float], list[float]]:
    """How strongly the group's ports pull each box upward and downward."""
    into, out = [0.0] * len(problem.sizes), [0.0] * len(problem.sizes)
    for net in problem.nets:
        for head, _ in net.heads:
            if problem.is_entry(net.tail) and problem.is_box(head):
                into[head] += _PORT_PULL
            elif problem.is_box(net.tail) and problem.is_exit(head):
                out[net.tail] += _PORT_PULL
    return into, out
