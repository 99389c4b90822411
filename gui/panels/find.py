"""The find bar over the canvas: a field, how many were found, and the hits to walk through."""

from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QLineEdit, QListView, QVBoxLayout, QWidget

from graphreel.analysis import Hits
from graphreel.graph import Graph
from graphreel.gui.icons import icon
from graphreel.gui.widgets import tool_button
from graphreel.render import Theme

_PAUSE_MS = 150
"""How long a pause in typing starts the search."""
_ROWS = 8

Index = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()


class HitsModel(QAbstractListModel):
    """The hits as rows, best first."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.hits: Hits | None = None
        self.graph: Graph | None = None

    def show(self, graph: Graph | None, hits: Hits | None) -> None:
        """Show the hits of a search in this graph."""
        self.beginResetModel()
        self.graph, self.hits = graph, hits
        self.endResetModel()

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        return 0 if self.hits is None or parent.isValid() else len(self.hits)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if self.hits is None or self.graph is None or not index.isValid():
            return None
        node = self.graph.node(int(self.hits.nodes[index.row()]))
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{node.name or node.op}   {node.scope.path}".rstrip()
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{node.op}\n{node.scope.path}\n{node.source or ''}".strip()
        return None


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
        self.setFixedWidth(440)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.field = QLineEdit(placeholderText="Find by op, name, scope, shape:8,16, attr:…, train.py:41")
        self.field.setAccessibleName("Find operations")
        self.field.installEventFilter(self)
        self.count = QLabel()
        self.back, self.on = tool_button("Previous hit (Shift+Enter)"), tool_button("Next hit (Enter)")
        self.end = tool_button("Close (Esc)")
        self.model = HitsModel(self)
        self.rows = QListView(uniformItemSizes=True)
        self.rows.setModel(self.model)
        self.rows.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.rows.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self._pause = QTimer(self, singleShot=True, interval=_PAUSE_MS)
        self._pause.timeout.connect(lambda: self.asked.emit(self.field.text()))
        self.field.textEdited.connect(lambda _: self._pause.start())
        self.rows.clicked.connect(lambda index: self.go(index.row()))
        self._lay_out()
        self.set_theme(theme)
        self.show_hits(None, None)
        self.hide()

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
        whole.addWidget(self.rows)

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

    def show_hits(self, graph: Graph | None, hits: Hits | None) -> None:
        """Show what was found; None while there is no search."""
        self.model.show(graph, hits)
        found = 0 if hits is None else len(hits)
        self.count.setText("" if hits is None else "nothing" if not found else f"{found:,}")
        self.rows.setVisible(found > 0)
        if found:
            height = self.rows.sizeHintForRow(0) * min(found, _ROWS) + 4
            self.rows.setFixedHeight(height)
        self.adjustSize()

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
