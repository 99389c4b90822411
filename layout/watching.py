"""Loops that hear in time that their result is no longer wanted, however large the group is."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from graphreel.graph import Progress

_Item = TypeVar("_Item")

_BETWEEN = 4096


def watched(items: Iterable[_Item], progress: Progress) -> Iterator[_Item]:
    """The items, with a look at the progress every few thousand of them: every few milliseconds."""
    for number, item in enumerate(items):
        if number % _BETWEEN == 0:
            progress.step(0, 0)
        yield item
