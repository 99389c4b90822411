"""What boxes are coloured by and what they say, as declared actions: one for each thing there is to choose."""

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject

from graphreel.gui.actions import action
from graphreel.gui.session import Session
from graphreel.gui.settings import Settings
from graphreel.render import COLOUR_BY, LINES
from graphreel.render.colouring import ColourBy

COLOURS, IN_BOXES = "Colour by", "Show in boxes"
"""The submenus."""
_BY_ITSELF = ColourBy("", "What it does")


class ColourCommands(QObject):
    """What boxes are coloured by."""

    def __init__(self, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self.session = session

    @property
    def has_graph(self) -> bool:
        """Whether a graph is on screen."""
        return self.session.graph is not None

    def colour_by(self, name: str) -> None:
        """Colour boxes by this; by what they are where it is empty, or is what they are coloured by already."""
        now = self.session.choices.colour_by
        self.session.choose(replace(self.session.choices, colour_by="" if name == now else name))


class LineCommands(QObject):
    """What boxes say of their nodes; remembered."""

    def __init__(self, session: Session, settings: Settings, parent: QObject) -> None:
        super().__init__(parent)
        self.session, self.settings = session, settings
        session.choose(replace(session.choices, lines=settings.lines & LINES.keys()))

    def switch(self, name: str) -> None:
        """Let boxes say this, or no longer."""
        choices = replace(self.session.choices, lines=self.session.choices.lines ^ {name})
        self.settings.lines = choices.lines
        self.session.choose(choices)


def _declare_colours() -> None:
    for each in (_BY_ITSELF, *COLOUR_BY.values()):
        name = each.name or "op-class"

        def choose(self: ColourCommands, name: str = each.name) -> None:
            self.colour_by(name)

        def is_on(self: ColourCommands, name: str = each.name) -> bool:
            return self.session.choices.colour_by == name

        said = f"Colour by {each.text[0].lower() + each.text[1:]}" if each.name else "Colour by class of operation"
        section = each.name in ("op", "time", "nan")
        _declare(ColourCommands, f"colour.{name}", said, choose, is_on, submenu=COLOURS, section=section)


def _declare_lines() -> None:
    for name, text in LINES.items():

        def switch(self: LineCommands, name: str = name) -> None:
            self.switch(name)

        def is_on(self: LineCommands, name: str = name) -> bool:
            return name in self.session.choices.lines

        said = f"Show in boxes: {text[0].lower() + text[1:]}"
        _declare(LineCommands, f"line.{name}", said, switch, is_on, submenu=IN_BOXES, section=name == "name")


def _declare(
    owner: type[QObject],
    name: str,
    text: str,
    method: Callable[..., None],
    is_on: Callable[..., bool],
    *,
    submenu: str,
    section: bool,
) -> None:
    """Give a class a method that is an action, and the property that says whether it is on."""
    method.__doc__ = f"{text}, or no longer."
    plain = name.replace(".", "_").replace("-", "_")
    when = "has_graph" if hasattr(owner, "has_graph") else ""
    declared = action(name, text=text, checked=f"is_{plain}", when=when, menu="View", submenu=submenu, section=section)
    setattr(owner, plain, declared(method))
    setattr(owner, f"is_{plain}", property(is_on, doc=f"Whether this is on: {text}."))


_declare_colours()
_declare_lines()
