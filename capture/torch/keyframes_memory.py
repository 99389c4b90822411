"""Copies of the memory that tensors from outside live in, each piece of memory once. Knows nothing of graphs."""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, UntypedStorage
from torch.multiprocessing.reductions import StorageWeakRef

from graphreel.tracefile.tensors import Bytes, Storage

_ALIGNMENT = 16
"""A row begins at a multiple of as many bytes, which every element size divides."""
_WHOLE = 1 << 20
"""Memory that exceeds what a tensor looks at by no more than this, or by no more than four times, is kept whole."""


@dataclass(slots=True)
class _Row:
    """The copied part of a piece of memory, from byte `begin` to `end`, in pieces; `key` is its storage."""

    device: str
    begin: int
    end: int
    key: int = 0
    pieces: list[Tensor] = field(default_factory=list)
    gone: bool = False


class Memory:
    """Rows of copied memory. Only the part of a huge memory that tensors look at is copied.

    Copies are made on the memory's own device, in the order of its current stream, and read in `read`.

    Attributes:
        nbytes: Bytes of all rows, whether or not they are kept.
        keeps: Whether bytes are kept; else they are only counted.
    """

    def __init__(self) -> None:
        self.nbytes = 0
        self.keeps = True
        self._rows: list[_Row] = []
        self._live: dict[int, tuple[int, StorageWeakRef]] = {}
        self._addresses: dict[int, int] = {}
        self._data: list[Bytes] = []

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, storage: UntypedStorage, since: int = 0) -> int | None:
        """The row of a piece of memory that was copied before and lives still, unless it is a row before `since`."""
        found = self._live.get(storage._cdata)
        if found is None and (address := storage.data_ptr()):
            # Two arrays of NumPy's may be one memory that PyTorch takes for two.
            found = self._live.get(self._addresses.get(address, 0))
        return None if found is None or found[1].expired() or found[0] < since else found[0]

    def row_of(self, tensor: Tensor, since: int = 0) -> int:
        """The row of the memory that a strided tensor looks at, which is copied now as far as it was not before."""
        storage = tensor.untyped_storage()
        begin, end = _part(tensor, storage)
        number = self.find(storage, since)
        if number is None:
            number = len(self._rows)
            self._rows.append(_Row(str(storage.device), begin, begin, storage._cdata))
            # The reference keeps the address, by which a storage goes, from being given to another; not the memory.
            self._live[storage._cdata] = number, StorageWeakRef(storage)
            self._addresses[storage.data_ptr()] = storage._cdata
        row = self._rows[number]
        if begin < row.begin:
            row.pieces.insert(0, self._copy(storage, begin, row.begin))
            row.begin = begin
        if end > row.end:
            row.pieces.append(self._copy(storage, row.end, end))
            row.end = end
        return number

    def again(self, tensor: Tensor) -> int:
        """A row of its own with what the memory of a tensor holds now, as far as it has been copied before."""
        storage = tensor.untyped_storage()
        found = self.find(storage)
        begin, end = (self._rows[found].begin, self._rows[found].end) if found is not None else (0, storage.nbytes())
        self._rows.append(
            _Row(str(storage.device), begin, end, pieces=[self._copy(storage, begin, min(end, storage.nbytes()))])
        )
        return len(self._rows) - 1

    def begin_of(self, row: int) -> int:
        """The byte of the memory at which a row begins."""
        return self._rows[row].begin

    def is_gone(self, row: int) -> bool:
        """Whether a row was let go."""
        return self._rows[row].gone

    def outdate(self, storage: UntypedStorage) -> None:
        """Copy a memory anew when it is met next, since what it holds now is what will be needed."""
        self._live.pop(storage._cdata, None)
        self._live.pop(self._addresses.pop(storage.data_ptr(), 0), None)

    def drop(self, row: int, *, again: bool) -> None:
        """Let go of a row; with `again`, copy its memory anew when it is met next."""
        if again and self._live.get(self._rows[row].key, (-1,))[0] == row:
            del self._live[self._rows[row].key]
        self._rows[row].gone = True
        self._rows[row].pieces.clear()
        self.nbytes -= self._rows[row].end - self._rows[row].begin

    def forget(self, *, let_go: bool) -> None:
        """Copy every memory anew when it is met next; with `let_go`, also let go of what was copied."""
        self._live.clear()
        self._addresses.clear()
        if let_go:
            for row in self._rows:
                row.gone = True
                row.pieces.clear()
            self.nbytes = 0

    def stop(self) -> None:
        """Let go of all, and only count from now on."""
        self.keeps = False
        for row in self._rows:
            row.pieces.clear()

    def read(self) -> None:
        """Bring everything into plain memory; the one place that waits for a device."""
        self._live.clear()
        self._addresses.clear()
        for device in {row.device for row in self._rows if row.device.startswith("cuda")}:
            torch.cuda.synchronize(device)
        for row in self._rows:
            pieces = [piece.cpu().numpy() for piece in row.pieces]
            row.pieces.clear()
            self._data.append(pieces[0] if len(pieces) == 1 else np.concatenate([np.empty(0, np.uint8), *pieces]))

    def storage(self, row: int) -> Storage:
        """A row as the file takes it, after `read`."""
        return Storage(self._data[row], self._rows[row].device)

    def _copy(self, storage: UntypedStorage, begin: int, end: int) -> Tensor:
        self.nbytes += end - begin
        if not self.keeps:
            return torch.empty(0, dtype=torch.uint8, device="cpu")
        return torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)[begin:end].clone()


def _part(tensor: Tensor, storage: UntypedStorage) -> tuple[int, int]:
    """From which to which byte the memory of a tensor is worth keeping."""
    size, whole = tensor.element_size(), storage.nbytes()
    if tensor.is_nested or not tensor.numel():
        return (0, whole) if whole <= _WHOLE else (0, 0)
    last = sum((count - 1) * step for count, step in zip(tensor.shape, tensor.stride(), strict=True))
    first = int(tensor.storage_offset())
    begin, end = first * size, (first + int(last) + 1) * size
    if whole <= max(4 * (end - begin), end - begin + _WHOLE):
        return 0, whole
    return begin // _ALIGNMENT * _ALIGNMENT, end
