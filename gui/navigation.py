"""What one finds one's way with on the canvas: walking, selecting, places visited, hover, minimap, breadcrumbs."""

from PySide6.QtWidgets import QWidget

from graphreel.gui.canvas import Canvas
from graphreel.gui.choosing import Choosing
from graphreel.gui.history import History
from graphreel.gui.hovering import Hovering
from graphreel.gui.select_commands import SelectCommands
from graphreel.gui.session import Session
from graphreel.gui.walk_commands import WalkCommands


class Navigation:
    """What belongs to one canvas.

    Attributes:
        commands: What can be done, as owners of declared actions.
    """

    def __init__(self, session: Session, canvas: Canvas, window: QWidget) -> None:
        self.hovering = Hovering(session, canvas)
        self.choosing = Choosing(session, canvas)
        self.history = History(session, canvas)
        self.walks = WalkCommands(session, canvas, self.hovering)
        self.selects = SelectCommands(session, window)
        self.commands = (self.history, self.walks, self.selects)
        self.choosing.turned.connect(self.history.turn)

    def follow(self) -> None:
        """Hear of pictures from now on; to be called when the canvas hears of them already."""
        self.history.follow()
