"""What a search found, as a table that can be sorted: a thin shell over the columns of the graph."""

from pathlib import PurePath

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

from graphreel.analysis import Hits, Unit
from graphreel.analysis.measures import node_numbers, quantity_text
from graphreel.graph import NONE
from graphreel.gui.choices import recorded_of
from graphreel.gui.views import Shown
from graphreel.gui.widgets import Index
from graphreel.render.classify import short_op

COLUMNS = ("Op", "Where", "Shape", "Time", "Source")
OP, WHERE, SHAPE, TIME, SOURCE = range(5)
_NOWHERE = QModelIndex()


class HitsModel(QAbstractTableModel):
    """The hits as rows, best first, or as they were sorted.

    Attributes:
        nodes: The node of each row.
    """

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.shown: Shown | None = None
        self._found: npt.NDArray[np.int32] = np.zeros(0, np.int32)
        self.nodes = self._found
        self._times: npt.NDArray[np.float64] | None = None
        self._sorted: tuple[int, Qt.SortOrder] = (-1, Qt.SortOrder.AscendingOrder)

    def show(self, shown: Shown | None, hits: Hits | None) -> None:
        """Show the hits of a search in this iteration."""
        self.beginResetModel()
        self.shown = shown
        self._found = np.zeros(0, np.int32) if hits is None or shown is None else hits.nodes
        self._times = None if shown is None else node_numbers(shown.graph, recorded_of(shown), "time")
        self._arrange()
        self.endResetModel()

    def text(self, row: int, column: int) -> str:
        """What stands in a cell."""
        if self.shown is None:
            return ""
        graph, node = self.shown.graph, int(self.nodes[row])
        match column:
            case 0:
                return short_op(graph.strings[graph.nodes.op[node]])
            case 1:
                path = graph.paths[graph.nodes.scope[node]]
                return " ".join(filter(None, [path, graph.strings[graph.nodes.name[node]]]))
            case 2:
                outputs = graph.outputs_of(node)
                return graph.value(int(outputs[0])).type_text.partition("[")[2].rstrip("]") if len(outputs) else ""
            case 3:
                time = np.nan if self._times is None else float(self._times[node])
                return "" if np.isnan(time) else quantity_text(time, Unit.TIME)
            case _:
                source = graph.node(node).source
                return "" if source is None else f"{PurePath(source.file).name}:{source.line}"

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; by none as they were found."""
        self._sorted = column, order
        self.layoutAboutToBeChanged.emit()
        before = [(index, int(self.nodes[index.row()])) for index in self.persistentIndexList()]
        self._arrange()
        rows = {node: row for row, node in enumerate(self.nodes.tolist())}
        for index, node in before:
            self.changePersistentIndex(index, self.index(rows[node], index.column()))
        self.layoutChanged.emit()

    def _arrange(self) -> None:
        column, order = self._sorted
        self.nodes = self._found
        if column >= 0 and self.shown is not None and len(self._found):
            ranks = self._ranks(column)
            down = order == Qt.SortOrder.DescendingOrder
            self.nodes = self._found[np.argsort(-ranks if down else ranks, kind="stable")]

    def _ranks(self, column: int) -> npt.NDArray[np.float64]:
        """A number for each hit that rises as the column does; distinct texts are compared once."""
        assert self.shown is not None
        graph, found = self.shown.graph, self._found
        if column == TIME:
            times = np.full(graph.node_count, np.nan) if self._times is None else self._times
            found_times: npt.NDArray[np.float64] = np.nan_to_num(times[found], nan=-1.0)
            return found_times
        if column == SHAPE:
            sizes = node_numbers(graph, recorded_of(self.shown), "numel")
            assert sizes is not None
            found_sizes: npt.NDArray[np.float64] = np.nan_to_num(sizes[found], nan=-1.0)
            return found_sizes
        column_of = {OP: graph.nodes.op, WHERE: graph.nodes.scope, SOURCE: graph.nodes.source}[column]
        used, row = np.unique(column_of[found], return_inverse=True)
        texts: list[tuple[str, int]] = []
        for each in used.tolist():
            if column == OP:
                texts.append((short_op(graph.strings[each]), 0))
            elif column == WHERE:
                texts.append((graph.paths[each], 0))
            else:
                source = None if each == NONE else graph.source(each)
                texts.append(("", 0) if source is None else (source.file, source.line))
        ranks = np.zeros(len(texts))
        ranks[sorted(range(len(texts)), key=texts.__getitem__)] = np.arange(len(texts))
        found_ranks: npt.NDArray[np.float64] = ranks[row]
        return found_ranks

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(self.nodes)

    def columnCount(self, parent: Index = _NOWHERE) -> int:
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if self.shown is None or not index.isValid():
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.text(index.row(), index.column())
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() == TIME:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ToolTipRole:
            node = self.shown.graph.node(int(self.nodes[index.row()]))
            return f"{node.op}\n{node.scope.path}\n{node.source or ''}".strip()
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        across = orientation == Qt.Orientation.Horizontal
        return COLUMNS[section] if across and role == Qt.ItemDataRole.DisplayRole else None
