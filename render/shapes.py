"""The lines of a picture that follow from its rectangles and routes; the canvas and the SVG writer draw the same."""

import numpy as np

from graphreel.layout.types import BoxKind, FloatColumn, Placement, VisibleGraph
from graphreel.render.overlay import Mark

CORNER = {
    BoxKind.NODE: 6.0,
    BoxKind.SCOPE: 8.0,
    BoxKind.GROUP: 10.0,
    BoxKind.INPUT: 15.0,
    BoxKind.OUTPUT: 15.0,
    BoxKind.FOLD: 8.0,
}
"""Radius of the corners by kind of box, in pixels at 100 %."""

HEAD_LENGTH, HEAD_WIDTH = 7.0, 6.0
"""An edge's arrow head, in pixels at 100 %."""

CHEVRON = 8.0
"""Side of the square in which the chevron of a scope stands: `›` where it is collapsed, `⌄` where it is open."""

STACK, STACK_INSET = 3.0, 4.0
"""How far the second outline of a collapsed scope shows below the first, and how much it is shorter on each side."""

STACKED = {BoxKind.SCOPE: 1, BoxKind.FOLD: 2}
"""How many outlines show below a box that stands for several things, each as far below the one before."""


MARK_GAP = {Mark.FOUND: 3.0, Mark.SELECTED: 2.5, Mark.FAILED: 2.5, Mark.CURSOR: 4.0}
MARK_WIDTH = {Mark.FOUND: 1.75, Mark.SELECTED: 2.5, Mark.FAILED: 2.5, Mark.CURSOR: 3.0}
MARK_DASH: dict[Mark, tuple[float, ...]] = {
    Mark.FOUND: (5.0, 3.0),
    Mark.SELECTED: (),
    Mark.FAILED: (),
    Mark.CURSOR: (),
}
"""How a mark's outline is drawn: its distance from the box, its width, its dashes; in pixels at 100 %."""

BADGE = 16.0
"""Side of the square that a badge fills."""


def corner_radius(kind: int, width: float, height: float) -> float:
    """Radius of a box's corners."""
    return min(CORNER[BoxKind(kind)], width / 2, height / 2)


def stack(kind: int, x: float, y: float, width: float, height: float) -> list[tuple[float, float, float, float]]:
    """The outlines that show below a box: x, y, width and height of each, the lowest first."""
    return [
        (x + n * STACK_INSET, y + n * STACK, max(width - 2 * n * STACK_INSET, 0.0), height)
        for n in range(STACKED.get(BoxKind(kind), 0), 0, -1)
    ]


def chevron(x: float, middle: float, *, expanded: bool) -> list[tuple[float, float]]:
    """Three points of an open line within CHEVRON pixels right of `x`, around the height `middle`."""
    side, depth = CHEVRON / 2, CHEVRON / 4
    centre = x + side
    if expanded:
        return [(centre - side + 0.5, middle - depth), (centre, middle + depth), (centre + side - 0.5, middle - depth)]
    return [(centre - depth, middle - side + 0.5), (centre + depth, middle), (centre - depth, middle + side - 0.5)]


def group_depths(view: VisibleGraph) -> list[int]:
    """How many groups each box stands in, itself included where it is one."""
    found: list[int] = []
    for kind, parent in zip(view.kind.tolist(), view.parent.tolist(), strict=True):
        # A group stands before what is in it.
        found.append((found[parent] if parent >= 0 else 0) + (kind == BoxKind.GROUP))
    return found


def arrow_heads(placement: Placement) -> FloatColumn:
    """The triangles at the routes' ends: tip, left and right corner of each, shape (edges, 3, 2).

    A head points the way its route comes in; where the route has no length, down. That of an edge without a route
    means nothing.
    """
    last = np.maximum(placement.route_start[1:] - 1, 0)
    first = np.minimum(placement.route_start[:-1], last)
    points = placement.route_points
    if not len(points):
        return np.zeros((len(last), 3, 2))
    tips = points[last]
    way = np.zeros_like(tips)
    # The point before may coincide with the tip; then the one before that gives the direction.
    for back in (3, 2, 1):
        step = tips - points[np.maximum(last - back, first)]
        usable = np.hypot(step[:, 0], step[:, 1]) > 1e-6
        way[usable] = step[usable]
    length = np.hypot(way[:, 0], way[:, 1])[:, None]
    way = np.where(length > 0, way / np.where(length > 0, length, 1.0), [0.0, 1.0])
    across = np.stack([-way[:, 1], way[:, 0]], axis=1) * (HEAD_WIDTH / 2)
    base = tips - way * HEAD_LENGTH
    return np.stack([tips, base + across, base - across], axis=1)


def mark_rect(mark: Mark, x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    """The outline of a mark around a box."""
    gap = MARK_GAP[mark]
    return x - gap, y - gap, width + 2 * gap, height + 2 * gap


def badge(mark: Mark, x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    """The corners of a mark's badge.

    The cursor's is an arrow that points at the box from the left. The square of a failure's is around the box's upper
    right corner; a disc with a `!` is drawn in it. No other mark has one.
    """
    if mark == Mark.CURSOR:
        tip, middle = x - MARK_GAP[mark] - 1.0, y + height / 2
        return [(tip, middle), (tip - BADGE * 0.7, middle - BADGE / 2), (tip - BADGE * 0.7, middle + BADGE / 2)]
    left, top = x + width - BADGE / 2, y - BADGE / 2
    return [(left, top), (left + BADGE, top), (left + BADGE, top + BADGE), (left, top + BADGE)]


def badge_text_baseline(top: float, bottom: float) -> float:
    """Where the `!` of a badge stands."""
    return (top + bottom) / 2 + 4.0
