"""The names of groups where the picture is too small for its own texts: a few, large enough to be read, as on a map."""

import math

import numpy as np
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QImage, QPainter

from graphreel.gui.canvas.lettering import Recent
from graphreel.gui.canvas.painting import TEXT_FROM, Painting
from graphreel.gui.canvas.tiles import Look
from graphreel.layout.types import BoxKind, FloatColumn
from graphreel.render import Theme
from graphreel.render.spatial import Area, Rows
from graphreel.render.styles import GROUP_TITLE, TEXT_STYLES
from graphreel.render.text import shorten, text_width

MOST_NAMES = 48
_MOST_NEW = 6
"""Names that are painted for the first time in one frame of a zoom; the others come with the next frames."""
_LEAST_WIDTH, _LEAST_HEIGHT = 44.0, 26.0
"""Pixels that a group must have for its name to be written in it."""
_INSET, _LINE = 6.0, 18.0
_MARGIN, _BASELINE, _HEIGHT = 4.0, 15.0, 22.0
"""Of a name's own picture: room for its halo, where it stands in it, and how high it is."""
_STYLE = TEXT_STYLES[GROUP_TITLE]


class FarNames:
    """Writes the names of a painting's groups; each is painted once, and then shown wherever it stands."""

    def __init__(self, painting: Painting, theme: Theme) -> None:
        self._painting, self._theme = painting, theme
        self._pictures = Recent[tuple[str, int, float], QImage](8 * MOST_NAMES, self._painted)

    def paint(self, painter: QPainter, look: Look, area: Area) -> list[str]:
        """Write names of groups in view, the largest first, as far as they leave one another alone; gives them.

        The painter stands in the widget's pixels.
        """
        zoom = look.zoom / look.ratio
        if zoom >= TEXT_FROM:
            return []
        taken, written, new = list[tuple[float, float, float]](), list[str](), 0
        scene = self._painting.scene
        boxes, places = _places(self._painting, look, area)
        for box, (x, y, room) in zip(boxes.tolist(), places.tolist(), strict=True):
            if any(start <= x < end and abs(y - line) < _LINE for start, end, line in taken):
                continue
            name = shorten(self._painting.name(box), room, _STYLE.size, _STYLE.weight, middle=True)
            long = text_width(name, _STYLE.size, _STYLE.weight)
            if not name or any(x < end and x + long > start and abs(y - line) < _LINE for start, end, line in taken):
                continue
            key = name, int(scene.box_class[box]), look.ratio
            taken.append((x, x + long, y))
            new += key not in self._pictures
            if look.moving and new > _MOST_NEW:
                continue
            written.append(name)
            picture = self._pictures[key]
            # On a whole pixel of the screen, so that it is as sharp as it was painted.
            left, top = (round(at * look.ratio) / look.ratio for at in (x - _MARGIN, y - _BASELINE))
            painter.drawImage(QPointF(left, top), picture)
            if len(written) >= MOST_NAMES:
                break
        return written

    def _painted(self, key: tuple[str, int, float]) -> QImage:
        name, box_class, ratio = key
        long = text_width(name, _STYLE.size, _STYLE.weight)
        width, height = math.ceil((long + 2 * _MARGIN) * ratio), math.ceil(_HEIGHT * ratio)
        image = QImage(width, height, QImage.Format.Format_ARGB32_Premultiplied)
        image.setDevicePixelRatio(ratio)
        image.fill(Qt.GlobalColor.transparent)
        lettering = self._painting.lettering
        with QPainter(image) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            lettering.begin(painter)
            lettering.halo(painter, GROUP_TITLE, _MARGIN, _BASELINE, self._theme.page, name)
            lettering.use(painter, GROUP_TITLE, self._theme.boxes[box_class].text)
            lettering.draw(painter, GROUP_TITLE, _MARGIN, _BASELINE, long, name)
            painter.restore()
        return image


def _places(painting: Painting, look: Look, area: Area) -> tuple[Rows, FloatColumn]:
    """The groups to be named, the largest first, and where: the left end of the baseline, and the room from there.

    A name stays in sight as long as there is room for it in what is seen of its group.
    """
    zoom = look.zoom / look.ratio
    boxes = _named(painting, area, zoom)
    left, top, across, down = (painting.scene.placement.rects[boxes] * zoom).T
    left, top = left - look.left / look.ratio, top - look.top / look.ratio
    x, y = np.maximum(left, 0.0) + _INSET, np.maximum(top, 0.0) + _LINE - 4.0
    room = np.minimum(left + across, look.width / look.ratio) - x - _INSET
    seen = np.minimum(top + down, look.height / look.ratio) - np.maximum(top, 0.0)
    fits = (room >= _LEAST_WIDTH - 2 * _INSET) & (seen >= _LEAST_HEIGHT)
    return boxes[fits], np.stack([x, y, room], axis=1)[fits]


def _named(painting: Painting, area: Area, zoom: float) -> Rows:
    """The groups and collapsed scopes in view that are large enough, largest first."""
    scene, where = painting.scene, painting.scene.where
    least = min(_LEAST_WIDTH, _LEAST_HEIGHT) / zoom
    nodes = where.nodes[where.of_nodes.within(area, least)]
    kinds = scene.view.kind[nodes]
    boxes = np.concatenate([where.groups_in(area, least), nodes[(kinds == BoxKind.SCOPE) | (kinds == BoxKind.FOLD)]])
    sizes = scene.placement.rects[boxes, 2:] * zoom
    fits = (sizes[:, 0] >= _LEAST_WIDTH) & (sizes[:, 1] >= _LEAST_HEIGHT)
    boxes, sizes = boxes[fits], sizes[fits]
    found: Rows = boxes[np.lexsort((boxes, -sizes[:, 0] * sizes[:, 1]))]
    return found
