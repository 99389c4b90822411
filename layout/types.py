"""What goes into a layout and what comes out: arrays, no drawing."""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.graph.model import Graph
from graphreel.graph.types import ByteColumn, IntColumn

FloatColumn: TypeAlias = npt.NDArray[np.float64]


class BoxKind(IntEnum):
    """What a box of the picture stands for."""

    NODE = 0
    SCOPE = 1
    """A collapsed scope: one box for all that is in it."""
    GROUP = 2
    """An expanded scope: a frame around the boxes in it."""
    INPUT = 3
    """A value that enters the graph from outside (kind input only; weights are told inside their consumers)."""
    OUTPUT = 4
    """A value that the graph as a whole gives back."""
    FOLD = 5
    """A run of repeated scopes, "Block × 12": one box for all of them, as if they were one collapsed scope."""


SCOPE_KINDS = (BoxKind.SCOPE, BoxKind.GROUP, BoxKind.FOLD)
"""The boxes whose `ref` is a scope."""


class EdgeKind(IntEnum):
    """What an edge of the picture stands for."""

    DATA = 0
    CONTROL = 1
    THROUGH = 2
    """A way from box to box through nodes that are hidden."""


@dataclass(frozen=True, slots=True, eq=False)
class VisibleGraph:
    """The boxes and edges that show for a set of expanded scopes.

    Boxes stand in execution order of their first node, a group before what is in it. Edges run between boxes that
    are not groups; those alike in both ends and kind are merged.

    Attributes:
        kind: `BoxKind` of each box.
        ref: The node, scope or value that each box stands for; of a FOLD the first scope.
        parent: The group around each box, or -1.
        first: Execution order: the first node that each box stands for (its consumer's, for an INPUT).
        edge_source, edge_target: Boxes at the ends of each edge.
        edge_value: A value that flows along each edge, or -1 for an edge of another kind than DATA.
        edge_count: How many node-to-node edges each edge stands for.
        edge_kind: `EdgeKind` of each edge.
        node_box: For every node of the graph the box in which it shows (its own, or a collapsed scope's).
        repeats: How many scopes each box stands for: for a FOLD the length of its run, else 1.
    """

    graph: Graph
    kind: ByteColumn
    ref: IntColumn
    parent: IntColumn
    first: IntColumn
    edge_source: IntColumn
    edge_target: IntColumn
    edge_value: IntColumn
    edge_count: IntColumn
    edge_kind: ByteColumn
    node_box: IntColumn
    repeats: IntColumn


@dataclass(frozen=True, slots=True)
class LayoutOptions:
    """Distances, in the picture's units (pixels at 100 %)."""

    node_gap: float = 24.0
    rank_gap: float = 40.0
    edge_gap: float = 10.0
    group_padding: float = 16.0
    group_header: float = 30.0
    """Room at the top of a group for its title."""
    column_gap: float = 48.0
    """Between the columns of a training step."""
    stub_width: float = 76.0
    stub_height: float = 16.0
    stub_gap: float = 4.0
    """Between a box and its stubs, and between stubs."""


@dataclass(frozen=True, slots=True, eq=False)
class Stubs:
    """Chips beside boxes in place of edges that would run far. One row a stub.

    Attributes:
        box: The box that it stands beside; never a group.
        leaves: Whether it tells where values go, at the box's right side, or where they come from, at its left side.
        rects: x, y, width and height, shape (stubs, 4).
        start, edge: Stub i stands for the view's edges `edge[start[i]:start[i + 1]]`.
    """

    box: IntColumn
    leaves: ByteColumn
    rects: FloatColumn
    start: IntColumn
    edge: IntColumn


def no_stubs() -> Stubs:
    """What a placement has in which every edge is drawn whole."""
    nothing = np.zeros(0, dtype=np.int32)
    return Stubs(nothing, np.zeros(0, dtype=np.uint8), np.zeros((0, 4)), np.zeros(1, dtype=np.int32), nothing)


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Where everything stands. The picture's origin is its top left corner, y grows downward.

    Attributes:
        rects: x, y, width and height of each box, shape (boxes, 4).
        route_start: The route of edge i is `route_points[route_start[i]:route_start[i + 1]]`; nothing where stubs
            stand for the edge.
        route_points: Points of cubic Bézier splines, shape (points, 2): a start, then three points a segment, as in
            SVG's `M` and `C`. Routes begin at the source's border and end at the target's.
        size: Width and height of the whole picture.
        refs: What each box stands for, shape (boxes, 2): `BoxKind` (a group's is that of its scope) and ref. By these
            the next layout knows boxes again.
        rows: In which row of its group each box stands, from the top; likewise for the next layout.
        stubs: What stands in place of edges without a route.
        graph: The graph that `refs` speak of.
    """

    rects: FloatColumn
    route_start: IntColumn
    route_points: FloatColumn
    size: tuple[float, float]
    refs: IntColumn = field(default_factory=lambda: np.zeros((0, 2), dtype=np.int32))
    rows: IntColumn = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    stubs: Stubs = field(default_factory=no_stubs)
    graph: Graph | None = None
