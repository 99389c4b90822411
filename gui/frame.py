"""Builds the window's frame: menus and toolbar from the declared actions, docks, status bar."""

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QDockWidget,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMenu,
    QProgressBar,
    QToolBar,
    QWidget,
)

from graphreel.gui.actions import MENUS, Actions
from graphreel.gui.icons import icon
from graphreel.gui.jobs import Jobs
from graphreel.gui.style import disabled
from graphreel.gui.widgets import named, tool_button
from graphreel.render import Theme

TOOLS = (
    "file.open",
    "file.export",
    "",
    "step.first",
    "step.previous",
    "step.next",
    "step.last",
    "",
    "view.fit",
    "view.selection",
    "view.expand",
    "view.collapse",
    "",
    "select.find",
    "help.palette",
    "view.theme",
)
"""The toolbar's actions; an empty name is a line between them."""


def fill_menus(window: QMainWindow, actions: Actions, extra: dict[str, Sequence[QMenu]]) -> None:
    """Make every menu from the actions that name it; `extra` menus stand below the first action of theirs."""
    for name in MENUS:
        menu = window.menuBar().addMenu(name)
        within: dict[str, QMenu] = {"": menu}
        for row, (declared, made) in enumerate(actions.of_menu(name)):
            target = within.get(declared.submenu) or within.setdefault(declared.submenu, menu.addMenu(declared.submenu))
            if declared.section and target.actions():
                target.addSeparator()
            target.addAction(made)
            if row == 0:
                for inner in extra.get(name, ()):
                    menu.addMenu(inner)


def fill_toolbar(window: QMainWindow, actions: Actions) -> QToolBar:
    """Make the toolbar."""
    bar = named(QToolBar("Tools", window, movable=False), "tools")
    bar.setIconSize(QSize(20, 20))
    bar.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
    for name in TOOLS:
        if name:
            bar.addAction(actions[name])
        else:
            bar.addSeparator()
    window.addToolBar(bar)
    return bar


def set_icons(actions: Actions, theme: Theme) -> None:
    """Give the actions their icons in a theme's colours."""
    for declared in actions:
        if declared.icon:
            actions[declared.name].setIcon(icon(declared.icon, theme.text, disabled(theme)))
            actions[declared.name].setIconVisibleInMenu(False)


def add_dock(window: QMainWindow, area: Qt.DockWidgetArea, name: str, title: str, widget: QWidget) -> QDockWidget:
    """Put a panel into a dock of its own."""
    dock = named(QDockWidget(title, window), name)
    dock.setTitleBarWidget(named(QLabel(title.upper()), "docktitle"))
    dock.setFeatures(QDockWidget.DockWidgetFeature.DockWidgetClosable)
    dock.setWidget(widget)
    window.addDockWidget(area, dock)
    return dock


class JobStatus(QWidget):
    """In the status bar: what runs, how far it is, and a button that cancels it."""

    def __init__(self, jobs: Jobs) -> None:
        super().__init__()
        self._jobs = jobs
        self.title, self.bar = QLabel(), QProgressBar(textVisible=False)
        self.bar.setFixedWidth(140)
        self.cancel = tool_button("Stop this (Esc)", "Cancel")
        # Without an argument: `clicked` would hand on that the button is not checked.
        self.cancel.clicked.connect(lambda *_: jobs.cancel())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 6, 0)
        for widget in (self.title, self.bar, self.cancel):
            row.addWidget(widget)
        jobs.changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the oldest job that has run long enough to be noticed."""
        slow = [job for job in self._jobs.running if job.age_ms > _NOTICED_MS and job.tag != "follow"]
        self.setVisible(bool(slow))
        if slow:
            self.title.setText(f"{slow[0].title}…")
            self.bar.setRange(0, slow[0].total)
            self.bar.setValue(slow[0].done)


_NOTICED_MS = 250
"""Work that is done sooner would only make the status bar flicker."""
