"""The outline as Qt wants it: a thin shell over `OutlineTree`."""

from typing import Any

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, Qt
from PySide6.QtGui import QGuiApplication

from graphreel.graph import ROOT
from graphreel.gui.panels.outline_tree import OutlineTree
from graphreel.gui.views import Selection, What
from graphreel.gui.widgets import Index

_NOWHERE = QModelIndex()


class OutlineModel(QAbstractItemModel):
    """Scopes and nodes as a tree of two columns; an index carries its item's number, so nothing is kept per row."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.tree: OutlineTree | None = None

    def show(self, tree: OutlineTree | None) -> None:
        """Show another tree, or nothing."""
        self.beginResetModel()
        self.tree = tree
        self.endResetModel()

    def selection_at(self, index: Index) -> Selection:
        """The scope or node in a row."""
        if self.tree is None or not index.isValid():
            return Selection()
        item = index.internalId()
        return Selection.of_scope(item) if item < self.tree.scopes else Selection.of_node(item - self.tree.scopes)

    def index_of(self, selection: Selection) -> QModelIndex:
        """The row of a scope or node; an invalid index for anything else."""
        if self.tree is None or selection.what not in (What.SCOPE, What.NODE):
            return QModelIndex()
        item = selection.id + (self.tree.scopes if selection.what is What.NODE else 0)
        return self._index(item, 0)

    def _index(self, item: int, column: int) -> QModelIndex:
        if self.tree is None or item == ROOT or self.tree.parent[item] < 0:
            return QModelIndex()
        return self.createIndex(int(self.tree.row[item]), column, item)

    def _item(self, index: Index) -> int:
        return int(index.internalId()) if index.isValid() else ROOT

    def index(self, row: int, column: int, parent: Index = _NOWHERE) -> QModelIndex:
        if self.tree is None or not self.hasIndex(row, column, parent):
            return QModelIndex()
        return self.createIndex(row, column, self.tree.child(self._item(parent), row))

    def parent(self, index: Index = _NOWHERE) -> QModelIndex:  # type: ignore[override] # Qt overloads it with QObject's
        if self.tree is None or not index.isValid():
            return QModelIndex()
        return self._index(int(self.tree.parent[self._item(index)]), 0)

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        if self.tree is None or parent.column() > 0:
            return 0
        return self.tree.count(self._item(parent))

    def columnCount(self, parent: Index = _NOWHERE) -> int:
        return 2

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if self.tree is None or not index.isValid():
            return None
        item = self._item(index)
        if role == Qt.ItemDataRole.DisplayRole:
            return self.tree.detail(item) if index.column() else self.tree.label(item)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self.tree.full(item)
        if role == Qt.ItemDataRole.ForegroundRole and index.column():
            return QGuiApplication.palette().placeholderText()
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column():
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> str | None:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole and section < 2:
            return ("Scope or operation", "Number")[section]
        return None
