"""How wide a text is, and what to show of it where room is short. From a table: no font engine, the same everywhere."""

import re
import unicodedata
from functools import lru_cache

from graphreel.assets import width_table

LONGEST = 2000
"""Characters of a text that are looked at; what is beyond could not be seen in any box."""

_WIDE_EM, _OTHER_EM = 1000, 650
_SLACK = 0.01
# Control characters, lone surrogates, marks that turn the direction of what follows, and non-characters.
_UNSHOWN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_SPACES = re.compile(r"\s+")


def one_line(text: str) -> str:
    """The text as a box can show it: one line, control characters as U+FFFD, at most LONGEST characters."""
    text = text[:LONGEST].strip()
    if text.isascii() and text.isprintable() and "  " not in text:
        return text
    return _UNSHOWN.sub("\ufffd", _SPACES.sub(" ", text))


def text_width(text: str, size: float, weight: int = 400) -> float:
    """The width of a line in pixels, set in the bundled font at `size` pixels in weight 400 or 600.

    Characters that the font lacks count as one em where they are East Asian wide or emoji, else as 0.65 em.
    """
    return _em_width(text, weight) * size / 1000


@lru_cache(maxsize=1 << 16)
def _em_width(text: str, weight: int) -> int:
    table = width_table()[weight]
    return sum(table[code] if (code := ord(character)) in table else _guess(character) for character in text)


@lru_cache(maxsize=1 << 12)
def _guess(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return _WIDE_EM if unicodedata.east_asian_width(character) in "WF" else _OTHER_EM


def shorten(text: str, room: float, size: float, weight: int = 400, *, middle: bool = False) -> str:
    """As much of the text as `room` pixels hold, with `…` for what is left out at the end or in the middle.

    Empty where there is not even room for the `…`.
    """
    if text_width(text, size, weight) <= room + _SLACK:
        return text
    low, high = 0, len(text) - 1
    while low < high:
        kept = (low + high + 1) // 2
        if text_width(_with_gap(text, kept, middle), size, weight) <= room + _SLACK:
            low = kept
        else:
            high = kept - 1
    short = _with_gap(text, low, middle)
    return short if text_width(short, size, weight) <= room + _SLACK else ""


def _with_gap(text: str, kept: int, middle: bool) -> str:
    tail = kept // 2 if middle else 0
    head = text[: kept - tail].rstrip()
    return f"{head}…{text[len(text) - tail :].lstrip() if tail else ''}"
