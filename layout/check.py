"""Checks that a placement keeps what a layout promises. Run after each layout, whoever made it and however."""

from bisect import bisect_left
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.graph import NONE
from graphreel.graph.types import IntColumn
from graphreel.layout.errors import LayoutBug
from graphreel.layout.grid import overlapping
from graphreel.layout.splines import flattened, segments
from graphreel.layout.types import BoxKind, FloatColumn, Placement, VisibleGraph

_Mask: TypeAlias = npt.NDArray[np.bool_]

_TOLERANCE = 0.01
"""Picture units by which rounding may break a promise."""


def check_placement(view: VisibleGraph, placement: Placement) -> None:
    """Raise LayoutBug, naming how often, where a promise is broken.

    Boxes beside each other do not overlap and lie within their group; routes begin at their source's border and end at
    their target's; no route runs through a box.
    """
    if not np.all(np.isfinite(placement.rects)) or not np.all(np.isfinite(placement.route_points)):
        raise LayoutBug.of("a position is not a number")
    faults = {
        "a box sticks out of its group": count_outside(view, placement),
        "boxes overlap": count_overlaps(view, placement),
        "a route does not join its boxes": count_loose_ends(view, placement),
        "an edge runs through a box": len(edges_through_boxes(view, placement)),
    }
    for fault, cases in faults.items():
        if cases:
            raise LayoutBug.of(fault, cases)


def count_outside(view: VisibleGraph, placement: Placement) -> int:
    """How many boxes do not lie within their group, or within the picture."""
    edges = _borders(placement.rects)
    around = np.append(edges, [[0.0, 0.0, *placement.size]], axis=0)[view.parent]
    over = np.concatenate((around[:, :2] - edges[:, :2], edges[:, 2:] - around[:, 2:]), axis=1)
    return int(np.any(over > _TOLERANCE, axis=1).sum())


def count_overlaps(view: VisibleGraph, placement: Placement) -> int:
    """How many boxes overlap another one in the same group. A sweep from top to bottom: O(boxes log boxes)."""
    children: dict[int, list[int]] = {}
    for box, parent in enumerate(view.parent.tolist()):
        children.setdefault(parent, []).append(box)
    inward = _TOLERANCE * np.array([1.0, 1.0, -1.0, -1.0])
    left, top, right, bottom = (_borders(placement.rects) + inward).T.tolist()
    count = 0
    for boxes in children.values():
        # At the same height a box that ends goes before one that begins.
        events = sorted((y[b], begins, b) for begins, y in enumerate((bottom, top)) for b in boxes)
        active: list[tuple[float, int]] = []
        for _, begins, box in events:
            at = bisect_left(active, (left[box], box))
            if not begins:
                if at < len(active) and active[at][1] == box:
                    del active[at]
                continue
            beside = active[max(at - 1, 0) : at + 1]
            count += any(left[other] < right[box] and left[box] < right[other] for _, other in beside)
            active.insert(at, (left[box], box))
    return count


def count_loose_ends(view: VisibleGraph, placement: Placement) -> int:
    """How many routes do not begin at their source's border or do not end at their target's."""
    counts = np.diff(placement.route_start)
    broken = (counts < 4) | (counts % 3 != 1)
    if np.any(broken):
        return int(broken.sum())
    start = placement.route_points[placement.route_start[:-1]]
    end = placement.route_points[placement.route_start[1:] - 1]
    loose = ~_on_border(placement.rects[view.edge_source], start) | ~_on_border(placement.rects[view.edge_target], end)
    return int(loose.sum())


def edges_through_boxes(view: VisibleGraph, placement: Placement) -> IntColumn:
    """Pairs (edge, box), shape (pairs, 2), where a route runs through a box that is neither its end nor around it."""
    pieces = segments(placement)
    hulls = pieces.hulls()
    boxes, rects = _obstacles(view, placement)
    piece, obstacle = overlapping(hulls, rects)
    edge, box = pieces.edge[piece], boxes[obstacle]
    foreign = ~_holds(view, box, view.edge_source[edge]) & ~_holds(view, box, view.edge_target[edge])
    piece, obstacle, edge, box = piece[foreign], obstacle[foreign], edge[foreign], box[foreign]
    inside = _meets(flattened(pieces.points[piece]), rects[obstacle])
    found = np.stack((edge[inside], box[inside]), axis=1)
    return np.unique(found, axis=0).astype(np.int32)


def _obstacles(view: VisibleGraph, placement: Placement) -> tuple[IntColumn, FloatColumn]:
    """Boxes as rectangles, a little smaller; of a group only the four sides, since nothing gets in but through one."""
    borders = _borders(placement.rects) + np.array([0.5, 0.5, -0.5, -0.5])
    rows = np.arange(len(view.kind), dtype=np.int32)
    group = view.kind == BoxKind.GROUP
    frames = borders[group]
    sides = [frames.copy() for _ in range(4)]
    for number, side in enumerate(sides):
        side[:, (number + 2) % 4] = side[:, number]
    return np.concatenate((rows[~group], *[rows[group]] * 4)), np.concatenate((borders[~group], *sides))


def _borders(rects: FloatColumn) -> FloatColumn:
    """Left, top, right, bottom."""
    return np.concatenate((rects[:, :2], rects[:, :2] + rects[:, 2:]), axis=1)


def _on_border(rects: FloatColumn, points: FloatColumn) -> _Mask:
    low, high = rects[:, :2], rects[:, :2] + rects[:, 2:]
    within = np.all((points >= low - _TOLERANCE) & (points <= high + _TOLERANCE), axis=1)
    near = np.minimum(np.abs(points - low), np.abs(points - high)).min(axis=1) <= _TOLERANCE
    found: _Mask = within & near
    return found


def _holds(view: VisibleGraph, outer: IntColumn, inner: IntColumn) -> _Mask:
    """Whether the outer box is the inner one or a group somewhere around it."""
    parents = view.parent.tolist()
    size, following = [1] * len(parents), [0] * (len(parents) + 1)
    for box in range(len(parents) - 1, -1, -1):
        if parents[box] != NONE:
            size[parents[box]] += size[box]
    # The place of each box in a walk of the tree: what is in a group stands right behind it.
    place = [0] * len(parents)
    for box, parent in enumerate(parents):
        place[box] = following[parent]
        following[parent] += size[box]
        following[box] = place[box] + 1
    places, sizes = np.array(place), np.array(size)
    held: _Mask = (places[outer] <= places[inner]) & (places[inner] < places[outer] + sizes[outer])
    return held


def _meets(lines: FloatColumn, rects: FloatColumn) -> _Mask:
    """Whether any piece of a broken line, shape (lines, places, 2), runs through its rectangle (Liang and Barsky)."""
    start, step = lines[:, :-1], np.diff(lines, axis=1)
    low, high = rects[:, None, :2], rects[:, None, 2:]
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (low - start) / step, (high - start) / step
    still = step == 0
    outside = still & ((start < low) | (start > high))
    enter = np.where(still, -np.inf, np.minimum(one, other)).max(axis=2)
    leave = np.where(still, np.inf, np.maximum(one, other)).min(axis=2)
    hits = (np.maximum(enter, 0.0) <= np.minimum(leave, 1.0)) & ~outside.any(axis=2)
    found: _Mask = hits.any(axis=1)
    return found
