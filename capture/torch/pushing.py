"""Puts our mode on PyTorch's stack of modes and takes it away, around those of the program's own."""

import torch
from torch._C import DispatchKey, _get_dispatch_stack_at, _len_torch_dispatch_stack
from torch.utils._python_dispatch import TorchDispatchMode


class Pushed:
    """A mode that is put where it was when the recording began.

    WORKAROUND: at its end `torch.inference_mode` (c10/core/InferenceMode.h) brings back whether there was any mode when
    it began. With a mode taken away meanwhile, PyTorch's next operation fails; one that was put on is not called.
    """

    def __init__(self, mode: TorchDispatchMode) -> None:
        self._mode, self._depth, self._on = mode, _len_torch_dispatch_stack(), False
        self._inside = False

    def is_away(self) -> bool:
        """Take the mode away; whether that was possible."""
        self.pop()
        return not self._on

    def push(self) -> None:
        """Put the mode on top; under a mode of the program's own, wait."""
        above = _len_torch_dispatch_stack() - self._depth
        if not self._on and above == 0:
            self._mode.__enter__()
            self._on, self._inside = True, torch.is_inference_mode_enabled()
        elif self._on and above > 0 and not torch._C._dispatch_tls_is_dispatch_key_included(DispatchKey.Python):
            # Not within the handler, during which the mode is off the stack.
            for key in (DispatchKey.Python, DispatchKey.PythonTLSSnapshot):
                torch._C._dispatch_tls_set_dispatch_key_included(key, True)
            self._inside = torch.is_inference_mode_enabled()

    def pop(self) -> None:
        """Take the mode away; where that cannot be, as below one of the program's own, ours stays and does nothing."""
        if torch.is_inference_mode_enabled() and not self._inside:
            return
        count = _len_torch_dispatch_stack()
        if self._on and count and _get_dispatch_stack_at(count - 1) is self._mode:
            self._mode.__exit__(None, None, None)
            self._on = False
