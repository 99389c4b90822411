"""What a keyframe keeps of tensors while the program prepares its run, when it is open where its loop begins.

What an operation has made by then may turn out to enter the loop from outside. So it is copied when it is taken, and
anew after it was written; not while it is only filled part by part.
"""

from collections.abc import Iterator

from torch import Tensor

from graphreel.capture.torch.keyframes_collect import Kept
from graphreel.capture.torch.keyframes_memory import Memory
from graphreel.capture.torch.keyframes_writes import memory_of
from graphreel.tracefile.tensors import TensorView


class Early:
    """Which copies can be spared again, and which tensors wait to be copied."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._spare: dict[int, None] = {}
        self._waiting: dict[int, dict[int, int]] = {}

    def wrote(self, tensor: Tensor) -> None:
        """A tensor was written, so that its memory is no longer what was copied."""
        where = memory_of(tensor)
        if where:
            self._memory.outdate(tensor.untyped_storage())
            self._waiting.pop(where, None)

    def waits(self, tensor: Tensor, number: int, event: int) -> None:
        """An event takes a tensor that need not be copied yet: it only looks at its memory, or writes it."""
        self._waiting.setdefault(memory_of(tensor), {}).setdefault(number, event)

    def take_waiting(self) -> Iterator[tuple[int, int]]:
        """The numbers of the tensors that wait and the events that took them; none waits any more."""
        waiting, self._waiting = self._waiting, {}
        for found in waiting.values():
            yield from found.items()

    def copied(self, before: int) -> None:
        """Rows from this one on are of tensors that operations made, most of which never enter."""
        self._spare |= dict.fromkeys(range(before, len(self._memory)))

    def used(self, row: int) -> None:
        """A row is what a tensor is that is taken now."""
        if row in self._spare:
            del self._spare[row]
            self._spare[row] = None

    def needed(self, kept: Kept) -> None:
        """A tensor from outside is kept with rows that so cannot be spared."""
        for row in _rows(kept):
            self._spare.pop(row, None)

    def let_go(self, limit: int, *, again: bool) -> None:
        """Let go of rows down to so many bytes, the longest unused first; `again`, if they may be copied again."""
        while self._spare and self._memory.nbytes > limit:
            row = next(iter(self._spare))
            del self._spare[row]
            self._memory.drop(row, again=again)

    def is_gone(self, kept: Kept) -> bool:
        """Whether some of the rows of what was kept were let go."""
        return any(map(self._memory.is_gone, _rows(kept)))

    def forget(self) -> None:
        """All was let go."""
        self._spare.clear()
        self._waiting.clear()


def _rows(kept: Kept) -> Iterator[int]:
    """The rows of a view and of its parts."""
    if isinstance(kept, TensorView):
        if kept.storage >= 0:
            yield kept.storage
        for part in kept.parts.values():
            yield from _rows(part)
