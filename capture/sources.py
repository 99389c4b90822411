"""Opens any file that Graphreel reads: one interface, one registry, guessed from the first bytes.

Nothing here knows a format: each source does, and a framework is imported only by the source that reads the file.
"""

import os
import stat
from pathlib import Path
from typing import Protocol

from graphreel.capture.errors import CaptureError, UnknownFile, UnreadableFile
from graphreel.capture.onnx.source import OnnxSource
from graphreel.capture.torchfile.errors import ForeignArchive
from graphreel.capture.torchfile.source import TorchFileSource
from graphreel.graph import Progress, Unwatched
from graphreel.tracefile import Trace, is_reel, open_reel

HEAD_BYTES = 128


class Source(Protocol):
    """Reads one kind of file as a trace."""

    @property
    def kind(self) -> str:
        """What the file is called, for people: "a .reel trace"."""
        ...

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The endings such files usually have, in lower case."""
        ...

    def accepts(self, head: bytes, name: str) -> bool:
        """Whether the first bytes of the file, which is called `name`, are those of this kind."""
        ...

    def read(self, path: Path, progress: Progress) -> Trace:
        """The trace in the file; raises CaptureError or TraceError, in one line that names the file."""
        ...


class ReelSource:
    """Graphreel's own recordings."""

    kind = "a .reel trace"
    suffixes = (".reel",)

    def accepts(self, head: bytes, name: str) -> bool:
        """By the database's magic number, whatever the name."""
        return is_reel(head)

    def read(self, path: Path, progress: Progress) -> Trace:
        """Open it; iterations are read when they are asked for."""
        return open_reel(path)


SOURCES: tuple[Source, ...] = (ReelSource(), OnnxSource(), TorchFileSource())


def open_trace(path: Path, progress: Progress | None = None) -> Trace:
    """Open a file as a trace, whatever its kind.

    The first bytes decide; only where no source knows them does the name's ending, so that a broken file is
    reported as a broken one of its kind. Raises CaptureError (UnreadableFile, UnknownFile, BrokenFile), GraphError
    (MissingExtra) or TraceError, each one line that names the file and what to do.
    """
    source = identify(path)
    try:
        return source.read(path, progress or Unwatched())
    except ForeignArchive as error:
        raise UnknownFile.named(path, accepted_kinds()) from error
    except OSError as error:
        raise UnreadableFile.refused(path, error) from error


def identify(path: Path) -> Source:
    """The source that reads a file, by its first bytes; raises UnreadableFile or UnknownFile."""
    source = _source_of(_head(path), path)
    if source is None:
        raise UnknownFile.named(path, accepted_kinds())
    return source


def accepted_kinds() -> list[str]:
    """What can be opened, for messages and file dialogs: "a .reel trace"."""
    return [source.kind for source in SOURCES]


def _head(path: Path) -> bytes:
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise UnreadableFile.folder(path, accepted_kinds())
        # Before it is opened, since opening a pipe waits for somebody to write into it.
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableFile.special(path)
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError as error:
        raise UnreadableFile.missing(path) from error
    except OSError as error:
        raise UnreadableFile.refused(path, error) from error
    except ValueError as error:
        # A path with a zero byte in it.
        raise UnreadableFile.missing(Path(os.fspath(path).replace("\0", "\\0"))) from error
    if not head:
        raise UnreadableFile.empty(path)
    return head


def _source_of(head: bytes, path: Path) -> Source | None:
    for source in SOURCES:
        if source.accepts(head, path.name):
            return source
    return next((source for source in SOURCES if path.name.lower().endswith(source.suffixes)), None)


__all__ = ["SOURCES", "CaptureError", "Source", "accepted_kinds", "open_trace"]
