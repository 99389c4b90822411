"""Which optimizers there are, and whether one steps right now.

PyTorch keeps no list of optimizers, so the garbage collector's has to do; it is asked seldom, since that is slow.
"""

import gc
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from weakref import WeakSet

from torch import Tensor
from torch.optim import Optimizer


class KnownOptimizers:
    """The program's optimizers, as far as it is known. None of them is held.

    Attributes:
        seen: Whether there is an optimizer, as far as anybody looked.
    """

    def __init__(self) -> None:
        self.seen = False
        self._depth = 0
        self._code: CodeType | None = None
        self._unused: int | None = None
        self._stepped: WeakSet[Optimizer] = WeakSet()
        self._calls_until_search, self._searches = 1, 0

    @property
    def stepping(self) -> bool:
        """Whether an optimizer steps right now."""
        return self._depth > 0

    def begins(self, optimizer: Optimizer, frame: FrameType) -> None:
        """An optimizer begins to step; `frame` is that of the function which is there until it ended."""
        self.seen = True
        self._depth += 1
        self._code = frame.f_code
        if optimizer not in self._stepped:
            self._stepped.add(optimizer)
            self._unused = None

    def ends(self) -> None:
        """An optimizer has stepped."""
        self._depth = max(self._depth - 1, 0)

    def drop_stale(self, frame: FrameType | None) -> bool:
        """Whether a step was left by an exception, of which hooks do not hear; it counts no more then."""
        if not self._depth:
            return False
        while frame is not None and frame.f_code is not self._code:
            frame = frame.f_back
        if frame is None:
            self._depth = 0
        return frame is None

    def count_unused(self) -> int:
        """How many optimizers there are that hold parameters and never stepped while it was recorded."""
        if self._unused is None:
            self._unused = sum(1 for found in _live() if found not in self._stepped and _parameters(found))
        return self._unused

    def any_of(self, is_known: Callable[[Tensor], bool]) -> bool:
        """Whether there is an optimizer for a parameter that is known."""
        self._calls_until_search -= 1
        if not self.seen and self._calls_until_search <= 0:
            self._searches += 1
            self._calls_until_search = 2 * self._searches
            self.seen = any(is_known(parameter) for found in _live() for parameter in _parameters(found))
        return self.seen


def _live() -> Iterator[Optimizer]:
    # By type, not by isinstance, which runs code of the objects asked.
    return (found for found in gc.get_objects() if issubclass(type(found), Optimizer))


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    groups = getattr(optimizer, "param_groups", ())
    return [parameter for group in groups for parameter in group["params"]]


def learning_rates(optimizer: Optimizer, step: int) -> dict[str, float]:
    """The rates of an optimizer, the `step`th of a pass: the second has `lr:2`, its second group `lr:2.1`."""
    name = "lr" if step <= 1 else f"lr:{step}"
    rates = {name if at == 0 else f"{name}.{at}": group.get("lr") for at, group in enumerate(optimizer.param_groups)}
    return {name: float(rate) for name, rate in rates.items() if isinstance(rate, float | int)}
