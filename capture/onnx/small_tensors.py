"""The values of tensors that hold few. A model may have tens of thousands of them, and many hold the same."""

import math
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from graphreel.graph import AttributeText, attribute_text

if TYPE_CHECKING:
    from onnx import TensorProto

SHOWN_VALUES = 16
SHOWN_TEXT = 2_000
_DEEPEST = 64
"""Dimensions beyond what NumPy has."""
_EXTERNAL = 1
_PLAIN: dict[int, tuple[str, str, str]] = {
    1: ("<f4", "f", "float_data"),
    6: ("<i4", "i", "int32_data"),
    7: ("<i8", "q", "int64_data"),
    11: ("<f8", "d", "double_data"),
}
"""Types that are stored as they are: NumPy's name, struct's letter, and the field that holds them if not raw_data."""


def few_values(tensor: "TensorProto") -> list[Any] | None:
    """The values in row-major order where there are at most SHOWN_VALUES; None for more, and for broken tensors."""
    count = _count(tensor)
    if count is None:
        return None
    plain = _PLAIN.get(tensor.data_type)
    if plain is None or tensor.HasField("segment"):
        return _any_values(tensor)
    stored = _stored(tensor, count, plain)
    return None if stored is None else _numbers(plain[0], stored)


def few_values_text(tensor: "TensorProto") -> AttributeText | None:
    """As few_values, written as an attribute."""
    count = _count(tensor)
    if count is None:
        return None
    plain = _PLAIN.get(tensor.data_type)
    if plain is None or tensor.HasField("segment"):
        values = _any_values(tensor)
        return None if values is None else AttributeText(attribute_text(values))
    stored = _stored(tensor, count, plain)
    return None if stored is None else _numbers_text(plain[0], stored)


def _count(tensor: "TensorProto") -> int | None:
    """How many values there are; None if they are too many, stored elsewhere, or cannot be."""
    dims = tensor.dims[:]
    if len(dims) > _DEEPEST or min(dims, default=0) < 0 or tensor.data_location == _EXTERNAL:
        return None
    count = math.prod(dims)
    return None if count > SHOWN_VALUES else count


def _stored(tensor: "TensorProto", count: int, plain: tuple[str, str, str]) -> bytes | None:
    """The bytes of so many values; None where the tensor does not hold what it says."""
    dtype, letter, field = plain
    stored = tensor.raw_data
    if not stored and not tensor.HasField("raw_data"):
        numbers = getattr(tensor, field)
        if len(numbers) != count:
            return None
        stored = struct.pack(f"<{count}{letter}", *numbers)
    return stored if len(stored) == count * int(dtype[-1]) else None


@lru_cache(maxsize=4096)
def _numbers_text(dtype: str, stored: bytes) -> AttributeText:
    return AttributeText(attribute_text(_numbers(dtype, stored)))


def _numbers(dtype: str, stored: bytes) -> list[Any]:
    return [_plain(value) for value in np.frombuffer(stored, dtype)]


def _any_values(tensor: "TensorProto") -> list[Any] | None:
    from onnx.numpy_helper import to_array

    try:
        values = np.asarray(to_array(tensor)).reshape(-1)
    except (ValueError, TypeError, KeyError, RuntimeError, AssertionError, NotImplementedError):
        # What the file calls a tensor does not hold what it says; its dtype and shape are shown all the same.
        return None
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return plain_text(value)
    if isinstance(value, np.complexfloating | complex):
        return str(value)
    if isinstance(value, np.bool_ | np.integer):
        return value.item()
    if isinstance(value, str):
        return value[:SHOWN_TEXT]
    # The shortest digits that mean this number in its own precision: 0.1, not 0.10000000149011612.
    return float(str(value))


def plain_text(text: bytes) -> str:
    """A text of the file, shortened, whatever its bytes are."""
    found = text[: 4 * SHOWN_TEXT].decode("utf-8", "backslashreplace")
    return found if len(found) <= SHOWN_TEXT else f"{found[:SHOWN_TEXT]}… ({len(text):,} bytes)"
