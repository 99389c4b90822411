"""What can be wrong with a trace file, each built by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from graphreel.graph import GraphreelError


def one_line(text: object) -> str:
    """The text without line breaks: SQLite's messages quote what they complain of."""
    return " ".join(str(text).split())


class TraceError(GraphreelError):
    """A trace that cannot be read or written."""

    @classmethod
    def after_close(cls, path: Path) -> Self:
        """Something was asked of a trace that was let go of already."""
        return cls(f"{path}: the trace is closed; open it again")

    @classmethod
    def replaced(cls, path: Path) -> Self:
        """A new recording took the place of the one that was opened."""
        return cls(f"{path}: another recording has taken its place; open it again")

    @classmethod
    def unreadable(cls, path: Path, reason: str) -> Self:
        """The system does not let us read the file."""
        return cls(f"{path}: cannot be read: {one_line(reason)}")


class NotATrace(TraceError):
    """A file that is no `.reel`."""

    @classmethod
    def missing(cls, path: Path) -> Self:
        """There is nothing at the path."""
        return cls(f"{path}: there is no such file; make one with: graphreel record -o run.reel script.py")

    @classmethod
    def empty(cls, path: Path) -> Self:
        """The file has no bytes."""
        return cls(f"{path}: the file is empty; its recording ended before it began, so record again")

    @classmethod
    def other(cls, path: Path, what: str) -> Self:
        """The file is something else; `what` says what is known of it."""
        return cls(f"{path}: not a trace, but {what}; traces are .reel files, made by: graphreel record")


class NewerTrace(TraceError):
    """A `.reel` of a version that this Graphreel does not know yet."""

    @classmethod
    def version(cls, path: Path, found: int, known: int) -> Self:
        """Say both versions and how to get the newer Graphreel."""
        return cls(
            f"{path}: written in version {found} of the trace format, and this Graphreel reads up to {known}; "
            "update with: pip install -U graphreel"
        )


class DamagedTrace(TraceError):
    """A `.reel` of which nothing can be read, or not what was asked for."""

    @classmethod
    def whole(cls, path: Path, reason: str) -> Self:
        """Nothing of it can be read."""
        return cls(f"{path}: the trace is damaged and nothing of it can be read: {one_line(reason)}; record it again")

    @classmethod
    def cut_off(cls, path: Path) -> Self:
        """Bytes are missing at its end, and nothing of the rest can be read."""
        return cls(
            f"{path}: the trace is damaged and nothing of it can be read: the file is cut off; "
            "if it is a copy, copy it again"
        )

    @classmethod
    def part(cls, path: Path, what: str, reason: str) -> Self:
        """One part of it cannot be read; the rest may."""
        return cls(f"{path}: {what} is damaged: {one_line(reason)}")


class CannotShow(TraceError):
    """A recorded tensor that is no plain array."""

    @classmethod
    def layout(cls, layout: str, parts: Sequence[str]) -> Self:
        """It is laid out in some other way than by strides."""
        instead = f"; look at its parts: {', '.join(parts)}" if parts else ""
        return cls(f"a tensor of the layout {layout} cannot be shown as an array{instead}")

    @classmethod
    def dtype(cls, dtype: str) -> Self:
        """NumPy has nothing that its elements could be."""
        return cls(
            f"a tensor of the dtype {dtype} cannot be shown as an array of numbers; convert it before it is kept"
        )

    @classmethod
    def size(cls, shape: Sequence[int]) -> Self:
        """It repeats its elements more often than an array can have elements."""
        return cls(f"a tensor of the shape {list(shape)} is too large for an array; look at a part of it")


class CannotWrite(TraceError):
    """A path that cannot be written, or a disk that is full."""

    @classmethod
    def at(cls, path: Path, reason: str) -> Self:
        """The recording cannot begin."""
        return cls(f"{path}: cannot be written: {reason}")

    @classmethod
    def not_ours(cls, path: Path) -> Self:
        """The file that stands there is no trace, and is not ours to destroy."""
        return cls(f"{path}: holds something other than a trace and is left as it is; choose another name or remove it")

    @classmethod
    def in_use(cls, path: Path) -> Self:
        """Another recording goes into the same file."""
        return cls(f"{path}: another recording is being written into this file; choose another name")

    @classmethod
    def stopped(cls, path: Path, reason: str, kept: int) -> Self:
        """The recording ended early; `kept` iterations are safe in the file."""
        return cls(f"{path}: the recording stopped: {reason}; the {kept} iterations before are kept")

    @classmethod
    def lost(cls, path: Path, lost: Sequence[str]) -> Self:
        """Some iterations could not be written; `lost` says of each which and why."""
        more = f" (and {len(lost) - 1} more were lost)" if len(lost) > 1 else ""
        return cls(f"{path}: {lost[0]}{more}; the others are kept")


class ReachedLimit(CannotWrite):
    """The file is as large as it may be: the recording ended as it was asked to."""


class UnknownIteration(TraceError):
    """The iteration that was asked for is not in the trace."""

    @classmethod
    def in_trace(cls, index: int, path: Path, known: Sequence[int]) -> Self:
        """Say which iterations there are."""
        if not known:
            return cls(f"{path}: there is no iteration {index}; this trace holds none")
        span = f"{known[0]}" if len(known) == 1 else f"{known[0]} to {known[-1]}"
        return cls(f"{path}: there is no iteration {index}; there are {len(known)}, numbered {span}")
