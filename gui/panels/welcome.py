"""The welcome page: what one can begin with when nothing is open."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from graphreel.gui.icons import app_pixmap, icon
from graphreel.gui.widgets import named
from graphreel.render import Theme

_PATH = Qt.ItemDataRole.UserRole


class WelcomePage(QWidget):
    """Recent files, a button to open one, and the demo.

    Signals:
        open_asked: The user wants to choose a file.
        demo_asked: The user wants the demo, or, while it is being recorded, to stop it.
        recent_asked: The path of a recent file that the user wants.
    """

    open_asked = Signal()
    demo_asked = Signal()
    recent_asked = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("welcome")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.sign = QLabel()
        self.sign.setPixmap(app_pixmap(72))
        self.open_button = named(QPushButton("Open a file…"), "primary")
        self.open_button.clicked.connect(self.open_asked)
        self.demo_button = QPushButton("Record the demo")
        self.demo_button.clicked.connect(self.demo_asked)
        self.progress = QProgressBar(textVisible=False, maximum=0)
        self.progress.hide()
        self.note = named(QLabel(wordWrap=True), "lead")
        self.recent_title = named(QLabel("RECENT FILES"), "heading")
        self.recent = QListWidget()
        self.recent.setAccessibleName("Recent files")
        self.recent.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.recent.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.recent.itemActivated.connect(lambda item: self.recent_asked.emit(item.data(_PATH)))
        self.recent.itemClicked.connect(lambda item: self.recent_asked.emit(item.data(_PATH)))
        self._lay_out()
        self.set_theme(theme)

    def _lay_out(self) -> None:
        lead = QLabel(
            "The debugger for computation graphs. Open a recording (.reel) or a model (.onnx, .pt2, .pt), drop a file "
            "here, or record the demo, a small transformer that trains.",
            wordWrap=True,
        )
        lead.setObjectName("lead")
        buttons = QHBoxLayout()
        buttons.setSpacing(10)
        buttons.addWidget(self.open_button)
        buttons.addWidget(self.demo_button)
        buttons.addStretch(1)
        column = QWidget()
        column.setFixedWidth(560)
        inside = QVBoxLayout(column)
        inside.setSpacing(14)
        for label in (self.sign, named(QLabel("Graphreel"), "hero"), lead):
            inside.addWidget(label)
        inside.addSpacing(6)
        inside.addLayout(buttons)
        below: tuple[QWidget, ...] = (self.progress, self.note, self.recent_title, self.recent)
        for widget in below:
            inside.addWidget(widget)
        across = QHBoxLayout()
        across.addStretch(1)
        across.addWidget(column)
        across.addStretch(1)
        whole = QVBoxLayout(self)
        whole.addStretch(2)
        whole.addLayout(across)
        whole.addStretch(3)

    def show_recent(self, paths: Sequence[Path]) -> None:
        """List the recent files; without any, the list is not there."""
        self.recent.clear()
        for path in paths:
            item = QListWidgetItem(icon("file", self._theme.muted), f"{path.name}   {path.parent}")
            item.setData(_PATH, path)
            item.setToolTip(str(path))
            self.recent.addItem(item)
        self.recent_title.setVisible(bool(paths))
        self.recent.setVisible(bool(paths))
        self.recent.setFixedHeight(max(1, self.recent.sizeHintForRow(0)) * min(len(paths), 7) + 8 if paths else 0)

    def show_recording(self, line: str | None) -> None:
        """Show that the demo is being recorded, with the last line it wrote; None: it is not."""
        self.progress.setVisible(line is not None)
        self.note.setText(line or "")
        self.note.setVisible(bool(line))
        self.demo_button.setText("Record the demo" if line is None else "Stop recording")

    def set_theme(self, theme: Theme) -> None:
        """Draw in other colours."""
        self._theme = theme
        self.open_button.setIcon(icon("open", theme.on_accent))
        self.demo_button.setIcon(icon("play", theme.accent))
        for button in (self.open_button, self.demo_button):
            button.setIconSize(QSize(18, 18))
        self.show_recent([self.recent.item(row).data(_PATH) for row in range(self.recent.count())])
        self.show_recording(None if self.progress.isHidden() else self.note.text())
