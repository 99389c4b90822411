"""The layout of one group on its own: what goes in, what comes out. Plain values, so that equal groups share one.

A group's items are numbered: first its boxes in execution order, then its entries (ports in its top border), then its
exits (ports in its bottom border).
"""

from dataclasses import dataclass
from typing import TypeAlias

from graphreel.graph.types import IntColumn
from graphreel.layout.types import FloatColumn

Point: TypeAlias = tuple[float, float]
Leg: TypeAlias = list[Point]
"""The part of a route that lies in one group: a start, then three points a cubic segment."""


@dataclass(frozen=True, slots=True)
class Net:
    """What one source feeds within a group. All of it leaves the tail at one place.

    Attributes:
        tail: The item that it comes from.
        tail_at: Where it leaves: distance from the middle of the tail, or None where any place will do.
        heads: The items that it goes to, each with where it enters, likewise.
    """

    tail: int
    tail_at: float | None
    heads: tuple[tuple[int, float | None], ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What to lay out.

    Attributes:
        sizes: Width and height of each box.
        entries, exits: How many ports there are in the top and the bottom border.
        nets: What feeds what.
        least_width: The width that the group's title needs.
        header: Room above the boxes.
        padding: Room beside and below them.
        hints: How-many-th from the left each box stood before, in its row where `rows` are known, else of all; None
            where that is not known; empty where nothing stood before.
        rows: In which row each box stood before; empty where that is not known of all.
        rooms: Of each box, how much room its stubs take on the left and on the right, and how high they stand; empty
            where no box has any.
        after: Pairs of boxes of which the second stands lower, though no edge between them is drawn.
        upward: Whether edges go up: entries lie in the bottom border, exits in the top border.
        beside: Whether the boxes are columns, which stand beside each other.
        narrow: Whether rows should be short, because the group stands beside tall ones.
    """

    sizes: tuple[tuple[float, float], ...]
    entries: int
    exits: int
    nets: tuple[Net, ...]
    least_width: float = 0.0
    header: float = 0.0
    padding: float = 0.0
    hints: tuple[float | None, ...] = ()
    rows: tuple[int, ...] = ()
    rooms: tuple[tuple[float, float, float], ...] = ()
    after: tuple[tuple[int, int], ...] = ()
    upward: bool = False
    beside: bool = False
    narrow: bool = False

    def __hash__(self) -> int:
        # Nets are many and slow to hash; problems of boxes of the same sizes in the same order rarely differ in them.
        return hash((self.sizes, len(self.nets), self.entries, self.exits, self.hints, self.rows, self.rooms))

    def cells(self) -> list[tuple[float, float]]:
        """Width and height of each box with its stubs."""
        if not self.rooms:
            return list(self.sizes)
        return [
            (width + left + right, max(height, room))
            for (width, height), (left, right, room) in zip(self.sizes, self.rooms, strict=True)
        ]

    @property
    def items(self) -> int:
        """How many boxes and ports there are."""
        return len(self.sizes) + self.entries + self.exits

    def is_box(self, item: int) -> bool:
        """Whether an item is a box, not a port."""
        return item < len(self.sizes)

    def is_entry(self, item: int) -> bool:
        """Whether an item is a port in the top border."""
        return len(self.sizes) <= item < len(self.sizes) + self.entries

    def is_exit(self, item: int) -> bool:
        """Whether an item is a port in the bottom border."""
        return item >= len(self.sizes) + self.entries


@dataclass(frozen=True, slots=True)
class Pair:
    """Two groups to lay out beside each other so that matching boxes stand at the same height.

    Attributes:
        forward, backward: The groups; edges of the backward one go up.
        matches: Pairs of a box of the forward group and one of the backward group.
    """

    forward: Problem
    backward: Problem
    matches: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Arrangement:
    """Where everything stands in one group, from the top left corner of its frame.

    Attributes:
        width, height: The frame's size.
        corners: Top left corner of each box, shape (boxes, 2).
        rows: The row of each box, from the top.
        entry_x, exit_x: Where each port is.
        leg_start: The way of leg i (the heads of all nets, in the problem's order) is
            `points[leg_start[i]:leg_start[i + 1]]`: a start, then three points a cubic segment. A leg without length is
            one point.
        points: Shape (points, 2).
    """

    width: float
    height: float
    corners: FloatColumn
    rows: tuple[int, ...]
    entry_x: tuple[float, ...]
    exit_x: tuple[float, ...]
    leg_start: IntColumn
    points: FloatColumn

    def leg(self, number: int) -> FloatColumn:
        """The way of one leg."""
        return self.points[self.leg_start[number] : self.leg_start[number + 1]]
