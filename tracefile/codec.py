"""How a column becomes bytes in the file, and back.

Numbers are little-endian, split into byte planes (first every number's lowest byte, then every number's second, …) and
compressed with zlib: the upper bytes of counts and times hardly change, so the planes take half the room and time.
Strings are one JSON list. What is read may be damaged or made by an enemy: its declared size is believed only as far
as its bytes can bear, and nothing is ever unpickled or evaluated.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Kind = TypeVar("Kind")

JSON = "json"
NUMBERS = frozenset({"b1", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"})
"""Element types: boolean, unsigned, signed and floating, with the bytes of one element."""

LARGEST = 1 << 30
"""Bytes of one column; a graph of 100 million nodes stays below it."""

_MOST_EXPANSION = 1100  # deflate gives at most 1,032 bytes for one
_LEVEL = 1  # higher ones take two to eight times as long for 7 % less


class Damage(ValueError):
    """Bytes that do not hold what they declare."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One column as the file holds it: its element type, its bytes before compression, and the compressed bytes."""

    type: str
    size: int
    data: bytes


def encode(column: npt.NDArray[Any], type: str) -> Encoded:
    """The column as elements of `type`; raises ValueError where that is no type of the format."""
    if type not in NUMBERS:
        raise ValueError(f"a column of type {type!r} cannot be stored; accepted are {', '.join(sorted(NUMBERS))}")
    numbers = np.ascontiguousarray(column, dtype=f"<{type}")
    planes = numbers.view(np.uint8).reshape(len(numbers), numbers.itemsize).T.tobytes()
    return Encoded(type, len(planes), zlib.compress(planes, _LEVEL))


def type_of(column: npt.NDArray[Any]) -> str:
    """The format's name for a column's own element type; `encode` refuses those it does not know."""
    return f"{column.dtype.kind}{column.dtype.itemsize}"


def encode_strings(strings: Sequence[str]) -> Encoded:
    """The strings as one JSON list; in ASCII, so that even a lone surrogate comes back as it was."""
    return encode_json(list(strings))


def decode(type: object, size: object, data: object) -> npt.NDArray[Any]:
    """The numbers, in this machine's byte order and not to be written to; raises Damage."""
    if not isinstance(type, str) or type not in NUMBERS:
        raise Damage(f"{type!r} is no element type")
    width = int(type[1:])
    planes = _inflate(size, data)
    if len(planes) % width:
        raise Damage(f"{len(planes)} bytes are no whole number of {type} elements")
    found = np.empty((len(planes) // width, width), np.uint8)
    # Plane by plane: NumPy's own transposing takes more than twice as long.
    for byte, plane in enumerate(np.frombuffer(planes, dtype=np.uint8).reshape(width, len(found))):
        found[:, byte] = plane
    numbers = found.reshape(-1).view(f"<{type}")
    numbers = numbers.astype(numbers.dtype.newbyteorder("="), copy=False)
    numbers.flags.writeable = False
    return numbers


def encode_json(found: object) -> Encoded:
    """Any JSON data; raises TypeError or ValueError where it is none."""
    text = json.dumps(found, separators=(",", ":")).encode("ascii")
    return Encoded(JSON, len(text), zlib.compress(text, _LEVEL))


def decode_json(type: object, size: object, data: object) -> Any:
    """What `encode_json` was given; raises Damage."""
    if type != JSON:
        raise Damage(f"{type!r} instead of {JSON!r}")
    return parse_json(_inflate(size, data))


def decode_strings(type: object, size: object, data: object) -> tuple[str, ...]:
    """The strings; raises Damage."""
    found = decode_json(type, size, data)
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise Damage("it is no list of strings")
    return tuple(found)


def parse_json(text: str | bytes) -> Any:
    """What the JSON says; raises Damage where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Damage(f"it is not JSON ({error})") from error


def expect(kind: type[Kind], found: object, what: str) -> Kind:
    """The value, if it is of that kind; else Damage that says what was expected."""
    if not isinstance(found, kind):
        raise Damage(f"{what} is {type(found).__name__}, not {kind.__name__}")
    return found


def _inflate(size: object, data: object) -> bytes:
    if not isinstance(size, int) or not isinstance(data, bytes):
        raise Damage("it is no compressed column")
    if not 0 <= size <= min(LARGEST, len(data) * _MOST_EXPANSION):
        raise Damage(f"it declares {size} bytes, and its {len(data)} compressed ones cannot hold that")
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(data, size + 1)
    except zlib.error as error:
        raise Damage(f"its bytes are not what was written ({error})") from error
    if len(found) != size or not stream.eof or stream.unused_data:
        raise Damage(f"it declares {size} bytes and holds another number")
    return found
