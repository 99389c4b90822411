"""The breadcrumbs above the canvas: the scopes around something, each to be clicked, with what stands beside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QEvent, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QMenu, QSizePolicy, QToolButton, QWidget

from graphreel.gui.views import Selection
from graphreel.gui.widgets import named, tool_button

MOST_OFFERED = 100
"""Scopes in one menu; more would not fit a screen."""
_HEIGHT, _MARGIN = 32, 8
_WIDEST = 220
"""Pixels of one part."""
_MOST_PARTS = 40


@dataclass(frozen=True, slots=True)
class Crumb:
    """One part: what it says, in short and in full, and what a click selects.

    Attributes:
        inner: The scope whose content can be chosen from behind this part; None for none.
    """

    text: str
    tip: str
    selection: Selection
    inner: int | None = None


Offer = Callable[[int], tuple[Sequence[tuple[str, Selection]], int]]
"""What stands in a scope, by name, or the first of it, and how much there is."""


class CrumbBar(QFrame):
    """Shows parts in one line; where they do not fit, those in the middle stand in a menu.

    Attributes:
        crumbs: The parts, outermost first.

    Signals:
        picked: What the user wants to see, as a Selection.
        chosen: Likewise, where it was chosen from a menu and may be hidden in a closed scope.
    """

    picked = Signal(object)
    chosen = Signal(object)

    def __init__(self, offer: Offer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("crumbs")
        self.setAccessibleName("Breadcrumbs")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(_HEIGHT)
        self._offer = offer
        self.crumbs: Sequence[Crumb] = ()
        self._parts: list[tuple[QToolButton, QToolButton | None]] = []
        self._more = self._button("More parts", "…")
        self._more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self._more.setMenu(QMenu(self._more))

    def show_crumbs(self, crumbs: Sequence[Crumb]) -> None:
        """Show these parts."""
        if list(crumbs) == list(self.crumbs):
            return
        had_focus = any(part.hasFocus() for part, _ in self._parts)
        self.crumbs = crumbs
        for part, behind in self._parts:
            part.deleteLater()
            part.hide()
            if behind is not None:
                behind.deleteLater()
                behind.hide()
        some = crumbs if len(crumbs) <= _MOST_PARTS else [crumbs[0], *crumbs[1 - _MOST_PARTS :]]
        self._parts = [self._made(crumb, last=crumb is some[-1]) for crumb in some]
        self._arrange()
        if had_focus:
            self.enter()

    def enter(self) -> None:
        """Give the last part the keyboard's focus."""
        if self._parts:
            self._parts[-1][0].setFocus(Qt.FocusReason.ShortcutFocusReason)

    @property
    def visible_texts(self) -> list[str]:
        """What can be read now, from left to right."""
        buttons = [self._more, *(part for part, _ in self._parts)]
        return [each.text() for each in sorted(buttons, key=lambda each: each.x()) if not each.isHidden()]

    def _button(self, tip: str, text: str) -> QToolButton:
        button = tool_button(tip, text)
        button.setParent(self)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button

    def _made(self, crumb: Crumb, *, last: bool) -> tuple[QToolButton, QToolButton | None]:
        metrics = self.fontMetrics()
        part = self._button(crumb.tip, metrics.elidedText(crumb.text, Qt.TextElideMode.ElideMiddle, _WIDEST))
        part.clicked.connect(partial(self._pick, crumb))
        if last and crumb.inner is None:
            return part, None
        behind = named(self._button(f"What is in {crumb.text}", "›"), "behind")
        if crumb.inner is None:
            behind.setEnabled(False)
            return part, behind
        behind.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(behind)
        menu.aboutToShow.connect(partial(self._fill, menu, crumb.inner))
        behind.setMenu(menu)
        return part, behind

    def _pick(self, crumb: Crumb, *_: object) -> None:
        self.picked.emit(crumb.selection)

    def _choose(self, selection: Selection, *_: object) -> None:
        self.chosen.emit(selection)

    def _fill(self, menu: QMenu, scope: int) -> None:
        """Put what is in a scope into a menu, and mark what the breadcrumbs lead through."""
        menu.clear()
        offered, count = self._offer(scope)
        through = {crumb.selection for crumb in self.crumbs}
        for text, selection in offered:
            entry = menu.addAction(text.replace("&", "&&"))
            entry.setCheckable(selection in through)
            entry.setChecked(selection in through)
            entry.triggered.connect(partial(self._choose, selection))
        if count > len(offered):
            menu.addAction(f"and {count - len(offered):,} more").setEnabled(False)

    def _arrange(self) -> None:
        """Place as many parts as there is room for: the first, and as many of the last ones as fit."""
        widths = [self._width(part) + (0 if behind is None else self._width(behind)) for part, behind in self._parts]
        room = self.width() - 2 * _MARGIN
        all_shown = len(self._parts) == len(self.crumbs) and sum(widths) <= room
        first = 0 if all_shown else self._first_shown(widths, room)
        at = _MARGIN
        for row, (part, behind) in enumerate(self._parts):
            shown = all_shown or row == 0 or row >= first
            if row == 1 and not all_shown:
                at = self._place(self._more, at)
            for button in (part, behind):
                if button is not None:
                    button.setVisible(shown)
                    at = self._place(button, at) if shown else at
        self._more.setVisible(not all_shown and len(self._parts) > 1)
        hidden = list(self.crumbs[1 : len(self.crumbs) - len(self._parts) + first]) if not all_shown else []
        menu = self._more.menu()
        menu.clear()
        for crumb in hidden[-MOST_OFFERED:]:
            menu.addAction(crumb.text.replace("&", "&&")).triggered.connect(partial(self._pick, crumb))

    def _first_shown(self, widths: list[int], room: int) -> int:
        """The first of the last parts that fit beside the very first one and the menu."""
        room -= widths[0] + self._width(self._more)
        first = len(widths) - 1
        room -= widths[first]
        while first > 1 and widths[first - 1] <= room:
            first -= 1
            room -= widths[first]
        return first

    def _width(self, button: QToolButton) -> int:
        return 18 if button.objectName() == "behind" else button.sizeHint().width()

    def _place(self, button: QToolButton, at: int) -> int:
        width = self._width(button)
        button.setGeometry(at, 3, width, _HEIGHT - 7)
        return at + width

    def sizeHint(self) -> QSize:
        return QSize(400, _HEIGHT)

    def resizeEvent(self, event: QResizeEvent) -> None:
        if self._parts:
            self._arrange()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.StyleChange, QEvent.Type.FontChange) and self._parts:
            self._arrange()
