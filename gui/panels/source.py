"""The source panel: the user's line that ran an operation, in its file, and the lines that called it."""

import keyword
import re
from collections.abc import Callable, Sequence
from pathlib import PurePath

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QSyntaxHighlighter,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
)
from PySide6.QtWidgets import QComboBox, QLabel, QPlainTextEdit, QTextEdit, QVBoxLayout, QWidget

from graphreel.graph import Source
from graphreel.gui.widgets import named
from graphreel.render import Theme

_WORDS = re.compile(
    r"(?P<comment>#.*)|(?P<string>[rbfRBF]{0,2}(?:\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'))"
    r"|(?P<number>\b\d[\d_.]*(?:[eE][+-]?\d+)?\b)|(?P<word>\b[A-Za-z_]\w*\b)"
)


class SourcePanel(QWidget):
    """Shows the lines that led to an operation; the text comes from the trace, so the file need not be there."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stack: Sequence[Source] = ()
        self._text_of: Callable[[str], str | None] = lambda file: None
        self._file = ""
        self.callers = named(QComboBox(), "callers")
        self.callers.setAccessibleName("Calling lines, innermost first")
        self.callers.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.callers.activated.connect(self._show_row)
        self.placeholder = named(QLabel(alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True), "placeholder")
        self.code = CodeView(theme)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for widget in (self.callers, self.code, self.placeholder):
            layout.addWidget(widget)
        self.show_stack((), self._text_of)

    def show_stack(self, stack: Sequence[Source], text_of: Callable[[str], str | None], nothing: str = "") -> None:
        """Show the innermost line of a stack; `text_of` gives a file's text. Without lines it says `nothing`."""
        if stack and list(stack) == list(self._stack):
            return
        self._stack, self._text_of = list(stack), text_of
        self.callers.clear()
        for source in self._stack:
            where = f"{PurePath(source.file).name}:{source.line}"
            self.callers.addItem(f"{where}   {source.function}" if source.function else where)
        self.callers.setVisible(bool(self._stack))
        if self._stack:
            self._show_row(0)
        else:
            self._file = ""
            self._say(nothing or "Select an operation to see the line of your program that ran it.")

    def set_theme(self, theme: Theme) -> None:
        """Write in other colours."""
        self.code.set_theme(theme)

    def _show_row(self, row: int) -> None:
        source = self._stack[row]
        self.callers.setToolTip(source.file)
        if source.file != self._file:
            text = self._text_of(source.file)
            if text is None:
                self._file = ""
                self._say(f"{source}\n\nThe text of this file is not in the trace.")
                return
            self._file = source.file
            self.code.setPlainText(text)
        self.placeholder.hide()
        self.code.show()
        self.code.go_to(source.line)

    def _say(self, text: str) -> None:
        self.code.hide()
        self.placeholder.setText(text)
        self.placeholder.show()


class CodeView(QPlainTextEdit):
    """Read-only Python text with line numbers and one line highlighted."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("code")
        self.setReadOnly(True)
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.theme, self.line = theme, 0
        self._margin = _Margin(self)
        self._colors = PythonColors(self.document(), theme)
        self.updateRequest.connect(lambda rect, dy: self._margin.update())
        self.blockCountChanged.connect(lambda count: self._make_room())
        self._make_room()

    def go_to(self, line: int) -> None:
        """Highlight a line, counted from 1, and bring it to the middle."""
        self.line = line
        cursor = QTextCursor(self.document().findBlockByNumber(max(0, line - 1)))
        self.setTextCursor(cursor)
        self.centerCursor()
        self._highlight()

    def set_theme(self, theme: Theme) -> None:
        """Write in other colours."""
        self.theme = theme
        self._colors.set_theme(theme)
        self._highlight()
        self._margin.update()

    def _highlight(self) -> None:
        chosen = QTextEdit.ExtraSelection()
        chosen.cursor = QTextCursor(self.document().findBlockByNumber(max(0, self.line - 1)))
        background = QColor(self.theme.accent)
        background.setAlpha(46)
        format_ = QTextCharFormat()
        format_.setBackground(background)
        format_.setProperty(QTextFormat.Property.FullWidthSelection, True)
        chosen.format = format_
        self.setExtraSelections([chosen])

    def margin_width(self) -> int:
        """Room for the numbers of the lines, in pixels."""
        return self.fontMetrics().horizontalAdvance("9") * max(3, len(str(self.blockCount()))) + 20

    def _make_room(self) -> None:
        self.setViewportMargins(self.margin_width(), 0, 0, 0)

    def paint_numbers(self, painter: QPainter) -> None:
        """Write the numbers of the lines that show."""
        painter.setFont(self.font())
        block = self.firstVisibleBlock()
        while block.isValid():
            rect = self.blockBoundingGeometry(block).translated(self.contentOffset())
            if rect.top() > self.viewport().height():
                return
            number = block.blockNumber() + 1
            painter.setPen(QColor(self.theme.accent if number == self.line else self.theme.muted))
            place = QRect(0, round(rect.top()), self._margin.width() - 10, round(rect.height()))
            painter.drawText(place, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), str(number))
            block = block.next()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        inside = self.contentsRect()
        self._margin.setGeometry(QRect(inside.left(), inside.top(), self.margin_width(), inside.height()))


class _Margin(QWidget):
    """Where the numbers of the lines stand."""

    def __init__(self, code: CodeView) -> None:
        super().__init__(code)
        self._code = code

    def sizeHint(self) -> QSize:
        return QSize(self._code.margin_width(), 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        self._code.paint_numbers(QPainter(self))


class PythonColors(QSyntaxHighlighter):
    """Colours Python's keywords, strings, numbers and comments."""

    def __init__(self, document: QTextDocument, theme: Theme) -> None:
        super().__init__(document)
        self._theme = theme

    def set_theme(self, theme: Theme) -> None:
        """Colour anew."""
        self._theme = theme
        self.rehighlight()

    def highlightBlock(self, text: str) -> None:
        theme = self._theme
        colors = {"comment": theme.muted, "string": theme.ok, "number": theme.warning}
        for match in _WORDS.finditer(text):
            kind = match.lastgroup or ""
            color = colors.get(kind, theme.accent if keyword.iskeyword(match[0]) else "")
            if color:
                self.setFormat(match.start(), match.end() - match.start(), QColor(color))
