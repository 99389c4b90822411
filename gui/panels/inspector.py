"""The inspector: what is selected, in words, with links to what it is connected with."""

from collections.abc import Mapping

from PySide6.QtCore import QRectF, Qt, QUrl, Signal
from PySide6.QtGui import QColor, QPainter, QPixmap
from PySide6.QtWidgets import QTextBrowser, QWidget

from graphreel.analysis.arrays import Histogram
from graphreel.gui.panels.inspector_several import describe_several
from graphreel.gui.panels.inspector_text import NOTHING, Inspector
from graphreel.gui.panels.inspector_values import HISTOGRAM, HISTOGRAM_SIZE, NUMBERS
from graphreel.gui.views import Known, Numbers, Selection, Shown, What
from graphreel.render import Theme


class InspectorPanel(QTextBrowser):
    """Rich text about the selection.

    Signals:
        asked: The user followed a link to this node, scope or value.
        numbers_asked: The user wants to see the numbers of the value with this number.
    """

    asked = Signal(object)
    numbers_asked = Signal(int)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("inspector")
        self.setOpenLinks(False)
        self.setAccessibleName("Inspector")
        self.document().setDocumentMargin(14)
        self.theme = theme
        self._shown: Shown | None = None
        self._selection = Selection()
        self._known: Mapping[int, Known] = {}
        self.anchorClicked.connect(self._follow)

    def show_selection(self, shown: Shown | None, selection: Selection, known: Mapping[int, Known] = NOTHING) -> None:
        """Describe what is selected; without an iteration there is nothing to say. `known` are values' numbers."""
        again = shown is self._shown and selection == self._selection
        place = self.verticalScrollBar().value() if again else 0
        self._shown, self._selection, self._known = shown, selection, known
        if shown is None:
            self.setHtml(f'<p style="color:{self.theme.muted}">What you select on the canvas is described here.</p>')
        else:
            self.document().clear()  # and with it the pictures that it holds
            several = describe_several(shown, self.theme, selection) if selection.is_several else ""
            self.setHtml(several or Inspector(shown, self.theme, known).describe(selection))
            self.verticalScrollBar().setValue(place)

    def set_theme(self, theme: Theme) -> None:
        """Write in other colours."""
        self.theme = theme
        self.show_selection(self._shown, self._selection, self._known)

    def _follow(self, link: QUrl) -> None:
        what, _, number = link.toString().partition(":")
        if what == NUMBERS:
            self.numbers_asked.emit(int(number))
        else:
            self.asked.emit(Selection(What(what), int(number)))

    def loadResource(self, kind: int, name: QUrl | str) -> object:
        """Draw a histogram where the text asks for one; nothing else is ever loaded."""
        what, _, number = QUrl(name).toString().partition(":")
        known = self._known.get(int(number)) if what == HISTOGRAM and number.isdecimal() else None
        if not isinstance(known, Numbers):
            return None
        return histogram_picture(known.histogram, self.theme, self.devicePixelRatioF())


def histogram_picture(histogram: Histogram, theme: Theme, ratio: float) -> QPixmap:
    """A histogram as bars, for a screen with so many pixels to a point."""
    width, height = HISTOGRAM_SIZE
    picture = QPixmap(round(width * ratio), round(height * ratio))
    picture.setDevicePixelRatio(ratio)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.accent))
    highest, count = max(histogram.counts, default=0), max(len(histogram.counts), 1)
    step = width / count
    for row, number in enumerate(histogram.counts):
        if number:
            high = max(1.5, (height - 2) * number / highest)
            painter.drawRoundedRect(QRectF(row * step, height - 1 - high, step - 1.5, high), 1, 1)
    painter.setBrush(QColor(theme.border))
    painter.drawRect(QRectF(0, height - 1, width, 1))
    painter.end()
    return picture
