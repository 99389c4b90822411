"""What a canvas draws of one scene: all of it anew where that is quick, else from pieces painted before."""

import math

from PySide6.QtCore import QRectF
from PySide6.QtGui import QPainter

from graphreel.gui.canvas.far_names import FarNames
from graphreel.gui.canvas.marking import Marks
from graphreel.gui.canvas.painting import Painting
from graphreel.gui.canvas.tiles import Look, Tiles
from graphreel.render import Overlay, Scene, Theme

_QUICK = 250
"""Boxes and edges of a picture that is drawn anew in each frame; drawing so many takes less than 8 ms."""
_FIRST_MS = 12.0
"""How long the first frame of a picture may be painted for, so that small ones never come in pieces."""


class Drawing:
    """A painting and its tiles.

    Attributes:
        painting: The scene, ready to be painted.
        tiles: The pieces painted so far; None until some were needed.
        hovered: The stub under the mouse, whose edges are drawn whole.
    """

    def __init__(self, scene: Scene, theme: Theme) -> None:
        self.painting, self.theme = Painting(scene), theme
        self.tiles: Tiles | None = None
        self._overlay, self._marks = Overlay(), Marks(scene, Overlay())
        self._names = FarNames(self.painting, theme)
        self.hovered: int | None = None

    def show_overlay(self, overlay: Overlay) -> None:
        """Draw other marks on the picture."""
        self._overlay, self._marks = overlay, Marks(self.painting.scene, overlay)

    def set_theme(self, theme: Theme) -> None:
        """Draw in other colours."""
        self.stop()
        self.theme, self.tiles = theme, None
        self._names = FarNames(self.painting, theme)

    def draw(self, painter: QPainter, look: Look) -> None:
        """Draw the picture and its marks; the painter stands in the widget's pixels, on the page's colour."""
        painter.save()
        painter.scale(1 / look.ratio, 1 / look.ratio)
        self._draw_picture(painter, look)
        painter.restore()
        zoom = look.zoom / look.ratio
        self.enter(painter, look)
        self.painting.paint_joined(painter, self.theme, self._overlay, zoom)
        if self.hovered is not None:
            stubs = self.painting.stubs
            stubs.paint_whole(painter, self.theme, stubs.edges_of(self.hovered), zoom)
        self._marks.paint(painter, self.theme, area_of(look), zoom)
        painter.restore()
        self._names.paint(painter, look, area_of(look))

    def enter(self, painter: QPainter, look: Look) -> None:
        """Let a painter that stands in the widget's pixels stand in the picture's units, until it is restored."""
        painter.save()
        painter.translate(-look.left / look.ratio, -look.top / look.ratio)
        painter.scale(look.zoom / look.ratio, look.zoom / look.ratio)

    def finish(self, look: Look) -> None:
        """Paint everything that this look is to show, however long it takes."""
        if not self.is_quick:
            self.tiles = self.tiles or Tiles(self.painting, self.theme)
            self.tiles.want(look)
            self.tiles.work(math.inf)

    def _draw_picture(self, painter: QPainter, look: Look) -> None:
        if self.is_quick:
            zoom = look.zoom
            painter.save()
            painter.translate(-look.left, -look.top)
            painter.scale(zoom, zoom)
            for _ in self.painting.steps(painter, self.theme, area_of(look), zoom / look.ratio, fast=True):
                pass
            painter.restore()
            return
        if self.tiles is None:
            self.tiles = Tiles(self.painting, self.theme)
            self.tiles.want(look)
            self.tiles.work(_FIRST_MS)
        self.tiles.show(painter, look)

    @property
    def is_quick(self) -> bool:
        """Whether the whole picture can be drawn anew in each frame; pictures of a few boxes can."""
        view = self.painting.scene.view
        return len(view.kind) + len(view.edge_source) <= _QUICK

    @property
    def pending(self) -> bool:
        """Whether something is shown that will be sharper."""
        return self.tiles is not None and self.tiles.pending

    def work(self, milliseconds: float) -> bool:
        """Paint for about so long; gives whether there is more to show than before."""
        return self.tiles is not None and self.tiles.work(milliseconds)

    def stop(self) -> None:
        """Leave what is being painted."""
        if self.tiles is not None:
            self.tiles.stop()


def area_of(look: Look) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what shows, in the picture's units; a little more, for what reaches out."""
    area = QRectF(look.left, look.top, look.width, look.height)
    reach = 12.0
    return (
        area.left() / look.zoom - reach,
        area.top() / look.zoom - reach,
        area.right() / look.zoom + reach,
        area.bottom() / look.zoom + reach,
    )
