"""Phase 2, ranking: which row each item stands in."""

from graphreel.graph import Progress, Unwatched
from graphreel.layout.cycles import Flow
from graphreel.layout.errors import LayoutBug
from graphreel.layout.local import Problem
from graphreel.layout.watching import watched

_PORT_PULL = 0.5
"""What edges to one of the group's borders weigh: their length matters less than that of edges between boxes."""


def rank(problem: Problem, flow: Flow, progress: Progress = Unwatched()) -> list[int]:
    """A row for each box, from 1, by longest path, then tightened: boxes move towards where more of their edges go.

    Gives: every edge of the flow goes to a higher row. O(boxes + edges).
    """
    return tightened(flow, *pulls(problem), progress)


def tightened(flow: Flow, into: list[float], out: list[float], progress: Progress = Unwatched()) -> list[int]:
    """The same where it is known how strongly each box is pulled up and down by what is not in the flow."""
    ranks = by_longest_path(flow, progress)
    above, below = flow.above, flow.below
    up = [len(above[box]) + into[box] >= len(below[box]) + out[box] for box in range(len(ranks))]
    last = max(ranks, default=0)
    for order in (flow.sequence[::-1], flow.sequence, flow.sequence[::-1]):
        for box in watched(order, progress):
            if up[box]:
                ranks[box] = max([ranks[upper] for upper in above[box]], default=0) + 1
            else:
                ranks[box] = min([ranks[lower] for lower in below[box]], default=last + 1) - 1
    check_ranks(ranks, flow)
    return ranks


def by_longest_path(flow: Flow, progress: Progress = Unwatched()) -> list[int]:
    """One below the deepest that stands above, from 1."""
    ranks = [1] * len(flow.above)
    for box in watched(flow.sequence, progress):
        deepest = 0
        for upper in flow.above[box]:
            deepest = max(deepest, ranks[upper])
        ranks[box] = deepest + 1
    return ranks


def check_ranks(ranks: list[int], flow: Flow) -> None:
    """Raise LayoutBug unless every edge of the flow goes to a higher row."""
    wrong = 0
    for rank, below in zip(ranks, flow.below, strict=True):
        for lower in below:
            wrong += rank >= ranks[lower]
    if wrong:
        raise LayoutBug.of("an edge does not go to a lower row", wrong)


def pulls(problem: Problem) -> tuple[list[float], list[float]]:
    """How strongly the group's ports pull each box upward and downward.

    By how many edges does not matter: a box that is expanded and shows more of them stays in its row.
    """
    into, out = [0.0] * len(problem.sizes), [0.0] * len(problem.sizes)
    boxes, exits = len(problem.sizes), len(problem.sizes) + problem.entries
    for net in problem.nets:
        if net.tail >= boxes:
            for head, _ in net.heads:
                if head < boxes:
                    into[head] = _PORT_PULL
        else:
            for head, _ in net.heads:
                if head >= exits:
                    out[net.tail] = _PORT_PULL
    return into, out
