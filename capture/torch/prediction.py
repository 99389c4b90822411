"""Expects a pass to go as an earlier one went, so that an operation need only be compared with what stood at its place.

Whatever is not exactly as it was then is left to the long way, which looks at everything. Nothing here keeps a tensor
alive, and nothing is taken for equal that was not compared: the operator, each argument by object or by type and value,
the lines that led there, autograd's state, the module call, and what comes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from torch import Tensor

from graphreel.capture.torch.log import NO_TENSOR, NUMBER, TENSOR, PassLog, RawEvent, RawTensor, ScopeNote, same_event
from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.stacks import Chain

if TYPE_CHECKING:
    from graphreel.capture.torch.tensors import Reference

Plain: TypeAlias = tuple[Any, type, object]
"""Where an argument stands, its type, and what it is."""

NOTHING, NEW, FIRST, SEVERAL, SIZED = range(5)
"""What an operation gives: nothing, a new tensor, its first argument, or several of which some may be None. The last
stands for a new one, or several, of any shape."""

SIZES = (int, float, list)
"""Types of arguments that may say how large something is."""

REMEMBERED = 4
"""How many different passes are remembered: training and evaluation often take turns."""

Rest: TypeAlias = tuple[tuple[tuple[int, int], ...], tuple[tuple[int, tuple[int, ...]], ...], tuple[Any, ...]]
"""By position, tensors that may enter, and lists of tensors; and where floats stand that are kept apart."""

Takes: TypeAlias = tuple[
    int,
    tuple[int, ...],
    tuple[Plain, ...],
    int,
    tuple[Plain, ...],
    int,
    tuple[tuple[CodeType, int], ...] | None,
    Rest | None,
]
"""How many arguments stand by position; the tensors that come first, which are known by then; other arguments; how many
stand by name; those of them that are no tensors; the stack around the module call, and the functions from the operation
to there, or None where autograd's engine ran it; what only few operations have."""

Gives: TypeAlias = tuple[int, tuple[RawTensor | None, ...], bool]
"""What comes out, one of the above; notes of that; whether those follow from what goes in."""

Expected: TypeAlias = tuple[Any, OpInfo, RawEvent, Takes, Gives]
"""An operation that is expected: operator, what is known of it, event, what to compare before and after it runs."""

_NEVER: Any = (None, None, (), (), ())
"""Expected of an operation that goes the long way each time."""

_COMPARED = (int, bool, str, type(None))


@dataclass(slots=True, eq=False)
class Earlier:
    """A pass that the one under way may turn out to repeat.

    Attributes:
        events, tensors, scopes, errors: What was noted down of it, as in `PassLog`, whose rest is not held.
        refs: Its tensors by number, as of the last pass that was equal.
        addresses: Where the memory of those lay that came from outside.
        expected: What is expected at each place, as far as it was seen to repeat; None beyond.
        sized: What is expected there of a pass that differs by sizes, likewise.
        model: The pass that this one differs from by sizes, where that is known.
    """

    events: Sequence[RawEvent]
    tensors: Sequence[RawTensor]
    scopes: Sequence[ScopeNote]
    errors: Mapping[int, str]
    refs: "list[Reference]"
    addresses: dict[int, int]
    expected: list[Expected | None] = field(default_factory=list)
    sized: list[Expected | None] = field(default_factory=list)
    model: "Earlier | None" = None

    def __post_init__(self) -> None:
        missing = len(self.events) - len(self.expected)
        self.expected = [*self.expected, *[None] * missing, _NEVER]
        self.sized = [None] * len(self.expected)

    def begins_like(self, log: PassLog) -> bool:
        """Whether it went as another pass that is under way went so far."""
        events, tensors = len(log.events), len(log.tensors)
        return (
            len(self.events) > events
            and self.events[:events] == log.events
            and all(map(same_event, self.events, log.events))
            and self.tensors[:tensors] == log.tensors
            and self.scopes[: len(log.scopes)] == log.scopes
        )

    def begins_alike(self, log: PassLog) -> bool:
        """Whether it went as another pass that is under way went so far, but for sizes."""
        events, tensors = len(log.events), len(log.tensors)
        return (
            len(self.events) > events
            and len(self.tensors) >= tensors
            and all(map(_is_alike, self.events, log.events))
            and all(map(_is_alike_tensor, self.tensors, log.tensors))
            and self.scopes[: len(log.scopes)] == log.scopes
        )

    def resembles(self, at: int, log: PassLog) -> bool:
        """Whether the operation that was just noted down is as it was, but for sizes."""
        return at < len(self.events) and _is_alike(self.events[at], log.events[at])

    def expect_any_size(self) -> None:
        """What was seen to repeat may repeat in another size."""
        self.sized = [
            sized(expected) if known is None and expected is not None else known
            for known, expected in zip(self.sized, self.expected, strict=True)
        ]

    def repeats(self, at: int, log: PassLog, tensors: int) -> bool:
        """Whether the operation that was just noted down, with all tensors from number `tensors` on, is as it was.

        If so, the log gets the very objects that the earlier one has.
        """
        if at >= len(self.events):
            return False
        own, event = self.events[at], log.events[at]
        if event != own or not same_event(event, own):
            return False
        if log.tensors[tensors:] != self.tensors[tensors : len(log.tensors)]:
            return False
        log.events[at] = self.events[at]
        log.tensors[tensors:] = self.tensors[tensors : len(log.tensors)]
        return True


class Ran(NamedTuple):
    """An operation that was just noted down; before it ran, so many tensors had numbers."""

    info: OpInfo
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    out: Any
    tensors: int
    chain: Chain | None


def learned(event: RawEvent, notes: Sequence[RawTensor], ran: Ran) -> Expected:
    """What to expect of an operation that just repeated itself: the event again, and tensors with these notes."""
    info, args, kwargs, out, tensors, chain = ran
    never: Expected = _NEVER
    if info.reads_host or info.may_copy or info.reshapes or info.call is info.func or event[7] == "":
        return never
    described = _describe(event, args, kwargs, tensors)
    given = _given(event, args, out, tensors, notes)
    if described is None or given is None:
        return never
    known, plain, named, rest = described
    outer, functions = chain or (0, None)
    takes = len(args), known, plain, len(kwargs), named, outer, functions, rest
    return info.func, info, event, takes, (*given, info.follows_inputs and bool(event[1]))


def sized(expected: Expected) -> Expected:
    """The same where what comes out may be of another size."""
    operator, info, event, takes, gives = expected
    if operator is None or gives[0] not in (NEW, SEVERAL):
        return expected
    return operator, info, event, takes, (SIZED, *gives[1:])


def _is_alike(one: RawEvent, other: RawEvent) -> bool:
    """Whether two events differ in their arguments at most."""
    return one is other or (one[:2] == other[:2] and one[4:] == other[4:])


def _is_alike_tensor(one: RawTensor, other: RawTensor) -> bool:
    """Whether two tensors differ in their shapes at most."""
    return one is other or (one[0] is other[0] and one[2:] == other[2:])


def _describe(event: RawEvent, args: tuple[Any, ...], kwargs: Mapping[str, Any], tensors: int) -> Any:
    """What to compare of an operation's arguments; None where that is not worth its while."""
    inputs = iter(event[1])
    known: list[int] = []
    entering: list[tuple[int, int]] = []
    lists: list[tuple[int, tuple[int, ...]]] = []
    plain: list[Plain] = []
    named: list[Plain] = []
    floats: list[Any] = []
    places: list[tuple[Any, tuple[Any, Any]]] = [
        *enumerate(zip(event[2], args, strict=True)),
        *((k, (v, kwargs[k])) for k, v in event[3]),
    ]
    for at, (noted, given) in places:
        by_position = isinstance(at, int)
        if noted is TENSOR and by_position:
            number = next(inputs)
            if at == len(known) and number < tensors:
                known.append(number)
            else:
                entering.append((at, number))
        elif isinstance(noted, tuple) and noted and noted[0] is TENSOR and by_position and type(given) is list:
            numbers = tuple(next(inputs) for _ in noted)
            if min(numbers) <= NO_TENSOR or max(numbers) >= tensors:
                return None
            lists.append((at, numbers))
        elif noted is NUMBER:
            floats.append(at)
        elif (value := _comparable(given)) is not None:
            (plain if by_position else named).append((at, type(given), value[0]))
        else:
            return None
    rest = (tuple(entering), tuple(lists), tuple(floats)) if entering or lists or floats else None
    return tuple(known), tuple(plain), tuple(named), rest


def _comparable(given: Any) -> tuple[object] | None:
    """An argument that == tells from all others of its type, as it can be kept."""
    if isinstance(given, Tensor):
        return None
    if type(given) in _COMPARED or type(given).__module__ == "torch":
        return (given,) if type(given).__name__ != "Generator" else None
    if type(given) is float:
        return (given,) if given and not isnan(given) else None
    if type(given) is list and all(type(entry) is int or type(entry) is bool for entry in given):
        return (list(given),)
    return None


def _given(event: RawEvent, args: tuple[Any, ...], out: Any, tensors: int, notes: Sequence[RawTensor]) -> Any:
    """What an operation gives, and the notes of what is new of it; None where it is neither of the four."""
    outputs = event[10]
    if out is None and not outputs:
        return NOTHING, ()
    if args and out is args[0] and isinstance(out, Tensor):
        return FIRST, ()
    new = [number for number in event[1] if number >= tensors]
    first = max(new, default=tensors - 1) + 1
    entries = (out,) if isinstance(out, Tensor) else out
    if not isinstance(entries, list | tuple):
        return None
    if any(entry is not None and type(entry) is not Tensor for entry in entries):
        return None
    if outputs != tuple(range(first, first + len(outputs))) or not outputs:
        return None
    numbers = iter(outputs)
    kept = tuple(None if entry is None else notes[next(numbers)] for entry in entries)
    if any(each is not None and (each[1] is None or None in each[1]) for each in kept):
        return None
    return (NEW if isinstance(out, Tensor) else SEVERAL), kept
