"""Puts our mode on PyTorch's stack of modes and takes it away, around those of the program's own."""

from torch._C import _get_dispatch_stack_at, _len_torch_dispatch_stack
from torch.utils._python_dispatch import TorchDispatchMode


class Pushed:
    """A mode that is put where it was when the recording began."""

    def __init__(self, mode: TorchDispatchMode) -> None:
        self._mode, self._depth, self._on = mode, _len_torch_dispatch_stack(), False

    def push(self) -> None:
        """Put the mode on top; under a mode of the program's own, wait."""
        if not self._on and _len_torch_dispatch_stack() == self._depth:
            self._mode.__enter__()
            self._on = True

    def pop(self) -> None:
        """Take the mode away; where the program put one of its own above, ours stays and does nothing."""
        count = _len_torch_dispatch_stack()
        if self._on and count and _get_dispatch_stack_at(count - 1) is self._mode:
            self._mode.__exit__(None, None, None)
            self._on = False
