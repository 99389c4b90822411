"""What the dtypes of tensors are in bytes, and how NumPy shows them; by the names that graphs use."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]


def _plain(type: str) -> Callable[[npt.NDArray[np.uint8]], Numbers]:
    little: np.dtype[Any] = np.dtype(f"<{type}")
    ours: np.dtype[Any] = little.newbyteorder("=")

    def numbers(data: npt.NDArray[np.uint8]) -> Numbers:
        return data.view(little).astype(ours, copy=False)

    return numbers


def _bool(data: npt.NDArray[np.uint8]) -> Numbers:
    # Bytes from elsewhere need not be 0 or 1, and NumPy relies on it.
    return data.astype(np.bool_)


def _bfloat16(data: npt.NDArray[np.uint8]) -> Numbers:
    """Exactly: a bfloat16 is the upper half of a float32."""
    return (data.view("<u2").astype(np.uint32) << 16).view(np.float32)


def _complex32(data: npt.NDArray[np.uint8]) -> Numbers:
    return data.view("<f2").astype(np.float32).view(np.complex64)


def _float8(exponent: int, mantissa: int, bias: int, *, unsigned_zero: bool) -> Callable[[Numbers], Numbers]:
    """The kinds with a sign that have no infinity. With `unsigned_zero`, NaN is what would be -0, else all ones."""

    @cache
    def table() -> npt.NDArray[np.float32]:
        code = np.arange(256)
        power, rest = (code >> mantissa) & ((1 << exponent) - 1), code & ((1 << mantissa) - 1)
        whole = np.where(power > 0, 1, 0) + rest / (1 << mantissa)
        found = np.ldexp(whole, np.maximum(power, 1) - bias) * np.where(code < 128, 1, -1)
        found[[0x80] if unsigned_zero else [0x7F, 0xFF]] = np.nan
        return np.asarray(found, np.float32)

    return lambda data: table()[data]


def _float8_e5m2(data: npt.NDArray[np.uint8]) -> Numbers:
    """Exactly: it is the upper half of a float16."""
    return (data.astype(np.uint16) << 8).view(np.float16).astype(np.float32)


def _float8_e8m0fnu(data: npt.NDArray[np.uint8]) -> Numbers:
    """An exponent alone."""
    nan = data == 255
    return np.where(nan, np.float32(np.nan), np.ldexp(np.float32(1), np.where(nan, 0, data.astype(np.int32) - 127)))


_SHOWN: dict[str, tuple[int, Callable[[npt.NDArray[np.uint8]], Numbers]]] = {
    "bool": (1, _bool),
    **{f"int{bits}": (bits // 8, _plain(f"i{bits // 8}")) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (bits // 8, _plain(f"u{bits // 8}")) for bits in (8, 16, 32, 64)},
    **{f"float{bits}": (bits // 8, _plain(f"f{bits // 8}")) for bits in (16, 32, 64)},
    "bfloat16": (2, _bfloat16),
    "complex32": (4, _complex32),
    "complex64": (8, _plain("c8")),
    "complex128": (16, _plain("c16")),
    "float8_e4m3fn": (1, _float8(4, 3, 7, unsigned_zero=False)),
    "float8_e4m3fnuz": (1, _float8(4, 3, 8, unsigned_zero=True)),
    "float8_e5m2": (1, _float8_e5m2),
    "float8_e5m2fnuz": (1, _float8(5, 2, 16, unsigned_zero=True)),
    "float8_e8m0fnu": (1, _float8_e8m0fnu),
    "qint8": (1, _plain("i1")),
    "quint8": (1, _plain("u1")),
    "qint32": (4, _plain("i4")),
}
"""Bytes of one element, and what turns the bytes of many into an array."""

_UNSHOWN: dict[str, int] = {
    **{f"{sign}int{bits}": 1 for sign in ("", "u") for bits in range(1, 8)},
    **dict.fromkeys(("bits1x8", "bits2x4", "bits4x2", "bits8", "quint4x2", "quint2x4", "float4_e2m1fn_x2"), 1),
    "bits16": 2,
}

ITEM_SIZES: dict[str, int] = {**{name: size for name, (size, _) in _SHOWN.items()}, **_UNSHOWN}
"""Bytes of one element of every dtype that a trace may hold."""


def is_shown(dtype: str) -> bool:
    """Whether `from_bytes` knows the dtype."""
    return dtype in _SHOWN


def from_bytes(data: npt.NDArray[np.uint8], dtype: str) -> Numbers:
    """The elements that the bytes hold, a whole number of them.

    What NumPy has no dtype for becomes the smallest that holds it exactly: float32 for bfloat16 and the float8 kinds,
    complex64 for complex32.
    """
    return _SHOWN[dtype][1](data)
