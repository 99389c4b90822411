"""The findings panel: what the recorder noticed in the iteration on screen, one row each."""

from collections.abc import Sequence
from pathlib import PurePath

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, Signal
from PySide6.QtWidgets import QHeaderView, QTreeView, QWidget

from graphreel.graph import Graph
from graphreel.gui.widgets import Index
from graphreel.tracefile.extras import Finding

COLUMNS = ("Kind", "What", "Where")
_NOWHERE = QModelIndex()


class FindingsModel(QAbstractTableModel):
    """Findings as rows: their kind, the first line of their message, and the place they are about."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._findings: Sequence[Finding] = ()
        self._graph: Graph | None = None

    def show(self, findings: Sequence[Finding], graph: Graph | None) -> None:
        """Show these findings; `graph` is the one that their nodes stand in."""
        self.beginResetModel()
        self._findings, self._graph = findings, graph
        self.endResetModel()

    def finding(self, row: int) -> Finding:
        """The finding in a row."""
        return self._findings[row]

    def text(self, row: int, column: int) -> str:
        """What stands in a cell."""
        finding = self._findings[row]
        if column == 0:
            return finding.kind
        return finding.message.partition("\n")[0] if column == 1 else self._place(finding)

    def _place(self, finding: Finding) -> str:
        if finding.file:
            return f"{PurePath(finding.file).name}:{finding.line}"
        if finding.node is not None and self._graph is not None and finding.node < self._graph.node_count:
            return f"{self._graph.node(finding.node).op} #{finding.node}"
        return ""

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self._findings)

    def columnCount(self, parent: Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.text(index.row(), index.column())
        return self._findings[index.row()].message if role == Qt.ItemDataRole.ToolTipRole else None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        across = orientation == Qt.Orientation.Horizontal
        return COLUMNS[section] if across and role == Qt.ItemDataRole.DisplayRole else None


class FindingsPanel(QTreeView):
    """The list of findings.

    Signals:
        chosen: The user wants to see what this finding is about.
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("findings")
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAccessibleName("Findings")
        self.findings = FindingsModel(self)
        self.setModel(self.findings)
        header = self.header()
        header.setStretchLastSection(False)
        for column, mode in enumerate(
            (
                QHeaderView.ResizeMode.ResizeToContents,
                QHeaderView.ResizeMode.Stretch,
                QHeaderView.ResizeMode.ResizeToContents,
            )
        ):
            header.setSectionResizeMode(column, mode)
        self.clicked.connect(self._choose)
        self.activated.connect(self._choose)

    def show_findings(self, findings: Sequence[Finding], graph: Graph | None) -> None:
        """Show these findings."""
        self.findings.show(findings, graph)

    def _choose(self, index: Index) -> None:
        self.chosen.emit(self.findings.finding(index.row()))
