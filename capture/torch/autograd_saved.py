"""Which tensors an autograd node saved for backward, without unpacking one.

`node._saved_self` would hand the tensor out, by way of the program's own unpack hooks: a checkpoint would recompute, an
offloaded tensor would come back. `node._raw_saved_self` tells of it as it lies there.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

import torch
from torch import Tensor

from graphreel.capture.torch.autograd_notes import SavedNote
from graphreel.capture.torch.log import NO_TENSOR
from graphreel.capture.torch.spared import let_through
from graphreel.capture.torch.tensors import TensorTable, note

_PREFIX = "_raw_saved_"


class SavedTensors:
    """Reads what nodes saved; which names a class of nodes has is looked up once.

    WORKAROUND: `_raw_saved_*` and `SavedTensor.data` are PyTorch's own (python_saved_variable_hooks.cpp; `data` since
    2.6). Where they are missing nothing saved is told.
    """

    def __init__(self, table: TensorTable) -> None:
        self._table = table
        self._names: dict[type, tuple[str, ...]] = {}

    def __call__(self, node: Any) -> tuple[SavedNote, ...]:
        """What a node saved; nothing where it was freed."""
        names = self._names.get(type(node))
        if names is None:
            names = self._names[type(node)] = tuple(name for name in dir(type(node)) if name.startswith(_PREFIX))
        return tuple(found for name in names for found in self._of(node, name)) if names else ()

    def _of(self, node: Any, attribute: str) -> Iterator[SavedNote]:
        try:
            held = getattr(node, attribute)
        except RuntimeError as error:
            let_through(error)
            return  # the graph was freed by an earlier backward, which the engine is about to say
        name = attribute.removeprefix(_PREFIX)
        if not isinstance(held, tuple | list):
            held, name_of = (held,), {0: name}
        else:
            name_of = {at: f"{name.removesuffix('tensors') or 'tensors'}[{at}]" for at in range(len(held))}
        for at, saved in enumerate(held):
            found = self._note(name_of[at], saved)
            if found is not None:
                yield found

    def _note(self, name: str, saved: Any) -> SavedNote | None:
        try:
            packed = saved.unpack_hook is not None
            data = saved.data
        except (AttributeError, RuntimeError) as error:
            let_through(error)
            return None
        if not isinstance(data, Tensor):
            # None is an argument that was left out, or a tensor that was freed.
            return SavedNote(name, None, packed=True) if packed else None
        number = NO_TENSOR if packed else number_of(self._table, data)
        return SavedNote(name, note(data, -1), _bytes_of(data), number, packed)


def number_of(table: TensorTable, tensor: Tensor) -> int:
    """The number that a tensor has in the pass under way, or NO_TENSOR; none is given for the asking."""
    key = id(tensor)
    number = table.numbers.get(key, NO_TENSOR)
    return number if number != NO_TENSOR and table.known[key]() is tensor else NO_TENSOR


def _bytes_of(tensor: Tensor) -> int:
    """The bytes of a tensor's elements, as far as they lie one beside the other."""
    try:
        sizes = tuple(tensor.shape)
        if tensor.layout is not torch.strided or not all(isinstance(size, int) for size in sizes):
            return -1
        return prod(sizes) * tensor.dtype.itemsize
    except (RuntimeError, ValueError, NotImplementedError) as error:
        let_through(error)
        return -1
