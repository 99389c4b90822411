"""The inspector: what is selected, in words, with links to what it is connected with."""

from PySide6.QtCore import QUrl, Signal
from PySide6.QtWidgets import QTextBrowser, QWidget

from graphreel.gui.panels.inspector_text import Inspector
from graphreel.gui.views import Selection, Shown, What
from graphreel.render import Theme


class InspectorPanel(QTextBrowser):
    """Rich text about the selection.

    Signals:
        asked: The user followed a link to this node, scope or value.
    """

    asked = Signal(object)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("inspector")
        self.setOpenLinks(False)
        self.setAccessibleName("Inspector")
        self.document().setDocumentMargin(14)
        self.theme = theme
        self._shown: Shown | None = None
        self._selection = Selection()
        self.anchorClicked.connect(self._follow)

    def show_selection(self, shown: Shown | None, selection: Selection) -> None:
        """Describe what is selected; without an iteration there is nothing to say."""
        self._shown, self._selection = shown, selection
        if shown is None:
            self.setHtml(f'<p style="color:{self.theme.muted}">What you select on the canvas is described here.</p>')
        else:
            self.setHtml(Inspector(shown, self.theme).describe(selection))

    def set_theme(self, theme: Theme) -> None:
        """Write in other colours."""
        self.theme = theme
        self.show_selection(self._shown, self._selection)

    def _follow(self, link: QUrl) -> None:
        what, _, number = link.toString().partition(":")
        self.asked.emit(Selection(What(what), int(number)))
