"""What can be wrong with a file or a program that is to be captured, each built by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from graphreel.graph import GraphreelError


class CaptureError(GraphreelError):
    """Something that Graphreel was asked to open or record, and cannot."""


class UnreadableFile(CaptureError):
    """A path that leads to no file with anything in it."""

    @classmethod
    def missing(cls, path: Path) -> Self:
        """Nothing is there."""
        return cls(f"{path}: there is no such file")

    @classmethod
    def folder(cls, path: Path, accepted: Sequence[str]) -> Self:
        """A folder is there."""
        return cls(f"{path}: this is a folder; name a file in it: {_either(accepted)}")

    @classmethod
    def special(cls, path: Path) -> Self:
        """A pipe or a device is there, which might never end."""
        return cls(f"{path}: this is not a regular file; copy what it holds into a file and open that")

    @classmethod
    def empty(cls, path: Path) -> Self:
        """The file has no bytes."""
        return cls(f"{path}: the file is empty; write or copy it again")

    @classmethod
    def refused(cls, path: Path, error: OSError) -> Self:
        """The operating system does not let it be read."""
        return cls(f"{path}: cannot be read: {error.strerror or error}")


class UnknownFile(CaptureError):
    """A file that no source knows how to read."""

    @classmethod
    def named(cls, path: Path, accepted: Sequence[str]) -> Self:
        """Say what would be accepted."""
        return cls(f"{path}: not a kind of file that Graphreel reads; it reads {_either(accepted)}")


class BrokenFile(CaptureError):
    """A file of a known kind whose content does not follow that kind's rules."""

    @classmethod
    def of_kind(cls, path: Path, kind: str, *reasons: str) -> Self:
        """Say what the file was taken for, what is wrong, and what may help."""
        return cls(f"{path}: not a valid {kind}: {', '.join(reasons)}")


def _either(accepted: Sequence[str]) -> str:
    return " or ".join(accepted)
