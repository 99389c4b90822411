"""Statistics of every value that an operation of a pass gives, or its checksum alone.

Most tensors are small. On the CPU the bytes of such a one are copied, those of equal size and dtype side by side, and
reduced together later, mostly on the writer's thread. What is larger is reduced where it lies, at once. On a GPU the
same is done with operations of the device, whose results are read when the pass is over. Not counted are tensors of
classes with rules of their own, nested ones, views that repeat their memory, and, on a GPU, sparse and quantized ones.
"""

from collections.abc import Callable, Mapping, Sequence
from ctypes import memmove
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphreel.capture.torch.keyframes_writes import Written, tensors_given
from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.quiet import quiet
from graphreel.capture.torch.statistics_device import DeviceRows
from graphreel.capture.torch.statistics_of import columns_of, in_order, name_of, parts_of
from graphreel.capture.torch.statistics_rows import COLUMNS, COUNTS, Columns, checksum_of_rows, reduced, settled
from graphreel.capture.torch.tensors import TensorTable
from graphreel.capture.torch.watch import Numbering
from graphreel.tracefile.dtypes import ITEM_SIZES
from graphreel.tracefile.model import IterationRecord

SMALL = 1 << 15
"""Bytes of a tensor that is copied; more than one row must not be needed for it."""
_KEPT = 16 << 20
"""Bytes of copies that wait to be reduced."""
_REPEATED = 4
"""A view that shows memory more than so many times over is not counted."""

Key = tuple[int, int]
"""An event, and the number of a tensor that it gave or wrote."""


@dataclass(slots=True)
class _Group:
    """Copies of tensors of one dtype and size, one in each row. Rows are whole words, so that a checksum can be had."""

    dtype: str
    nbytes: int
    stride: int
    rows: npt.NDArray[np.uint8]
    address: int
    capacity: int
    keys: list[Key] = field(default_factory=list)

    @classmethod
    def of(cls, tensor: Tensor) -> "_Group":
        nbytes = tensor.numel() * tensor.element_size()
        stride = -(-nbytes // 8) * 8
        rows = np.zeros((8, stride), np.uint8)
        return cls(name_of(tensor.dtype), nbytes, stride, rows, rows.ctypes.data, 8)

    def grow(self) -> None:
        self.rows = np.concatenate([self.rows, np.zeros_like(self.rows)])
        self.address, self.capacity = self.rows.ctypes.data, 2 * self.capacity

    def columns(self, *, only_checksum: bool) -> Columns:
        rows = self.rows[: len(self.keys)]
        sums = checksum_of_rows(rows)
        if only_checksum:
            return {"checksum": sums}
        return {**settled(reduced(rows[:, : self.nbytes], self.dtype)), "checksum": sums}


class StatisticsWatch:
    """Statistics of one pass. With `only_checksums`, those alone, and none any more once `wanted` says no."""

    def __init__(
        self, table: TensorTable, *, only_checksums: bool = False, wanted: Callable[[], bool] | None = None
    ) -> None:
        self._table, self._only_checksums, self._wanted = table, only_checksums, wanted
        self._groups: dict[tuple[torch.dtype, int], _Group] = {}
        self._found: list[tuple[list[Key], Columns]] = []
        self._kept = 0
        self._written = Written()
        self._devices: dict[torch.device, DeviceRows] = {}
        self._large: dict[int, tuple[tuple[int, int, torch.dtype], list[Key]]] = {}
        with quiet():
            self._plain = _plain_keys()

    def entered(self, number: int, tensor: Tensor) -> None:
        """Nothing: only what the pass itself gives is counted."""

    def before(
        self, event: int, info: OpInfo, args: Sequence[Any], kwargs: Mapping[str, Any] | None, inputs: tuple[int, ...]
    ) -> None:
        """Nothing."""

    def after(
        self,
        event: int,
        info: OpInfo,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        out: Any,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
    ) -> None:
        """Take what an operation gave and what it wrote."""
        if self._wanted is not None and not self._wanted():
            return
        writes = bool(info.written or info.hidden_writes)
        if writes:
            self._large.clear()
        if type(out) is Tensor:
            self._take((event, outputs[0]), out, inputs if info.view_of and not writes else ())
        else:
            for number, tensor in zip(outputs, tensors_given(out), strict=True):
                self._take((event, number), tensor, ())
        if writes:
            for tensor in self._written.tensors(info, args, kwargs):
                number = self._table.numbers.get(id(tensor), -1)
                if number not in outputs:
                    self._take((event, number), tensor, ())

    def ended(self) -> None:
        """Read what lies on devices."""
        with quiet():
            for rows in self._devices.values():
                self._found += rows.read()
        self._devices.clear()

    def add_to(self, record: IterationRecord, numbering: Numbering) -> IterationRecord:
        """The iteration with its columns of values."""
        if self._wanted is not None and not self._wanted():
            return record
        self._reduce()
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
                # Views of one large tensor are one row.
                columns[name][values] = found[name][there] if len(found[name]) == len(keys) else found[name]
        self._found.clear()
        return replace(record, value_columns={**record.value_columns, **columns})

    def _take(self, key: Key, tensor: Tensor, viewed: tuple[int, ...]) -> None:
        """Copy or reduce a tensor; `viewed` are the inputs of an operation that gives views."""
        if torch._C._dispatch_keys(tensor).raw_repr() in self._plain and tensor.is_contiguous():
            size = tensor.numel()
            group = self._groups.get((tensor.dtype, size)) or self._group(tensor, size)
            if group is not None:
                at = len(group.keys)
                if at == group.capacity:
                    group.grow()
                memmove(group.address + at * group.stride, tensor.data_ptr(), group.nbytes)
                group.keys.append(key)
                self._kept += group.stride
                if self._kept > _KEPT:
                    self._reduce()
                return
        with quiet():
            self._take_other(key, tensor, viewed)

    def _group(self, tensor: Tensor, size: int) -> _Group | None:
        if size * tensor.element_size() > SMALL or name_of(tensor.dtype) not in ITEM_SIZES:
            return None
        group = self._groups[tensor.dtype, size] = _Group.of(tensor)
        return group

    def _take_other(self, key: Key, tensor: Tensor, viewed: tuple[int, ...]) -> None:
        """What is large, not in order, or of another kind."""
        plain = torch._C._dispatch_keys(tensor).raw_repr() in self._plain
        if _repeats(tensor):
            return
        if tensor.device.type == "cuda":
            self._take_on_device(key, tensor)
        elif not plain:
            columns = columns_of(tensor, only_checksum=self._only_checksums)
            if columns is not None:
                self._found.append(([key], columns))
        elif not tensor.is_contiguous() and tensor.numel() * tensor.element_size() <= SMALL:
            self._take(key, in_order(tensor), ())
        else:
            self._take_large(key, tensor, viewed)

    def _take_large(self, key: Key, tensor: Tensor, viewed: tuple[int, ...]) -> None:
        # A view that shows all of a large tensor in the same order needs no second look.
        same = self._large.get(viewed[0]) if viewed else None
        what = tensor.data_ptr(), tensor.numel(), tensor.dtype
        if same is not None and same[0] == what and tensor.is_contiguous():
            same[1].append(key)
            keys = same[1]
        else:
            keys = [key]
            columns = columns_of(tensor, only_checksum=self._only_checksums)
            if columns is not None:
                self._found.append((keys, columns))
        if tensor.is_contiguous():
            self._large[key[1]] = what, keys

    def _take_on_device(self, key: Key, tensor: Tensor) -> None:
        parts = parts_of(tensor)
        if len(parts) != 1 or tensor.is_quantized:
            return
        rows = self._devices.get(tensor.device)
        if rows is None:
            rows = self._devices[tensor.device] = DeviceRows(only_checksums=self._only_checksums)
        rows.take(key, in_order(parts[0]))

    def _reduce(self) -> None:
        for group in self._groups.values():
            self._found.append((group.keys, group.columns(only_checksum=self._only_checksums)))
        self._groups.clear()
        self._kept = 0


def _plain_keys() -> frozenset[int]:
    """What PyTorch says of tensors that are nothing but numbers in the host's memory."""
    with torch.inference_mode():
        inference = torch.empty(0, device="cpu")
    plain = torch.empty(0, device="cpu")
    return frozenset(torch._C._dispatch_keys(each).raw_repr() for each in (plain, inference))


def _repeats(tensor: Tensor) -> bool:
    """Whether a tensor shows its memory many times over, as an expanded one does."""
    if tensor.layout is not torch.strided or tensor.is_nested or not torch._C._has_storage(tensor):
        return False
    return tensor.numel() * tensor.element_size() > _REPEATED * max(tensor.untyped_storage().nbytes(), SMALL)
