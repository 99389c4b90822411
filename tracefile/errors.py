"""What can be wrong with a trace file, each built by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from graphreel.graph.errors import GraphreelError


class TraceError(GraphreelError):
    """A trace that cannot be read or written."""


class NotATrace(TraceError):
    """A file that is no `.reel`."""


class NewerTrace(TraceError):
    """A `.reel` of a version that this Graphreel does not know yet."""


class DamagedTrace(TraceError):
    """A `.reel` of which nothing can be read."""


class CannotWrite(TraceError):
    """A path that cannot be written, or a disk that is full."""


class UnknownIteration(TraceError):
    """The iteration that was asked for is not in the trace."""

    @classmethod
    def in_trace(cls, index: int, path: Path, known: Sequence[int]) -> Self:
        """Say which iterations there are."""
        if not known:
            return cls(f"{path}: there is no iteration {index}; this trace holds none")
        span = f"{known[0]}" if len(known) == 1 else f"{known[0]} to {known[-1]}"
        return cls(f"{path}: there is no iteration {index}; there are {len(known)}, numbered {span}")
