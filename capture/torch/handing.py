"""Hands passes over to the writer, the last one late: what stands at its end may be the program's last words."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from graphreel.capture.torch.convert import Converter
from graphreel.capture.torch.log import PassLog
from graphreel.capture.torch.stacks import Stacks, source_text
from graphreel.tracefile.model import IterationRecord, Status


class Writer(Protocol):
    """Where iterations go: `TraceWriter`, or what a test looks into."""

    def put(self, record: Callable[[], IterationRecord], index: int) -> None:
        """Take an iteration; the callable makes it, on a thread of the writer's own."""
        ...

    def add_source(self, file: str, text: str) -> None:
        """Take the text of a source file."""
        ...

    def abandon(self) -> None:
        """Forget everything, in a forked child."""
        ...


class Handing:
    """Gives passes to the writer, with the source files that they point at.

    Attributes:
        count: How many iterations went to the writer.
        convert: Makes iterations of passes, on the writer's thread.
    """

    def __init__(self, writer: Writer, stacks: Stacks) -> None:
        self.count = 0
        self._writer, self._stacks = writer, stacks
        self.convert = Converter(stacks.lines)
        self._held: tuple[PassLog, int] | None = None

    def take(self, log: PassLog, index: int) -> None:
        """Take a pass that ended. It is held back where it may turn out that the program ends with it."""
        for file in self._stacks.take_new_files():
            text = source_text(file)
            if text is not None:
                self._writer.add_source(file, text)
        self.release()
        self._held = log, index
        if log.loose is None or log.status is not Status.COMPLETE:
            self.release()

    def put(self, record: Callable[[], IterationRecord], index: int) -> None:
        """Take an iteration that was not noted down as a whole."""
        self.release()
        self.count += 1
        self._writer.put(record, index)

    def release(self) -> None:
        """The program goes on, so what is held back is whole."""
        if self._held is not None:
            (log, index), self._held = self._held, None
            self.count += 1
            self._writer.put(partial(self.convert, log), index)

    def forget_last_words(self) -> None:
        """The program does not go on after what is held back."""
        if self._held is not None and self._held[0].loose is not None:
            self._held[0].forget_from(self._held[0].loose)
