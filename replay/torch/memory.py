"""Makes the tensors of a keyframe, and of tensors the bytes that a trace holds.

Everything comes from a file, so a view is checked against its storage before a tensor is made of it.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from graphreel.capture.torch.keyframes_layouts import view_of
from graphreel.replay.torch.arguments import DTYPES
from graphreel.replay.torch.layouts import assembled
from graphreel.replay.torch.refused import Refused
from graphreel.tracefile.codec import Damage
from graphreel.tracefile.tensors import RecordedTensor, Storage, TensorView, check_view

Place: TypeAlias = Callable[[str], torch.device]
"""Where a tensor is to be that was on a device of this name."""

Conversion: TypeAlias = Callable[[torch.dtype], torch.dtype]
"""What becomes of a dtype."""


_PRIVATE: Any = torch
"""WORKAROUND: views that conjugate or negate are public for complex numbers only."""


def unconverted(dtype: torch.dtype) -> torch.dtype:
    """The dtype itself."""
    return dtype


class Memory:
    """The memory that came from outside: each storage of a keyframe becomes live memory when the first tensor needs it.

    `place` says where; `dtype` what becomes of a floating dtype.
    """

    def __init__(self, storages: Sequence[Storage], place: Place, dtype: Conversion = unconverted) -> None:
        self._storages = storages
        self._place, self._dtype = place, dtype
        self._live: dict[int, Tensor] = {}
        self._parts: dict[object, Tensor] = {}

    def tensor(self, view: TensorView) -> Tensor:
        """The tensor that a view of the keyframe shows; those that share a storage share memory."""
        if view.layout == "meta" or (0 <= view.storage < len(self._storages) and self._is_meta(view)):
            return torch.empty_strided(view.shape, view.stride, dtype=known_dtype(view.dtype), device="meta")
        try:
            check_view(view, self._storages)
        except Damage as error:
            raise Refused(f"the keyframe is damaged: {error}") from error
        if view.layout == "strided":
            return self.look(view, self._row(view))
        parts = {name: self._part(part) for name, part in view.parts.items()}
        if view.storage >= 0:
            parts["stored"] = self._row(view)
        return assembled(view, parts)

    def look(self, view: TensorView, live: Tensor) -> Tensor:
        """A view at the memory of a tensor that is there."""
        dtype = self._dtype(known_dtype(view.dtype))
        storage = live.untyped_storage()
        behind = view.offset + sum((size - 1) * step for size, step in zip(view.shape, view.stride, strict=True)) + 1
        if 0 not in view.shape and behind * dtype.itemsize > storage.nbytes():
            raise Refused(f"it looks at byte {behind * dtype.itemsize} of a memory of {storage.nbytes()}")
        return _flagged(_over(storage, dtype, view.offset, view.shape, view.stride), view)

    def overwrite(self, view: TensorView, live: Tensor) -> None:
        """Put the bytes of a view's storage over a tensor's memory, from its begin."""
        found = self._loaded(view)
        storage = live.untyped_storage()
        count = min(len(found), storage.nbytes() // found.dtype.itemsize)
        _over(storage, found.dtype, 0, (count,), (1,)).copy_(found[:count])

    def forget(self, row: int) -> None:
        """Hold a storage no longer: no more tensors of it will come."""
        self._live.pop(row, None)

    def _is_meta(self, view: TensorView) -> bool:
        return self._storages[view.storage].device == "meta"

    def _part(self, view: TensorView) -> Tensor:
        """A part of a tensor; what several have in common is one, by which jagged ones know that they fit."""
        key = view.dtype, view.shape, view.stride, view.offset, view.storage
        found = self._parts.get(key)
        if found is None:
            found = self.tensor(view)
            if view.layout == "strided":
                self._parts[key] = found
        return found

    def _row(self, view: TensorView) -> Tensor:
        found = self._live.get(view.storage)
        if found is None:
            found = self._live[view.storage] = self._loaded(view)
        return found

    def _loaded(self, view: TensorView) -> Tensor:
        """The elements of a storage, in memory of PyTorch's own, where they are to be."""
        storage, dtype = self._storages[view.storage], known_dtype(view.dtype)
        # Memory of PyTorch's own begins where its kernels like it best, as it did when recorded.
        raw = torch.empty(storage.data.nbytes, dtype=torch.uint8)
        raw.numpy()[:] = storage.data
        wanted, device = self._dtype(dtype), self._place(storage.device)
        if wanted == dtype:
            return raw.to(device)
        whole = len(raw) // dtype.itemsize * dtype.itemsize
        return raw[:whole].view(dtype).to(device=device, dtype=wanted)


def _over(
    storage: torch.UntypedStorage, dtype: torch.dtype, offset: int, shape: Sequence[int], stride: Sequence[int]
) -> Tensor:
    found = torch.empty(0, dtype=dtype, device=storage.device)
    return found.set_(storage, offset, tuple(shape), tuple(stride))


def known_dtype(name: str) -> torch.dtype:
    """The dtype of this name; raises Refused where this PyTorch has none."""
    if name not in DTYPES:
        raise Refused(f"this PyTorch ({torch.__version__}) has no dtype {name[:40]!r}")
    return DTYPES[name]


def _flagged(tensor: Tensor, view: TensorView) -> Tensor:
    if view.about.get("conj") is True and tensor.is_complex():
        tensor = _PRIVATE._conj(tensor)
    if view.about.get("neg") is True:
        tensor = _PRIVATE._neg_view(tensor)
    return tensor


def recorded(tensor: Tensor) -> RecordedTensor:
    """A copy of a tensor as plain bytes. Raises CannotKeep for a class of tensors with operations of its own."""
    storages: list[Storage] = []

    def row_of(part: Tensor) -> int:
        storage = part.untyped_storage()
        if part.device.type == "meta":
            storages.append(Storage(np.empty(0, np.uint8), "meta"))
        else:
            plain = _over(storage, torch.uint8, 0, (storage.nbytes(),), (1,)).cpu()
            storages.append(Storage(np.array(plain.numpy(), copy=True), str(part.device)))
        return len(storages) - 1

    plain = tensor.layout is torch.strided and not tensor.is_nested and not tensor.is_quantized
    view = view_of(tensor.contiguous().clone() if plain else tensor, row_of)
    return RecordedTensor(view, tuple(storages))
