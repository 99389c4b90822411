"""Finding, themes, help: what concerns the window as a whole, as declared actions."""

import platform
from typing import TYPE_CHECKING

import PySide6
from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QMessageBox

from graphreel.gui.actions import action
from graphreel.gui.icons import app_pixmap
from graphreel.gui.panels.palette import ShortcutSheet
from graphreel.gui.views import Selection
from graphreel.render import DARK, LIGHT

if TYPE_CHECKING:
    from graphreel.gui.window import Window


class WindowCommands(QObject):
    """What concerns the window as a whole."""

    def __init__(self, window: "Window") -> None:
        super().__init__(window)
        self.window = window

    @property
    def has_graph(self) -> bool:
        """Whether a graph is on screen."""
        return self.window.session.graph is not None

    @action(
        "select.find",
        text="Find…",
        keys="Ctrl+F",
        menu="Select",
        icon="search",
        when="has_graph",
        tip="Find operations by op, name, scope, shape, attribute or source line",
    )
    def find(self) -> None:
        """Open the find bar."""
        self.window.place_find()
        self.window.find_bar.enter()

    @action("select.next-hit", text="Next hit", keys="F3", menu="Select", when="has_graph")
    def next_hit(self) -> None:
        """Go to the next of what was found."""
        self.window.find_bar.walk(1)

    @action("select.previous-hit", text="Previous hit", keys="Shift+F3", menu="Select", when="has_graph")
    def previous_hit(self) -> None:
        """Go to the previous of what was found."""
        self.window.find_bar.walk(-1)

    @action(
        "select.nothing",
        text="Select nothing",
        keys="Esc",
        menu="Select",
        section=True,
        tip="Cancel what runs; else end the search; else select nothing",
    )
    def nothing(self) -> None:
        """Get out of whatever one is in, one thing at a time."""
        window = self.window
        if window.job_status.isVisible():
            window.jobs.cancel()
        elif window.find_bar.isVisible():
            window.find_bar.leave()
        else:
            window.session.select(Selection())

    @property
    def is_dark(self) -> bool:
        """Whether the dark theme is on."""
        return self.window.theme.dark

    @action(
        "view.theme",
        text="Dark theme",
        keys="Ctrl+Shift+D",
        menu="View",
        icon="theme",
        checked="is_dark",
        tip="Switch between the light and the dark theme",
        section=True,
    )
    def switch_theme(self) -> None:
        """Light becomes dark, and dark light; remembered."""
        theme = LIGHT if self.is_dark else DARK
        self.window.settings.theme = theme.name
        self.window.set_theme(theme)

    @property
    def is_animated(self) -> bool:
        """Whether pictures move into one another."""
        return self.window.settings.animated

    @action(
        "view.animated",
        text="Animate changes",
        menu="View",
        checked="is_animated",
        tip="Let boxes move to their new places and the picture glide, where the system allows movement",
    )
    def switch_animated(self) -> None:
        """On becomes off, and off on; remembered."""
        self.window.settings.animated = self.window.canvas.animated = not self.is_animated

    @action(
        "help.palette",
        text="Command palette…",
        keys=("Ctrl+K", "Ctrl+Shift+P"),
        menu="Help",
        icon="command",
        tip="Find any command by typing a part of its name",
    )
    def palette(self) -> None:
        """Open the command palette."""
        self.window.palette_.enter()

    @action("help.shortcuts", text="Keyboard shortcuts…", keys="Ctrl+/", menu="Help")
    def shortcuts(self) -> None:
        """Show all shortcuts."""
        sheet = ShortcutSheet(self.window.actions_, self.window)
        sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sheet.open()

    @action("help.about", text="About Graphreel…", menu="Help", section=True)
    def about(self) -> None:
        """Show the version, and those of what it stands on."""
        from importlib.metadata import version

        box = QMessageBox(self.window)
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setWindowTitle("About Graphreel")
        box.setIconPixmap(app_pixmap(64))
        box.setText(f"<b>Graphreel {version('graphreel')}</b>")
        box.setInformativeText(
            "The debugger for computation graphs: record, replay, compare and export what a model really did.\n\n"
            f"Python {platform.python_version()}, PySide6 {PySide6.__version__}. Apache-2.0."
        )
        box.open()
