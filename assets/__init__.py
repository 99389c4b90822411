"""What is shipped beside the code: the font of the interface with its width table, and the icons.

Nothing here imports any other part of Graphreel. Everything is read through importlib.resources, so it is found in a
zip as well.
"""

import json
from functools import cache
from importlib.resources import files
from typing import TypeAlias

WidthTable: TypeAlias = dict[int, dict[int, int]]
"""Advance widths in 1/1000 em, by weight (400, 600) and code point."""

FONT_FAMILY = "Graphreel Inter"
"""The family name that the bundled font files carry."""

_FONT_FILES = {400: "Inter-Regular.ttf", 600: "Inter-SemiBold.ttf"}


@cache
def width_table() -> WidthTable:
    """The widths of the bundled font's characters. There is no kerning: a text is as wide as its characters together.

    Everybody gets the same table; do not change it.
    """
    runs = json.loads(_text("font_widths.json"))
    return {
        int(weight): {first + i: width for first, widths in rows for i, width in enumerate(widths)}
        for weight, rows in runs.items()
    }


def font_file(weight: int) -> bytes:
    """The TrueType file of the bundled font in weight 400 or 600; KeyError for any other."""
    if weight not in _FONT_FILES:
        raise KeyError(f"the bundled font has no weight {weight}; it has {', '.join(map(str, _FONT_FILES))}")
    return (files(__name__) / _FONT_FILES[weight]).read_bytes()


@cache
def icon_names() -> tuple[str, ...]:
    """The names of all icons, sorted."""
    found = (entry.name for entry in (files(__name__) / "icons").iterdir())
    return tuple(sorted(name.removesuffix(".svg") for name in found if name.endswith(".svg")))


def icon(name: str) -> str:
    """The SVG of an icon, drawn on a grid of 20 × 20 in `currentColor`; KeyError where there is none of that name."""
    if name not in icon_names():
        raise KeyError(f"there is no icon {name!r}; there are {', '.join(icon_names())}")
    return _text(f"icons/{name}.svg")


@cache
def _text(name: str) -> str:
    return (files(__name__) / name).read_text(encoding="utf-8")
