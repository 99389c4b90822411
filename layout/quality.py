"""How good a picture is, in numbers, for tests and for comparing layouts."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphreel.graph.types import IntColumn
from graphreel.layout.check import count_overlaps, edges_through_boxes
from graphreel.layout.grid import overlapping
from graphreel.layout.splines import Segments, flattened, segments
from graphreel.layout.types import FloatColumn, Placement, VisibleGraph


@dataclass(frozen=True, slots=True)
class Quality:
    """What makes a picture hard to read; less is better.

    Attributes:
        crossings: How often drawn edges cross. Edges that run on top of each other there count once.
        through_boxes: How many times an edge runs through a box that is neither its end nor around it.
        overlaps: How many boxes overlap one beside them.
        bends: How many parts of routes are not straight lines, and how often straight ones meet at an angle.
        length: Length of all edges together, in picture units.
        area: Width times height.
        drawn: The share of edges that are drawn, not told by stubs.
    """

    crossings: int
    through_boxes: int
    overlaps: int
    bends: int
    length: float
    area: float
    drawn: float


def measured(view: VisibleGraph, placement: Placement) -> Quality:
    """Count everything."""
    pieces = segments(placement.route_start, placement.route_points)
    places = flattened(pieces.points)
    lines, edge = as_lines(places, pieces.edge)
    steps = np.diff(places, axis=1)
    return Quality(
        crossings=count_crossings(lines, edge),
        through_boxes=len(edges_through_boxes(view, placement)),
        overlaps=count_overlaps(view, placement),
        bends=count_bends(pieces),
        length=float(np.hypot(steps[..., 0], steps[..., 1]).sum()),
        area=placement.size[0] * placement.size[1],
        drawn=float(np.mean(np.diff(placement.route_start) > 0)) if len(view.edge_source) else 1.0,
    )


def crossings_among(placement: Placement, edges: npt.NDArray[np.bool_]) -> int:
    """How many pairs of these edges cross, of those that are drawn."""
    pieces = segments(placement.route_start, placement.route_points)
    chosen = edges[pieces.edge]
    return count_crossings(*as_lines(flattened(pieces.points[chosen]), pieces.edge[chosen]))


def crossings_of_all(view: VisibleGraph, placement: Placement) -> int:
    """How many pairs of edges cross if those that stubs tell are straight lines from middle to middle."""
    pieces = segments(placement.route_start, placement.route_points)
    lines, edge = as_lines(flattened(pieces.points), pieces.edge)
    told = np.flatnonzero(np.diff(placement.route_start) == 0).astype(np.int32)
    middles = placement.rects[:, :2] + placement.rects[:, 2:] / 2
    straight = np.concatenate((middles[view.edge_source[told]], middles[view.edge_target[told]]), axis=1)
    return count_crossings(np.concatenate((lines, straight)), np.concatenate((edge, told)))


def count_bends(pieces: Segments) -> int:
    """How many segments are curved, and how many straight ones follow another of the same edge at an angle."""
    start, one, two, end = (pieces.points[:, number] for number in range(4))
    along, size = end - start, np.hypot(*(end - start).T) + 1e-9
    away = [np.abs(along[:, 0] * (p - start)[:, 1] - along[:, 1] * (p - start)[:, 0]) / size for p in (one, two)]
    curved = np.maximum(*away) > 0.5
    turn = np.abs(along[:-1, 0] * along[1:, 1] - along[:-1, 1] * along[1:, 0]) / (size[:-1] * size[1:])
    joined = (pieces.edge[:-1] == pieces.edge[1:]) & ~curved[:-1] & ~curved[1:] & (turn > 0.02)
    return int(curved.sum() + joined.sum())


def as_lines(places: FloatColumn, edge: IntColumn) -> tuple[FloatColumn, IntColumn]:
    """Broken lines, shape (lines, places, 2), as single lines x1, y1, x2, y2, with the edge of each.

    A broken line that is straight gives one line.
    """
    straight = (np.ptp(places[..., 0], axis=1) < 1e-6) | (np.ptp(places[..., 1], axis=1) < 1e-6)
    whole = np.concatenate((places[straight, 0], places[straight, -1]), axis=1)
    bent = places[~straight]
    parts = np.concatenate((bent[:, :-1], bent[:, 1:]), axis=2).reshape(-1, 4)
    owner = np.repeat(edge[~straight], places.shape[1] - 1)
    return np.concatenate((whole, parts)), np.concatenate((edge[straight], owner))


def count_crossings(lines: FloatColumn, edge: IntColumn) -> int:
    """How many pairs of lines x1, y1, x2, y2 of different edges cross inside both.

    Lines on top of each other are drawn once, so they count once.
    """
    lines, first = np.unique(np.round(lines, 3), axis=0, return_index=True)
    edge = edge[first]
    rects = np.concatenate((np.minimum(lines[:, :2], lines[:, 2:]), np.maximum(lines[:, :2], lines[:, 2:])), axis=1)
    i, j = overlapping(rects, rects)
    kept = (i < j) & (edge[i] != edge[j])
    one, other = lines[i[kept]], lines[j[kept]]
    apart = _turns(one, other[:, :2]) * _turns(one, other[:, 2:]) < 0
    across = _turns(other, one[:, :2]) * _turns(other, one[:, 2:]) < 0
    return int((apart & across).sum())


def _turns(lines: FloatColumn, points: FloatColumn) -> FloatColumn:
    """On which side of each line each point lies: positive, negative, or 0 on it."""
    along = lines[:, 2:] - lines[:, :2]
    towards = points - lines[:, :2]
    turn = along[:, 0] * towards[:, 1] - along[:, 1] * towards[:, 0]
    return np.where(np.abs(turn) < 1e-6 * np.hypot(along[:, 0], along[:, 1]), 0.0, np.sign(turn))
