"""Tensors as a trace holds them: plain bytes, and how they are to be looked at.

Nothing here knows a framework, so that values can be shown where none is installed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from graphreel.graph import NodeId, ValueId
from graphreel.tracefile.codec import Damage
from graphreel.tracefile.dtypes import ITEM_SIZES, from_bytes, is_shown
from graphreel.tracefile.errors import CannotShow

Bytes = npt.NDArray[np.uint8]
"""One dimension, contiguous."""

STRIDED = "strided"

NO_VALUE = ValueId(-1)

_MOST = (1 << 63) - 1  # what a framework can hold as a size, a step or a count
_MOST_DIMENSIONS = 64
_MOST_NESTED = 4


@dataclass(frozen=True, slots=True, eq=False)
class Storage:
    """A piece of memory: its bytes, and the device it was on."""

    data: Bytes
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class TensorView:
    """How a tensor looks at a storage.

    Attributes:
        dtype: As in the graph: `float32`.
        shape: Sizes.
        stride: Steps of each dimension, in elements.
        offset: Where it begins in its storage, in elements.
        storage: Row of the storages that it came with; -1 where the tensor consists of `parts`, or has no bytes
            of its own (layout `base`, `meta`).
        value: The value it is in the iteration's graph; -1 for a part.
        layout: `strided`, `sparse_coo`, `sparse_csr`, `quantized`, `jagged`, …: what the parts make up.
        parts: The tensors that it consists of, by name (`indices`, `values`).
        about: What else its layout needs, as plain JSON data: `{"conj": true}`, `{"coalesced": true}`.
    """

    dtype: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int = 0
    storage: int = -1
    value: ValueId = NO_VALUE
    layout: str = STRIDED
    parts: Mapping[str, "TensorView"] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class GeneratorState:
    """A random generator as it stood before a node ran. `generator` is `cpu`, `cuda:0`, or the name of its own."""

    node: NodeId
    generator: str
    state: Bytes


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """A tensor that something changed between two nodes where no operation shows: `.data =`, another thread, C++ code.

    Attributes:
        node: The node that was the first to take it thereafter.
        view: What it is from there on. Its `value` is the one as which the node takes it, which stays the same value.
        in_place: Whether it is still in the memory that it was in, so that whatever shares that memory changed too: the
            bytes of the view's storage belong over those of that memory, from its begin. Else this tensor alone looks
            elsewhere from now on.
    """

    node: NodeId
    view: TensorView
    in_place: bool


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """What an iteration can be executed again from.

    Attributes:
        tensors: What entered the graph from outside, each as it was when it was first taken. One of layout `base`
            looks, with its stride and offset, at the memory that its value's `base` lives in at that moment.
        storages: The memory they live in, as it was when the first of them was taken; tensors that share memory share a
            storage, also later on, when nodes have written it.
        changes: Tensors that something other than a node changed, in order of the nodes.
        generators: Random generators, before the first node that draws from them, and wherever they do not stand where
            the node before left them.
        environment: Settings that results depend on, such as `num_threads` or `deterministic`.
        problems: What could not be kept, one line each; replay of what needs it is refused with that line.
    """

    tensors: Sequence[TensorView] = ()
    storages: Sequence[Storage] = ()
    generators: Sequence[GeneratorState] = ()
    environment: Mapping[str, Any] = field(default_factory=dict)
    problems: Sequence[str] = ()
    changes: Sequence[Change] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of all storages and states."""
        return sum(s.data.nbytes for s in self.storages) + sum(g.state.nbytes for g in self.generators)


@dataclass(frozen=True, slots=True, eq=False)
class RecordedTensor:
    """A whole value that was kept: its view, and the storage that it looks at (for parts, several)."""

    view: TensorView
    storages: Sequence[Storage]


def check_view(view: TensorView, storages: Sequence[Storage]) -> None:
    """Raise Damage unless the view, and each of its parts, lies within its storage.

    Then every element can be read, whatever the shape and the strides say; and no size, step or count is larger than
    64 bits hold. How the parts fit together is not looked at.
    """
    _check_view(view, storages, 0)


def _check_view(view: TensorView, storages: Sequence[Storage], depth: int) -> None:
    if depth > _MOST_NESTED:
        raise Damage("a tensor has parts within parts without end")
    if len(view.shape) > _MOST_DIMENSIONS:
        raise Damage(f"a tensor has {len(view.shape)} dimensions")
    numbers = (*view.shape, *view.stride, view.offset, _element_count(view))
    if not all(0 <= number <= _MOST for number in numbers):
        raise Damage("a tensor has a size, a step or a count that no tensor can have")
    if view.storage >= 0:
        _check_bounds(view, storages)
    elif view.layout == STRIDED or view.storage != -1:
        raise Damage(f"a tensor looks at storage {view.storage}")
    for part in view.parts.values():
        _check_view(part, storages, depth + 1)


def _check_bounds(view: TensorView, storages: Sequence[Storage]) -> None:
    if view.storage >= len(storages):
        raise Damage(f"a tensor looks at storage {view.storage}, and there are {len(storages)}")
    if view.dtype not in ITEM_SIZES:
        raise Damage(f"a tensor has the unknown dtype {view.dtype!r}")
    if len(view.stride) != len(view.shape):
        raise Damage(f"a tensor has {len(view.shape)} dimensions and {len(view.stride)} strides")
    behind = _behind(view) * ITEM_SIZES[view.dtype]
    if _element_count(view) and behind > storages[view.storage].data.nbytes:
        raise Damage(f"a tensor reaches to byte {behind} of a storage of {storages[view.storage].data.nbytes}")


def _element_count(view: TensorView) -> int:
    # Python's integers do not wrap around, as NumPy's would.
    return math.prod(view.shape)


def _behind(view: TensorView) -> int:
    """The element behind the last that the view shows; it must show one."""
    return view.offset + sum((size - 1) * step for size, step in zip(view.shape, view.stride, strict=True)) + 1


def to_numpy(view: TensorView, storages: Sequence[Storage]) -> npt.NDArray[Any]:
    """The tensor as an array, not to be written to; it may look at the storage itself.

    bfloat16 and the float8 kinds become float32, complex32 becomes complex64, each exactly. Memory is taken for the
    part of the storage that the view spans, never for a shape that repeats it.

    Raises CannotShow for a layout or a dtype that NumPy has nothing for, and Damage where the view does not fit.
    """
    check_view(view, storages)
    if view.layout != STRIDED:
        raise CannotShow.layout(view.layout, tuple(view.parts))
    if not is_shown(view.dtype):
        raise CannotShow.dtype(view.dtype)
    width = ITEM_SIZES[view.dtype]
    count = _element_count(view)
    if count * 16 > _MOST:
        raise CannotShow.size(view.shape)
    span = storages[view.storage].data[view.offset * width : _behind(view) * width if count else view.offset * width]
    numbers = from_bytes(span, view.dtype)
    # Before the elements are spread over the shape, which may repeat them without end.
    if numbers.dtype.kind == "c" and view.about.get("conj"):
        numbers = np.conj(numbers)
    if numbers.dtype.kind in "fc" and view.about.get("neg"):
        numbers = np.negative(numbers)
    if not count:
        return np.empty(view.shape, numbers.dtype)
    # A step of a dimension of one is never taken, and may be any number.
    steps = [step * numbers.itemsize if size > 1 else 0 for size, step in zip(view.shape, view.stride, strict=True)]
    return np.lib.stride_tricks.as_strided(numbers, view.shape, steps, writeable=False)
