"""Copies of small tensors on the CPU, side by side, so that many are reduced at once."""

from ctypes import PYFUNCTYPE, c_size_t, c_void_p, cast
from ctypes import memmove as _memmove
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib.stride_tricks import as_strided
from torch import Tensor

from graphreel.capture.torch.statistics_of import name_of
from graphreel.capture.torch.statistics_rows import BLOCK_BYTES, Columns, checksum_of_rows, reduced, settled
from graphreel.tracefile.dtypes import ITEM_SIZES

SMALL = 1 << 15
"""Bytes of a tensor that is copied; more than one row must not be needed for it."""
_SPARE = 64
"""Pieces of so many bytes that are kept for the next pass."""
_SPREAD = 16
"""Elements that lie further apart, on the average, are put in order before they are copied."""

Key: TypeAlias = tuple[int, int]
"""An event, and the number of a tensor that it gave or wrote."""
Kind: TypeAlias = tuple[torch.dtype, int | tuple[tuple[int, ...], tuple[int, ...]]]
"""What small tensors must have in common to be copied side by side: dtype, and size, or shape and strides."""

# Holds Python's lock while it copies: to let go of it would let the writer's thread in between, at each operation.
copy_bytes = PYFUNCTYPE(None, c_void_p, c_void_p, c_size_t)(cast(_memmove, c_void_p).value or 0)
"""Copy to an address, from an address, so many bytes."""


class Chunks:
    """Pieces of memory for copies, used again and again: new memory costs more than what is done with it."""

    def __init__(self) -> None:
        self._spare: list[npt.NDArray[np.uint8]] = []

    def take(self) -> npt.NDArray[np.uint8]:
        """A piece, with anything in it."""
        return self._spare.pop() if self._spare else np.empty(BLOCK_BYTES, np.uint8)

    def give_back(self, chunk: npt.NDArray[np.uint8]) -> None:
        """Take a piece back."""
        if len(self._spare) < _SPARE:
            self._spare.append(chunk)


class Group:
    """Copies of tensors of one dtype, size and order, one in each row. Rows are whole words, for the checksum's sake.

    Those of tensors whose elements do not lie in order are copied as they lie, and put in order together later.

    Attributes:
        keys: Whose copies there are.
        nbytes: Bytes of each tensor.
        stride: Bytes from one copy to the next.
        free: Where the next copy goes.
        end: Where no further copy fits.
        chunk: The memory of the copies.
    """

    __slots__ = "_itemsize", "_order", "chunk", "dtype", "end", "free", "keys", "nbytes", "stride"

    def __init__(self, tensor: Tensor, nbytes: int, chunk: npt.NDArray[np.uint8]) -> None:
        self.dtype, self._itemsize = name_of(tensor.dtype), tensor.itemsize
        self._order = None if tensor.is_contiguous() else (tuple(tensor.shape), tensor.stride())
        self.nbytes, self.chunk = nbytes, chunk
        self.stride = -(-nbytes // 8) * 8
        self.free: int = chunk.ctypes.data
        self.end = self.free + BLOCK_BYTES // self.stride * self.stride if nbytes else self.free
        self.keys: list[Key] = []
        if self.stride != nbytes:
            chunk[:] = 0

    def take_columns(self, *, only_checksum: bool) -> tuple[list[Key], Columns]:
        """The statistics of all copies, which are gone then."""
        keys, self.keys = self.keys, []
        self.free = self.chunk.ctypes.data
        rows = self.chunk[: len(keys) * self.stride].reshape(len(keys), self.stride)
        numbers = rows[:, : self.nbytes]
        if self._order is not None:
            rows = numbers = self._in_order(rows, *self._order)
        sums = checksum_of_rows(rows)
        if only_checksum:
            return keys, {"checksum": sums}
        return keys, {**settled(reduced(numbers, self.dtype)), "checksum": sums}

    def _in_order(
        self, rows: npt.NDArray[np.uint8], shape: tuple[int, ...], steps: tuple[int, ...]
    ) -> npt.NDArray[np.uint8]:
        size = self._itemsize
        whole = as_strided(
            rows.view(f"V{size}") if self.stride % size == 0 else rows[:, : self.nbytes].copy().view(f"V{size}"),
            (len(rows), *shape),
            (self.stride if self.stride % size == 0 else self.nbytes, *(step * size for step in steps)),
        )
        return np.ascontiguousarray(whole).reshape(len(rows), -1).view(np.uint8)


def bytes_to_copy(tensor: Tensor) -> int | None:
    """How many bytes a tensor takes as it lies; None for one that is not copied so."""
    nbytes = tensor.numel() * tensor.itemsize
    if nbytes > SMALL or tensor.is_quantized or name_of(tensor.dtype) not in ITEM_SIZES:
        return None
    if nbytes and not tensor.is_contiguous():
        pairs = zip(tensor.shape, tensor.stride(), strict=True)
        span = (sum((size - 1) * step for size, step in pairs) + 1) * tensor.itemsize
        return span if nbytes <= span <= min(_SPREAD * nbytes, SMALL) else None
    return nbytes
