"""Standing beside `torch.compile`: what of ours it must not compile, and whether it was asked to compile what runs."""

from types import CodeType, FrameType

from torch.nn.modules import module as module_hooks


def runs_compiled(frame: FrameType | None) -> bool:
    """Whether the stack holds a function that PyTorch was asked to compile, other than by `torch.cond` and its kind.

    WORKAROUND: `compile_wrapper` of torch/_dynamo/eval_frame.py calls every such function; nothing public tells.
    """
    while frame is not None:
        code, frame = frame.f_code, frame.f_back
        if code.co_name == "compile_wrapper" and frame is not None:
            return frame.f_code.co_name != "_hop_compile_and_call"
    return False


def keep_compiler_out(code: CodeType) -> None:
    """Mark a function so that PyTorch's compiler runs it as it is.

    WORKAROUND: the wrapper that TorchDispatchMode would put around the handler does this at a price for every
    operation. torch._dynamo.eval_frame.skip_code does it at none, but importing that takes a second.
    """
    from torch._C._dynamo import eval_frame

    if skip_code := getattr(eval_frame, "skip_code", None):  # before PyTorch 2.7
        skip_code(code)
    else:
        action = eval_frame._FrameAction
        eval_frame.set_code_exec_strategy(code, eval_frame._FrameExecStrategy(action.SKIP, action.DEFAULT))


class HookNotice:
    """Keeps PyTorch from warning the user, until it is removed, of hooks that are ours and not the user's.

    WORKAROUND: a module made by `torch.compile` warns at each call while there are global module hooks, which raises
    where warnings are errors. Nothing else asks `_has_any_global_hook`; a test fails when that changes.
    """

    def __init__(self) -> None:
        self._asked = module_hooks._has_any_global_hook
        self._ours = lambda: False
        module_hooks._has_any_global_hook = self._ours

    def remove(self) -> None:
        """Put PyTorch's own function back, unless somebody has replaced ours meanwhile."""
        if module_hooks._has_any_global_hook is self._ours:
            module_hooks._has_any_global_hook = self._asked
