"""One pass as the recorder notes it down: plain data and no tensor, cheap to append to, turned into a graph later."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from graphreel.capture.options import Level
from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.watch import Watch
from graphreel.graph import ValueKind
from graphreel.tracefile.extras import Finding
from graphreel.tracefile.model import Status

if TYPE_CHECKING:
    from graphreel.capture.torch.autograd_notes import AutogradNotes

NO_TENSOR = -1
NO_ALIAS = -1
NO_NODE = -1
COMPILED = ("torch.compile",)
"""Classes of the scope of a compiled region."""


# Python's garbage collector looks again and again at whatever holds other objects, but drops tuples of plain data from
# its lists. So an event holds plain data only; the collector would cost more than the recorder else.
TENSOR = b"tensor"
"""Stands for an argument that is a tensor; the operation's inputs tell which. No argument is a bytes object."""
NUMBER = b"number"
"""Stands for a float of an optimizer's operation, which changes from step to step; `PassLog.floats` tells which. A
list of such floats is a pair of this and how many."""

RawEvent: TypeAlias = tuple[
    int,
    tuple[int, ...],
    tuple[object, ...],
    tuple[tuple[str, object], ...],
    int,
    int,
    int,
    str | None,
    int,
    int,
    tuple[int, ...],
]
"""An `Event` without its names, and with the operator's place in `PassLog.ops`."""

RawTensor: TypeAlias = tuple[object, tuple[int | None, ...] | None, object, int]
"""A `TensorNote` without its names."""


def is_number(given: object) -> bool:
    """Whether an argument is a float that was kept apart, or a list of them."""
    return given is NUMBER or (isinstance(given, tuple) and bool(given) and given[0] is NUMBER)


def same_event(one: RawEvent, other: RawEvent) -> bool:
    """Whether equal events have the same arguments: 1, 1.0 and True are equal, and so are 0.0 and -0.0."""
    return one is other or (repr(one[2]) == repr(other[2]) and repr(one[3]) == repr(other[3]))


class Event(NamedTuple):
    """One operation that ran.

    Equal passes have equal events: tensors, scopes and autograd's sequence numbers are counted from the pass's begin.

    Attributes:
        op: The operator.
        inputs: Numbers of the tensors among the arguments, in order; -1 for a None within a list of tensors.
        arguments: The arguments as given, with TENSOR for tensors; a tuple of TENSOR for a list of them.
        keywords: The same for keyword arguments, and their names.
        stack: Number of the user's stack.
        scope: Number of the module call it ran in, 0 for none.
        step: Number of the optimizer's step it ran in, 0 for none.
        autograd: Name of the autograd node that ran it, or None.
        autograd_number: Sequence number of that node.
        number: What autograd's counter stood at, which is the number of the operation's own node, plus one.
        outputs: Numbers of the tensors it gave.
    """

    op: OpInfo
    inputs: tuple[int, ...]
    arguments: tuple[object, ...]
    keywords: tuple[tuple[str, object], ...]
    stack: int
    scope: int
    step: int
    autograd: str | None
    autograd_number: int
    number: int
    outputs: tuple[int, ...]


class TensorNote(NamedTuple):
    """A tensor when it was first seen in a pass. `alias` is the tensor whose memory it was found to share, or -1."""

    dtype: object
    shape: tuple[int | None, ...] | None
    device: object
    alias: int


class ScopeNote(NamedTuple):
    """A call of a module: the call around it (0 for none), its names from there on, its classes, and its stack.

    Or, `is_function`, of a custom `autograd.Function`; or, `is_again`, of what `torch.utils.checkpoint` runs again.
    """

    parent: int
    names: tuple[str, ...]
    classes: tuple[str, ...]
    stack: int
    is_function: bool = False
    is_again: bool = False


@dataclass(slots=True)
class FailureNote:
    """An exception that ended a pass. `event` is the operation that raised it, or -1."""

    type: str
    message: str
    traceback: str
    event: int = NO_NODE


@dataclass(slots=True)
class PassLog:
    """All that was noted down of one pass.

    Attributes:
        ops: The operators that events name by their place here.
        tensors: Each tensor by its number.
        scopes: Each module call by its number; entry 0 stands for none.
        steps: Class of each optimizer that stepped, by number; entry 0 stands for none.
        names: Kind and name of the tensors that are known, by number.
        starts, ends: When each event began and ended, on the monotonic clock in nanoseconds; empty at level `graph`.
        floats: Floats of the optimizer's operations, in order.
        errors: What operations raised, by event.
        items: Numbers that the program read, by tensor (`loss.item()`), and the line that read them.
        handed: Numbers that operations handed to the program, by event.
        losses: The tensors that backward started from, in order.
        scalars: Numbers known otherwise, such as learning rates.
        preparation: How many events at the front only prepared the run: up to the last parameter of a module, or all
            before the loop once it is known where that begins.
        first: Whether more of the program's preparations may stand at the front.
        watches: What looked at the pass's tensors; each adds to the iteration.
        autograd: What was seen of the autograd graph, where that was wanted.
        level: How much is kept; None for a pass that is noted down only to find where it ends.
        findings: What the recorder noticed, with events for nodes.
        raised: What modules raised beside their operations, by `id` of the exception.
        loose: The operation from which on all may be the program's last words; None where there are none.
    """

    begin_ns: int
    started_ns: int
    ops: Sequence[OpInfo] = ()
    events: list[RawEvent] = field(default_factory=list)
    tensors: list[RawTensor] = field(default_factory=list)
    scopes: list[ScopeNote] = field(default_factory=lambda: [ScopeNote(0, (), (), 0)])
    steps: list[str] = field(default_factory=lambda: [""])
    names: dict[int, tuple[ValueKind, str]] = field(default_factory=dict)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    floats: list[float] = field(default_factory=list)
    errors: dict[int, str] = field(default_factory=dict)
    items: dict[int, tuple[float, int]] = field(default_factory=dict)
    handed: dict[int, float] = field(default_factory=dict)
    losses: list[int] = field(default_factory=list)
    scalars: dict[str, float] = field(default_factory=dict)
    preparation: int = 0
    first: bool = False
    watches: Sequence[Watch] = ()
    autograd: "AutogradNotes | None" = None
    level: Level | None = Level.TIMING
    findings: list[Finding] = field(default_factory=list)
    raised: dict[int, Finding] = field(default_factory=dict)
    loose: int | None = None
    end_ns: int = 0
    status: Status = Status.COMPLETE
    failure: FailureNote | None = None

    def positions(self) -> set[tuple[int, int]]:
        """Operator and stack of each operation so far that ran outside of modules, backward and optimizers."""
        return {(raw[0], raw[4]) for raw in self.events if not raw[5] and not raw[6] and raw[7] is None}

    def has_backward(self) -> bool:
        """Whether any operation so far is one of backward."""
        return any(raw[7] is not None for raw in self.events)

    def forget_from(self, event: int) -> None:
        """Drop the last operations, from this one on, none of which is an optimizer's."""
        del self.events[event:], self.starts[event:], self.ends[event:]
        self.handed = {at: number for at, number in self.handed.items() if at < event}
        self.errors = {at: error for at, error in self.errors.items() if at < event}

    def event(self, index: int) -> Event:
        """An event with its names."""
        raw = self.events[index]
        return Event(self.ops[raw[0]], *raw[1:])
