"""Small helpers for making widgets."""

from typing import TypeVar

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QSize
from PySide6.QtWidgets import QToolButton

Named = TypeVar("Named", bound=QObject)

Index = QModelIndex | QPersistentModelIndex
"""What Qt hands a model as the place of an item."""


def named(thing: Named, name: str) -> Named:
    """Give an object the name that the style sheet, or a saved layout, knows it by."""
    thing.setObjectName(name)
    return thing


def tool_button(tip: str, text: str = "") -> QToolButton:
    """A flat button with an icon of 16 pixels or a text; the tip is also what a screen reader says."""
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setAccessibleName(text or tip)
    button.setIconSize(QSize(16, 16))
    return button
