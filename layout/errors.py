"""What can go wrong in a layout. It is never the user's mistake."""

from typing import Self

from graphreel.graph import GraphreelError


class LayoutBug(GraphreelError):
    """A layout that breaks one of its own promises."""

    @classmethod
    def of(cls, what: str, cases: int = 1) -> Self:
        """Name what is broken, and how often."""
        times = "" if cases == 1 else f" ({cases} times)"
        return cls(f"layout bug, please report: {what}{times}")
