"""The arithmetic of statistics with operations of a device, so that nothing waits for it before the pass is over."""

from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphreel.capture.torch.statistics_rows import (
    ROW_BYTES,
    Columns,
    Ints,
    combined,
    combined_checksum,
    settled,
    weights,
)

Key = tuple[int, int]
Floats = npt.NDArray[np.float64]

_MIX = 0x9E3779B97F4A7C15 - (1 << 64)
_BLOCK = 512 * ROW_BYTES
"""Bytes of a large tensor that are reduced at once, for the memory that this takes for a moment."""
_KEPT = 64 << 20
"""Bytes of copies that wait to be reduced."""
_FLOATS = ("min", "max", "sum", "square")
_INTS = ("count", "nan", "inf", "zeros")


class DeviceRows:
    """Copies of small tensors and results of large ones, all on one device."""

    def __init__(self, *, only_checksums: bool) -> None:
        self._only_checksums = only_checksums
        self._groups: dict[tuple[torch.dtype, int], tuple[list[Key], list[Tensor]]] = {}
        self._small: list[tuple[list[Key], _Results]] = []
        self._large: list[tuple[Key, list[_Results]]] = []
        self._kept = 0

    def take(self, key: Key, flat: Tensor) -> None:
        """Take a tensor's elements, one after the other."""
        nbytes = flat.numel() * flat.element_size()
        if nbytes > ROW_BYTES:
            step = _BLOCK // flat.element_size()
            blocks = [flat[at : at + step] for at in range(0, flat.numel(), step)]
            self._large.append((key, [self._of_block(block) for block in blocks]))
            return
        keys, copies = self._groups.setdefault((flat.dtype, flat.numel()), ([], []))
        keys.append(key)
        copies.append(flat.clone())
        self._kept += nbytes
        if self._kept > _KEPT:
            self._reduce()

    def read(self) -> list[tuple[list[Key], Columns]]:
        """Everything that was taken, brought to the host at once."""
        self._reduce()
        results = [*(each for _, each in self._small), *(each for _, parts in self._large for each in parts)]
        if not results:
            return []
        floats = torch.cat([each.floats.flatten() for each in results]).cpu().numpy()
        ints = torch.cat([part.flatten() for each in results for part in (each.ints, each.sums)]).cpu().numpy()
        columns = iter(_columns(results, floats, ints))
        found: list[tuple[list[Key], Columns]] = []
        for keys, _ in self._small:
            row, sums = next(columns)
            found.append((keys, {**(settled(row) if row else {}), "checksum": sums}))
        for key, parts in self._large:
            rows = [next(columns) for _ in parts]
            whole = {} if self._only_checksums else combined([row for row, _ in rows])
            found.append(([key], {**whole, "checksum": combined_checksum(np.concatenate([sums for _, sums in rows]))}))
        return found

    def _reduce(self) -> None:
        for keys, copies in self._groups.values():
            rows = torch.stack(copies)
            self._small.append((keys, _Results.of(rows, _checksums(rows), only_checksums=self._only_checksums)))
        self._groups.clear()
        self._kept = 0

    def _of_block(self, block: Tensor) -> "_Results":
        count = ROW_BYTES // block.element_size()
        whole = block.numel() // count * count
        parts = [_checksums(block[:whole].view(-1, count))] if whole else []
        if whole < block.numel():
            parts.append(_checksums(block[whole:].view(1, -1)))
        return _Results.of(block.view(1, -1), torch.cat(parts), only_checksums=self._only_checksums)


class _Results:
    """Results of some rows that still lie on the device."""

    def __init__(self, floats: Tensor, ints: Tensor, sums: Tensor) -> None:
        self.floats, self.ints, self.sums = floats, ints, sums

    @classmethod
    def of(cls, rows: Tensor, sums: Tensor, *, only_checksums: bool) -> "_Results":
        if only_checksums:
            return cls(sums.new_empty((4, 0), dtype=torch.float64), sums.new_empty((4, 0)), sums)
        return cls(*_reduced(_numbers(rows)), sums)


def _columns(results: list[_Results], floats: Floats, ints: Ints) -> list[tuple[Columns, Ints]]:
    found: list[tuple[Columns, Ints]] = []
    for each in results:
        count, sums = each.floats.shape[1], len(each.sums)
        numbers, floats = floats[: 4 * count].reshape(4, -1), floats[4 * count :]
        counts, rest = ints[: 4 * count].reshape(4, -1), ints[4 * count :]
        own, ints = rest[:sums], rest[sums:]
        row: Columns = {**dict(zip(_FLOATS, numbers, strict=True)), **dict(zip(_INTS, counts, strict=True))}
        found.append((row if count else {}, own))
    return found


def _checksums(rows: Tensor) -> Tensor:
    """As `checksum_of_rows`."""
    data = rows.contiguous().view(torch.uint8).view(len(rows), -1)
    missing = -data.shape[1] % 8
    if missing:
        data = torch.nn.functional.pad(data, (0, missing))
    if not data.shape[1]:
        return torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
    mixed = data.view(torch.int64) * _MIX
    mixed ^= mixed >> 32
    mixed *= _weights(rows.device)[: mixed.shape[1]]
    return mixed.sum(1)


@cache
def _weights(device: torch.device) -> Tensor:
    return torch.from_numpy(weights()).to(device)


def _numbers(rows: Tensor) -> Tensor:
    """The elements as float64, of complex ones the magnitude."""
    if not rows.is_complex():
        return (
            rows.to(torch.float32).double() if rows.dtype.itemsize == 1 and rows.is_floating_point() else rows.double()
        )
    rows = rows.to(torch.complex128)
    return torch.where(rows.isnan(), torch.nan, rows.abs())


def _reduced(wide: Tensor) -> tuple[Tensor, Tensor]:
    """`_FLOATS` and `_INTS` of each row."""
    rows, size = wide.shape
    if not size:
        floats = torch.full((4, rows), torch.nan, dtype=torch.float64, device=wide.device)
        floats[2:] = 0
        return floats, torch.zeros((4, rows), dtype=torch.int64, device=wide.device)
    nan, inf = wide.isnan(), wide.isinf()
    finite = ~(nan | inf)
    count = finite.sum(1)
    total = torch.where(finite, wide, 0).sum(1)
    away = wide - (total / count)[:, None]
    square = torch.where(finite, away * away, 0).sum(1)
    nans = nan.sum(1)
    low, high = torch.where(nan, torch.inf, wide).amin(1), torch.where(nan, -torch.inf, wide).amax(1)
    low, high = (torch.where(nans == size, torch.nan, each) for each in (low, high))
    return torch.stack([low, high, total, square]), torch.stack([count, nans, inf.sum(1), (wide == 0).sum(1)])
