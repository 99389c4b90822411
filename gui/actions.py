"""Actions: declared once, beside their code; menus, toolbar, shortcut sheet and command palette are made from them.

`@action("step.next", text="Next operation", keys="F10", menu="Step")` marks a method; `Actions.register(owner)` makes
the QAction of every marked method of an object.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QWidget

Method = TypeVar("Method", bound=Callable[..., None])

MENUS = ("File", "View", "Go", "Step", "Select", "Help")
"""The menus in the order they stand in the menu bar."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is known of an action before there is a window.

    Attributes:
        name: The stable name, such as `step.next`.
        text: What menus and palette say.
        keys: Shortcuts, as Qt writes them.
        menu: The menu it stands in; empty for none.
        tip: One sentence for the status bar and the tooltip.
        icon: The icon's name; empty for none.
        when: The name of a method or property of the owner that says whether it can be done now.
        checked: The name of a property of the owner that says whether it is on; for actions that switch.
        section: Whether a line sets it off from what stands above it in the menu.
        within: The name of the widget that has to have the focus for the shortcuts; empty for any in the window.
            For keys that other widgets have a use of their own for.
        submenu: The menu within that menu in which it stands; empty for the menu itself.
    """

    name: str
    text: str
    keys: tuple[str, ...] = ()
    menu: str = ""
    tip: str = ""
    icon: str = ""
    when: str = ""
    checked: str = ""
    section: bool = False
    within: str = ""
    submenu: str = ""


def action(
    name: str,
    *,
    text: str,
    keys: str | tuple[str, ...] = (),
    menu: str = "",
    tip: str = "",
    icon: str = "",
    when: str = "",
    checked: str = "",
    section: bool = False,
    within: str = "",
    submenu: str = "",
) -> Callable[[Method], Method]:
    """Declare a method an action; see `Declaration` for the arguments."""
    shortcuts = (keys,) if isinstance(keys, str) else tuple(keys)
    declaration = Declaration(name, text, shortcuts, menu, tip, icon, when, checked, section, within, submenu)

    def mark(method: Method) -> Method:
        method.__dict__["action"] = declaration
        return method

    return mark


def declarations(kind: type) -> Iterator[tuple[str, Declaration]]:
    """The marked methods of a class by their names, in the order they are written."""
    for known in reversed(kind.__mro__):
        for name, member in vars(known).items():
            declared = getattr(member, "__dict__", {}).get("action")
            if isinstance(declared, Declaration):
                yield name, declared


class Actions:
    """All actions of a window, by name, in the order they were registered."""

    def __init__(self, window: QWidget) -> None:
        self._window = window
        self._actions: dict[str, QAction] = {}
        self._declared: dict[str, Declaration] = {}
        self._owners: dict[str, Any] = {}

    def __getitem__(self, name: str) -> QAction:
        return self._actions[name]

    def __iter__(self) -> Iterator[Declaration]:
        return iter(self._declared.values())

    def register(self, owner: QObject) -> None:
        """Make the QActions of an object's marked methods; the window gets their shortcuts."""
        for method, declared in declarations(type(owner)):
            if declared.name in self._actions:
                raise ValueError(f"two actions are named {declared.name!r}")
            self._actions[declared.name] = self._made(declared, getattr(owner, method))
            self._declared[declared.name] = declared
            self._owners[declared.name] = owner

    def unregister(self, owner: QObject) -> None:
        """Take an object's actions away again."""
        for name in [known for known, its in self._owners.items() if its is owner]:
            made = self._actions.pop(name)
            for widget in made.associatedObjects():
                if isinstance(widget, QWidget):
                    widget.removeAction(made)
            made.deleteLater()
            del self._declared[name], self._owners[name]

    def refresh(self) -> None:
        """Ask every owner anew what can be done now, and what is on."""
        for name, declared in self._declared.items():
            owner, made = self._owners[name], self._actions[name]
            if declared.when:
                made.setEnabled(_holds(owner, declared.when))
            if declared.checked:
                made.setChecked(_holds(owner, declared.checked))

    def of_menu(self, menu: str) -> Iterator[tuple[Declaration, QAction]]:
        """The actions of one menu, in the order they were registered."""
        return ((declared, self._actions[declared.name]) for declared in self if declared.menu == menu)

    def _made(self, declared: Declaration, method: Callable[[], None]) -> QAction:
        made = QAction(declared.text, self._window)
        made.setObjectName(declared.name)
        made.setShortcuts([QKeySequence(keys) for keys in declared.keys])
        widget = self._window.findChild(QWidget, declared.within) if declared.within else self._window
        every, one = Qt.ShortcutContext.WindowShortcut, Qt.ShortcutContext.WidgetShortcut
        made.setShortcutContext(one if declared.within else every)
        shown = f"{declared.tip or declared.text.rstrip('…')}"
        made.setStatusTip(shown)
        made.setToolTip(f"{shown} ({key_text(declared)})" if declared.keys else shown)
        made.setCheckable(bool(declared.checked))

        def run(checked: bool = False) -> None:
            method()
            self.refresh()

        made.triggered.connect(run)
        if widget is not None:
            widget.addAction(made)
        return made


def key_text(declared: Declaration) -> str:
    """The shortcuts as people read them: `F10`, `Ctrl+K or Ctrl+Shift+P`."""
    return " or ".join(QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText) for keys in declared.keys)


def _holds(owner: Any, name: str) -> bool:
    found = getattr(owner, name)
    return bool(found() if callable(found) else found)
