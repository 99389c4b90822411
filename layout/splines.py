"""Routes as arrays of cubic segments, and as straight pieces."""

from dataclasses import dataclass

import numpy as np

from graphreel.graph.types import IntColumn
from graphreel.layout.types import FloatColumn

_STEPS = 11
"""Odd, so that mirrored curves, which cross in their middles, do not meet in a place of both."""


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """One row a cubic segment: its edge, and its four points, shape (segments, 4, 2)."""

    edge: IntColumn
    points: FloatColumn

    def hulls(self) -> FloatColumn:
        """Left, top, right, bottom of the four points, which no curve leaves."""
        return np.concatenate((self.points.min(axis=1), self.points.max(axis=1)), axis=1)


def segments(route_start: IntColumn, route_points: FloatColumn) -> Segments:
    """The cubic segments of all routes."""
    start = route_start.astype(np.int64)
    counts = np.maximum(np.diff(start) - 1, 0) // 3
    edge = np.repeat(np.arange(len(counts)), counts)
    ends = np.cumsum(counts)
    within = np.arange(len(edge)) - np.repeat(ends - counts, counts)
    first = start[:-1][edge] + 3 * within
    points = route_points[first[:, None] + np.arange(4)]
    return Segments(edge.astype(np.int32), points)


def flattened(points: FloatColumn) -> FloatColumn:
    """Places along each cubic segment, shape (segments, steps + 1, 2)."""
    t = np.linspace(0.0, 1.0, _STEPS + 1)[:, None]
    basis = np.concatenate(((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3), axis=1)
    found: FloatColumn = np.einsum("sk,nkc->nsc", basis, points)
    return found
