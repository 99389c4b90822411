"""Phase 2, ranking: which row each item stands in."""

from graphreel.layout.cycles import Flow
from graphreel.layout.errors import LayoutBug
from graphreel.layout.local import Problem

_PORT_PULL = 0.5
"""What an edge to the group's border weighs: its length matters less than that of an edge between boxes."""


def rank(problem: Problem, flow: Flow) -> list[int]:
    """A row for each box, from 1, by longest path, then tightened: boxes move towards where more of their edges go.

    Gives: every edge of the flow goes to a higher row. O(boxes + edges).
    """
    ranks = [1] * len(problem.sizes)
    for box in flow.sequence:
        if flow.above[box]:
            ranks[box] = 1 + max([ranks[upper] for upper in flow.above[box]])
    into, out = _pulls(problem)
    for box in flow.sequence:
        into[box] += len(flow.above[box])
        out[box] += len(flow.below[box])
    last = max(ranks, default=0)
    for order in (flow.sequence[::-1], flow.sequence, flow.sequence[::-1]):
        for box in order:
            if out[box] > into[box]:
                ranks[box] = min([ranks[lower] for lower in flow.below[box]], default=last + 1) - 1
            else:
                ranks[box] = max([ranks[upper] for upper in flow.above[box]], default=0) + 1
    check_ranks(ranks, flow)
    return ranks


def check_ranks(ranks: list[int], flow: Flow) -> None:
    """Raise LayoutBug unless every edge of the flow goes to a higher row."""
    wrong = sum(rank >= ranks[lower] for rank, below in zip(ranks, flow.below, strict=True) for lower in below)
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
