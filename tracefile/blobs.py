"""Bytes of tensors in the file: cut into pieces, and each distinct piece stored once.

So a buffer that no iteration changes stands in the file once, and of a large one that changes in part, the rest does.
"""

import os
import sqlite3
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np

from graphreel.tracefile.codec import Damage, Encoded, decode, encode
from graphreel.tracefile.tensors import Bytes

PIECE = 4 << 20
"""Bytes of the largest piece."""

RAW = "raw"
_PAYS = 0.75  # of the bytes; for less, reading and writing them fast is worth more
_SAMPLE = 8 << 10
_COMPRESSED = {f"u{width}": width for width in (1, 2, 4, 8)}


class BlobWriter:
    """Puts bytes into the table `blobs`, within the transaction that runs.

    `written` is called after each piece that was added, and may raise to break off.
    """

    def __init__(self, connection: sqlite3.Connection, written: Callable[[], None]) -> None:
        self._connection = connection
        self._written = written

    def add(self, data: Bytes, width: int = 1) -> dict[str, Any]:
        """Store bytes that hold elements of so many bytes; what is to be written down to find them again, as JSON."""
        if data.dtype != np.uint8 or data.ndim != 1 or not data.flags.c_contiguous:
            raise ValueError(f"the bytes of a tensor are {data.dtype} of shape {data.shape}, not a row of uint8")
        whole = blake2b(digest_size=8)
        blobs: list[int] = []
        for start in range(0, len(data), PIECE):
            piece = data[start : start + PIECE]
            digest = _digest(piece)
            whole.update(digest)
            blobs.append(self._known(digest) or self._insert(digest, piece, width))
        return {"size": len(data), "blobs": blobs, "hash": whole.hexdigest()}

    def _known(self, digest: bytes) -> int | None:
        row = self._connection.execute("SELECT id FROM blobs WHERE hash = ?", (digest,)).fetchone()
        return None if row is None else int(row[0])

    def _insert(self, digest: bytes, piece: Bytes, width: int) -> int:
        encoded = _encode(piece, width)
        row = (digest, encoded.type, encoded.size, encoded.data)
        added = self._connection.execute("INSERT INTO blobs (hash, type, size, data) VALUES (?, ?, ?, ?)", row)
        assert added.lastrowid is not None
        self._written()
        return added.lastrowid


class BlobReader:
    """Reads what `BlobWriter.add` stored. A piece that is asked for again and again, as zeros are, is read once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._last: tuple[int, bytes, Bytes] | None = None

    def read(self, stored: Mapping[str, Any]) -> Bytes:
        """The bytes; raises Damage where they are not the ones that were stored, naming the piece.

        `stored` is to be checked by `check_stored` before.
        """
        found = np.zeros(stored["size"], np.uint8)
        whole = blake2b(digest_size=8)
        at = 0
        for number in stored["blobs"]:
            digest, piece = self._piece(number)
            whole.update(digest)
            if len(piece) > len(found) - at:
                raise Damage(f"its pieces hold more than its {len(found)} bytes")
            # Fresh memory is zero, and costs nothing until it is written to.
            if piece.any():
                found[at : at + len(piece)] = piece
            at += len(piece)
        if at != len(found) or whole.hexdigest() != stored["hash"]:
            raise Damage("its pieces are not the ones that were written")
        return found

    def _piece(self, number: int) -> tuple[bytes, Bytes]:
        if self._last is None or self._last[0] != number:
            self._last = (number, *_read_piece(self._connection, number))
        return self._last[1:]


def _read_piece(connection: sqlite3.Connection, number: int) -> tuple[bytes, Bytes]:
    row = connection.execute("SELECT hash, type, size, data FROM blobs WHERE id = ?", (number,)).fetchone()
    if row is None:
        raise Damage(f"blob {number} is missing")
    try:
        piece = _decode(*row[1:])
    except Damage as error:
        raise Damage(f"blob {number}: {error}") from error
    digest = _digest(piece)
    if digest != row[0]:
        raise Damage(f"blob {number} does not hold the bytes that were written")
    return digest, piece


def check_stored(found: object) -> int:
    """Check what is written down of bytes that are stored, and give their number; raises Damage."""
    if not isinstance(found, dict):
        raise Damage("what says where its bytes are is damaged")
    size, blobs, digest = found.get("size"), found.get("blobs"), found.get("hash")
    numbers = isinstance(blobs, list) and all(type(number) is int and 0 < number < 1 << 63 for number in blobs)
    if type(size) is not int or not isinstance(digest, str) or not isinstance(blobs, list) or not numbers:
        raise Damage("what says where its bytes are is damaged")
    if not 0 <= size <= len(blobs) * PIECE:
        raise Damage(f"it declares {size} bytes, and its {len(blobs)} pieces cannot hold that")
    return size


def check_memory(size: int) -> None:
    """Raise Damage for more bytes than could be loaded here at all."""
    most = _memory() // 2
    if size > most:
        raise Damage(f"it declares {size:,} bytes, and at most half of this machine's memory is taken for it: {most:,}")


def _memory() -> int:
    sysconf = getattr(os, "sysconf", None)
    try:
        return int(sysconf("SC_PAGE_SIZE") * sysconf("SC_PHYS_PAGES")) if sysconf else 1 << 35
    except (ValueError, OSError):
        return 1 << 35


def _digest(piece: Bytes) -> bytes:
    # Much of what a program holds is zero, and seeing that takes a tenth of the time.
    return blake2b(piece.data, digest_size=32).digest() if piece.any() else _digest_of_zeros(len(piece))


@lru_cache(maxsize=64)
def _digest_of_zeros(size: int) -> bytes:
    return blake2b(bytes(size), digest_size=32).digest()


def _encode(piece: Bytes, width: int) -> Encoded:
    """As a column of the elements where that is smaller, else as it is."""
    kind = f"u{width}" if f"u{width}" in _COMPRESSED and len(piece) % width == 0 else "u1"
    if _looks_compressible(piece, kind):
        encoded = encode(piece.view(f"<{kind}"), kind)
        if len(encoded.data) <= len(piece) * _PAYS:
            return encoded
    return Encoded(RAW, len(piece), piece.tobytes())


def _looks_compressible(piece: Bytes, kind: str) -> bool:
    if len(piece) <= 4 * _SAMPLE:
        return True  # compressing it is how to find out
    starts = (0, len(piece) // 2 & -8, (len(piece) - _SAMPLE) & -8)
    sample = np.concatenate([piece[start : start + _SAMPLE] for start in starts])
    return len(encode(sample.view(f"<{kind}"), kind).data) <= len(sample) * _PAYS


def _decode(type: object, size: object, data: object) -> Bytes:
    if not isinstance(size, int) or not 0 <= size <= PIECE:
        raise Damage(f"it declares {size} bytes, and a piece has at most {PIECE}")
    if type == RAW:
        if not isinstance(data, bytes) or len(data) != size:
            raise Damage(f"it declares {size} bytes and holds another number")
        return np.frombuffer(data, np.uint8)
    if type not in _COMPRESSED:
        raise Damage(f"{type!r} is no type of a blob")
    return decode(type, size, data).astype(f"<{type}", copy=False).view(np.uint8)
