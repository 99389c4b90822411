"""The names of groups where the picture is too small for its own texts: a few, large enough to be read, as on a map."""

import numpy as np
from PySide6.QtGui import QPainter

from graphreel.gui.canvas.lettering import Lettering
from graphreel.gui.canvas.painting import TEXT_FROM, Painting
from graphreel.gui.canvas.tiles import Look
from graphreel.layout.types import BoxKind
from graphreel.render import Theme
from graphreel.render.spatial import Area, Rows
from graphreel.render.styles import GROUP_TITLE, TEXT_STYLES
from graphreel.render.text import shorten, text_width

MOST_NAMES = 48
_LEAST_WIDTH, _LEAST_HEIGHT = 44.0, 26.0
"""Pixels that a group must have for its name to be written in it."""
_INSET, _LINE = 6.0, 18.0


def paint_far_names(painter: QPainter, painting: Painting, theme: Theme, look: Look, area: Area) -> list[str]:
    """Write names of groups in view, the largest first, as far as they leave one another alone; gives them.

    The painter stands in the widget's pixels.
    """
    zoom = look.zoom / look.ratio
    if zoom >= TEXT_FROM:
        return []
    scene, taken, written = painting.scene, list[tuple[float, float, float]](), list[str]()
    style = TEXT_STYLES[GROUP_TITLE]
    width, height = look.width / look.ratio, look.height / look.ratio
    painting.lettering.begin(painter)
    for box in _named(painting, area, zoom).tolist():
        left, top, across, down = (scene.placement.rects[box] * zoom).tolist()
        left, top = left - look.left / look.ratio, top - look.top / look.ratio
        # The name stays in sight as long as there is room for it in what is seen of the group.
        x, y = max(left, 0.0) + _INSET, max(top, 0.0) + _LINE - 4.0
        room = min(left + across, width) - x - _INSET
        if room < _LEAST_WIDTH - 2 * _INSET or min(top + down, height) - max(top, 0.0) < _LEAST_HEIGHT:
            continue
        name = shorten(painting.name(box), room, style.size, style.weight, middle=True)
        long = text_width(name, style.size, style.weight)
        if not name or any(x < end and x + long > start and abs(y - line) < _LINE for start, end, line in taken):
            continue
        taken.append((x, x + long, y))
        written.append(name)
        _write(painter, painting.lettering, theme, int(scene.box_class[box]), (x, y, room), name)
        if len(written) >= MOST_NAMES:
            break
    painter.restore()
    return written


def _write(
    painter: QPainter,
    lettering: Lettering,
    theme: Theme,
    box_class: int,
    place: tuple[float, float, float],
    name: str,
) -> None:
    x, y, room = place
    lettering.halo(painter, GROUP_TITLE, x, y, theme.page, name)
    lettering.use(painter, GROUP_TITLE, theme.boxes[box_class].text)
    lettering.draw(painter, GROUP_TITLE, x, y, room, name)


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
