"""Standing beside `torch.compile`: what of ours it must not compile, and whether it was asked to compile what runs."""

from types import CodeType, FrameType


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
