"""How long work tells how far it is. Known to every folder, because a reader, a layout and a search all take long."""

from typing import Protocol


class Progress(Protocol):
    """How long work tells how far it is, and hears that it should stop."""

    def step(self, done: int, total: int) -> None:
        """Report progress; raises Cancelled where the caller lost interest."""
        ...


class Cancelled(Exception):
    """The work was stopped because its result is no longer wanted."""


class Unwatched:
    """Progress that nobody looks at and nobody cancels."""

    def step(self, done: int, total: int) -> None:
        """Do nothing."""
