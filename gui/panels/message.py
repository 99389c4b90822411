"""The message bar: one clear line above the canvas, with details for who wants them. It never asks to be answered."""

import traceback

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from graphreel.graph import GraphreelError
from graphreel.gui.icons import icon, pixmap
from graphreel.gui.widgets import named, tool_button
from graphreel.render import Theme
from graphreel.tracefile import TraceError


class MessageBar(QFrame):
    """Shows one message until it is dismissed or another takes its place."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("message")
        self.theme, self.level = theme, "info"
        self._sign = QLabel()
        self.line = QLabel(wordWrap=True, textInteractionFlags=Qt.TextInteractionFlag.TextSelectableByMouse)
        self.line.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        self.more = tool_button("Show all that is known of this", "Details")
        self.more.setCheckable(True)
        self.dismiss = tool_button("Dismiss")
        self.details = named(QPlainTextEdit(readOnly=True), "details")
        self.details.setFixedHeight(160)
        self.more.toggled.connect(self.details.setVisible)
        self.dismiss.clicked.connect(self.clear)
        row = QHBoxLayout()
        row.setContentsMargins(14, 7, 8, 7)
        row.setSpacing(10)
        for widget in (self._sign, self.line, self.more, self.dismiss):
            row.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)
        row.setStretch(1, 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addLayout(row)
        whole.addWidget(self.details)
        self.clear()

    def say(self, line: str, *, level: str = "info", details: str = "") -> None:
        """Show a line; `level` is `info`, `warning` or `error`, `details` is shown on demand."""
        self.level = level
        self.line.setText(line)
        self.details.setPlainText(details)
        self.more.setVisible(bool(details))
        self.more.setChecked(False)
        self.details.hide()
        self.setProperty("level", level)
        self.set_theme(self.theme)
        self.style().unpolish(self)
        self.style().polish(self)
        self.show()

    def say_error(self, error: Exception) -> None:
        """Show an exception in its own words; one that is not ours is worded as the bug it is."""
        trace = "".join(traceback.format_exception(error))
        if isinstance(error, (GraphreelError, TraceError, OSError)):
            self.say(str(error), level="error", details=trace if error.__cause__ else "")
        else:
            line = f"bug in Graphreel, please report: {type(error).__name__}: {error}"
            self.say(line.splitlines()[0], level="error", details=trace)

    def clear(self) -> None:
        """Show nothing."""
        self.line.clear()
        self.hide()

    def set_theme(self, theme: Theme) -> None:
        """Draw in other colours."""
        self.theme = theme
        color = {"error": theme.error, "warning": theme.warning}.get(self.level, theme.accent)
        self._sign.setPixmap(pixmap("info" if self.level == "info" else "warning", color, 18))
        self.dismiss.setIcon(icon("close", theme.muted))
