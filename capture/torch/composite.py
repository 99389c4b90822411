"""Runs operators that are made of others, which inference mode hands to a dispatch mode whole, as they run without one.

PyTorch calls a mode with everything switched off that stands above it: autocast, and what makes views know their base.
For an operator like any other that has done its work by then. One that is made of others needs it for its parts: an RNN
would compute without autocast, and a batch-first one multiplies its matrices another way, with other last bits.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch._C import DispatchKey, _dispatch_tls_set_dispatch_key_included, _len_torch_dispatch_stack
from torch._ops import OpOverload

from graphreel.capture.torch.spared import let_through

_C: Any = torch._C
_AS_ENTERED = _C._RestorePythonTLSSnapshot


@cache
def is_composite(func: Any) -> bool:
    """Whether an operator is made of others (`reshape`, `contiguous`, `gru`)."""
    try:
        return torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")
    except RuntimeError as error:
        let_through(error)
        # `prim::device` and its kind, which torch.export's own tracing runs, are unknown to the dispatcher.
        return False


def as_without_mode(call: Callable[..., Any]) -> Callable[..., Any]:
    """What runs a composite operator, within the handler of a mode, as it runs where there is no mode.

    WORKAROUND: `_RestorePythonTLSSnapshot` is PyTorch's own; it brings back what was switched on when the operator was
    called, the mode included, which is off its stack by now. A test fails when that changes.
    """

    def called(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_inference_mode_enabled():
            return call(*args, **kwargs)
        with _AS_ENTERED():
            if not _len_torch_dispatch_stack():
                for key in (DispatchKey.Python, DispatchKey.PythonTLSSnapshot):
                    _dispatch_tls_set_dispatch_key_included(key, False)
            return call(*args, **kwargs)

    return called


def run(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> Any:
    """Run what a mode is called with, as it runs where there is no mode."""
    call = func
    if torch.is_inference_mode_enabled() and isinstance(func, OpOverload) and is_composite(func):
        call = as_without_mode(func)
    return call(*args, **kwargs) if kwargs else call(*args)
