"""Many texts as one array of bytes, in which a piece is found in all of them at once.

A graph of 100,000 nodes has 300,000 names; to look at each of them in Python takes a tenth of a second a letter.
"""

import re
from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

BoolColumn = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]

_END = 10
"""Between two texts: a line break, which none of them holds."""
_BOUND = r"[./:,\s]"
"""What divides a text into parts that a pattern with wildcards can match."""


class Texts:
    """Texts in which pieces are looked for, without regard to case."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._count = len(texts)
        whole = "\n".join(texts)
        if whole.count("\n") != max(len(texts) - 1, 0):
            whole = "\n".join(text.replace("\n", " ") for text in texts)
        self._whole = f"{whole.casefold()}\n".encode("utf-8", "surrogatepass")
        self._bytes = np.frombuffer(self._whole, dtype=np.uint8)
        self._last: tuple[str, BoolColumn] | None = None

    @cached_property
    def _start(self) -> Rows:
        """Where each text begins, and where the one behind the last would."""
        return np.concatenate([[0], np.flatnonzero(self._bytes == _END) + 1])

    @cached_property
    def _often(self) -> Rows:
        """How often each byte occurs."""
        return np.bincount(self._bytes, minlength=256)

    def __getitem__(self, row: int) -> str:
        return self._whole[self._start[row] : self._start[row + 1] - 1].decode("utf-8", "surrogatepass")

    def __len__(self) -> int:
        return self._count

    def holding(self, piece: str) -> BoolColumn:
        """Which texts hold a piece."""
        # One word is looked for in op, name, value and attributes one after the other.
        if self._last is None or self._last[0] != piece:
            self._last = piece, self._marked(self._places(piece))
        return self._last[1].copy()

    def beginning(self, piece: str) -> BoolColumn:
        """Which texts begin with a piece."""
        places = self._places(piece)
        return self._marked(places[(places == 0) | (self._bytes[places - 1] == _END)])

    def ending(self, piece: str) -> BoolColumn:
        """Which texts end with a piece."""
        places = self._places(piece)
        after = places + len(piece.encode("utf-8", "surrogatepass"))
        return self._marked(places[self._bytes[after] == _END])

    def being(self, text: str) -> BoolColumn:
        """Which texts are this one."""
        found = self.beginning(text) & self.ending(text)
        rows = np.flatnonzero(found)
        found[rows] = [self[row] == text for row in rows.tolist()]
        return found

    def like(self, pattern: str, among: BoolColumn | None = None) -> BoolColumn:
        """Which texts match a pattern with `*` and `?`, as a whole or with whole parts of theirs.

        Parts are what stands between `.`, `/`, `:`, `,` and spaces: `*mm` is like `aten.addmm.default`.
        """
        found = np.ones(self._count, dtype=bool) if among is None else among.copy()
        for piece in re.split(r"[*?]+", pattern):
            if piece:
                found &= self.holding(piece)
        matches = compiled(pattern).search
        rows = np.flatnonzero(found)
        found[rows] = [matches(self[row]) is not None for row in rows.tolist()]
        return found

    def _marked(self, places: Rows) -> BoolColumn:
        if len(places) > self._count // 8:
            marks = np.zeros(len(self._bytes), dtype=bool)
            marks[places] = True
            return np.logical_or.reduceat(marks, self._start[:-1])[: self._count]
        found = np.zeros(self._count, dtype=bool)
        found[np.searchsorted(self._start, places, side="right") - 1] = True
        return found

    def _places(self, piece: str) -> Rows:
        """Where a piece begins, in bytes: by its rarest byte first, then byte by byte where that stands."""
        if "\n" in piece or not piece:
            return np.zeros(0, dtype=np.intp)
        wanted = np.frombuffer(piece.encode("utf-8", "surrogatepass"), dtype=np.uint8)
        order = np.argsort(self._often[wanted], kind="stable")
        places: Rows = np.flatnonzero(self._bytes == wanted[order[0]]) - order[0]
        places = places[(places >= 0) & (places + len(wanted) <= len(self._bytes))]
        for at in order[1:]:
            places = places[self._bytes[places + at] == wanted[at]]
        return places


@lru_cache(maxsize=64)
def compiled(pattern: str) -> "re.Pattern[str]":
    """What a pattern with wildcards matches. Each piece is found once and for all: no text makes it slow."""
    pieces = [re.escape(piece).replace(r"\?", ".") for piece in re.split(r"\*+", pattern)]
    if len(pieces) == 1:
        body = pieces[0]
    else:
        body = pieces[0] + "".join(f"(?>.*?{piece})" for piece in pieces[1:-1]) + ".*" + pieces[-1]
    return re.compile(rf"(?:^|{_BOUND}){body}(?:$|{_BOUND})", re.DOTALL)
