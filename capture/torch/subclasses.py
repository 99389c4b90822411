"""Which classes of tensors go before the recorder."""

from functools import cache
from typing import Any

import torch
from torch._subclasses import FakeTensor
from torch._subclasses.functional_tensor import FunctionalTensor


@cache
def computes_inside(kind: type) -> bool:
    """Whether a class of tensors computes by running other operations on the tensors that it holds.

    Those with which PyTorch itself looks ahead, and compute nothing, do not count.
    """
    own: Any = getattr(kind, "__torch_dispatch__", None)
    is_plain = own is None or own is torch._C._disabled_torch_dispatch_impl or own == torch.Tensor.__torch_dispatch__
    return not is_plain and not issubclass(kind, FakeTensor | FunctionalTensor)
