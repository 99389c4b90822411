"""What one finds one's way with on the canvas: walking, selecting, places visited, hover, minimap, breadcrumbs."""

from PySide6.QtWidgets import QVBoxLayout, QWidget

from graphreel.gui.canvas import Canvas
from graphreel.gui.choosing import Choosing
from graphreel.gui.crumbs_presenter import CrumbPresenter
from graphreel.gui.history import History
from graphreel.gui.hovering import Hovering
from graphreel.gui.minimap_presenter import MinimapPresenter
from graphreel.gui.select_commands import SelectCommands
from graphreel.gui.session import Session
from graphreel.gui.settings import Settings
from graphreel.gui.walk_commands import WalkCommands


class Navigation:
    """What belongs to one canvas.

    Attributes:
        commands: What can be done, as owners of declared actions.
    """

    def __init__(self, session: Session, canvas: Canvas, settings: Settings, window: QWidget) -> None:
        self.hovering = Hovering(session, canvas)
        self.choosing = Choosing(session, canvas)
        self.history = History(session, canvas)
        self.walks = WalkCommands(session, canvas, self.hovering)
        self.selects = SelectCommands(session, window)
        self.crumbs = CrumbPresenter(session, canvas)
        self.minimap = MinimapPresenter(session, canvas, settings)
        self.commands = (self.history, self.walks, self.crumbs, self.selects, self.minimap)
        self.choosing.turned.connect(self.history.turn)

    def add_to(self, above_the_canvas: QVBoxLayout) -> None:
        """Put the breadcrumbs where they belong: above the last thing in a layout."""
        above_the_canvas.insertWidget(above_the_canvas.count() - 1, self.crumbs.bar)

    def follow(self) -> None:
        """Hear of pictures from now on; to be called when the canvas hears of them already."""
        for part in (self.history, self.crumbs, self.minimap):
            part.follow()
