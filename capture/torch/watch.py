"""What may look at the tensors of a pass while it runs: keyframes, statistics, whole values.

The recorder's hot path knows this protocol only. A pass that keeps structure and timings has no watch, and pays one
comparison for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from graphreel.capture.torch.ops import OpInfo
from graphreel.tracefile.model import IterationRecord


@dataclass(frozen=True, slots=True)
class Numbering:
    """Where the events and tensors of a pass stand in the graph that it became.

    Attributes:
        nodes: The node of each event; events that were dropped as preparation are missing.
        entered: The value that each tensor from outside was when it was first taken.
        given: The value that an event made or wrote, by event and tensor.
        begin_ns: What the monotonic clock stood at when the iteration began.
    """

    nodes: Mapping[int, int] = field(default_factory=dict)
    entered: Mapping[int, int] = field(default_factory=dict)
    given: Mapping[tuple[int, int], int] = field(default_factory=dict)
    begin_ns: int = 0


class Call(NamedTuple):
    """An operation that runs.

    Attributes:
        event: Its place among the events of the pass.
        info: Its operator.
        args, kwargs: What it is called with.
        inputs: The numbers of the tensors among these, as in `Event`.
    """

    event: int
    info: OpInfo
    args: Sequence[Any]
    kwargs: Mapping[str, Any] | None
    inputs: tuple[int, ...]


class Watch(Protocol):
    """Looks at one pass. All but `add_to` are called on the recording thread, with every dispatch mode off.

    What it does must not be noticed: no gradient history, no random numbers, no tensor held beyond the pass, no sync
    with a device before `ended`. An exception that it raises is a fault of the recorder's own.

    Attributes:
        follows: Whether it may be told of operations that an earlier pass foretold: it does without `before`, and asks
            for numbers of tensors by `TensorTable.number_of`, which catches up with those.
    """

    follows: bool

    def entered(self, number: int, tensor: Tensor) -> None:
        """A tensor from outside is about to be taken by an operation for the first time in this pass."""
        ...

    def before(self, call: Call) -> None:
        """An operation is about to run; its tensors have been met."""
        ...

    def after(self, call: Call, out: Any, outputs: tuple[int, ...]) -> None:
        """An operation ran and gave `out`; `outputs` are the numbers of the tensors in it, as in `Event`."""
        ...

    def ended(self) -> None:
        """The pass ended: what lies on a device is read now."""
        ...

    def add_to(self, record: IterationRecord, numbering: Numbering) -> IterationRecord:
        """The iteration with what was seen. Called on the writer's thread, later than everything else."""
        ...


class Silent:
    """A watch that hears nothing; what one that is built on it leaves as it is here is never called."""

    follows = False

    def entered(self, number: int, tensor: Tensor) -> None:
        """Nothing."""

    def before(self, call: Call) -> None:
        """Nothing."""

    def after(self, call: Call, out: Any, outputs: tuple[int, ...]) -> None:
        """Nothing."""

    def ended(self) -> None:
        """Nothing."""
