"""Statistics of every value that an operation of a pass gives, or its checksum alone.

Most tensors are small. On the CPU the bytes of such a one are copied, those of equal size and dtype side by side, and
reduced together. What is larger is reduced where it lies, at once. On a GPU the
same is done with operations of the device, whose results are read when the pass is over. Not counted are tensors of
classes with rules of their own, nested ones, views that repeat their memory, and, on a GPU, sparse and quantized ones.
"""

from collections.abc import Callable
from ctypes import memmove
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from numpy.lib.stride_tricks import as_strided
from torch import Tensor
from torch._C import _dispatch_keys as _keys
from torch._C import _has_storage
from torch.nn import Parameter

from graphreel.capture.torch.keyframes_writes import Written, tensors_given
from graphreel.capture.torch.quiet import NoFunctions, NoHistory, NoModes
from graphreel.capture.torch.statistics_device import DeviceRows
from graphreel.capture.torch.statistics_of import columns_of, in_order, name_of, parts_of
from graphreel.capture.torch.statistics_rows import (
    BLOCK_BYTES,
    COLUMNS,
    COUNTS,
    Columns,
    checksum_of_rows,
    reduced,
    settled,
)
from graphreel.capture.torch.tensors import TensorTable
from graphreel.capture.torch.watch import Call, Numbering, Silent
from graphreel.tracefile.dtypes import ITEM_SIZES
from graphreel.tracefile.model import IterationRecord

SMALL = 1 << 15
"""Bytes of a tensor that is copied; more than one row must not be needed for it."""
_SPARE = 64
"""Pieces of so many bytes that are kept for the next pass."""
_SPREAD = 16
"""Elements that lie further apart, on the average, are put in order before they are copied."""
_REPEATED = 4
"""A view that shows memory more than so many times over is not counted."""

Key = tuple[int, int]
"""An event, and the number of a tensor that it gave or wrote."""
Kind = tuple[torch.dtype, int | tuple[tuple[int, ...], tuple[int, ...]]]
"""What small tensors must have in common to be copied side by side: dtype, and size, or shape and strides."""


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


class _Group:
    """Copies of tensors of one dtype, size and order, one in each row. Rows are whole words, for the checksum's sake.

    Those of tensors whose elements do not lie in order are copied as they lie, and put in order together later.
    """

    __slots__ = "address", "capacity", "chunk", "dtype", "itemsize", "keys", "nbytes", "order", "stride"

    def __init__(self, tensor: Tensor, nbytes: int, chunk: npt.NDArray[np.uint8]) -> None:
        self.dtype, self.itemsize = name_of(tensor.dtype), tensor.itemsize
        self.order = None if tensor.is_contiguous() else (tuple(tensor.shape), tensor.stride())
        self.nbytes, self.chunk = nbytes, chunk
        self.stride = -(-nbytes // 8) * 8
        self.address: int = chunk.ctypes.data
        self.capacity = BLOCK_BYTES // self.stride if nbytes else 1
        self.keys: list[Key] = []
        if self.stride != nbytes:
            chunk[:] = 0

    def take_columns(self, *, only_checksum: bool) -> tuple[list[Key], Columns]:
        """The statistics of all copies, which are gone then."""
        keys, self.keys = self.keys, []
        rows = self.chunk[: len(keys) * self.stride].reshape(len(keys), self.stride)
        numbers = rows[:, : self.nbytes]
        if self.order is not None:
            rows = numbers = self._in_order(rows, *self.order)
        sums = checksum_of_rows(rows)
        if only_checksum:
            return keys, {"checksum": sums}
        return keys, {**settled(reduced(numbers, self.dtype)), "checksum": sums}

    def _in_order(
        self, rows: npt.NDArray[np.uint8], shape: tuple[int, ...], steps: tuple[int, ...]
    ) -> npt.NDArray[np.uint8]:
        size = self.itemsize
        whole = as_strided(
            rows.view(f"V{size}") if self.stride % size == 0 else rows[:, : self.nbytes].copy().view(f"V{size}"),
            (len(rows), *shape),
            (self.stride if self.stride % size == 0 else self.nbytes, *(step * size for step in steps)),
        )
        return np.ascontiguousarray(whole).reshape(len(rows), -1).view(np.uint8)


class StatisticsWatch(Silent):
    """Statistics of one pass. With `only_checksums`, those alone, and none any more once `wanted` says no."""

    def __init__(
        self, table: TensorTable, *, only_checksums: bool = False, wanted: Callable[[], bool] | None = None
    ) -> None:
        self._table, self._only_checksums, self._wanted = table, only_checksums, wanted
        self._groups: dict[Kind, _Group] = {}
        self._found: list[tuple[list[Key], Columns]] = []
        # Those of the recorder, which has one table.
        self._chunks = table.kept.setdefault(Chunks, Chunks())
        self._written = Written()
        self._devices: dict[torch.device, DeviceRows] = {}
        self._last: dict[int, Key] = {}
        self._alike: list[tuple[Key, Key]] = []
        with NoFunctions(), NoModes(), NoHistory():
            self._plain = _plain_keys()

    def after(self, call: Call, out: Any, outputs: tuple[int, ...]) -> None:
        """Take what an operation gave and what it wrote."""
        event, info, args, kwargs, inputs = call
        if self._wanted is not None and not self._wanted():
            return
        writes = bool(info.written or info.hidden_writes)
        if writes:
            # Whatever shares the memory holds something else now.
            self._last.clear()
        if type(out) is Tensor:
            same = self._last.get(inputs[0]) if info.view_of and inputs and not writes else None
            if same is not None and _is_alike(args[0], out):
                self._alike.append(((event, outputs[0]), same))
                self._last[outputs[0]] = same
            else:
                self._take((event, outputs[0]), out)
        else:
            for number, tensor in zip(outputs, tensors_given(out), strict=True):
                self._take((event, number), tensor)
        if writes:
            for tensor in self._written.tensors(info, args, kwargs):
                number = self._table.numbers.get(id(tensor), -1)
                if number not in outputs:
                    self._take((event, number), tensor)

    def ended(self) -> None:
        """Reduce what was copied, and read what lies on devices."""
        for group in self._groups.values():
            if group.keys:
                self._found.append(group.take_columns(only_checksum=self._only_checksums))
            self._chunks.give_back(group.chunk)
        self._groups.clear()
        with NoFunctions(), NoModes(), NoHistory():
            for rows in self._devices.values():
                self._found += rows.read()
        self._devices.clear()

    def add_to(self, record: IterationRecord, numbering: Numbering) -> IterationRecord:
        """The iteration with its columns of values."""
        if self._wanted is not None and not self._wanted():
            return record
        count = record.graph.value_count
        names = ("checksum",) if self._only_checksums else COLUMNS
        columns: dict[str, npt.NDArray[Any]] = {
            name: np.zeros(count, np.int64) if name in COUNTS else np.full(count, np.nan) for name in names
        }
        counted = columns["counted"] = np.zeros(count, np.bool_)
        for keys, found in self._found:
            values = np.array([numbering.given.get(key, -1) for key in keys], np.int64)
            there = values >= 0
            values = values[there]
            counted[values] = True
            for name in names:
                columns[name][values] = found[name][there]
        for key, same in self._alike:
            value, other = numbering.given.get(key), numbering.given.get(same)
            if value is not None and other is not None:
                for column in columns.values():
                    column[value] = column[other]
        self._found.clear()
        return replace(record, value_columns={**record.value_columns, **columns})

    def _take(self, key: Key, tensor: Tensor) -> None:
        """Copy a tensor, or reduce it at once."""
        self._last[key[1]] = key
        if _keys(tensor).raw_repr() in self._plain:
            kind = tensor.dtype, tensor.numel() if tensor.is_contiguous() else (tensor.shape, tensor.stride())
            group = self._groups.get(kind) or self._group(kind, tensor)
            if group is not None:
                at = len(group.keys)
                memmove(group.address + at * group.stride, tensor.data_ptr(), group.nbytes)
                group.keys.append(key)
                if at + 1 == group.capacity:
                    self._found.append(group.take_columns(only_checksum=self._only_checksums))
                return
        with NoFunctions(), NoModes(), NoHistory():
            self._take_other(key, tensor)

    def _group(self, kind: Kind, tensor: Tensor) -> _Group | None:
        nbytes = tensor.numel() * tensor.itemsize
        if nbytes > SMALL or name_of(tensor.dtype) not in ITEM_SIZES:
            return None
        if nbytes and not tensor.is_contiguous():
            pairs = zip(tensor.shape, tensor.stride(), strict=True)
            span = (sum((size - 1) * step for size, step in pairs) + 1) * tensor.itemsize
            if not nbytes <= span <= _SPREAD * nbytes or span > SMALL:
                return None
            nbytes = span
        group = self._groups[kind] = _Group(tensor, nbytes, self._chunks.take())
        return group

    def _take_other(self, key: Key, tensor: Tensor) -> None:
        """What is large, far apart, or of another kind."""
        plain = _keys(tensor).raw_repr() in self._plain
        if _repeats(tensor):
            return
        if tensor.device.type == "cuda":
            self._take_on_device(key, tensor)
        elif plain and not tensor.is_contiguous() and tensor.numel() * tensor.itemsize <= SMALL:
            self._take(key, in_order(tensor))
        else:
            columns = columns_of(tensor, only_checksum=self._only_checksums)
            if columns is not None:
                self._found.append(([key], columns))

    def _take_on_device(self, key: Key, tensor: Tensor) -> None:
        parts = parts_of(tensor)
        if len(parts) != 1 or tensor.is_quantized:
            return
        rows = self._devices.get(tensor.device)
        if rows is None:
            rows = self._devices[tensor.device] = DeviceRows(only_checksums=self._only_checksums)
        rows.take(key, in_order(parts[0]))


def _plain_keys() -> frozenset[int]:
    """What PyTorch says of tensors that are nothing but numbers in the host's memory."""
    with torch.inference_mode():
        inference = torch.empty(0, device="cpu")
    plain = torch.empty(0, device="cpu")
    return frozenset(_keys(each).raw_repr() for each in (plain, inference))


def _is_alike(base: Any, view: Tensor) -> bool:
    """Whether a view shows all of a tensor in the same order, so that it needs no second look."""
    return (
        type(base) in (Tensor, Parameter)
        and _has_storage(base)
        and _has_storage(view)
        and base.dtype is view.dtype
        and base.is_contiguous()
        and view.is_contiguous()
        and base.numel() == view.numel()
        and base.data_ptr() == view.data_ptr()
        and (base.is_conj(), base.is_neg()) == (view.is_conj(), view.is_neg())
    )


def _repeats(tensor: Tensor) -> bool:
    """Whether a tensor shows its memory many times over, as an expanded one does."""
    if tensor.layout is not torch.strided or tensor.is_nested or not _has_storage(tensor):
        return False
    return tensor.numel() * tensor.element_size() > _REPEATED * max(tensor.untyped_storage().nbytes(), SMALL)
