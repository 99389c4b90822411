"""Paints a Scene with a QPainter: for the canvas, and for the pictures that are saved. One code for both.

Only what meets the area asked for is looked at, in less detail the smaller it is, and in many short steps, so that
whoever paints on the GUI thread can stop between any two.
"""

from collections.abc import Generator, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPen

from graphreel.graph.types import ByteColumn
from graphreel.gui.canvas.batches import Batches
from graphreel.gui.canvas.chip_painting import TYPES_FROM, ChipPainting
from graphreel.gui.canvas.edge_painting import edge_pen, paint_routes
from graphreel.gui.canvas.lettering import Lettering, Recent
from graphreel.gui.canvas.marking import MANY
from graphreel.gui.canvas.stub_painting import StubPainting
from graphreel.layout.types import BoxKind, FloatColumn
from graphreel.render import TEXT_STYLES, Overlay, Scene, Theme
from graphreel.render.labels import PADDING_X, title_middle
from graphreel.render.shapes import chevron, corner_radius, stack
from graphreel.render.spatial import Area, Rows
from graphreel.render.styles import GROUP_TITLE, TITLE, BoxClass
from graphreel.render.theme import halo_colour

TEXT_FROM, DETAIL_FROM, SHAPE_FROM = 0.36, 0.5, 0.2
"""Zoom from which on names, other texts, rounded outlines are drawn; below, plain rectangles."""
_LEAST_GROUP, _LEAST_EDGE = 3.0, 4.0
"""What is smaller than this many pixels is not drawn where the picture is far away."""
_ROUND_FROM = 0.7
_CROWD = 4096
_QUICK_WIDTH = 1.5
_STEP = 48
"""Boxes or texts between two stops: about half a millisecond."""


class Painting:
    """A scene made ready to be painted again and again."""

    def __init__(
        self,
        scene: Scene,
        shared: tuple[Lettering, Batches] | None = None,
        depths: Sequence[int] | None = None,
    ) -> None:
        """`shared` are another painting's; `depths` tell of each box how many groups it stands in."""
        self.scene = scene
        self.rects = scene.placement.rects
        self.is_group = scene.view.kind == BoxKind.GROUP
        self.lettering, self.batches = shared or (Lettering(), Batches())
        self.stubs, self.chips = StubPainting(scene, self.lettering), ChipPainting(scene, self.lettering)
        self._joined = Recent[frozenset[int], tuple[Rows, Rows]](1, self._edges_joined)
        self._depths = depths

    @cached_property
    def _text_start(self) -> Rows:
        """The texts of box b are the rows from `_text_start[b]` to `_text_start[b + 1]`."""
        counts = np.bincount(self.scene.texts.box, minlength=len(self.rects))
        return np.concatenate([[0], np.cumsum(counts)])

    def depth(self, box: int) -> int:
        """How many groups a group stands in, itself included."""
        if self._depths is not None:
            return self._depths[box]
        parent, depth = self.scene.view.parent, 1
        while (box := int(parent[box])) >= 0:
            depth += 1
        return depth

    def name(self, box: int) -> str:
        """The first of a box's texts, or nothing where it has none."""
        start, end = self._text_start[box : box + 2].tolist()
        return self.scene.texts.text[start] if start < end else ""

    def paint(self, painter: QPainter, theme: Theme, overlay: Overlay, area: QRectF, zoom: float) -> None:
        """Paint what meets `area`; the painter stands in the picture's units, `zoom` pixels to each."""
        meets = area.left(), area.top(), area.right(), area.bottom()
        for _ in self.steps(painter, theme, meets, zoom):
            pass
        self.paint_joined(painter, theme, overlay, zoom)

    def steps(self, painter: QPainter, theme: Theme, area: Area, zoom: float, *, fast: bool = False) -> Generator[None]:
        """Paint what meets an area, stopping often; the painter must be left alone in between.

        `fast` draws lines a little thinner than the theme says where that saves much.
        """
        far = zoom < SHAPE_FROM
        where = self.scene.where
        groups, nodes = where.groups_in(area, _LEAST_GROUP / zoom if far else 0.0), where.boxes_in(area)
        edges = where.edges_in(area, _LEAST_EDGE / zoom if far else 0.0)
        yield
        yield from self.paint_groups(painter, theme, groups, zoom, fast=fast)
        yield from self.paint_edges(painter, theme, edges, zoom, fast=fast)
        if zoom >= TEXT_FROM:
            self.chips.paint(painter, theme, edges)
            yield
        if zoom >= TYPES_FROM:
            self.chips.paint_types(painter, theme, area)
            yield
        yield from self.paint_rest(painter, theme, groups, nodes, zoom, fast=fast)
        if not far:
            yield from self.stubs.paint(painter, theme, where.of_stubs.within(area), written=zoom >= TEXT_FROM)

    def paint_rest(
        self, painter: QPainter, theme: Theme, groups: Rows, nodes: Rows, zoom: float, *, fast: bool = False
    ) -> Generator[None]:
        """Paint what stands above groups and edges: other boxes, and the texts of all."""
        yield from self._paint_nodes(painter, theme, nodes, zoom, fast=fast)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if zoom >= TEXT_FROM:
            yield from self._paint_texts(painter, theme, np.concatenate([groups, nodes]), zoom)

    def paint_groups(
        self, painter: QPainter, theme: Theme, groups: Rows, zoom: float, *, fast: bool = False
    ) -> Generator[None]:
        """Fill and outline groups; they lie in one another, so theirs is the order of the scene."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, zoom >= SHAPE_FROM)
        classes = self.scene.box_class[groups]
        for start, end in _runs(classes):
            use_box(painter, theme, int(classes[start]), zoom, fast=fast)
            some = groups[start:end]
            if zoom < SHAPE_FROM:
                yield from self.batches.rects(painter, self.rects[some])
                continue
            if fast and zoom < _ROUND_FROM:
                # The fill is so faint that small corners need no rounding; to fill a rectangle is much faster.
                yield from self._fill(painter, some)
            yield from self._rounded(painter, some)
        if zoom >= SHAPE_FROM:
            self._paint_chevrons(painter, theme, groups)
            yield

    def _paint_nodes(
        self, painter: QPainter, theme: Theme, nodes: Rows, zoom: float, *, fast: bool = False
    ) -> Generator[None]:
        """Fill and outline other boxes; by class, since they don't overlap and a change of pen costs much."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, zoom >= SHAPE_FROM)
        classes = self.scene.box_class[nodes]
        order = np.argsort(classes, kind="stable")
        nodes, classes = nodes[order], classes[order]
        for start, end in _runs(classes):
            use_box(painter, theme, int(classes[start]), zoom, fast=fast)
            if zoom < SHAPE_FROM:
                yield from self.batches.rects(painter, _at_least_a_pixel(self.rects[nodes[start:end]], zoom))
            else:
                yield from self._rounded(painter, nodes[start:end])
        if zoom >= SHAPE_FROM:
            kinds = self.scene.view.kind[nodes]
            self._paint_chevrons(painter, theme, nodes[(kinds == BoxKind.SCOPE) | (kinds == BoxKind.FOLD)])
            yield

    def _fill(self, painter: QPainter, groups: Rows) -> Generator[None]:
        pen = painter.pen()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        yield from self.batches.rects(painter, self.rects[groups])
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(pen)
        painter.setBrush(Qt.BrushStyle.NoBrush)

    def _rounded(self, painter: QPainter, boxes: Rows) -> Generator[None]:
        kinds = self.scene.view.kind[boxes].tolist()
        for row, (kind, rect) in enumerate(zip(kinds, self.rects[boxes].tolist(), strict=True)):
            radius = corner_radius(kind, rect[2], rect[3])
            for outline in (*stack(kind, *rect), rect):
                painter.drawRoundedRect(QRectF(*outline), radius, radius)
            if row % _STEP == _STEP - 1:
                yield
        yield

    def _paint_chevrons(self, painter: QPainter, theme: Theme, boxes: Rows) -> None:
        """What says that a scope opens, or closes, on a click."""
        for box in boxes.tolist():
            kind, (x, y, _, _) = int(self.scene.view.kind[box]), self.rects[box].tolist()
            pen = QPen(QColor(theme.boxes[self.scene.box_class[box]].text), 1.5)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
            painter.setPen(pen)
            points = chevron(x + PADDING_X, y + title_middle(kind), expanded=kind == BoxKind.GROUP)
            painter.drawPolyline([QPointF(*point) for point in points])

    def paint_edges(
        self, painter: QPainter, theme: Theme, edges: Rows, zoom: float, *, fast: bool = False
    ) -> Generator[None]:
        """Draw edges, each class with its pen; see `steps`."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        classes = self.scene.edge_class[edges]
        for edge_class in np.unique(classes).tolist():
            pen = edge_pen(theme, edge_class, zoom)
            if fast:
                pen = quick(pen, painter)
            yield from paint_routes(
                painter, self.batches, self.scene.placement, edges[classes == edge_class], pen, zoom
            )

    def paint_joined(self, painter: QPainter, theme: Theme, overlay: Overlay, zoom: float) -> None:
        """Draw the edges of the selected box once more, in the accent colour; of several those between them."""
        if not 0 < len(overlay.selected) <= MANY:
            return
        joined, hidden = self._joined[overlay.selected]
        pen = QPen(QColor(theme.accent), max(2.0, 1.2 / zoom))
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for _ in paint_routes(painter, self.batches, self.scene.placement, joined, pen, zoom):
            pass
        self.stubs.paint_whole(painter, theme, hidden, zoom)

    def _edges_joined(self, selected: frozenset[int]) -> tuple[Rows, Rows]:
        """The edges of these boxes, those with a route and those that stubs stand for."""
        chosen, least = np.fromiter(selected, dtype=np.int64), 1 if len(selected) == 1 else 2
        view, routed, hidden = self.scene.view, self.scene.where.routed, self.stubs.edges_at(selected)
        ends = np.isin(view.edge_source, chosen).astype(np.uint8) + np.isin(view.edge_target, chosen)
        return routed[ends[routed] >= least], hidden[ends[hidden] >= least]

    def texts_of(self, boxes: Rows, zoom: float) -> Rows:
        """The rows of the texts of some boxes that can be read at this zoom, by style and then by class."""
        texts = self.scene.texts
        starts, ends = self._text_start[boxes], self._text_start[boxes + 1]
        counts = ends - starts
        rows = np.arange(counts.sum()) + np.repeat(starts - np.cumsum(counts) + counts, counts)
        if zoom < DETAIL_FROM:
            rows = rows[np.isin(texts.style[rows], (TITLE, GROUP_TITLE))]
        order = np.lexsort((self.scene.box_class[texts.box[rows]], texts.style[rows]))
        found: Rows = rows[order]
        return found

    def _paint_texts(self, painter: QPainter, theme: Theme, boxes: Rows, zoom: float) -> Generator[None]:
        texts, rows = self.scene.texts, self.texts_of(boxes, zoom)
        owners = texts.box[rows]
        columns = (rows, owners, texts.style[rows], self.scene.box_class[owners], texts.x[rows], texts.y[rows])
        each = zip(*(column.tolist() for column in columns), texts.width[rows].tolist(), strict=True)
        self.lettering.begin(painter)
        current: tuple[int, str] = (-1, "")
        try:
            for count, (row, box, style, box_class, x, y, room) in enumerate(each):
                muted = TEXT_STYLES[style].muted and box_class < len(BoxClass)
                color = theme.muted if muted else theme.boxes[box_class].text
                if self.is_group[box] and zoom >= DETAIL_FROM:
                    tone = halo_colour(theme.boxes[box_class], theme.page, self.depth(box))
                    self.lettering.halo(painter, style, x, y, tone, texts.text[row])
                if current != (style, color):
                    current = style, color
                    self.lettering.use(painter, style, color)
                self.lettering.draw(painter, style, x, y, room, texts.text[row])
                if count % (_STEP // 2) == 0:
                    yield
        finally:
            # Whoever stops in the middle finds the painter as it was.
            painter.restore()


def use_box(painter: QPainter, theme: Theme, box_class: int, zoom: float, *, fast: bool = False) -> None:
    """Set brush and pen for a class of boxes."""
    paint = theme.boxes[box_class]
    fill = QColor(paint.fill)
    fill.setAlphaF(paint.opacity)
    painter.setBrush(QBrush(fill))
    if zoom < SHAPE_FROM and paint.opacity == 1.0:
        # At this size the outline is all there is to see of a box.
        painter.setBrush(QBrush(QColor(paint.stroke if box_class < len(BoxClass) else paint.fill)))
        painter.setPen(Qt.PenStyle.NoPen)
        return
    pen = QPen(QColor(paint.stroke), max(1.25, 0.6 / zoom))
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.setPen(quick(pen, painter) if fast else pen)


def quick(pen: QPen, painter: QPainter) -> QPen:
    """The pen, thinned to a pixel where it is little wider.

    Up to one pixel Qt draws lines as lines; what is wider it fills, which takes ten times as long.
    """
    scale = painter.deviceTransform().m11()
    if pen.widthF() * scale < _QUICK_WIDTH:
        pen.setWidthF(min(pen.widthF(), 0.999 / scale))
    return pen


def _runs(classes: ByteColumn) -> list[tuple[int, int]]:
    """From where to where neighbours are alike."""
    ends = np.flatnonzero(np.diff(classes)) + 1
    return [pair for pair in pairwise([0, *ends.tolist(), len(classes)]) if pair[0] < pair[1]]


def _at_least_a_pixel(rects: FloatColumn, zoom: float) -> FloatColumn:
    """The rectangles, each large enough to be seen; of those that fall on the same pixel one."""
    sizes = np.maximum(rects[:, 2:], 1.0 / zoom)
    if len(rects) > _CROWD and np.median(sizes) * zoom < 2.0:
        places = np.floor(rects[:, :2] * zoom).astype(np.int64)
        _, kept = np.unique((places[:, 0] << 32) + places[:, 1], return_index=True)
        rects, sizes = rects[kept], sizes[kept]
    return np.concatenate([rects[:, :2], sizes], axis=1)
