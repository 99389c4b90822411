"""Where `torch.utils.checkpoint` runs a part of forward again, within backward."""

from collections.abc import Callable
from typing import Any

import torch.utils.checkpoint as checkpoints

from graphreel.capture.torch.compiler import keep_compiler_out

Ended = Callable[[], None] | None

_FRAME: Any = checkpoints._CheckpointFrame
_FUNCTION: Any = checkpoints.CheckpointFunction


class CheckpointHook:
    """Tells of each part of forward that is run again, until it is removed.

    WORKAROUND: nothing public tells of it. Without reentrance, torch/utils/checkpoint.py keeps the function that runs
    it as `_CheckpointFrame.recompute_fn`; with it, `CheckpointFunction.forward` is given the program's function, which
    `backward` calls again. A test fails when that changes.
    """

    def __init__(self, begins: Callable[[], Ended]) -> None:
        self._init, self._forward = _FRAME.__init__, vars(_FUNCTION)["forward"]
        init, forward = self._init, self._forward.__func__

        def starting(frame: Any, recompute_fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
            init(frame, _telling(recompute_fn, begins), *args, **kwargs)

        def forwarding(ctx: Any, run_function: Callable[..., Any], *args: Any) -> Any:
            out = forward(ctx, run_function, *args)
            ctx.run_function = _telling(run_function, begins)
            return out

        keep_compiler_out(starting.__code__)
        keep_compiler_out(forwarding.__code__)
        self._ours = starting, staticmethod(forwarding)
        _FRAME.__init__, _FUNCTION.forward = self._ours

    def remove(self) -> None:
        """Put PyTorch's own functions back, unless somebody has replaced ours meanwhile."""
        if _FRAME.__init__ is self._ours[0]:
            _FRAME.__init__ = self._init
        if vars(_FUNCTION)["forward"] is self._ours[1]:
            _FUNCTION.forward = self._forward


def _telling(run: Callable[..., Any], begins: Callable[[], Ended]) -> Callable[..., Any]:
    def again(*args: Any, **kwargs: Any) -> Any:
        ended = begins()
        try:
            return run(*args, **kwargs)
        finally:
            if ended is not None:
                ended()

    keep_compiler_out(again.__code__)
    return again
