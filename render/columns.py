"""Columns of texts that are not all made at once: a picture has hundreds of thousands, and few are ever read."""

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from graphreel.graph.types import IntColumn


class _Column(Sequence[str]):
    """What texts by number have in common with a tuple of texts."""

    def _text(self, row: int) -> str:
        raise NotImplementedError

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> tuple[str, ...]: ...
    def __getitem__(self, row: int | slice) -> str | tuple[str, ...]:
        if isinstance(row, slice):
            return tuple(map(self._text, range(*row.indices(len(self)))))
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        return self._text(int(row) % len(self))

    def __iter__(self) -> Iterator[str]:
        return map(self._text, range(len(self)))


class OnDemand(_Column):
    """Texts that are made whenever they are asked for; row i is `make(i)`."""

    def __init__(self, count: int, make: Callable[[int], str]) -> None:
        self._count, self._text_of = count, make

    def __len__(self) -> int:
        return self._count

    def _text(self, row: int) -> str:
        return self._text_of(row)


class Repeated(_Column):
    """Texts of which many are alike; row i is `distinct[which[i]]`."""

    def __init__(self, distinct: Sequence[str], which: IntColumn) -> None:
        self.distinct, self.which = distinct, which

    def __len__(self) -> int:
        return len(self.which)

    def _text(self, row: int) -> str:
        text: str = self.distinct[self.which[row]]
        return text

    def __iter__(self) -> Iterator[str]:
        return map(self.distinct.__getitem__, self.which.tolist())
