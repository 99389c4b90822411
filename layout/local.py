"""The layout of one group on its own: what goes in, what comes out. Plain values, so that equal groups share one.

A group's items are numbered: first its boxes in execution order, then its entries (ports in its top border), then its
exits (ports in its bottom border).
"""

from dataclasses import dataclass
from typing import TypeAlias

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
        hints: How-many-th from the left each box stood before, or None; empty where nothing stood before.
    """

    sizes: tuple[tuple[float, float], ...]
    entries: int
    exits: int
    nets: tuple[Net, ...]
    least_width: float = 0.0
    header: float = 0.0
    hints: tuple[float | None, ...] = ()

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
class Arrangement:
    """Where everything stands in one group, from the top left corner of its frame.

    Attributes:
        width, height: The frame's size.
        corners: Top left corner of each box.
        entry_x, exit_x: Where each port is.
        legs: The way of each head of each net, in the problem's order.
    """

    width: float
    height: float
    corners: tuple[tuple[float, float], ...]
    entry_x: tuple[float, ...]
    exit_x: tuple[float, ...]
    legs: tuple[Leg, ...]
