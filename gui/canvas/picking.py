"""What is at a place of the picture: boxes, their chevrons, edges. Arrays only, no Qt."""

import numpy as np

from graphreel.layout.types import BoxKind, FloatColumn
from graphreel.render import Scene

_SAMPLES = 12
"""Points of each spline segment that are tried when an edge is looked for."""


def box_at(scene: Scene, x: float, y: float) -> int | None:
    """The box at a point: the innermost, for a group stands before what is in it."""
    point = x, y, x, y
    for found in (scene.where.boxes_in(point), scene.where.groups_in(point)):
        if len(found):
            return int(found[-1])
    return None


def stub_at(scene: Scene, x: float, y: float) -> int | None:
    """The chip in place of an edge at a point."""
    found = scene.where.of_stubs.within((x, y, x, y))
    return int(found[0]) if len(found) else None


def other_ends(scene: Scene, stub: int) -> list[tuple[int, int]]:
    """Where a stub leads: each box at the other end, once, and an edge that goes there."""
    stubs, view = scene.placement.stubs, scene.view
    edges = stubs.edge[stubs.start[stub] : stubs.start[stub + 1]]
    ends = (view.edge_target if stubs.leaves[stub] else view.edge_source)[edges]
    found: dict[int, int] = {}
    for end, edge in zip(ends.tolist(), edges.tolist(), strict=True):
        found.setdefault(end, edge)
    return list(found.items())


def is_openable(scene: Scene, box: int) -> bool:
    """Whether a box is a scope, collapsed or open, or a fold of several."""
    return scene.view.kind[box] in (BoxKind.SCOPE, BoxKind.GROUP, BoxKind.FOLD)


def edge_at(scene: Scene, x: float, y: float, reach: float) -> int | None:
    """The edge nearest to a point, if one is within `reach`."""
    best, nearest = None, reach
    for edge in scene.where.edges_in((x - reach, y - reach, x + reach, y + reach)).tolist():
        distance = _distance(_polyline(scene, edge), x, y)
        if distance <= nearest:
            best, nearest = edge, distance
    return best


def _polyline(scene: Scene, edge: int) -> FloatColumn:
    start, end = scene.placement.route_start[edge : edge + 2]
    points = scene.placement.route_points[start:end]
    first, one, two, last = points[:-1:3], points[1::3], points[2::3], points[3::3]
    at = np.linspace(0.0, 1.0, _SAMPLES)[None, :, None]
    curve = (
        first[:, None] * (1 - at) ** 3
        + 3 * one[:, None] * (1 - at) ** 2 * at
        + 3 * two[:, None] * (1 - at) * at**2
        + last[:, None] * at**3
    )
    return curve.reshape(-1, 2)


def _distance(line: FloatColumn, x: float, y: float) -> float:
    """How far a point is from a line of straight pieces."""
    if len(line) < 2:
        return float("inf")
    start, step = line[:-1], np.diff(line, axis=0)
    length = np.maximum((step**2).sum(axis=1), 1e-12)
    along = np.clip(((np.array([x, y]) - start) * step).sum(axis=1) / length, 0.0, 1.0)
    nearest = start + step * along[:, None]
    return float(np.hypot(nearest[:, 0] - x, nearest[:, 1] - y).min())
