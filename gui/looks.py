"""What the picture shows of a graph, put together: colours and legend, lines in boxes, what is hidden."""

import numpy as np
from PySide6.QtWidgets import QMenu, QToolBar, QToolButton

from graphreel.gui.actions import Actions
from graphreel.gui.canvas import Canvas
from graphreel.gui.hide_commands import HideCommands
from graphreel.gui.icons import icon
from graphreel.gui.look_commands import COLOURS, ColourCommands, LineCommands
from graphreel.gui.panels.corner import Corner
from graphreel.gui.presenters import Presenter
from graphreel.gui.session import Session
from graphreel.gui.settings import Settings
from graphreel.gui.text import count_text
from graphreel.gui.widgets import tool_button
from graphreel.render import Theme

_LISTED = 20
"""Hidden operations that the bar's tooltip names."""


class Looks:
    """What belongs to one canvas.

    Attributes:
        commands: What can be done, as owners of declared actions.
        button: The toolbar's button for colours.
    """

    def __init__(self, session: Session, canvas: Canvas, settings: Settings, theme: Theme) -> None:
        self.corner = Corner(theme, canvas)
        self.hides = HideCommands(session, canvas)
        self.commands = (self.hides, ColourCommands(session, canvas), LineCommands(session, settings, canvas))
        self.button: QToolButton = tool_button("Colour boxes by op, scope, time, memory …")
        self.button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.corner.hidden.all_asked.connect(self.hides.show_all)

    def add_to(self, bar: QToolBar, actions: Actions) -> None:
        """Put the button for colours into the toolbar, before the search."""
        menu = QMenu(self.button)
        for declared in actions:
            if declared.submenu == COLOURS:
                if declared.section:
                    menu.addSeparator()
                menu.addAction(actions[declared.name])
        self.button.setMenu(menu)
        before = next((each for each in bar.actions() if each.objectName() == "select.find"), None)
        if before is not None:
            bar.insertWidget(before, self.button)

    def set_theme(self, theme: Theme) -> None:
        """Draw in other colours."""
        self.corner.legend.set_theme(theme)
        self.button.setIcon(icon("colour", theme.text))


class LooksPresenter(Presenter):
    """Keeps the legend and the bar of what is hidden."""

    def __init__(self, session: Session, corner: Corner) -> None:
        super().__init__(session, corner)
        self.corner = corner
        session.picture_changed.connect(self._tell)

    def _tell(self) -> None:
        scene = self.session.scene
        self.corner.legend.show_legend(None if scene is None else scene.legend)
        gone = np.zeros(0, np.intp) if scene is None else np.flatnonzero(scene.view.node_box < 0)
        if scene is not None and len(gone):
            said = "" if self.session.choices.kept is None else "; edges to them are left out"
            nodes = map(scene.view.graph.node, gone[:_LISTED].tolist())
            names = [f"{node.op}  {node.scope.path}" for node in nodes]
            more = [f"and {len(gone) - _LISTED:,} more"] if len(gone) > _LISTED else []
            self.corner.hidden.say(f"{count_text(len(gone), 'operation')} hidden{said}", "\n".join([*names, *more]))
        else:
            self.corner.hidden.say("")
        self.corner.place()
