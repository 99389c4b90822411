"""Loops that hear in time that their result is no longer wanted, however large the group is."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import TypeVar

from graphreel.graph import Progress

_Item = TypeVar("_Item")

_BETWEEN = 4096


def watched(items: Iterable[_Item], progress: Progress, every: int = _BETWEEN) -> Iterator[_Item]:
    """The items, with a look at the progress every so many of them: every few milliseconds."""
    return chain.from_iterable(_batches(items, progress, every))


def _batches(items: Iterable[_Item], progress: Progress, every: int) -> Iterator[list[_Item]]:
    # A generator that hands out one item at a time would take a twentieth of the time of a layout.
    remaining = iter(items)
    while batch := list(islice(remaining, every)):
        progress.step(0, 0)
        yield batch
