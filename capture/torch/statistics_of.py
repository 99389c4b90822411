"""Statistics and a checksum of a tensor, by arithmetic that is the same wherever it is done.

The checksum is exact: equal for tensors with equal bits in equal logical order, whatever their strides, their device
and the process that asks; else different but for one case in 2⁶⁴ or so, also where elements only changed places. It is
a sum, modulo 2⁶⁴, of the bits in words of eight bytes, each multiplied by a number that belongs to its position. Shape
and dtype do not matter to it, nor do zero bytes at the end.
Statistics are for looking at: `mean` and `std` are sums of float64, whose last bits may differ from device to device.
`std` is that of the whole population. NaN counts in `nan` and nowhere else; infinities count in `inf`, `min` and `max`,
not in `mean` and `std`. Of complex numbers the magnitude is taken, NaN if a part is NaN. Where there is no number to
take, `min`, `max`, `mean` and `std` are NaN.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphreel.capture.torch.statistics_rows import (
    BLOCK_BYTES,
    COLUMNS,
    ROW_BYTES,
    Columns,
    checksum_of_rows,
    combined,
    combined_checksum,
    reduced,
)
from graphreel.tracefile.dtypes import ITEM_SIZES

_BLOCK_ROWS = BLOCK_BYTES // ROW_BYTES
_ODD = 0xD6E8FEB86659FD93


class Statistics(NamedTuple):
    """What one tensor holds."""

    min: float
    max: float
    mean: float
    std: float
    nan: int
    inf: int
    zeros: int
    checksum: int

    @classmethod
    def at(cls, columns: Columns, row: int) -> Self:
        """One row of columns."""
        return cls(*(columns[name][row].item() for name in COLUMNS))


def statistics_of(tensor: Tensor) -> Statistics | None:
    """The statistics of a tensor; None for one whose class has rules of its own, or that has no memory.

    Of a sparse tensor they are those of its values, of a quantized one those of the numbers that it stands for; the
    checksum is of all that it consists of, or of the numbers that are stored. Waits for the tensor's device.
    """
    columns = columns_of(tensor)
    return None if columns is None else Statistics.at(columns, 0)


def checksum_of(tensor: Tensor) -> int | None:
    """The checksum alone, which is less work; None as above."""
    columns = columns_of(tensor, only_checksum=True)
    return None if columns is None else int(columns["checksum"][0])


def columns_of(tensor: Tensor, *, only_checksum: bool = False) -> Columns | None:
    """The statistics as columns of one row; None as above."""
    parts = parts_of(tensor)
    if not parts:
        return None
    found = [_of_part(part, only_checksum=only_checksum) for part in parts]
    columns = found[-1]
    for other in found[:-1]:
        columns["checksum"] = columns["checksum"] * np.int64(_ODD - (1 << 64)) + other["checksum"]
    if tensor.is_quantized and not only_checksum:
        shown = _of_part(tensor.dequantize(), only_checksum=False)
        columns = {**shown, "checksum": columns["checksum"]}
    return columns


def parts_of(tensor: Tensor) -> Sequence[Tensor]:
    """The strided tensors that make up a tensor, its values last; empty where there are none to be had."""
    if type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__ or tensor.is_meta:
        return ()
    if tensor.layout is torch.sparse_coo:
        return tensor._indices(), tensor._values()
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return tensor.crow_indices(), tensor.col_indices(), tensor.values()
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return tensor.ccol_indices(), tensor.row_indices(), tensor.values()
    if tensor.is_mkldnn:
        return (tensor.to_dense(),)
    if tensor.is_nested or not torch._C._has_storage(tensor):
        return ()
    return (tensor.int_repr(),) if tensor.is_quantized else (tensor,)


def name_of(dtype: torch.dtype) -> str:
    """A dtype as graphs write it."""
    return str(dtype).removeprefix("torch.")


def in_order(tensor: Tensor) -> Tensor:
    """The elements in logical order, one after the other, without lazy conjugation or negation."""
    if tensor._is_zerotensor():
        tensor = torch.zeros(tensor.shape, dtype=tensor.dtype)  # of which there is no memory
    flat = tensor.detach().resolve_conj().resolve_neg().contiguous().view(-1)
    # A single element may keep a step of 0, at which its bytes could not be looked at.
    return flat.as_strided((1,), (1,)) if flat.numel() == 1 else flat


def bytes_of(flat: Tensor) -> npt.NDArray[np.uint8]:
    """The memory of elements in order, on the CPU."""
    found: npt.NDArray[np.uint8] = flat.view(torch.uint8).numpy()
    return found


def _of_part(part: Tensor, *, only_checksum: bool) -> Columns:
    flat = in_order(part).cpu()
    dtype = name_of(flat.dtype)
    if dtype not in ITEM_SIZES:
        flat, dtype = flat.view(torch.uint8), "uint8"
    return columns_of_bytes(bytes_of(flat), dtype, only_checksum=only_checksum)


def columns_of_bytes(data: npt.NDArray[np.uint8], dtype: str, *, only_checksum: bool = False) -> Columns:
    """The statistics of elements that lie one after the other, as columns of one row."""
    whole = len(data) // ROW_BYTES
    rows = data[: whole * ROW_BYTES].reshape(whole, ROW_BYTES)
    tail = data[whole * ROW_BYTES :]
    blocks: list[Any] = [rows[at : at + _BLOCK_ROWS] for at in range(0, whole, _BLOCK_ROWS)]
    if len(tail) or not whole:
        blocks.append(tail.reshape(1, -1))
    sums = np.concatenate([checksum_of_rows(block) for block in blocks])
    if only_checksum:
        return {"checksum": combined_checksum(sums)}
    return {**combined([reduced(block, dtype) for block in blocks]), "checksum": combined_checksum(sums)}
