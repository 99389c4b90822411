"""From one picture to the next: boxes that stay move, others fade in; or the whole picture fades into the next."""

from collections.abc import Generator
from dataclasses import replace

import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage, QPainter

from graphreel.gui.canvas.camera import Camera
from graphreel.gui.canvas.painting import Painting
from graphreel.layout.types import BoxKind, FloatColumn
from graphreel.render import Scene, Theme
from graphreel.render.columns import Repeated
from graphreel.render.spatial import Area, Rows

DURATION_MS = 180.0
_LONGEST_WAIT_MS = 400.0
"""How long a picture that fades waits for the next to be painted."""
MOST_BOXES, MOST_EDGES, MOST_KNOWN = 400, 600, 20_000
"""Boxes and edges in view, and boxes of a picture, up to which boxes move."""


def moves_well(before: Scene, after: Scene, area: Area) -> bool:
    """Whether few enough boxes show for each to be moved in every frame."""
    where = after.where
    counts = where.of_nodes, where.of_frames, where.of_routed
    if max(len(before.view.kind), len(after.view.kind)) > MOST_KNOWN or sum(i.count(area) for i in counts) > 4000:
        return False
    boxes = len(where.boxes_in(area)) + len(where.groups_in(area))
    return 0 < boxes <= MOST_BOXES and len(where.edges_in(area)) <= MOST_EDGES


class Moving:
    """The boxes in view on their way from one picture to the next. Time is told, not measured."""

    def __init__(self, before: tuple[Scene, Camera], after: tuple[Painting, Camera], area: Area) -> None:
        painting, camera = after
        self._painting = painting
        where = painting.scene.where
        self._edges = where.edges_in(area)
        rows = np.concatenate([where.groups_in(area), where.boxes_in(area)])
        old = earlier(before[0], painting.scene, rows)
        # Where the boxes stood on the screen, as places of the new picture.
        zoom = before[1].zoom / camera.zoom
        shift = np.array(camera.to_scene(*before[1].to_screen(0.0, 0.0)))
        starts = before[0].placement.rects[old] * zoom
        starts[:, :2] += shift
        stays = old >= 0
        self._staying = _Excerpt(painting, rows[stays], starts[stays])
        self._coming = _Excerpt(painting, rows[~stays], painting.rects[rows[~stays]])
        self._passed = 0.0

    def advance(self, milliseconds: float, *, ready: bool) -> bool:
        """Let time pass; gives whether there is more to come."""
        self._passed += milliseconds
        return self._passed < DURATION_MS

    def paint(self, painter: QPainter, theme: Theme, zoom: float) -> None:
        """Paint the picture as it is now; the painter stands in the new picture's units."""
        share = _eased(self._passed / DURATION_MS)
        for excerpt, opacity in ((self._staying, 1.0), (self._coming, share)):
            painter.setOpacity(opacity)
            _finish(excerpt.groups(painter, theme, zoom, share))
        painter.setOpacity(share)
        _finish(self._painting.paint_edges(painter, theme, self._edges, zoom, fast=True))
        for excerpt, opacity in ((self._staying, 1.0), (self._coming, share)):
            painter.setOpacity(opacity)
            _finish(excerpt.rest(painter, theme, zoom, share))
        painter.setOpacity(1.0)


class Fading:
    """The last picture, as it was on the screen, while the next one shows through more and more."""

    def __init__(self, image: QImage) -> None:
        self._image, self._waited, self._passed = image, 0.0, 0.0

    def advance(self, milliseconds: float, *, ready: bool) -> bool:
        """Let time pass; it counts once the next picture is ready. Gives whether there is more to come."""
        if ready or self._waited > _LONGEST_WAIT_MS:
            self._passed += milliseconds
        self._waited += milliseconds
        return self._passed < DURATION_MS

    def paint_over(self, painter: QPainter) -> None:
        """Paint over the next picture."""
        painter.setOpacity(1.0 - _eased(self._passed / DURATION_MS))
        painter.drawImage(QPointF(0, 0), self._image)
        painter.setOpacity(1.0)


def earlier(before: Scene, after: Scene, rows: Rows) -> Rows:
    """For each of these boxes of a picture the box that stood for the same in an earlier one, or -1."""
    if before.view.graph is after.view.graph:
        known = {code: box for box, code in enumerate(zip(*_identity(before, slice(None)), strict=True))}
        found = [known.get(code, -1) for code in zip(*_identity(after, rows), strict=True)]
    else:
        by_key = {key: box for box, key in enumerate(before.keys)}
        found = [by_key.get(after.keys[row], -1) for row in rows.tolist()]
    return np.array(found, dtype=np.intp)


def _identity(scene: Scene, rows: Rows | slice) -> tuple[list[int], list[int]]:
    """What boxes stand for: a scope is the same open, collapsed, and as the first of a fold."""
    kind = scene.view.kind[rows]
    kind = np.where((kind == BoxKind.GROUP) | (kind == BoxKind.FOLD), BoxKind.SCOPE, kind)
    return kind.tolist(), scene.view.ref[rows].tolist()


class _Excerpt:
    """Some boxes of a painting, without edges, on their way from where they were."""

    def __init__(self, painting: Painting, rows: Rows, starts: FloatColumn) -> None:
        scene = painting.scene
        self._starts, self._ends = starts, painting.rects[rows]
        lines = painting.texts_of(rows, 1.0)
        lines = lines[np.argsort(scene.texts.box[lines], kind="stable")]
        order = np.argsort(rows)
        owner = order[np.searchsorted(rows, scene.texts.box[lines], sorter=order)]
        self._owner = owner
        self._offset = np.stack([scene.texts.x[lines], scene.texts.y[lines]], axis=1) - self._ends[owner, :2]
        # Painting takes a box's texts by their order.
        by_owner = np.argsort(owner, kind="stable")
        self._owner, self._offset, lines = owner[by_owner], self._offset[by_owner], lines[by_owner]
        view = replace(
            scene.view,
            kind=scene.view.kind[rows],
            ref=scene.view.ref[rows],
            parent=np.full(len(rows), -1, dtype=np.int32),
        )
        distinct = [scene.texts.text[line] for line in lines.tolist()]
        texts = replace(
            scene.texts,
            box=self._owner.astype(np.int32),
            width=scene.texts.width[lines],
            style=scene.texts.style[lines],
            text=Repeated(distinct, np.arange(len(lines), dtype=np.int32)),
        )
        self._scene = replace(scene, view=view, box_class=scene.box_class[rows], texts=texts)
        self._depths = [painting.depth(row) for row in rows.tolist()]
        self._shared = painting.lettering, painting.batches
        self._groups = np.flatnonzero(view.kind == BoxKind.GROUP)
        self._nodes = np.flatnonzero(view.kind != BoxKind.GROUP)

    def _at(self, share: float) -> Painting:
        rects = self._starts + (self._ends - self._starts) * share
        places = rects[self._owner, :2] + self._offset
        texts = replace(self._scene.texts, x=places[:, 0], y=places[:, 1])
        scene = replace(self._scene, texts=texts, placement=replace(self._scene.placement, rects=rects))
        return Painting(scene, shared=self._shared, depths=self._depths)

    def groups(self, painter: QPainter, theme: Theme, zoom: float, share: float) -> Generator[None]:
        """Paint the groups as they are after this share of the way."""
        return self._at(share).paint_groups(painter, theme, self._groups, zoom, fast=True)

    def rest(self, painter: QPainter, theme: Theme, zoom: float, share: float) -> Generator[None]:
        """Paint the other boxes, and all texts."""
        return self._at(share).paint_rest(painter, theme, self._groups, self._nodes, zoom, fast=True)


def _eased(share: float) -> float:
    """Quick at first, then slower and slower."""
    return 1.0 - (1.0 - min(max(share, 0.0), 1.0)) ** 3


def _finish(steps: Generator[None]) -> None:
    for _ in steps:
        pass
