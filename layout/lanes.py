"""Lanes: long edges and edges upward run beside the group's boxes, one trunk for all that one source feeds.

A trunk takes a column left or right of everything, so it cannot run through a box. It is reached along tracks,
horizontal ways in the gaps between rows.
"""

from dataclasses import dataclass

from graphreel.layout.layers import Layers
from graphreel.layout.placing import WIDEST_BAND
from graphreel.layout.types import LayoutOptions


@dataclass(slots=True)
class Lane:
    """The trunk of one net.

    Attributes:
        net: The net.
        heads: Which of its heads it serves.
        gaps: The highest and the lowest gap between which it runs; gap i lies above row i.
        right: On which side of the boxes.
        near: The x of what it serves.
        column: How-many-th from the boxes.
        x: Where it runs.
    """

    net: int
    heads: tuple[int, ...]
    gaps: tuple[int, int]
    right: bool
    near: float
    column: int = 0
    x: float = 0.0


@dataclass(frozen=True, slots=True)
class Lanes:
    """All lanes of a group, and the room that they take left and right of its boxes."""

    by_net: dict[int, Lane]
    left: float
    right: float


def lanes(layers: Layers, x: list[float], width: float, options: LayoutOptions) -> Lanes:
    """A lane for each net that has heads without segments, other than loops.

    Short trunks come next to the boxes, and share a column where they do not pass each other, so trunks nest instead
    of crossing. `width` is that of the boxes. O(lanes × columns).
    """
    found = [_lane(layers, number, far, x, width) for number, far in enumerate(layers.far) if far]
    rooms: list[float] = []
    for right in (False, True):
        beside = [lane for lane in found if lane.right is right]
        _set_columns(beside)
        rooms.append(_set_places(beside, width, options))
    return Lanes({lane.net: lane for lane in found}, rooms[0], rooms[1])


def _lane(layers: Layers, number: int, far: list[int], x: list[float], width: float) -> Lane:
    problem, net = layers.problem, layers.problem.nets[number]
    heads = [net.heads[n][0] for n in far]
    gaps = [0 if layers.is_outside(net.tail) else layers.rank[net.tail] + 1]
    gaps += [layers.rank[head] + (1 if layers.is_outside(head) else 0) for head in heads]
    # Ports all lie on one side, so that what leaves one phase and enters the next nests.
    if not problem.is_box(net.tail) or not all(map(problem.is_box, heads)):
        right = True
    else:
        right = x[net.tail] + sum(x[head] for head in heads) / len(heads) >= width
    if problem.is_box(net.tail):
        near = x[net.tail] + (net.tail_at or 0.0)
    else:
        near = sum(x[net.heads[n][0]] + (net.heads[n][1] or 0.0) for n in far) / len(far)
    return Lane(number, tuple(far), (min(gaps), max(gaps)), right, near)


def _set_columns(beside: list[Lane]) -> None:
    """First fit, short ones first, of these the ones farthest from the lanes, whose ways lie lowest (see `tracks`).

    Each column's taken gaps are the bits of a number.
    """
    columns: list[int] = []
    for lane in sorted(beside, key=_column_order):
        low, high = lane.gaps
        passed = (1 << (high + 1)) - (1 << low)
        column = next((c for c, taken in enumerate(columns) if not taken & passed), len(columns))
        if column == len(columns):
            columns.append(0)
        columns[column] |= passed
        lane.column = column


def _column_order(lane: Lane) -> tuple[int, int, float, int]:
    return lane.gaps[1] - lane.gaps[0], lane.gaps[0], lane.near if lane.right else -lane.near, lane.net


def _set_places(beside: list[Lane], width: float, options: LayoutOptions) -> float:
    """Set x of each lane of one side; gives the room that they take. Many lanes come close to each other."""
    if not beside:
        return 0.0
    count = 1 + max(lane.column for lane in beside)
    pitch = min(options.edge_gap, WIDEST_BAND / count)
    for lane in beside:
        away = options.node_gap + pitch * lane.column
        lane.x = width + away if lane.right else -away
    return options.node_gap + pitch * (count - 1)
