"""Reads one JSON object from a stream without ever holding all of it: its members, and one array's entries one by one.

PyTorch's profiles are hundreds of megabytes in one array. The standard library's decoder is written in C and can begin
anywhere in a text, so it decodes entry by entry from a window of a few megabytes.
"""

import re
from collections.abc import Iterator
from json import JSONDecodeError, JSONDecoder
from typing import Any, Protocol

WINDOW = 1 << 20
"""Characters that are read at a time."""
LONGEST = 1 << 26
"""Characters that a single entry may have."""

_SPACE = re.compile(r"[ \t\r\n]*")


class CutOff(Exception):
    """The text ends in the middle."""


class Malformed(Exception):
    """The text is no JSON, or not of the shape that is read here."""


class TextReader(Protocol):
    """Where the text comes from: a file opened as text."""

    def read(self, size: int, /) -> str:
        """At most so many characters, none at the end."""
        ...


class JsonStream:
    """A cursor over a text of JSON.

    Attributes:
        entries: How many entries of arrays were given so far.
    """

    def __init__(self, text: TextReader) -> None:
        self.entries = 0
        self._text = text
        self._window = ""
        self._at = 0
        self._ended = False
        self._dropped = 0
        # Floats stay text: microseconds since the epoch with three decimals do not fit a float.
        self._decoder = JSONDecoder(parse_float=str, parse_constant=_no_number, strict=False)

    def members(self, streamed: str) -> Iterator[tuple[str, Any]]:
        """Names and values of the object; that of `streamed` is an iterator, to be used up before the next.

        Raises CutOff and Malformed.
        """
        self._expect("{")
        if self._accept("}"):
            return
        while True:
            name = self._value()
            if not isinstance(name, str):
                raise Malformed(f"a name was expected at {self._place()}")
            self._expect(":")
            if name == streamed and self._peek() == "[":
                yield name, self._entries()
            else:
                yield name, self._value()
            if self._accept("}"):
                return
            self._expect(",")

    def _entries(self) -> Iterator[Any]:
        self._expect("[")
        if self._accept("]"):
            return
        while True:
            entry = self._value()
            self.entries += 1
            yield entry
            if self._accept("]"):
                return
            self._expect(",")

    def _value(self) -> Any:
        self._peek()
        wanted = WINDOW
        while True:
            try:
                value, end = self._decoder.raw_decode(self._window, self._at)
            except JSONDecodeError as error:
                cut = error.pos >= len(self._window) - 8 or error.msg.startswith("Unterminated")
                if not cut:
                    raise Malformed(f"{_lower(error.msg)} at {self._place(error.pos)}") from None
                if self._ended:
                    raise CutOff from None
            except RecursionError:
                raise Malformed(f"nested too deeply at {self._place()}") from None
            except ValueError as error:
                # An integer of more digits than Python converts.
                raise Malformed(f"{error} at {self._place()}") from None
            else:
                # A number at the end of the window may go on after it.
                if end < len(self._window) or self._ended:
                    self._at = end
                    return value
            if len(self._window) - self._at > LONGEST:
                raise Malformed(f"an entry of over {LONGEST >> 20} MB begins at {self._place()}")
            self._more(wanted)
            wanted *= 2

    def _peek(self) -> str:
        """The next character that is no space."""
        while True:
            found = _SPACE.match(self._window, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._window):
                return self._window[self._at]
            if self._ended:
                raise CutOff
            self._more(WINDOW)

    def _accept(self, character: str) -> bool:
        if self._peek() != character:
            return False
        self._at += 1
        return True

    def _expect(self, character: str) -> None:
        if not self._accept(character):
            raise Malformed(f"{character!r} was expected at {self._place()}")

    def _more(self, size: int) -> None:
        added = self._text.read(size)
        self._ended = not added
        self._window, self._dropped, self._at = self._window[self._at :] + added, self._dropped + self._at, 0

    def _place(self, at: int | None = None) -> str:
        place = f"character {self._dropped + (self._at if at is None else at)}"
        return f"{place}, after entry {self.entries}" if self.entries else place


def _no_number(_: str) -> None:
    """NaN and Infinity, which are no JSON, are taken for null."""


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
