"""A picture in square pieces, painted once and shown again and again, as maps are.

A piece belongs to a zoom and to a place. What is not painted yet is shown from pieces of another zoom, scaled, until
the sharp one is there. Painting is done in slices of a few milliseconds on the GUI thread: Qt's binding holds Python's
lock while it paints, so that another thread would make the GUI thread wait for just as long, but nobody could say when.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QImage, QPainter

from graphreel.gui.canvas.camera import Camera
from graphreel.gui.canvas.painting import Painting
from graphreel.render import Theme

SIDE = 512
"""Pixels of the screen that a piece is wide and high."""
MOST_BYTES = 160 << 20
_OVERVIEW = 1024.0
"""The longest side of the picture as a whole, which is shown where there is nothing better."""
_OVERLAP = 12.0
"""How far outlines and arrow heads reach beyond the boxes and routes that they belong to, in the picture's units."""
_SMALLEST_SCALE = 0.45
"""Pieces are not shown smaller than this: there would be too many."""

Key: TypeAlias = tuple[float, int, int]
"""Pixels of the screen to a unit of the picture; column and row."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a widget shows of the picture, in pixels of the screen.

    Attributes:
        zoom: Pixels to a unit of the picture.
        left, top: The pixel of the picture at this zoom that stands at the widget's upper left corner.
        width, height: Of the widget.
        ratio: Pixels of the screen to one of Qt's.
        moving: Whether the zoom changes just now; then pieces of round zooms are painted, which serve again.
    """

    zoom: float
    left: float
    top: float
    width: float
    height: float
    ratio: float
    moving: bool

    @classmethod
    def of(cls, camera: Camera, width: float, height: float, ratio: float, *, moving: bool) -> "Look":
        """What this camera shows; when it stands still, from a whole pixel on, so that pieces fit sharply."""
        zoom = camera.zoom * ratio
        left, top = camera.x * zoom, camera.y * zoom
        if not moving:
            left, top = round(left), round(top)
        return cls(zoom, left, top, width * ratio, height * ratio, ratio, moving)

    @property
    def level(self) -> float:
        """The zoom of the pieces to be painted."""
        return 2.0 ** round(math.log2(self.zoom)) if self.moving else self.zoom

    def pieces(self, level: float, margin: int = 0) -> list[Key]:
        """The pieces of a level that show, those in the middle first; with `margin` pieces around them too."""
        scale = level / self.zoom / SIDE
        left, right = self.left * scale, (self.left + self.width) * scale
        top, bottom = self.top * scale, (self.top + self.height) * scale
        columns = range(math.floor(left) - margin, math.ceil(right) + margin)
        rows = range(math.floor(top) - margin, math.ceil(bottom) + margin)
        across, down = (left + right - 1) / 2, (top + bottom - 1) / 2
        found = [(level, column, row) for row in rows for column in columns]
        return sorted(found, key=lambda key: (key[1] - across) ** 2 + (key[2] - down) ** 2)

    def pieces_at(self, level: float, place: QRectF) -> list[Key]:
        """The pieces of a level that meet a place of the widget."""
        side = SIDE * self.zoom / level
        part = place.translated(self.left, self.top)
        columns = range(math.floor(part.left() / side), math.ceil(part.right() / side))
        rows = range(math.floor(part.top() / side), math.ceil(part.bottom() / side))
        return [(level, column, row) for row in rows for column in columns]

    def rect(self, key: Key) -> QRectF:
        """Where a piece stands in the widget."""
        side = SIDE * self.zoom / key[0]
        return QRectF(key[1] * side - self.left, key[2] * side - self.top, side, side)


class Tiles:
    """The pieces of one painting in one theme.

    Attributes:
        painted: How many pieces have been painted so far.
    """

    def __init__(self, painting: Painting, theme: Theme, most_bytes: int = MOST_BYTES) -> None:
        self._painting, self._theme, self._most = painting, theme, most_bytes
        self._pieces: OrderedDict[Key, QImage] = OrderedDict()
        self._levels: dict[float, int] = {}
        self._wanted: list[Key] = []
        # In the order in which they may be destroyed, the last first: no image before its painter.
        self._work: tuple[Key, QImage, QPainter, Generator[None]] | None = None
        width, height = painting.scene.placement.size
        self._size = width, height
        self._overview = min(_OVERVIEW / max(width, height, 1.0), 0.5)
        whole = Look(self._overview, 0, 0, width * self._overview, height * self._overview, 1.0, moving=False)
        self._whole = whole.pieces(self._overview)
        self._ratio = 1.0
        self.painted = 0

    @property
    def pending(self) -> bool:
        """Whether pieces are wanted that are not painted yet."""
        return self._work is not None or bool(self._wanted)

    @property
    def kept(self) -> int:
        """How many pieces can be shown."""
        return len(self._pieces)

    def show(self, painter: QPainter, look: Look) -> bool:
        """Show what is there, and note what is missing; gives whether everything is sharp.

        The painter stands in pixels of the screen.
        """
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        missing = self.want(look)
        for key in missing:
            self._show_instead(painter, look, key)
        for key in look.pieces(look.level):
            if key in self._pieces:
                self._pieces.move_to_end(key)
                self._show_piece(painter, look, key, look.rect(key))
        return not missing and not look.moving

    def want(self, look: Look) -> list[Key]:
        """Have painted what a look shows, then what is around it; gives what of it is missing."""
        if look.ratio != self._ratio:
            # The same zoom on a finer screen shows less detail.
            self.stop()
            self._pieces.clear()
            self._levels.clear()
            self._ratio = look.ratio
        missing = [key for key in look.pieces(look.level) if key not in self._pieces and self._holds(key)]
        ahead = [] if look.moving else look.pieces(look.level, margin=1)
        others = [key for key in (*self._whole, *ahead) if key not in self._pieces and self._holds(key)]
        self._wanted = list(dict.fromkeys([*missing, *others]))
        if self._work is not None and self._work[0] not in self._wanted:
            self.stop()
        return missing

    def work(self, milliseconds: float) -> bool:
        """Paint for about so long; gives whether a piece was finished."""
        until = time.perf_counter() + milliseconds / 1000
        before = self.painted
        while self.pending and time.perf_counter() < until:
            self._step()
        return self.painted > before

    def stop(self) -> None:
        """Leave what is being painted."""
        if self._work is not None:
            _, _, painter, steps = self._work
            steps.close()
            painter.end()
            self._work = None

    def _holds(self, key: Key) -> bool:
        """Whether anything of the picture can be in a piece."""
        side, reach = SIDE / key[0], _OVERLAP
        return (
            (key[1] + 1) * side > -reach
            and (key[2] + 1) * side > -reach
            and key[1] * side < self._size[0] + reach
            and key[2] * side < self._size[1] + reach
        )

    def _step(self) -> None:
        if self._work is None:
            self._begin(self._wanted[0])
        assert self._work is not None
        key, image, painter, steps = self._work
        if next(steps, self) is self:
            painter.end()
            self._work = None
            self._wanted.remove(key)
            self._keep(key, image)

    def _begin(self, key: Key) -> None:
        image = QImage(SIDE, SIDE, QImage.Format.Format_RGB32)
        image.fill(QColor(self._theme.page))
        painter = QPainter(image)
        level, column, row = key
        side = SIDE / level
        painter.scale(level, level)
        painter.translate(-column * side, -row * side)
        left, top = column * side - _OVERLAP, row * side - _OVERLAP
        area = left, top, left + side + 2 * _OVERLAP, top + side + 2 * _OVERLAP
        steps = self._painting.steps(painter, self._theme, area, level / self._ratio, fast=True)
        self._work = key, image, painter, steps

    def _keep(self, key: Key, image: QImage) -> None:
        self._pieces[key] = image
        self._levels[key[0]] = self._levels.get(key[0], 0) + 1
        self.painted += 1
        while len(self._pieces) * SIDE * SIDE * 4 > self._most:
            old, _ = self._pieces.popitem(last=False)
            self._levels[old[0]] -= 1
            if not self._levels[old[0]]:
                del self._levels[old[0]]

    def _show_piece(self, painter: QPainter, look: Look, key: Key, target: QRectF) -> None:
        """Show the part of a piece that stands in `target`."""
        whole, image = look.rect(key), self._pieces[key]
        if key[0] == look.zoom and target == whole:
            painter.drawImage(target.topLeft(), image)
            return
        scale = SIDE / whole.width()
        part = target.translated(-whole.topLeft())
        source = QRectF(part.x() * scale, part.y() * scale, part.width() * scale, part.height() * scale)
        painter.drawImage(target, image, source)

    def _show_instead(self, painter: QPainter, look: Look, missing: Key) -> None:
        """Show in the place of a piece what other zooms have of it: the nearest that has all, else all there is."""
        place = look.rect(missing).intersected(QRectF(0, 0, look.width, look.height))
        levels = [level for level in self._levels if look.zoom / level >= _SMALLEST_SCALE and level != missing[0]]
        nearest = sorted(levels, key=lambda level: abs(math.log(level / look.zoom)))[:3]
        found: list[list[Key]] = []
        for level in dict.fromkeys([*nearest, self._overview]):
            keys = [key for key in look.pieces_at(level, place) if self._holds(key)]
            found.append([key for key in keys if key in self._pieces])
            if len(found[-1]) == len(keys):
                found = found[-1:]
                break
        for keys in sorted(found):
            for key in keys:
                self._show_piece(painter, look, key, place.intersected(look.rect(key)))
