"""What is noted down of a pass's autograd graph: plain data and nothing of PyTorch that could be kept alive by it."""

from dataclasses import dataclass, field
from typing import NamedTuple

from graphreel.capture.torch.log import NO_TENSOR, RawTensor
from graphreel.graph import ValueKind

STOPPED = (-1, 0)
"""Stands for a next function that is None: no gradient goes there."""


class HookCounts(NamedTuple):
    """Hooks of the program's on an autograd node: before it, after it, and on the tensors whose gradient it takes."""

    before: int = 0
    after: int = 0
    tensor: int = 0


class SavedNote(NamedTuple):
    """A tensor that an autograd node saved for backward, as it was when backward began.

    Attributes:
        name: As the node calls it: `self`, `result`, `weight`.
        type: Its dtype, shape and device. Where hooks packed the tensor: of what they made of it, None if no tensor.
        nbytes: Its bytes; -1 where they are not known.
        tensor: Its number in the pass, or NO_TENSOR.
        packed: Whether hooks of the program's packed it (`save_on_cpu`, a checkpoint).
    """

    name: str
    type: RawTensor | None
    nbytes: int = -1
    tensor: int = NO_TENSOR
    packed: bool = False


class LeafNote(NamedTuple):
    """The tensor to whose `.grad` an `AccumulateGrad` adds. `tensor` is its number in the pass, or NO_TENSOR."""

    tensor: int
    kind: ValueKind
    name: str
    type: RawTensor


class NodeNote(NamedTuple):
    """An autograd node when a backward first met it.

    Attributes:
        op: Its name, such as `MulBackward0`.
        number: Its sequence number, counted from the pass's begin; None where it has none.
        edges: For each gradient it gives, the node that takes it (its place in `AutogradNotes.nodes`) and as which of
            its inputs; STOPPED where nothing does.
        takes: Dtype, shape and device of the gradients it takes.
        saved: The tensors it saved.
        leaf: What it adds to, of an `AccumulateGrad`.
        hooks: Hooks of the program's.
        function: Qualified name of the custom `autograd.Function` that it is of, or empty.
        call: The backward that met it, by its place in `AutogradNotes.calls`.
    """

    op: str
    number: int | None
    edges: tuple[tuple[int, int], ...]
    takes: tuple[RawTensor, ...]
    saved: tuple[SavedNote, ...]
    leaf: LeafNote | None
    hooks: HookCounts
    function: str
    call: int


@dataclass(slots=True)
class CallNote:
    """One call of backward.

    Attributes:
        outer: The call within which it ran, by its place in `AutogradNotes.calls`, or -1.
        roots: The nodes that it began with, and which of their inputs.
        end_ns: When it ended, on the monotonic clock.
        end_event: How many events the pass had then.
    """

    outer: int
    roots: tuple[tuple[int, int], ...] = ()
    begin_event: int = 0
    end_ns: int = 0
    end_event: int = 0


@dataclass(slots=True)
class AutogradNotes:
    """What was seen of one pass.

    Attributes:
        base: What autograd's counter stood at when the pass began.
        nodes: Autograd nodes in the order in which they were met; one that two calls met stands once.
        calls: The calls of backward.
        begins, ends: Each time that a node began or ended to run: its place, when, and how many events there were.
        fault: A fault of the recorder's own, for which the view is left out.
    """

    base: int
    nodes: list[NodeNote] = field(default_factory=list)
    calls: list[CallNote] = field(default_factory=list)
    begins: list[tuple[int, int, int]] = field(default_factory=list)
    ends: list[tuple[int, int, int]] = field(default_factory=list)
    fault: str = ""

    def give_up(self, fault: Exception) -> None:
        """Leave the view out, for this fault of the recorder's own."""
        self.fault = f"{type(fault).__name__}: {fault}"
