"""Phase 1, cycle removal: execution order decides which way every edge points."""

from graphreel.layout.local import Problem


def acyclic(problem: Problem) -> list[tuple[int, int]]:
    """Pairs of boxes (upper, lower), each once, sorted; an edge that goes to an earlier box is reversed.

    Gives: the upper box of each pair is earlier in execution order, so there is no cycle. Self-loops and ports are
    left out. O(edges log edges).
    """
    pairs: set[tuple[int, int]] = set()
    boxes = len(problem.sizes)
    for net in problem.nets:
        tail = net.tail
        if tail >= boxes:
            continue
        for head, _ in net.heads:
            if head < boxes and head != tail:
                pairs.add((tail, head) if tail < head else (head, tail))
    return sorted(pairs)
