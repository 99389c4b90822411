"""What a collective operation takes beside tensors, in words."""

import sys
from types import FrameType
from typing import Any

import torch

_CALLS = "distributed_c10d.py"
_DEPTH = 12


def described(given: Any, frame: FrameType | None = None) -> str:
    """An argument of an operation that is no data: a process group, what a collective reduces by, or else its class.

    `frame` is where to look for what cannot be read from the object.
    """
    is_opaque = isinstance(given, torch.ScriptObject)
    kind = str(given._type()).rpartition(".")[2] if is_opaque else ""
    if kind == "ProcessGroup":
        c10d: Any = sys.modules["torch._C._distributed_c10d"]
        group = c10d.ProcessGroup.unbox(given)
        return f"group {group.group_name} of {group.size()} ranks"
    if kind == "ReduceOp":
        return _reduction(frame) or "<ReduceOp>"
    return f"<{type(given).__name__}>"


def _reduction(frame: FrameType | None) -> str:
    """What is reduced by: `sum`, `max`, ….

    WORKAROUND: a ReduceOp within an operation's arguments is opaque to Python, so it is read from the function of
    torch/distributed/distributed_c10d.py that was called. DDP's own reductions, in C++, have none.
    """
    for _ in range(_DEPTH):
        if frame is None:
            break
        if frame.f_code.co_filename.endswith(_CALLS) and "op" in frame.f_code.co_varnames:
            op = frame.f_locals.get("op")
            return str(getattr(op, "op", op)).rpartition(".")[2].lower()
        frame = frame.f_back
    return ""
