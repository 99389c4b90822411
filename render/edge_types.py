"""What flows along edges, said on them where one looks closely: type and shape of the value."""

import numpy as np

from graphreel.layout.grid import overlapping
from graphreel.layout.types import EdgeKind, FloatColumn
from graphreel.render.edge_labels import HEIGHT, free_spots, labelled, text_widths
from graphreel.render.scene import EdgeLabels, Scene
from graphreel.render.spatial import Area, Rows, corners
from graphreel.render.type_texts import TypeTexts

_LONGEST = 1200.0
"""Edges that reach further say nothing: one could not tell from which box it comes."""
_AROUND = 0.15 * _LONGEST + 120.0
"""How far from an area boxes are looked for, so that a label is where it is whatever area is painted."""
_SPOTS = (0.5, 0.35, 0.65)
_TITLE, _TITLE_WIDTH = 28.0, 160.0
"""The room of a group's title, counted from its corner."""


class EdgeTypes:
    """Makes the labels of a scene's edges, a part of the picture at a time."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._types = TypeTexts(scene.view.graph)

    def within(self, area: Area) -> EdgeLabels:
        """The labels that meet an area.

        An edge has one where nothing of what stands around it is covered, and no label of an edge before it. The same
        edges have the same labels whatever the area.
        """
        left, top, right, bottom = area
        around = left - _AROUND, top - _AROUND, right + _AROUND, bottom + _AROUND
        edges = self._told(self._scene.where.edges_in(around))
        texts = [self._types[value] for value in self._scene.view.edge_value[edges].tolist()]
        widths = text_widths(texts)
        rects, free = free_spots(self._scene.placement, edges, widths, self._obstacles(around), _SPOTS)
        some = np.flatnonzero(free.any(axis=1))
        chosen = rects[some, free[some].argmax(axis=1)]
        low, high = overlapping(corners(chosen), corners(chosen))
        kept = np.ones(len(some), dtype=bool)
        kept[high[low < high]] = False
        x, y, width = chosen[:, 0], chosen[:, 1], chosen[:, 2]
        kept &= (x <= right) & (x + width >= left) & (y <= bottom) & (y + HEIGHT >= top)
        rows = some[kept]
        return labelled(edges[rows].astype(np.int32), chosen[kept], widths[rows], [texts[row] for row in rows.tolist()])

    def _told(self, edges: Rows) -> Rows:
        """Those of the edges that carry one value, and are not too long."""
        view, where = self._scene.view, self._scene.where
        bounds = where.of_routed.bounds[np.searchsorted(where.routed, edges)]
        short = (bounds[:, 2] - bounds[:, 0] + bounds[:, 3] - bounds[:, 1]) <= _LONGEST
        one = (view.edge_count[edges] == 1) & (view.edge_kind[edges] == EdgeKind.DATA) & (view.edge_value[edges] >= 0)
        edges = edges[short & one]
        said = [bool(self._types[value]) for value in view.edge_value[edges].tolist()]
        found: Rows = edges[np.array(said, dtype=bool)]
        return found

    def _obstacles(self, area: Area) -> FloatColumn:
        """What labels must not cover, as left, top, right and bottom: boxes, stubs, and the chips on edges."""
        where, chips = self._scene.where, self._scene.edge_labels.rects
        near = chips[(chips[:, 0] <= area[2]) & (chips[:, 0] + chips[:, 2] >= area[0])] if len(chips) else chips
        boxes = corners(self._scene.placement.rects[where.boxes_in(area)])
        stubs = where.of_stubs.bounds[where.of_stubs.within(area)]
        titles = where.of_frames.bounds[where.of_frames.within(area)].copy()
        # Of a group only the line that its title stands in.
        titles[:, 3] = np.minimum(titles[:, 3], titles[:, 1] + _TITLE)
        titles[:, 2] = np.minimum(titles[:, 2], titles[:, 0] + _TITLE_WIDTH)
        return np.concatenate([boxes, stubs, titles, corners(near)])
