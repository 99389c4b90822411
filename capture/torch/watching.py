"""Which watches a pass gets, and several of them as one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from graphreel.capture.options import RecordOptions
from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.watch import Watch


@dataclass(frozen=True, slots=True)
class Watches:
    """Tells several watches what one would hear."""

    all: tuple[Watch, ...]

    def entered(self, number: int, tensor: Tensor) -> None:
        """As `Watch.entered`."""
        for watch in self.all:
            watch.entered(number, tensor)

    def before(self, event: int, info: OpInfo, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> None:
        """As `Watch.before`."""
        for watch in self.all:
            watch.before(event, info, args, kwargs)

    def after(
        self,
        event: int,
        info: OpInfo,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        out: Any,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
    ) -> None:
        """As `Watch.after`."""
        for watch in self.all:
            watch.after(event, info, args, kwargs, out, inputs, outputs)

    def ended(self) -> None:
        """As `Watch.ended`."""
        for watch in self.all:
            watch.ended()


def watches_of(options: RecordOptions, index: int) -> tuple[Watch, ...]:
    """The watches of the iteration with this number."""
    return ()
