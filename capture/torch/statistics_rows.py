"""The arithmetic of statistics over rows of bytes, with NumPy, on one thread. Knows no tensor."""

import threading
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from graphreel.tracefile.dtypes import from_bytes

Columns = dict[str, npt.NDArray[np.float64] | npt.NDArray[np.int64]]
Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.uint8]

COLUMNS = ("min", "max", "mean", "std", "nan", "inf", "zeros", "checksum")
COUNTS = ("nan", "inf", "zeros", "checksum")
"""Columns of integers."""

ROW_BYTES = 1 << 15
"""A longer tensor is taken apart into rows of so many bytes. Belongs to the definition of the checksum."""
BLOCK_BYTES = 8 * ROW_BYTES
"""What is reduced at once: as much as stays in the processor's cache."""
_NARROW = 64
"""Rows of fewer elements are turned before the least and the greatest of each are looked for: NumPy goes from row to
row slowly."""
_WORDS = ROW_BYTES // 8
_MIX = np.int64(0x9E3779B97F4A7C15 - (1 << 64))
_EXACT = ("float32", "float16", "bfloat16")
"""Whose squares float64 sums without loss that their own precision would show."""

_PLAIN = {
    "float32": "<f4",
    "float64": "<f8",
    **{f"int{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
}
"""Dtypes whose bytes NumPy takes as they are."""


class _Scratch(threading.local):
    """Memory for what stands between: new memory each time costs more than the arithmetic. Each thread has its own."""

    def __init__(self) -> None:
        self.wide = np.empty(BLOCK_BYTES, np.float64)
        self.flags = np.empty(BLOCK_BYTES, np.bool_)
        # Checksums are made before or after the rest, in the same memory, which is in the cache then.
        self.mixed, self.upper = self.wide.view(np.int64)[: BLOCK_BYTES // 4].reshape(2, -1)


_scratch = _Scratch()


@cache
def weights() -> Ints:
    """An odd number for each word of a row."""
    return _scattered(np.arange(_WORDS, dtype=np.uint64))


def checksum_of_rows(rows: Rows) -> Ints:
    """The sum of each row's words; a last word that is not whole is filled up with zeros. At most BLOCK_BYTES."""
    missing = -rows.shape[1] % 8
    if missing:
        rows = np.pad(rows, ((0, 0), (0, missing)))
    elif not rows.shape[1]:
        return np.zeros(len(rows), np.int64)
    words = rows.view(np.int64)
    mixed, upper = (piece[: words.size].reshape(words.shape) for piece in (_scratch.mixed, _scratch.upper))
    np.multiply(words, _MIX, out=mixed)
    # So that what differs in the upper bits only, as small whole floats do, makes a difference in the lower ones.
    mixed ^= np.right_shift(mixed, 32, out=upper)
    found: Ints = np.einsum("ij,j->i", mixed, weights()[: words.shape[1]])
    return found


def combined_checksum(rows: Ints) -> Ints:
    """The checksum of a tensor that was taken apart into rows."""
    if len(rows) == 1:
        return rows
    factors = _scattered(np.arange(1 << 32, (1 << 32) + len(rows), dtype=np.uint64))
    factors[0] = 1
    return np.array([(rows * factors).sum()], np.int64)


def reduced(rows: Rows, dtype: str) -> Columns:
    """Statistics of each row but for the checksum; `mean` and `std` as yet `count`, `sum` and `square`.

    `square` is the sum of the squares of what elements differ from the row's mean. At most BLOCK_BYTES.
    """
    with np.errstate(all="ignore"):
        numbers = _numbers(rows, dtype)
        if not numbers.shape[1]:
            return _nothing(len(numbers))
        found = _finite(numbers, centred=dtype not in _EXACT)
        odd = ~np.isfinite(found["sum"])
        if odd.any():
            for row in np.flatnonzero(odd):
                for name, number in _of_any(numbers[row]).items():
                    found[name][row] = number
    return found


def combined(parts: Sequence[Columns]) -> Columns:
    """The statistics of one tensor of those of its rows."""
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    with np.errstate(all="ignore"):
        count, total = joined["count"].sum(), joined["sum"].sum()
        mean = total / count
        means = joined["sum"] / joined["count"]
        spread = np.where(joined["count"] > 0, joined["count"] * (means - mean) ** 2, 0)
        std = np.sqrt((joined["square"] + spread).sum() / count)
    some = joined["min"][~np.isnan(joined["min"])], joined["max"][~np.isnan(joined["max"])]
    return {
        "min": np.array([some[0].min() if len(some[0]) else np.nan]),
        "max": np.array([some[1].max() if len(some[1]) else np.nan]),
        "mean": np.array([mean]),
        "std": np.array([std]),
        **{name: joined[name].sum(keepdims=True) for name in ("nan", "inf", "zeros")},
    }


def settled(found: Columns) -> Columns:
    """The statistics where each row is a tensor."""
    with np.errstate(all="ignore"):
        mean, std = found["sum"] / found["count"], np.sqrt(found["square"] / found["count"])
    return {"mean": mean, "std": std, **{name: found[name] for name in ("min", "max", "nan", "inf", "zeros")}}


def _numbers(rows: Rows, dtype: str) -> npt.NDArray[Any]:
    """The elements of each row, of complex ones the magnitude."""
    plain = _PLAIN.get(dtype)
    if plain is not None:
        return rows.view(plain)
    numbers = from_bytes(np.ascontiguousarray(rows).reshape(-1), dtype)
    if numbers.dtype.kind == "c":
        magnitude = np.abs(numbers.astype(np.complex128))
        # The magnitude of infinity and NaN would be infinity.
        magnitude[np.isnan(numbers)] = np.nan
        numbers = magnitude
    elif numbers.dtype == np.float16:
        numbers = numbers.astype(np.float32)
    elif numbers.dtype == np.bool_:
        numbers = numbers.view(np.uint8)
    return numbers.reshape(len(rows), -1) if numbers.size else np.empty((len(rows), 0))


def _finite(numbers: npt.NDArray[Any], *, centred: bool) -> Columns:
    """Statistics of rows as if every number in them were finite."""
    rows, count = numbers.shape
    wide, flags = (piece[: numbers.size].reshape(numbers.shape) for piece in (_scratch.wide, _scratch.flags))
    np.copyto(wide, numbers)
    total: npt.NDArray[np.float64] = np.einsum("ij->i", wide)
    np.equal(numbers, 0, out=flags)
    # Each place of all rows lies side by side then.
    turned = np.ascontiguousarray(numbers.T) if count < _NARROW else numbers.T
    found: Columns = {
        "min": turned.min(axis=0).astype(np.float64),
        "max": turned.max(axis=0).astype(np.float64),
        "count": np.full(rows, count, np.int64),
        "sum": total,
        "nan": np.zeros(rows, np.int64),
        "inf": np.zeros(rows, np.int64),
        "zeros": _counts(flags),
    }
    if centred:
        wide -= (total / count)[:, None]
    wide *= wide
    squares: npt.NDArray[np.float64] = np.einsum("ij->i", wide)
    found["square"] = squares if centred else np.maximum(squares - total * total / count, 0)
    return found


def _counts(flags: npt.NDArray[Any]) -> Ints:
    """How many are set in each row. Most often none is, which a look at all of them tells soonest."""
    if not np.count_nonzero(flags):
        return np.zeros(len(flags), np.int64)
    found: Ints = flags.view(np.uint8).sum(axis=1, dtype=np.int32).astype(np.int64)
    return found


def _of_any(numbers: npt.NDArray[np.floating]) -> Mapping[str, float]:
    """Statistics of one row with NaN or infinities in it."""
    counts = {
        "nan": int(np.isnan(numbers).sum()),
        "inf": int(np.isinf(numbers).sum()),
        "zeros": int((numbers == 0).sum()),
    }
    there = numbers[~np.isnan(numbers)]
    finite = numbers[np.isfinite(numbers)].astype(np.float64)
    mean = finite.mean() if len(finite) else 0.0
    return {
        "min": there.min() if len(there) else np.nan,
        "max": there.max() if len(there) else np.nan,
        "count": len(finite),
        "sum": finite.sum(),
        "square": ((finite - mean) ** 2).sum(),
        **counts,
    }


def _nothing(rows: int) -> Columns:
    """Statistics of rows without elements."""
    nan, zero = np.full(rows, np.nan), np.zeros(rows, np.int64)
    return {
        "min": nan,
        "max": nan,
        "count": zero,
        "sum": np.zeros(rows),
        "nan": zero,
        "inf": zero,
        "zeros": zero,
        "square": np.zeros(rows),
    }


def _scattered(numbers: npt.NDArray[np.uint64]) -> Ints:
    """An odd number without any pattern for each number (the finalizer of SplitMix64)."""
    found = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((found ^ (found >> np.uint64(31))) | np.uint64(1)).view(np.int64)
