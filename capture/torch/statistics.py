"""Statistics of every value that an operation of a pass gives, or its checksum alone.

Most tensors are small. On the CPU the bytes of such a one are copied, those of equal size and dtype side by side, and
reduced together. What is larger is reduced where it lies, at once. On a GPU the
same is done with operations of the device, whose results are read when the pass is over. Not counted are tensors of
classes with rules of their own, nested ones, views that repeat their memory, and, on a GPU, sparse and quantized ones.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch._C import _has_storage
from torch.nn import Parameter

from graphreel.capture.torch.keyframes_writes import Written, tensors_given
from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.quiet import NoFunctions, NoHistory, NoModes
from graphreel.capture.torch.spared import let_through
from graphreel.capture.torch.statistics_copies import SMALL, Chunks, Group, Key, Kind, bytes_to_copy, copy_bytes
from graphreel.capture.torch.statistics_device import DeviceRows
from graphreel.capture.torch.statistics_of import columns_of, in_order, parts_of
from graphreel.capture.torch.statistics_rows import COLUMNS, COUNTS, Columns
from graphreel.capture.torch.tensors import TensorTable
from graphreel.capture.torch.watch import Call, Numbering, Silent
from graphreel.tracefile.model import IterationRecord

_REPEATED = 4
"""A view that shows memory more than so many times over is not counted."""
_LOW = 1 << 40
"""What seems to lie below may be a place within memory that was given back, and is looked at once more."""

_Seen: TypeAlias = tuple[Key, int, Kind]
"""A tensor that was taken: where it lies, and how."""


class StatisticsWatch(Silent):
    """Statistics of one pass. With `only_checksums`, those alone, and none any more once `wanted` says no."""

    follows = True

    def __init__(
        self, table: TensorTable, *, only_checksums: bool = False, wanted: Callable[[], bool] | None = None
    ) -> None:
        self._table, self._only_checksums, self._wanted = table, only_checksums, wanted
        self._groups: dict[Kind, Group] = {}
        self._found: list[tuple[list[Key], Columns]] = []
        # Those of the recorder, which has one table.
        self._chunks = table.kept.setdefault(Chunks, Chunks())
        self._written = Written()
        self._first_alone: dict[int, bool] = {}
        self._devices: dict[torch.device, DeviceRows] = {}
        self._last: dict[int, _Seen] = {}
        self._alike: list[tuple[Key, Key]] = []

    def after(self, call: Call, out: Any, outputs: tuple[int, ...]) -> None:
        """Take what an operation gave and what it wrote."""
        event, info, args, kwargs, inputs = call
        if self._wanted is not None and not self._wanted():
            return
        writes = info.written or info.hidden_writes
        if writes:
            # Whatever shares the memory holds something else now.
            self._last.clear()
        if type(out) is Tensor:
            same = self._last.get(inputs[0]) if inputs and any(info.view_of) else None
            self._take((event, outputs[0]), out, same)
        else:
            for number, tensor in zip(outputs, tensors_given(out), strict=True):
                self._take((event, number), tensor)
        if writes and not (args and out is args[0] and self._writes_first_alone(info)):
            for tensor in self._written.tensors(info, args, kwargs):
                if tensor is not out and (number := self._table.number_of(tensor)) not in outputs:
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
        given = numbering.given
        for keys, found in self._found:
            values = np.array([given.get(key, -1) for key in keys], np.int64)
            there = values >= 0
            values = values[there]
            counted[values] = True
            for name in names:
                columns[name][values] = found[name][there]
        pairs = [(given.get(key, -1), given.get(same, -1)) for key, same in self._alike]
        values, others = np.array(pairs, np.int64).reshape(-1, 2).T
        there = (values >= 0) & (others >= 0)
        for column in columns.values():
            column[values[there]] = column[others[there]]
        self._found.clear()
        return replace(record, value_columns={**record.value_columns, **columns})

    def _writes_first_alone(self, info: OpInfo) -> bool:
        """Whether an operation writes its first argument and nothing else, so that what it gives is all to be taken."""
        found = self._first_alone.get(info.index)
        if found is None:
            found = not info.hidden_writes and info.written == {*info.arguments[:1]}
            self._first_alone[info.index] = found
        return found

    def _take(self, key: Key, tensor: Tensor, same: _Seen | None = None) -> None:
        """Copy a tensor, or reduce it at once, unless it shows just what another one did that was taken."""
        if _is_plain(tensor):
            kind = tensor.dtype, tensor.numel() if tensor.is_contiguous() else (tensor.shape, tensor.stride())
            try:
                place = tensor.data_ptr()
            except RuntimeError as error:
                # What stands for a tensor inside PyTorch has no memory of its own.
                let_through(error)
                place = 0
            if same is not None and place == same[1] and kind == same[2]:
                self._alike.append((key, same[0]))
                self._last[key[1]] = same
                return
            self._last[key[1]] = key, place, kind
            group = self._groups.get(kind) or self._group(kind, tensor)
            if group is not None and (place >= _LOW or _has_memory(tensor)):
                copy_bytes(group.free, place, group.nbytes)
                group.keys.append(key)
                group.free += group.stride
                if group.free >= group.end:
                    self._found.append(group.take_columns(only_checksum=self._only_checksums))
                return
        with NoFunctions(), NoModes(), NoHistory():
            self._take_other(key, tensor)

    def _group(self, kind: Kind, tensor: Tensor) -> Group | None:
        nbytes = bytes_to_copy(tensor)
        if nbytes is None:
            return None
        group = self._groups[kind] = Group(tensor, nbytes, self._chunks.take())
        return group

    def _take_other(self, key: Key, tensor: Tensor) -> None:
        """What is large, far apart, or of another kind."""
        if _repeats(tensor) or not _has_memory(tensor):
            return
        if tensor.device.type == "cuda":
            self._take_on_device(key, tensor)
        elif _is_plain(tensor) and not tensor.is_contiguous() and tensor.numel() * tensor.itemsize <= SMALL:
            self._take(key, in_order(tensor))
            # It lies elsewhere; where the copy lay comes another tensor.
            self._last.pop(key[1], None)
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


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is nothing but numbers in the host's memory, which lie there as they are."""
    return (
        type(tensor) in (Tensor, Parameter)
        and tensor.is_cpu
        and tensor.layout is torch.strided
        and not (tensor.is_nested or tensor.is_neg() or tensor.is_conj() or tensor._is_zerotensor())
    )


def _has_memory(tensor: Tensor) -> bool:
    """Whether there is memory for the elements; a program may give it back and keep the tensor, as FSDP does."""
    if tensor.layout is not torch.strided or tensor.is_nested or tensor.is_meta or not _has_storage(tensor):
        return True
    return not tensor.numel() or tensor._is_zerotensor() or tensor.untyped_storage().nbytes() > 0


def _repeats(tensor: Tensor) -> bool:
    """Whether a tensor shows its memory many times over, as an expanded one does."""
    if tensor.layout is not torch.strided or tensor.is_nested or not _has_storage(tensor):
        return False
    return tensor.numel() * tensor.element_size() > _REPEATED * max(tensor.untyped_storage().nbytes(), SMALL)
