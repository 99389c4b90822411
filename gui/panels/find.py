"""The find bar over the canvas: a field, how many were found, and the hits to walk through."""

from typing import Any

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QHeaderView, QLabel, QLineEdit, QTreeView, QVBoxLayout, QWidget

from graphreel.analysis import Hits, QueryError
from graphreel.gui.icons import icon
from graphreel.gui.panels.hits import OP, SHAPE, SOURCE, TIME, WHERE, HitsModel
from graphreel.gui.views import Shown
from graphreel.gui.widgets import tool_button
from graphreel.render import Theme

_PAUSE_MS = 120
"""How long a pause in typing starts the search."""
_ROWS, _WIDTH, _LEAST = 10, 660, 260
_HELP = "op:matmul  shape:*x768  time>1ms  scope:layers.3  -phase:backward  dtype:f16  nan>0  a OR b"


class FindBar(QFrame):
    """Floats over the canvas while one searches.

    Signals:
        asked: The text to search for; empty when the search ended.
        chosen: The row of a hit to show.
    """

    asked = Signal(str)
    chosen = Signal(int)

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("find")
        self._over = parent
        self.setFixedWidth(_WIDTH)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.field = QLineEdit(placeholderText="Find by op, name, scope, shape, line: layers.3 -op:view time>1ms")
        self.field.setAccessibleName("Find operations")
        self.field.installEventFilter(self)
        self.count = QLabel()
        self.back, self.on = tool_button("Previous hit (Shift+Enter)"), tool_button("Next hit (Enter)")
        self.end = tool_button("Close (Esc)")
        self.model = HitsModel(self)
        self.rows = QTreeView(rootIsDecorated=False, uniformRowHeights=True, allColumnsShowFocus=True)
        self.rows.setAccessibleName("What was found")
        self.rows.setModel(self.model)
        self.rows.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.rows.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.hint = QLabel(_HELP)
        self.hint.setObjectName("hint")
        self.hint.setWordWrap(True)
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(lambda: self.asked.emit(self.field.text()))
        self.field.textEdited.connect(lambda _: self._pause.start())
        self.rows.clicked.connect(lambda index: self.go(index.row()))
        self.rows.activated.connect(lambda index: self.go(index.row()))
        self._make_columns()
        self._lay_out()
        self.set_theme(theme)
        self.show_hits(None, None)
        self.hide()

    def _make_columns(self) -> None:
        header = self.rows.header()
        header.setStretchLastSection(False)
        header.setSortIndicatorClearable(True)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(WHERE, QHeaderView.ResizeMode.Stretch)
        for column, width in ((OP, 130), (SHAPE, 96), (TIME, 74), (SOURCE, 104)):
            self.rows.setColumnWidth(column, width)
        self.rows.setSortingEnabled(True)
        self.rows.sortByColumn(-1, Qt.SortOrder.AscendingOrder)

    def _lay_out(self) -> None:
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.field, 1)
        row.addWidget(self.count)
        for button, step in ((self.back, -1), (self.on, 1)):
            button.clicked.connect(lambda _=False, step=step: self.walk(step))
            row.addWidget(button)
        self.end.clicked.connect(self.leave)
        row.addWidget(self.end)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(8, 8, 8, 8)
        whole.addLayout(row)
        whole.addWidget(self.hint)
        whole.addWidget(self.rows)

    def fit(self, room: float) -> None:
        """Be as wide as there is room for."""
        self.setFixedWidth(round(min(_WIDTH, max(room, _LEAST))))

    def set_theme(self, theme: Theme) -> None:
        """Draw in other colours."""
        for button, name in ((self.back, "up"), (self.on, "down"), (self.end, "close")):
            button.setIcon(icon(name, theme.text))

    def enter(self) -> None:
        """Show the bar and let one type."""
        self.show()
        self.raise_()
        self.field.setFocus()
        self.field.selectAll()

    def leave(self) -> None:
        """Hide the bar and end the search."""
        self._pause.stop()
        self.hide()
        self.field.clear()
        self.asked.emit("")
        self._over.setFocus()

    def show_hits(self, shown: Shown | None, hits: Hits | None) -> None:
        """Show what was found; None while there is no search."""
        self.model.show(shown, hits)
        found = 0 if hits is None else len(hits)
        self.count.setText("" if hits is None else "nothing" if not found else f"{found:,}")
        # What is to be written stands there until something was found.
        self._say(_HELP if not found else "")
        self.rows.setVisible(found > 0)
        if found:
            header = self.rows.header().sizeHint().height()
            self.rows.setFixedHeight(self.rows.sizeHintForRow(0) * min(found, _ROWS) + header + 4)
        self.adjustSize()

    def show_error(self, error: Exception) -> None:
        """Say beneath the field what is wrong with the query; what was found before stays."""
        self.count.setText("")
        said = f"{self._pointed(error.column)}  {error}" if isinstance(error, QueryError) else str(error)
        self._say(said, level="error")
        self.adjustSize()

    def _pointed(self, column: int) -> str:
        """The end of what can be understood, and what follows, marked."""
        text = self.field.text()
        return f"{text[max(column - 12, 0) : column]}▸{text[column : column + 8]}"

    def _say(self, text: str, level: str = "") -> None:
        self.hint.setText(text)
        self.hint.setVisible(bool(text))
        self.hint.setProperty("level", level)
        self.hint.style().polish(self.hint)

    def walk(self, step: int) -> None:
        """Go to the next or previous hit, around the ends."""
        found = self.model.rowCount()
        if found:
            current = self.rows.currentIndex().row()
            self.go((current + step) % found if current >= 0 else (0 if step > 0 else found - 1))

    def go(self, row: int) -> None:
        """Choose a hit."""
        self.rows.setCurrentIndex(self.model.index(row, 0))
        self.count.setText(f"{row + 1:,} of {self.model.rowCount():,}")
        self.chosen.emit(row)

    def eventFilter(self, watched: QObject, event: Any) -> bool:
        if watched is self.field and isinstance(event, QKeyEvent) and event.type() == QKeyEvent.Type.KeyPress:
            return self._key(event)
        return super().eventFilter(watched, event)

    def _key(self, event: QKeyEvent) -> bool:
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        back = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if enter and self._pause.isActive():
            self._pause.stop()
            self.asked.emit(self.field.text())
        elif enter:
            self.walk(-1 if back else 1)
        elif event.key() == Qt.Key.Key_Down:
            self.walk(1)
        elif event.key() == Qt.Key.Key_Up:
            self.walk(-1)
        elif event.key() == Qt.Key.Key_Escape:
            self.leave()
        else:
            return False
        return True
