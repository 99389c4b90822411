"""The command palette and the shortcut sheet: every action of the window, found by typing a part of its name."""

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QRect, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QGridLayout,
    QLabel,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QScrollArea,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from graphreel.gui.actions import MENUS, Actions, Declaration, key_text
from graphreel.gui.widgets import named

_NAME, _KEYS = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1
_ROWS = 12


class _KeysAtRight(QStyledItemDelegate):
    """Writes a row's keys at its right end."""

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().paint(painter, option, index)
        rect: QRect = option.rect
        painter.setPen(QGuiApplication.palette().placeholderText().color())
        flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(rect.adjusted(0, 0, -12, 0), int(flags), index.data(_KEYS))


def matching(declared: Declaration, query: str) -> bool:
    """Whether every word of the query stands in the action's text, menu or name."""
    text = f"{declared.menu} {declared.text} {declared.name}".casefold()
    return all(word in text for word in query.casefold().split())


class CommandPalette(QFrame):
    """A list of what can be done now, at the top of the window."""

    def __init__(self, actions: Actions, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("palette")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._actions, self._window = actions, parent
        self.field = QLineEdit(placeholderText="Type what you want to do")
        self.field.setAccessibleName("Command")
        self.rows = QListWidget()
        self.rows.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.rows.setItemDelegate(_KeysAtRight(self.rows))
        self.field.textChanged.connect(self._fill)
        self.field.installEventFilter(self)
        self.rows.itemClicked.connect(self._run)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 8)
        layout.addWidget(self.field)
        layout.addWidget(self.rows)
        self.hide()

    def enter(self) -> None:
        """Show all actions and let one type."""
        self._actions.refresh()
        self.field.clear()
        self._fill("")
        window = self._window
        width = min(560, window.width() - 40)
        self.setFixedWidth(width)
        self.move((window.width() - width) // 2, 56)
        self.show()
        self.raise_()
        self.field.setFocus()

    def _fill(self, query: str) -> None:
        self.rows.clear()
        for declared in self._actions:
            if matching(declared, query) and self._actions[declared.name].isEnabled():
                menu = f"{declared.menu}: " if declared.menu else ""
                item = QListWidgetItem(f"{menu}{declared.text.rstrip('…')}")
                item.setData(_NAME, declared.name)
                item.setData(_KEYS, key_text(declared))
                item.setToolTip(declared.tip)
                self.rows.addItem(item)
        self.rows.setCurrentRow(0)
        rows = min(max(self.rows.count(), 1), _ROWS)
        self.rows.setFixedHeight(rows * max(self.rows.sizeHintForRow(0), 26) + 4)
        self.adjustSize()

    def _run(self, item: QListWidgetItem | None) -> None:
        self.hide()
        if item is not None:
            self._actions[item.data(_NAME)].trigger()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.FocusOut and watched is self.field:
            self.hide()
        if not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return super().eventFilter(watched, event)
        row = self.rows.currentRow()
        match event.key():
            case Qt.Key.Key_Escape:
                self.hide()
                self._window.setFocus()
            case Qt.Key.Key_Down:
                self.rows.setCurrentRow(min(row + 1, self.rows.count() - 1))
            case Qt.Key.Key_Up:
                self.rows.setCurrentRow(max(row - 1, 0))
            case Qt.Key.Key_Return | Qt.Key.Key_Enter:
                self._run(self.rows.currentItem())
            case _:
                return False
        return True


class ShortcutSheet(QDialog):
    """All shortcuts, menu by menu."""

    def __init__(self, actions: Actions, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("shortcuts")
        self.setWindowTitle("Keyboard shortcuts")
        inside = QWidget()
        grid = QGridLayout(inside)
        grid.setHorizontalSpacing(36)
        grid.setContentsMargins(24, 20, 24, 20)
        row = 0
        for menu in (*MENUS, ""):
            with_keys = [declared for declared in actions if declared.menu == menu and declared.keys]
            if with_keys:
                grid.addWidget(named(QLabel((menu or "Elsewhere").upper()), "heading"), row, 0, 1, 2)
                grid.setRowMinimumHeight(row, 30)
                row += 1
            for declared in with_keys:
                grid.addWidget(QLabel(declared.text.rstrip("…")), row, 0)
                grid.addWidget(QLabel(key_text(declared)), row, 1)
                row += 1
        area = QScrollArea(widgetResizable=True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidget(inside)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(area)
        self.resize(460, 560)
