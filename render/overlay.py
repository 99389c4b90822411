"""What is drawn over a picture without changing it: where stepping stands, what is selected, failed or found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from graphreel.graph import NodeId
from graphreel.layout.types import VisibleGraph


class Mark(IntEnum):
    """A mark on a box. Each has an outline of its own and, the dashed `FOUND` apart, is told by more than colour."""

    FOUND = 0
    """A dashed outline."""
    SELECTED = 1
    """A thick outline."""
    FAILED = 2
    """A thick outline, and a badge with `!` at the upper right corner."""
    CURSOR = 3
    """A thick outline, and an arrow that points at the box from the left."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """What to mark. A node inside a collapsed scope is marked on the scope's box.

    Attributes:
        cursor: The node where stepping stands.
        selected, found: Boxes by index in the visible graph.
        failed: The node that raised.
        counts: How much of what was found is in each closed group.
    """

    cursor: NodeId | None = None
    selected: frozenset[int] = frozenset()
    failed: NodeId | None = None
    found: frozenset[int] = frozenset()
    counts: Mapping[int, int] = field(default_factory=dict)

    def marks(self, view: VisibleGraph) -> list[tuple[int, Mark]]:
        """The boxes to mark and how, in the order in which the marks are drawn."""
        boxes = len(view.kind)
        found = [(box, Mark.FOUND) for box in sorted(self.found) if 0 <= box < boxes]
        found += [(box, Mark.SELECTED) for box in sorted(self.selected) if 0 <= box < boxes]
        for node, mark in ((self.failed, Mark.FAILED), (self.cursor, Mark.CURSOR)):
            if node is not None and 0 <= node < len(view.node_box) and view.node_box[node] >= 0:
                found.append((int(view.node_box[node]), mark))
        return found


NO_MARKS = Overlay()
"""Nothing marked."""
