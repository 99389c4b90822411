"""Memory without a tensor: what operations such as `tensor.set_(storage)` take, and what tensors are made of again that
another process or a file handed over.
"""

from collections.abc import Sequence
from types import CodeType, FrameType
from typing import Any

import torch
from torch import Tensor, UntypedStorage, _utils
from torch.multiprocessing import reductions
from torch.multiprocessing.reductions import StorageWeakRef

from graphreel.capture.torch.quiet import NoFunctions, NoHistory, NoModes
from graphreel.capture.torch.tensors import TensorTable

_BETWEEN = 2
"""So many frames may stand between those functions and an operator: a default device, as a mode, is one."""


def _rebuilding() -> frozenset[CodeType]:
    # WORKAROUND: nothing public tells that an operation is part of unpickling a tensor.
    found = {**vars(_utils), **vars(reductions)}
    names = [name for name in found if name.lstrip("_").startswith("rebuild_")]
    return frozenset(found[name].__code__ for name in names if hasattr(found[name], "__code__"))


_REBUILDING = _rebuilding()


def is_rebuilding(frame: FrameType | None) -> bool:
    """Whether what is called from a frame is a part of making a tensor again of a pickled one.

    That is how a batch comes from the worker of a DataLoader, whenever it happens to arrive, and how a file is loaded.
    """
    for _ in range(_BETWEEN):
        if frame is None:
            return False
        if frame.f_code in _REBUILDING:
            return True
        frame = frame.f_back
    return False


def over(storage: UntypedStorage, like: object) -> Tensor | None:
    """A tensor over the whole of a storage, with the dtype of a tensor where it can be had; None for no such memory."""
    dtype = like.dtype if isinstance(like, Tensor) and not like.is_quantized else torch.uint8
    with NoFunctions(), NoModes(), NoHistory():
        try:
            return torch.empty(0, dtype=dtype, device=storage.device).set_(storage)
        except (RuntimeError, NotImplementedError):
            return None


def with_tensors(args: Sequence[Any]) -> list[Any]:
    """Arguments with a tensor over each storage among them in its place."""
    given: list[Any] = list(args)
    for at, each in enumerate(given):
        if isinstance(each, UntypedStorage):
            found = over(each, args[0])
            given[at] = each if found is None else found
    return given


class BareStorages:
    """Numbers the storages that operations of a pass take, as if each were a tensor from outside.

    Where a tensor of the pass has the same memory, it is a view of that one.
    """

    def __init__(self, table: TensorTable) -> None:
        self._table = table
        self._notes: object = None
        self._known: dict[tuple[int, torch.dtype], tuple[StorageWeakRef, int]] = {}

    def number(self, storage: UntypedStorage, like: object) -> int | None:
        """The number of a storage, seen with the dtype of a tensor; None for one that no tensor can be made over."""
        tensor = over(storage, like)
        if tensor is None:
            return None
        if self._notes is not self._table.notes:
            self._notes, self._known = self._table.notes, {}
        key = storage._cdata, tensor.dtype
        found = self._known.get(key)
        if found is None or found[0].expired():
            # The reference keeps the address from being given to another storage, and not the memory.
            found = self._known[key] = StorageWeakRef(storage), self._table.meet(tensor)
        return found[1]
