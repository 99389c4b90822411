"""The columns of a training step: boxes beside each other, reached straight from above and left straight downward."""

import numpy as np

from graphreel.layout.local import Arrangement, Problem
from graphreel.layout.types import LayoutOptions


def beside(problem: Problem, options: LayoutOptions) -> Arrangement:
    """All boxes in one row, their tops at one height. O(boxes + legs).

    Needs: no net between two boxes. Gives: legs that are vertical lines.
    """
    rooms = problem.rooms or ((0.0, 0.0, 0.0),) * len(problem.sizes)
    height = max([cell for _, cell in problem.cells()], default=0.0)
    x, lefts = 0.0, list[float]()
    for (width, _), (left, right, _) in zip(problem.sizes, rooms, strict=True):
        lefts.append(x + left)
        x += left + width + right + options.column_gap
    tops = [max(0.0, (room - tall) / 2) for (_, tall), (_, _, room) in zip(problem.sizes, rooms, strict=True)]
    ports = [0.0] * problem.items
    legs: list[list[tuple[float, float]]] = []
    for net in problem.nets:
        for head, head_at in net.heads:
            box, port, at = (head, net.tail, head_at) if problem.is_entry(net.tail) else (net.tail, head, net.tail_at)
            width, tall = problem.sizes[box]
            ports[port] = lefts[box] + width / 2 + (at or 0.0)
            ends = (0.0, tops[box]) if problem.is_entry(net.tail) else (tops[box] + tall, height)
            legs.append(_line(ports[port], *ends))
    boxes = len(problem.sizes)
    return Arrangement(
        width=max(x - options.column_gap, 0.0),
        height=height,
        corners=np.array(list(zip(lefts, tops, strict=True)), dtype=np.float64).reshape(-1, 2),
        rows=(0,) * boxes,
        entry_x=tuple(ports[boxes : boxes + problem.entries]),
        exit_x=tuple(ports[boxes + problem.entries :]),
        leg_start=np.cumsum([0, *map(len, legs)]).astype(np.int32),
        points=np.array([point for leg in legs for point in leg], dtype=np.float64).reshape(-1, 2),
    )


def _line(x: float, top: float, bottom: float) -> list[tuple[float, float]]:
    if bottom <= top:
        return [(x, bottom)]
    third = (bottom - top) / 3
    return [(x, top), (x, top + third), (x, top + 2 * third), (x, bottom)]
