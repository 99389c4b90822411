"""Where PyTorch is told to call us around a backward, and around the forward of a custom `autograd.Function`."""

from collections.abc import Callable, Sequence
from functools import update_wrapper
from typing import Any

import torch
from torch.autograd.function import _SingleLevelFunction

from graphreel.capture.torch.compiler import keep_compiler_out

_BASE: Any = _SingleLevelFunction
Ended = Callable[[], None] | None
"""What is to be called when that which began has ended."""


class EngineHook:
    """Tells of each backward that begins, until it is removed.

    WORKAROUND: nothing public tells when a backward begins, or from where. `Tensor.backward`, `torch.autograd.backward`
    and `torch.autograd.grad` call `_engine_run_backward` of torch/autograd/graph.py by the name that torch/autograd has
    imported it under; a test fails when that changes.
    """

    _MODULES: tuple[Any, ...] = (torch.autograd.graph, torch.autograd)

    def __init__(self, begins: Callable[[Sequence[Any]], Ended]) -> None:
        run: Callable[..., Any] = torch.autograd.graph._engine_run_backward

        def _engine_run_backward(t_outputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
            ended = begins(t_outputs)
            if ended is None:
                return run(t_outputs, *args, **kwargs)
            try:
                return run(t_outputs, *args, **kwargs)
            finally:
                ended()

        keep_compiler_out(_engine_run_backward.__code__)
        update_wrapper(_engine_run_backward, run)
        self._run, self._ours = run, _engine_run_backward
        for module in self._MODULES:
            module._engine_run_backward = _engine_run_backward

    def remove(self) -> None:
        """Put PyTorch's own function back, unless somebody has replaced ours meanwhile."""
        for module in self._MODULES:
            if module._engine_run_backward is self._ours:
                module._engine_run_backward = self._run


class FunctionHook:
    """Tells of each custom `autograd.Function` that is applied, until it is removed. PyTorch's own are left out.

    WORKAROUND: `Function.apply` of torch/autograd/function.py is often held by the program itself (`f = F.apply`), but
    asks its base class for the rest at each call; a test fails when that changes.
    """

    def __init__(self, begins: Callable[[type], Ended]) -> None:
        def apply(cls: type, *args: Any, **kwargs: Any) -> Any:
            base: Any = super(_BASE, cls)
            if cls.__module__.startswith("torch."):
                return base.apply(*args, **kwargs)
            ended = begins(cls)
            try:
                return base.apply(*args, **kwargs)
            finally:
                if ended is not None:
                    ended()

        keep_compiler_out(apply.__code__)
        self._ours: Any = classmethod(apply)
        if "apply" not in vars(_BASE):
            _BASE.apply = self._ours

    def remove(self) -> None:
        """Take ours away again, unless somebody has replaced it meanwhile."""
        if vars(_BASE).get("apply") is self._ours:
            del _BASE.apply
