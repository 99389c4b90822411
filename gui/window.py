"""The main window: puts session, canvas, panels and commands together. What they do stands with them."""

from pathlib import Path

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QResizeEvent
from PySide6.QtWidgets import QApplication, QLabel, QMainWindow, QMenu, QStackedWidget, QTreeView, QVBoxLayout, QWidget

from graphreel.gui import frame
from graphreel.gui.actions import Actions
from graphreel.gui.canvas import Canvas
from graphreel.gui.canvas_presenter import CanvasPresenter
from graphreel.gui.commands import CanvasCommands, StepCommands
from graphreel.gui.demo import DemoRecorder
from graphreel.gui.file_commands import FileCommands
from graphreel.gui.follow import Follower
from graphreel.gui.icons import app_icon
from graphreel.gui.jobs import Jobs
from graphreel.gui.looks import Looks, LooksPresenter
from graphreel.gui.navigation import Navigation
from graphreel.gui.numbers import NumbersPresenter
from graphreel.gui.panels.find import FindBar
from graphreel.gui.panels.findings import FindingsPanel
from graphreel.gui.panels.inspector import InspectorPanel
from graphreel.gui.panels.message import MessageBar
from graphreel.gui.panels.outline_model import OutlineModel
from graphreel.gui.panels.palette import CommandPalette
from graphreel.gui.panels.source import SourcePanel
from graphreel.gui.panels.strip import IterationStrip
from graphreel.gui.panels.welcome import WelcomePage
from graphreel.gui.presenters import (
    FindingsPresenter,
    FindPresenter,
    InspectorPresenter,
    OutlinePresenter,
    SourcePresenter,
    StripPresenter,
)
from graphreel.gui.session import Session
from graphreel.gui.settings import Settings
from graphreel.gui.style import dress
from graphreel.gui.window_commands import WindowCommands
from graphreel.gui.window_presenter import WindowPresenter
from graphreel.render import Theme


class Window(QMainWindow):
    """One session in one window.

    Attributes:
        session: What is open.
        numbers: Whole values that were asked for.
        actions_: Every action, by name.
        canvas, strip, outline, inspector, source, findings, find_bar, palette_, message, welcome: The widgets.
    """

    def __init__(self, settings: Settings, theme: Theme) -> None:
        super().__init__()
        self.settings, self.theme = settings, theme
        self.setWindowTitle("Graphreel")
        self.setWindowIcon(app_icon())
        self.setAcceptDrops(True)
        self.resize(QSize(1440, 900).boundedTo(self.screen().availableSize()))
        self.jobs = Jobs(self)
        self.session = Session(self.jobs, self)
        self._make_widgets()
        self._make_docks()
        self._make_actions()
        # Before the presenters, which hide the panels while nothing is open.
        self._restore()
        self._make_presenters()
        self.set_theme(theme)

    def _make_widgets(self) -> None:
        theme = self.theme
        self.canvas = Canvas(theme)
        self.canvas.animated = self.settings.animated
        self.strip, self.inspector, self.source = IterationStrip(theme), InspectorPanel(theme), SourcePanel(theme)
        self.findings = FindingsPanel()
        self.model = OutlineModel(self)
        self.outline = QTreeView(headerHidden=True, uniformRowHeights=True, expandsOnDoubleClick=False)
        self.outline.setIndentation(14)
        self.outline.setModel(self.model)
        self.outline.setAccessibleName("Outline")
        self.outline.header().setStretchLastSection(False)
        # Of what is in view: asking a thousand rows how wide they are takes long, at each selection anew.
        self.outline.header().setResizeContentsPrecision(0)
        self.outline.header().setSectionResizeMode(0, self.outline.header().ResizeMode.Stretch)
        self.outline.header().setSectionResizeMode(1, self.outline.header().ResizeMode.ResizeToContents)
        self.welcome, self.message = WelcomePage(theme), MessageBar(theme)
        self.find_bar = FindBar(theme, self.canvas)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.welcome)
        self.pages.addWidget(self.canvas)
        centre = QWidget()
        inside = self._middle = QVBoxLayout(centre)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(0)
        inside.addWidget(self.message)
        inside.addWidget(self.pages, 1)
        self.setCentralWidget(centre)
        self.place, self.job_status = QLabel(), frame.JobStatus(self.jobs)
        self.statusBar().setSizeGripEnabled(False)
        self.statusBar().addWidget(self.place)
        self.statusBar().addPermanentWidget(self.job_status)
        self.canvas.installEventFilter(self)

    def _make_docks(self) -> None:
        left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
        self.docks = [
            frame.add_dock(self, left, "iterations", "Iterations", self.strip),
            frame.add_dock(self, left, "outline", "Outline", self.outline),
            frame.add_dock(self, right, "inspector", "Inspector", self.inspector),
            frame.add_dock(self, right, "source", "Source", self.source),
        ]
        below = Qt.DockWidgetArea.BottomDockWidgetArea
        self.findings_dock = frame.add_dock(self, below, "findings", "Findings", self.findings)
        self.resizeDocks([self.findings_dock], [120], Qt.Orientation.Vertical)
        self.resizeDocks(self.docks[:2], [140, 600], Qt.Orientation.Vertical)
        self.resizeDocks(self.docks[2:], [460, 340], Qt.Orientation.Vertical)
        self.resizeDocks([self.docks[0], self.docks[2]], [290, 350], Qt.Orientation.Horizontal)

    def _make_actions(self) -> None:
        self.actions_ = Actions(self)
        self.palette_ = CommandPalette(self.actions_, self)
        self.files = FileCommands(self.session, self)
        self.steps = StepCommands(self.session, self)
        self.looks = CanvasCommands(self.session, self.canvas)
        self.commands = WindowCommands(self)
        self.navigation = Navigation(self.session, self.canvas, self.settings, self)
        self.navigation.add_to(self._middle)
        self.appearance = Looks(self.session, self.canvas, self.settings, self.theme)
        owners = (self.files, self.looks, self.steps, self.commands)
        for owner in (*owners, *self.navigation.commands, *self.appearance.commands):
            self.actions_.register(owner)
        self.recent_menu = QMenu("Open recent", self)
        self.panels_menu = QMenu("Panels", self)
        for dock in (*self.docks, self.findings_dock):
            self.panels_menu.addAction(dock.toggleViewAction())
        frame.fill_menus(self, self.actions_, {"File": [self.recent_menu], "View": [self.panels_menu]})
        self.tools = frame.fill_toolbar(self, self.actions_)
        self.appearance.add_to(self.tools, self.actions_)
        self.session.state_changed.connect(self.actions_.refresh)

    def _make_presenters(self) -> None:
        session = self.session
        self.demo = DemoRecorder(self)
        self.numbers = NumbersPresenter(session, self)
        self.presenters = [
            StripPresenter(session, self.strip),
            OutlinePresenter(session, self.outline, self.model),
            self.numbers,
            InspectorPresenter(session, self.inspector, self.numbers),
            SourcePresenter(session, self.source),
            FindingsPresenter(session, self.findings, self.findings_dock),
            FindPresenter(session, self.find_bar),
            CanvasPresenter(session, self.canvas),
            LooksPresenter(session, self.appearance.corner),
            Follower(session, self),
            WindowPresenter(session, self),
        ]
        self.navigation.follow()
        self.actions_.refresh()

    def set_theme(self, theme: Theme) -> None:
        """Put everything in a theme, at once and while it runs."""
        self.theme = self.files.theme = theme
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        dress(application, theme)
        frame.set_icons(self.actions_, theme)
        self.appearance.set_theme(theme)
        for widget in (self.canvas, self.strip, self.inspector, self.source, self.find_bar, self.message, self.welcome):
            widget.set_theme(theme)

    def open(self, path: Path) -> None:
        """Open a file in this window."""
        self.session.open(path)

    def place_find(self) -> None:
        """Keep the find bar at the canvas' upper right corner."""
        self.find_bar.fit(self.canvas.width() - 28)
        self.find_bar.move(self.canvas.width() - self.find_bar.width() - 14, 14)

    def _restore(self) -> None:
        self.restoreGeometry(self.settings.geometry)
        self.restoreState(self.settings.docks)

    def eventFilter(self, watched: object, event: QEvent) -> bool:
        if watched is self.canvas and event.type() == QEvent.Type.Resize:
            self.place_find()
        return False

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.palette_.hide()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        files = [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]
        if files:
            event.acceptProposedAction()
            self.open(Path(files[0]))

    def closeEvent(self, event: QCloseEvent) -> None:
        self.settings.geometry = self.saveGeometry()
        if self.session.trace is not None:  # on the welcome page the docks are hidden, and shall not stay so
            self.settings.docks = self.saveState()
        self.demo.stop()
        self.session.close()
        # Last, for closing the session may have begun one more: the end of a process.
        self.jobs.close()
        super().closeEvent(event)
