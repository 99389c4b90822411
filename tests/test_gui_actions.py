"""Actions: declared once, found everywhere."""

import pytest
from PySide6.QtCore import QObject
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QLabel, QMenu, QWidget
from pytestqt.qtbot import QtBot

from graphreel.gui.actions import MENUS, Actions, action, key_text
from graphreel.gui.frame import TOOLS
from graphreel.gui.panels.palette import ShortcutSheet, matching
from graphreel.gui.window import Window
from tests import gui_support

pytestmark = gui_support.OFFSCREEN_NOISE
window = pytest.fixture(gui_support.window)


class Lamp(QObject):
    """Something with actions."""

    def __init__(self) -> None:
        super().__init__()
        self.on, self.broken = False, False

    @property
    def works(self) -> bool:
        """Whether it can be switched."""
        return not self.broken

    @action("lamp.switch", text="Switch the lamp…", keys=("L", "Ctrl+L"), menu="View", when="works", checked="on")
    def switch(self) -> None:
        """On or off."""
        self.on = not self.on

    @action("lamp.break", text="Break the lamp")
    def smash(self) -> None:
        """For good."""
        self.broken = True


def test_a_declared_method_becomes_an_action(qtbot: QtBot) -> None:
    widget, lamp = QWidget(), Lamp()
    qtbot.addWidget(widget)
    actions = Actions(widget)
    actions.register(lamp)
    actions.refresh()
    assert [declared.name for declared in actions] == ["lamp.switch", "lamp.break"]
    actions["lamp.switch"].trigger()
    assert lamp.on
    assert actions["lamp.switch"].isChecked()
    actions["lamp.break"].trigger()
    assert not actions["lamp.switch"].isEnabled()
    assert [made.text() for _, made in actions.of_menu("View")] == ["Switch the lamp…"]


def test_what_registers_can_unregister(qtbot: QtBot) -> None:
    widget, lamp = QWidget(), Lamp()
    qtbot.addWidget(widget)
    actions = Actions(widget)
    actions.register(lamp)
    with pytest.raises(ValueError, match=r"lamp\.switch"):
        actions.register(Lamp())
    actions.unregister(lamp)
    assert list(actions) == []
    assert widget.actions() == []
    actions.register(Lamp())


def test_every_action_of_the_window_has_a_place_and_a_key_of_its_own(window: Window) -> None:
    seen: dict[str, str] = {}
    for declared in window.actions_:
        assert declared.menu in MENUS
        assert declared.text
        for keys in declared.keys:
            assert not QKeySequence(keys).isEmpty(), f"{declared.name}: Qt does not know the key {keys}"
            written = QKeySequence(keys).toString()
            assert written not in seen, f"{declared.name} and {seen[written]} share {written}"
            seen[written] = declared.name


def test_menus_and_toolbar_hold_the_declared_actions(window: Window) -> None:
    in_menus = {
        made.objectName()
        for menu in window.menuBar().findChildren(QMenu)
        for made in menu.actions()
        if made.objectName()
    }
    assert {declared.name for declared in window.actions_} <= in_menus
    assert [made.objectName() for made in window.tools.actions() if made.objectName()] == [
        name for name in TOOLS if name
    ]
    assert all(not made.icon().isNull() for made in window.tools.actions() if made.objectName())


def test_the_palette_matches_words_in_any_order(window: Window) -> None:
    found = [declared.name for declared in window.actions_ if matching(declared, "iteration next")]
    assert found == ["step.next-iteration"]


def test_the_shortcut_sheet_lists_every_key(qtbot: QtBot, window: Window) -> None:
    sheet = ShortcutSheet(window.actions_, window)
    qtbot.addWidget(sheet)
    texts = {label.text() for label in sheet.findChildren(QLabel)}
    for declared in window.actions_:
        if declared.keys:
            assert key_text(declared) in texts
