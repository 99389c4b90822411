"""Tensors as a trace holds them: plain bytes, and how they are to be looked at.

Nothing here knows a framework, so that values can be shown where none is installed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from graphreel.graph import NodeId, ValueId

Bytes = npt.NDArray[np.uint8]
"""One dimension, contiguous."""


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
        storage: Row of the storages that it came with; -1 where the tensor consists of `parts`.
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
    value: ValueId = ValueId(-1)
    layout: str = "strided"
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
        tensors: What entered the graph from outside, each as it was when it was first taken. One without a storage and
            without parts looks at the memory that its value's `base` has at that moment.
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
