"""Texts of a picture, kept ready to be drawn: laid out once for each distinct text and style, whatever the zoom."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Generic, TypeVar

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontMetricsF,
    QPainter,
    QPainterPath,
    QPainterPathStroker,
    QPen,
    QStaticText,
    QTextOption,
    QTransform,
)

from graphreel.assets import FONT_FAMILY
from graphreel.render import TEXT_STYLES

FINE = 4
"""Fonts are set this many times too large and scaled down: Qt's pixel sizes are whole numbers, the styles' are not."""
MOST_TEXTS = 8192

Key = TypeVar("Key", bound=Hashable)
Made = TypeVar("Made")


class Recent(Generic[Key, Made]):
    """Keeps what was made last, at most so many."""

    def __init__(self, most: int, make: Callable[[Key], Made]) -> None:
        self._most, self._make = most, make
        self._kept: OrderedDict[Key, Made] = OrderedDict()

    def __contains__(self, key: Key) -> bool:
        return key in self._kept

    def __getitem__(self, key: Key) -> Made:
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self._make(key)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(key)
        return found


class Lettering:
    """Draws lines of text in the styles of TEXT_STYLES; the painter stands in the picture's units."""

    def __init__(self) -> None:
        self._texts = Recent[tuple[str, int], tuple[QStaticText, float]](MOST_TEXTS, self._laid_out)
        self._halos = Recent[tuple[str, int], QPainterPath](MOST_TEXTS // 8, self._outlined)

    @cached_property
    def fonts(self) -> list[QFont]:
        """The font of each style, FINE times too large."""
        found = []
        for style in TEXT_STYLES:
            font = QFont(FONT_FAMILY)
            font.setPixelSize(round(style.size * FINE))
            font.setWeight(QFont.Weight(style.weight))
            font.setItalic(style.italic)
            # Hinted letters are wider or narrower than the width table says, and would change width with the zoom.
            font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
            found.append(font)
        return found

    @cached_property
    def _ascents(self) -> list[float]:
        return [QFontMetricsF(font).ascent() for font in self.fonts]

    def begin(self, painter: QPainter) -> None:
        """Scale the painter for `draw` and `halo`; `painter.restore()` ends it."""
        painter.save()
        painter.scale(1 / FINE, 1 / FINE)

    def use(self, painter: QPainter, style: int, color: str) -> None:
        """Write in this style and colour from now on."""
        painter.setFont(self.fonts[style])
        painter.setPen(QColor(color))

    def draw(self, painter: QPainter, style: int, x: float, y: float, room: float, text: str) -> None:
        """Write a line whose baseline begins at x, y, narrowed to its room.

        The table of widths does not know the widths of characters that the font lacks.
        """
        ready, across = self._texts[text, style]
        left, top, room = x * FINE, y * FINE - self._ascents[style], room * FINE
        if across <= room + 0.5:
            painter.drawStaticText(QPointF(left, top), ready)
            return
        painter.save()
        painter.translate(left, top)
        painter.scale(room / across, 1.0)
        painter.drawStaticText(QPointF(0, 0), ready)
        painter.restore()

    def halo(self, painter: QPainter, style: int, x: float, y: float, color: str, text: str) -> None:
        """Paint around a line, to keep it apart from what runs past."""
        painter.translate(x * FINE, y * FINE)
        painter.fillPath(self._halos[text, style], QColor(color))
        painter.translate(-x * FINE, -y * FINE)

    def _laid_out(self, key: tuple[str, int]) -> tuple[QStaticText, float]:
        text, style = key
        made = QStaticText(text)
        made.setTextFormat(Qt.TextFormat.PlainText)
        option = QTextOption()
        option.setWrapMode(QTextOption.WrapMode.NoWrap)
        made.setTextOption(option)
        made.setPerformanceHint(QStaticText.PerformanceHint.AggressiveCaching)
        made.prepare(QTransform(), self.fonts[style])
        return made, QFontMetricsF(self.fonts[style]).horizontalAdvance(text)

    def _outlined(self, key: tuple[str, int]) -> QPainterPath:
        text, style = key
        outline = QPainterPath()
        outline.addText(QPointF(0, 0), self.fonts[style], text)
        stroker = QPainterPathStroker(QPen(QColor(), 4.0 * FINE))
        stroker.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        return stroker.createStroke(outline)
