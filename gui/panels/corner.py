"""What stands in the lower left corner of the canvas: what colours mean, and how much is hidden."""

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QWidget

from graphreel.gui.canvas.legend_painting import paint_legend
from graphreel.gui.widgets import tool_button
from graphreel.render import Theme
from graphreel.render.legend import LegendPicture, placed
from graphreel.render.scene import Legend

_MARGIN = 14


class LegendPanel(QWidget):
    """The legend of a coloured picture; the mouse goes through it."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("legend")
        self.setAccessibleName("Legend")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.theme = theme
        self.picture: LegendPicture | None = None
        self.hide()

    def set_theme(self, theme: Theme) -> None:
        """Draw in other colours."""
        self.theme = theme
        self.update()

    def show_legend(self, legend: Legend | None) -> None:
        """Show another legend, or none."""
        self.picture = None if legend is None else placed(legend)
        if self.picture is not None:
            self.resize(round(self.picture.width), round(self.picture.height))
            self.setAccessibleDescription("\n".join(text.text for text in self.picture.texts))
        self.setVisible(self.picture is not None)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.picture is not None:
            paint_legend(QPainter(self), self.theme, self.picture)


class HiddenBar(QFrame):
    """Says how much is hidden, and lets one show it again.

    Signals:
        all_asked: Everything is to be shown.
    """

    all_asked = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("hidden")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.text = QLabel()
        self.show_all = tool_button("Show what is hidden (Shift+H)", "Show all")
        self.show_all.clicked.connect(lambda *_: self.all_asked.emit())
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 3, 5, 3)
        row.addWidget(self.text)
        row.addWidget(self.show_all)
        self.hide()

    def say(self, text: str, details: str = "") -> None:
        """Say this, and more in the tooltip; nothing hides the bar."""
        self.text.setText(text)
        self.setToolTip(details)
        self.setVisible(bool(text))
        self.adjustSize()


class Corner(QObject):
    """Keeps the legend, and the bar above it, in the lower left corner of the canvas."""

    def __init__(self, theme: Theme, canvas: QWidget) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self.legend, self.hidden = LegendPanel(theme, canvas), HiddenBar(canvas)
        canvas.installEventFilter(self)

    def place(self) -> None:
        """Put them where they belong."""
        bottom = self._canvas.height() - _MARGIN
        for widget in (self.legend, self.hidden):
            if not widget.isHidden():
                widget.move(_MARGIN, bottom - widget.height())
                bottom -= widget.height() + 8

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self.place()
        return False
