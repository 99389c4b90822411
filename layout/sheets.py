"""What is checked, as one table: a whole picture, or groups on their own beside each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.graph import NONE, Progress, Unwatched
from graphreel.graph.types import IntColumn
from graphreel.layout.grid import ranges
from graphreel.layout.local import Arrangement, Problem
from graphreel.layout.types import BoxKind, FloatColumn, Placement, VisibleGraph
from graphreel.layout.watching import watched

_Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """What is checked, whoever made it: boxes within boxes, routes between them, and stubs beside them.

    Attributes:
        rects: x, y, width, height of each box, shape (boxes, 4).
        parent: The group around each box, or -1 for the picture.
        solid: Which boxes no route may run through; of the others only their four sides count.
        size: Width and height of the picture.
        source, target: The boxes at the ends of each route.
        route_start, route_points: As in Placement.
        stubs, stub_parent: Rectangles, shape (stubs, 4), and the group that each stands in.
    """

    rects: FloatColumn
    parent: IntColumn
    solid: _Mask
    size: tuple[float, float]
    source: IntColumn
    target: IntColumn
    route_start: IntColumn
    route_points: FloatColumn
    stubs: FloatColumn
    stub_parent: IntColumn


def sheet_of(view: VisibleGraph, placement: Placement) -> Sheet:
    """A whole picture, without the edges that stubs stand for."""
    drawn = np.flatnonzero(np.diff(placement.route_start))
    return Sheet(
        rects=placement.rects,
        parent=view.parent,
        solid=view.kind != BoxKind.GROUP,
        size=placement.size,
        source=view.edge_source[drawn],
        target=view.edge_target[drawn],
        route_start=np.append(placement.route_start[drawn], placement.route_start[-1]),
        route_points=placement.route_points,
        stubs=placement.stubs.rects,
        stub_parent=view.parent[placement.stubs.box],
    )


def side_by_side(found: Sequence[tuple[Problem, Arrangement]], progress: Progress = Unwatched()) -> Sheet:
    """Groups beside each other on one sheet. A leg that begins or ends in the border belongs to the group itself."""
    count = len(found)
    move = np.cumsum([0.0, *(a.width + 1.0 for _, a in found)])
    frames = [(x, 0.0, a.width, a.height) for x, (_, a) in zip(move.tolist(), found, strict=False)]
    rects, parents = [np.array(frames)], [np.full(count, NONE, dtype=np.int64)]
    stubs, stub_parents = [np.zeros((0, 4))], [np.zeros(0, dtype=np.int64)]
    sources, targets, starts, points = list[int](), list[int](), [np.zeros(1, np.int32)], [np.zeros((0, 2))]
    boxes, reached = count, 0
    for number, (problem, a) in enumerate(found):
        shift = np.array([move[number], 0.0])
        own = np.concatenate((a.corners + shift, np.array(problem.sizes).reshape(-1, 2)), axis=1)
        rects.append(own)
        parents.append(np.full(len(own), number))
        rooms = _stub_rooms(problem, own)
        stubs.append(rooms)
        stub_parents.append(np.full(len(rooms), number))
        progress.step(0, 0)
        for net in watched(problem.nets, progress):
            tail = boxes + net.tail if problem.is_box(net.tail) else number
            sources += [tail] * len(net.heads)
            targets += [boxes + head if problem.is_box(head) else number for head, _ in net.heads]
        boxes += len(own)
        starts.append(a.leg_start[1:] + reached)
        points.append(a.points + shift)
        reached += len(a.points)
    progress.step(0, 0)
    start = np.concatenate(starts).astype(np.int64)
    # A leg without length is no route yet: it only hands on between the legs before and after it.
    kept = np.append(np.diff(start) > 1, True)
    solid = np.arange(boxes) >= count
    everything = np.concatenate(points)
    ways = ranges(start[:-1][kept[:-1]], np.diff(start)[kept[:-1]])
    lengths = np.diff(start)[kept[:-1]]
    progress.step(0, 0)
    return Sheet(
        rects=np.concatenate(rects),
        parent=np.concatenate(parents).astype(np.int32),
        solid=solid,
        size=(float(move[-1]), max(a.height for _, a in found)),
        source=np.array(sources, dtype=np.int32)[kept[:-1]],
        target=np.array(targets, dtype=np.int32)[kept[:-1]],
        route_start=np.append(0, np.cumsum(lengths)).astype(np.int32),
        route_points=everything[ways],
        stubs=np.concatenate(stubs),
        stub_parent=np.concatenate(stub_parents).astype(np.int32),
    )


def _stub_rooms(problem: Problem, rects: FloatColumn) -> FloatColumn:
    """Where the stubs of a group's boxes may stand: left and right of each, around its middle."""
    if not problem.rooms:
        return np.zeros((0, 4))
    rooms = np.array(problem.rooms)
    found = np.repeat(rects, 2, axis=0)
    top = rects[:, 1] + rects[:, 3] / 2 - rooms[:, 2] / 2
    found[0::2, 0] = rects[:, 0] - rooms[:, 0]
    found[0::2, 2] = rooms[:, 0]
    found[1::2, 0] = rects[:, 0] + rects[:, 2]
    found[1::2, 2] = rooms[:, 1]
    found[:, 1], found[:, 3] = np.repeat(top, 2), np.repeat(rooms[:, 2], 2)
    return found[found[:, 2] > 0]


def walk(parent: IntColumn) -> tuple[IntColumn, IntColumn]:
    """The place of each box in a walk of the tree, what is in a group right behind it; how many boxes each holds."""
    parents = parent.tolist()
    size, following = [1] * len(parents), [0] * (len(parents) + 1)
    for box in range(len(parents) - 1, -1, -1):
        if parents[box] != NONE:
            size[parents[box]] += size[box]
    place = [0] * len(parents)
    for box, around in enumerate(parents):
        place[box] = following[around]
        following[around] += size[box]
        following[box] = place[box] + 1
    return np.array(place, dtype=np.int32), np.array(size, dtype=np.int32)


def holds(place: IntColumn, size: IntColumn, outer: IntColumn, inner: IntColumn) -> _Mask:
    """Whether the outer box is the inner one or a group somewhere around it. Nothing is in a stub, -1."""
    held: _Mask = (place[outer] <= place[inner]) & (place[inner] < place[outer] + size[outer]) & (outer != NONE)
    return held
