"""The iteration strip: one cell an iteration, as high as it took long, coloured by how it ended."""

from collections.abc import Iterable, Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPolygonF, QWheelEvent
from PySide6.QtWidgets import QAbstractScrollArea, QSizePolicy, QToolTip, QWidget

from graphreel.gui.text import count_text, duration_text
from graphreel.render import Theme
from graphreel.render.theme import blend
from graphreel.tracefile import Iteration, Status

CELL, GAP, MARGIN, MARKER, LABEL = 14, 3, 10, 12, 18
"""Pixels: a cell's width, the gap to the next, the margin around all, the room for markers above and labels below."""


class IterationStrip(QAbstractScrollArea):
    """Cells to click and to walk with the arrow keys. A diamond marks where the graph changed from the one before, a
    dot in a cell's foot that the iteration has a keyframe.

    Signals:
        chosen: The index of an iteration that the user wants to see.
    """

    chosen = Signal(int)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("strip")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.setAccessibleName("Iterations")
        self.setMaximumHeight(180)
        self.theme = theme
        self.placeholder = ""
        self.iterations: Sequence[Iteration] = ()
        self.keyframes: frozenset[int] = frozenset()
        self.current: int | None = None

    def show_iterations(
        self,
        iterations: Sequence[Iteration],
        current: int | None,
        placeholder: str = "",
        keyframes: Iterable[int] = (),
    ) -> None:
        """Show these iterations, which of them is on screen, and which have a keyframe, by their index."""
        self.iterations, self.placeholder = list(iterations), placeholder
        self.keyframes = frozenset(keyframes)
        self._extent()
        self.mark(current)

    def mark(self, current: int | None) -> None:
        """Mark the iteration that is on screen and bring its cell into view."""
        self.current = current
        row = self._row_of(current)
        if row is not None:
            left, bar = row * (CELL + GAP), self.horizontalScrollBar()
            if left < bar.value() or left + CELL + 2 * MARGIN > bar.value() + self.viewport().width():
                bar.setValue(left - self.viewport().width() // 2)
        self.viewport().update()

    def set_theme(self, theme: Theme) -> None:
        """Draw in other colours."""
        self.theme = theme
        self.viewport().update()

    def cell(self, row: int) -> QRectF:
        """The rectangle of the bar in a row, in the viewport's pixels."""
        room = self.viewport().height() - MARKER - LABEL - 2 * MARGIN // 2
        longest = max((iteration.duration_ns for iteration in self.iterations), default=0) or 1
        height = max(4.0, room * self.iterations[row].duration_ns / longest)
        left = MARGIN + row * (CELL + GAP) - self.horizontalScrollBar().value()
        return QRectF(left, self.viewport().height() - LABEL - height, CELL, height)

    def structure_changed(self, row: int) -> bool:
        """Whether the graph of the iteration in a row differs from the one before."""
        return row > 0 and self.iterations[row].graph != self.iterations[row - 1].graph

    def describe(self, row: int) -> str:
        """What the tooltip says of the iteration in a row."""
        iteration = self.iterations[row]
        lines = [
            f"Iteration {iteration.index} · {iteration.status.value}",
            f"{count_text(iteration.nodes, 'node')}, {count_text(iteration.edges, 'edge')}",
        ]
        if iteration.duration_ns:
            lines.append(duration_text(iteration.duration_ns))
        lines += [f"{name} {number:.6g}" for name, number in iteration.scalars.items()]
        if self.structure_changed(row):
            lines.append(f"The graph differs from iteration {self.iterations[row - 1].index}")
        if iteration.index in self.keyframes:
            lines.append("Has a keyframe: it can be executed again, and took longer to record")
        if iteration.error is not None:
            lines.append(f"{iteration.error.type}: {iteration.error.message}".splitlines()[0])
        return "\n".join(lines)

    def choose(self, row: int) -> None:
        """Ask for the iteration in a row, or for the nearest there is."""
        if self.iterations:
            index = self.iterations[min(max(row, 0), len(self.iterations) - 1)].index
            if index != self.current:
                self.chosen.emit(index)

    def _row_of(self, index: int | None) -> int | None:
        return next((row for row, iteration in enumerate(self.iterations) if iteration.index == index), None)

    def _row_at(self, x: float) -> int | None:
        row = int((x + self.horizontalScrollBar().value() - MARGIN) // (CELL + GAP))
        return row if 0 <= row < len(self.iterations) else None

    def _extent(self) -> None:
        width = 2 * MARGIN + len(self.iterations) * (CELL + GAP)
        self.horizontalScrollBar().setRange(0, max(0, width - self.viewport().width()))
        self.horizontalScrollBar().setPageStep(self.viewport().width())
        self.horizontalScrollBar().setSingleStep(CELL + GAP)

    def _color(self, status: Status) -> QColor:
        return QColor(
            {
                Status.COMPLETE: blend(self.theme.accent, self.theme.panel, 0.42),
                Status.FAILED: self.theme.error,
                Status.PARTIAL: self.theme.warning,
            }[status]
        )

    def _paint_cell(self, painter: QPainter, row: int) -> None:
        iteration, cell = self.iterations[row], self.cell(row)
        current = iteration.index == self.current
        if current:
            painter.setBrush(_faint(self.theme.accent, 40))
            painter.drawRoundedRect(QRectF(cell.left() - 2, 2, CELL + 4, self.viewport().height() - 4), 4, 4)
        color = (
            QColor(self.theme.accent)
            if current and iteration.status is Status.COMPLETE
            else self._color(iteration.status)
        )
        painter.setBrush(color)
        painter.drawRoundedRect(cell, 2.5, 2.5)
        if iteration.index in self.keyframes:
            painter.setBrush(QColor(self.theme.panel))
            painter.drawEllipse(QPointF(cell.center().x(), cell.bottom() - 5), 2, 2)
        if self.structure_changed(row):
            self._paint_diamond(painter, QPointF(cell.center().x(), MARKER - 2))

    def _paint_diamond(self, painter: QPainter, center: QPointF) -> None:
        painter.setBrush(QColor(self.theme.accent))
        around = (QPointF(0, -4), QPointF(4, 0), QPointF(0, 4), QPointF(-4, 0))
        painter.drawPolygon(QPolygonF([center + offset for offset in around]))

    def _paint_labels(self, painter: QPainter, rows: range) -> None:
        """Write the index below the current cell and below every so-many-th that leaves room."""
        metrics = painter.fontMetrics()
        free_from = -1.0
        current = self._row_of(self.current)
        ordered = ([current] if current in rows else []) + [row for row in rows if row != current]
        taken: list[tuple[float, float]] = []
        for row in ordered:
            if row is None or (row != current and self.iterations[row].index % 5):
                continue
            text = str(self.iterations[row].index)
            width, middle = metrics.horizontalAdvance(text), self.cell(row).center().x()
            left, right = middle - width / 2 - 4, middle + width / 2 + 4
            if left < free_from or any(left < end and right > begin for begin, end in taken):
                continue
            taken.append((left, right))
            painter.setPen(QColor(self.theme.text if row == current else self.theme.muted))
            painter.drawText(QPointF(middle - width / 2, self.viewport().height() - 5), text)

    def sizeHint(self) -> QSize:
        return QSize(280, 118)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, 90)

    def resizeEvent(self, event: object) -> None:
        self._extent()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if not self.iterations:
            painter.setPen(QColor(self.theme.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.viewport().rect().adjusted(12, 8, -12, -8), int(flags), self.placeholder)
            return
        shift = self.horizontalScrollBar().value()
        begin = max(0, (shift - MARGIN) // (CELL + GAP))
        rows = range(begin, min(len(self.iterations), begin + self.viewport().width() // (CELL + GAP) + 3))
        painter.setPen(Qt.PenStyle.NoPen)
        for row in rows:
            self._paint_cell(painter, row)
        font = painter.font()
        font.setPixelSize(11)
        painter.setFont(font)
        self._paint_labels(painter, rows)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        row = self._row_at(event.position().x())
        if row is not None and event.button() == Qt.MouseButton.LeftButton:
            self.choose(row)

    def wheelEvent(self, event: QWheelEvent) -> None:
        turned = event.angleDelta()
        bar = self.horizontalScrollBar()
        bar.setValue(bar.value() - (turned.x() or turned.y()))
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        row = self._row_of(self.current) or 0
        moves = {
            Qt.Key.Key_Left: row - 1,
            Qt.Key.Key_Right: row + 1,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: len(self.iterations) - 1,
            Qt.Key.Key_PageUp: row - 10,
            Qt.Key.Key_PageDown: row + 10,
        }
        wanted = moves.get(Qt.Key(event.key()))
        if wanted is None:
            super().keyPressEvent(event)
        else:
            self.choose(wanted)

    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            row = self._row_at(event.pos().x())
            if row is None:
                QToolTip.hideText()
            else:
                QToolTip.showText(event.globalPos(), self.describe(row), self)
            return True
        return super().viewportEvent(event)


def _faint(color: str, alpha: int) -> QColor:
    found = QColor(color)
    found.setAlpha(alpha)
    return found
