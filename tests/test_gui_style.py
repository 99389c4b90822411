"""Habits of the gui folder that lint cannot see."""

import inspect
import pkgutil
from collections.abc import Iterator
from importlib import import_module

import pytest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

import graphreel.gui
from graphreel.gui.presenters import Presenter
from graphreel.gui.style import dress, stylesheet
from graphreel.render import DARK, LIGHT, Theme


def classes() -> Iterator[type]:
    for module in pkgutil.walk_packages(graphreel.gui.__path__, "graphreel.gui."):
        for _, kind in inspect.getmembers(import_module(module.name), inspect.isclass):
            if kind.__module__ == module.name:
                yield kind


def test_every_public_method_that_overrides_nothing_says_what_it_does() -> None:
    silent = [
        f"{kind.__module__}.{kind.__qualname__}.{name}"
        for kind in classes()
        for name, member in vars(kind).items()
        if not name.startswith("_")
        and inspect.isfunction(member)
        and not member.__doc__
        and not any(name in vars(base) for base in kind.__mro__[1:])
        # A presenter's calls are documented where the protocol declares them.
        and not (issubclass(kind, Presenter) and hasattr(Presenter, name))
        and not kind.__qualname__.startswith("_")
    ]
    assert silent == []


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_qt_understands_the_style_sheet(qtbot: QtBot, qapp: QApplication, theme: Theme) -> None:
    """Qt warns of what it cannot parse, and a warning fails the test."""
    dress(qapp, theme)
    widget = QWidget()
    qtbot.addWidget(widget)
    widget.ensurePolished()
    assert "{" in stylesheet(theme)
    assert "None" not in stylesheet(theme)
    assert qapp.font().family() == "Graphreel Inter"
