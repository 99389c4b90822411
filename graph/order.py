"""The order in which nodes can run, from what must run before what."""

import heapq
from collections.abc import Iterable


def execution_order(count: int, edges: Iterable[tuple[int, int]]) -> list[int]:
    """The numbers 0 to count - 1, each after those that an edge (before, after) puts before it.

    Always the smallest of the numbers that are ready; where a cycle leaves none, the smallest that is left. What is
    in order already stays as it is. O(count + edges, times the logarithm of count).
    """
    feeds: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for before, after in edges:
        if before != after:
            feeds[before].append(after)
            waiting[after] += 1
    ready = [number for number in range(count) if not waiting[number]]
    placed = [False] * count
    order: list[int] = []
    least = 0
    while len(order) < count:
        if ready:
            chosen = heapq.heappop(ready)
        else:
            while placed[least]:
                least += 1
            chosen = least
        placed[chosen] = True
        order.append(chosen)
        for after in feeds[chosen]:
            waiting[after] -= 1
            if not waiting[after] and not placed[after]:
                heapq.heappush(ready, after)
    return order
