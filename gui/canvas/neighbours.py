"""Which edges of a picture begin and end at a box, and where one gets from box to box. Arrays only, no Qt."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphreel.graph import Progress, Unwatched
from graphreel.graph.types import IntColumn
from graphreel.layout.types import BoxKind, FloatColumn
from graphreel.render import Scene
from graphreel.render.spatial import Rows


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The edges of a scene by the boxes at their ends: what leaves box b is `leaves[out[b]:out[b + 1]]`."""

    scene: Scene
    out: Rows
    leaves: Rows
    into: Rows
    enters: Rows

    def leaving(self, box: int) -> Rows:
        """The edges that begin at a box; for a group those that lead out of it."""
        view = self.scene.view
        if view.kind[box] != BoxKind.GROUP:
            return self.leaves[self.out[box] : self.out[box + 1]]
        inside = self._inside(box)
        return np.flatnonzero(inside[view.edge_source] & ~inside[view.edge_target])

    def entering(self, box: int) -> Rows:
        """The edges that end at a box; for a group those that lead into it."""
        view = self.scene.view
        if view.kind[box] != BoxKind.GROUP:
            return self.enters[self.into[box] : self.into[box + 1]]
        inside = self._inside(box)
        return np.flatnonzero(inside[view.edge_target] & ~inside[view.edge_source])

    def fan(self, edge: int) -> Rows:
        """The edges from the same box along which the same value flows, this one among them."""
        view = self.scene.view
        beside = self.leaving(int(view.edge_source[edge]))
        value = view.edge_value[edge]
        return np.array([edge]) if value < 0 else beside[view.edge_value[beside] == value]

    def consumers(self, box: int) -> list[int]:
        """The boxes that take something from a box, the nearest in the picture first."""
        return self._by_distance(box, self.scene.view.edge_target[self.leaving(box)])

    def producers(self, box: int) -> list[int]:
        """The boxes that give something to a box, the nearest in the picture first."""
        return self._by_distance(box, self.scene.view.edge_source[self.entering(box)])

    def beside(self, box: int, step: int) -> int | None:
        """The next box to the right (1) or to the left (-1) in the same row of the same group, if there is one."""
        view, placement = self.scene.view, self.scene.placement
        row = np.flatnonzero((view.parent == view.parent[box]) & (placement.rows == placement.rows[box]))
        across = self._middles(row)[:, 0] * step
        further = across > self._middles(np.array([box]))[0, 0] * step
        return int(row[further][np.argmin(across[further])]) if further.any() else None

    def first_in(self, group: int) -> int | None:
        """The first box of a group."""
        inside = np.flatnonzero(self.scene.view.parent == group)
        if not len(inside):
            return None
        places = self.scene.placement.rects[inside]
        return int(inside[np.lexsort((places[:, 0], places[:, 1]))[0]])

    def nearest(self, x: float, y: float) -> int | None:
        """The box, other than a group, whose middle is nearest to a point."""
        boxes = self.scene.where.nodes
        if not len(boxes):
            return None
        return int(boxes[np.hypot(*(self._middles(boxes) - (x, y)).T).argmin()])

    def _inside(self, group: int) -> npt.NDArray[np.bool_]:
        """Whether each box stands in a group; groups stand before what is in them."""
        parent = self.scene.view.parent
        found = np.zeros(len(parent), dtype=bool)
        found[group] = True
        while True:
            further = found | (found[parent] & (parent >= 0))
            if np.array_equal(further, found):
                return found
            found = further

    def _by_distance(self, box: int, others: IntColumn) -> list[int]:
        found = np.unique(others)
        found = found[found != box]
        away = self._middles(found) - self._middles(np.array([box]))
        order = np.lexsort((found, np.hypot(away[:, 0], away[:, 1])))
        return [int(each) for each in found[order]]

    def _middles(self, boxes: Rows) -> FloatColumn:
        rects = self.scene.placement.rects[boxes]
        return rects[:, :2] + rects[:, 2:] / 2


def neighbours_of(scene: Scene, progress: Progress = Unwatched()) -> Neighbours:
    """Sort a scene's edges by their ends."""
    view, boxes = scene.view, np.arange(len(scene.view.kind) + 1)
    leaves, enters = np.argsort(view.edge_source, kind="stable"), np.argsort(view.edge_target, kind="stable")
    progress.step(0, 0)
    out = np.searchsorted(view.edge_source[leaves], boxes)
    return Neighbours(scene, out, leaves, np.searchsorted(view.edge_target[enters], boxes), enters)
