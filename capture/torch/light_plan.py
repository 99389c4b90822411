"""Where the operations of a recorded pass stand in what the profiler sees of its like.

An iteration of which only the profiler knows is taken for one that was recorded only if both went alike: the same
modules were called with tensors of the same shapes, the same optimizers stepped, and the profiler saw the same
operators in the same order, with nothing beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from graphreel.capture.kineto.columns import IntColumn
from graphreel.capture.torch.light_stream import Kind, Kinds, Stream
from graphreel.capture.torch.log import PassLog
from graphreel.graph import Graph

UNSEEN = -1
"""The place of an operation that the profiler does not see."""
_DETACH = "aten::detach"
_ACCUMULATES = "torch::autograd::AccumulateGrad"
_WITHIN = 64
"""How many events before an operator's a composite one is looked for that it is part of."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two runs part: the number of the operation, what stands there, and what was expected (empty: the end)."""

    at: int
    found: str
    expected: str

    def __str__(self) -> str:
        found = f"operation {self.at} is {self.found}" if self.found else f"it ends before operation {self.at}"
        expected = f"where {self.expected} was expected" if self.expected else "where the known one has ended"
        return f"{found}, {expected}"


@dataclass(slots=True)
class Part:
    """The operations of a pass before its first module call, or from there on.

    Attributes:
        operators: The profiler's name of each.
        instead: What PyTorch runs instead while no dispatch mode is on; empty where it runs the same.
        unseen: Whether it does not run then.
        names: What the profiler shows of them; None until it was seen once.
        places: Where each stands in that, or UNSEEN.
    """

    operators: list[str]
    instead: list[str]
    unseen: list[bool]
    names: list[str] | None = None
    places: list[int] = field(default_factory=list)

    def learn(self, stream: Stream, kinds: Kinds, first: int, last: int, *, whole: bool) -> Difference | None:
        """Find the operations among the events between two places; `whole` if all those events must be theirs."""
        found = _aligned(self, stream, kinds, first, last)
        if isinstance(found, Difference):
            return found
        seen = [place for place in found if place != UNSEEN]
        end = max((stream.ends[place] for place in seen), default=first)
        if whole:
            extra = first_operator(stream, kinds, end, last)
            if extra is not None:
                return Difference(len(found), stream.names[extra], "")
            # A frame that ended before the first operation is not theirs.
            while seen and first < seen[0] and stream.ends[first] <= seen[0]:
                first = stream.ends[first]
            first, end = (first, last) if seen else (last, last)
        self.names = stream.names[first:end]
        self.places = [UNSEEN if place == UNSEEN else place - first for place in found]
        return None

    def difference(self, names: Sequence[str]) -> Difference:
        """The first operation of which the events are not those expected."""
        expected = self.names or []
        at = next((at for at, (one, two) in enumerate(zip(names, expected, strict=False)) if one != two), None)
        at = min(len(names), len(expected)) if at is None else at
        operation = sum(1 for place in self.places if place != UNSEEN and place < at)
        return Difference(operation, names[at] if at < len(names) else "", expected[at] if at < len(expected) else "")


@dataclass(slots=True, eq=False)
class Known:
    """A pass that was recorded with all its operations, and the way to know its like again.

    Attributes:
        log: What was noted down of it.
        calls: The modules that were called and the optimizers that stepped, in order.
        front, rest: Its operations before the first module call, and from there on.
        graph: Its graph, and the event of each node; None until it was asked for.
    """

    log: PassLog
    calls: Sequence[object]
    front: Part
    rest: Part
    graph: tuple[Graph, IntColumn] | None = None

    @classmethod
    def of(cls, log: PassLog, calls: Sequence[object], front: int) -> "Known":
        """Look at a pass; `front` operations ran before its first module call."""
        names = [_profiled_name(log.ops[raw[0]].name) for raw in log.events]
        instead = [_instead(name, raw[7]) for name, raw in zip(names, log.events, strict=True)]
        unseen = _unseen(log)
        front_part = Part(names[:front], instead[:front], unseen[:front])
        rest = Part(names[front:], instead[front:], unseen[front:])
        return cls(log, calls, front_part, rest)


def first_operator(stream: Stream, kinds: Kinds, first: int, last: int) -> int | None:
    """The first place between two at which an operator stands."""
    solid = (Kind.OPERATOR, Kind.EITHER)
    return next((at for at in range(first, last) if kinds[stream.names[at]] in solid), None)


def _profiled_name(name: str) -> str:
    """The profiler's name of an operator: `aten::addmm` for `aten.addmm.default`."""
    return name.rpartition(".")[0].replace(".", "::", 1)


def _instead(name: str, autograd: str | None) -> str:
    """What runs instead of an operator while no dispatch mode is on: gradients are added up in place then."""
    if name == "aten::add" and autograd is not None:
        return "aten::add_"
    return "aten::_reshape_alias" if name == "aten::view" else ""


def _unseen(log: PassLog) -> list[bool]:
    """Which operations autograd dispatches only while a dispatch mode is on.

    It detaches what an operation gave in order to keep it for backward, which no operation of the program's takes, and
    again in backward.
    """
    taken = {tensor for raw in log.events if raw[7] is None for tensor in raw[1]}
    found: list[bool] = []
    made: set[int] = set()
    for raw in log.events:
        keeps = log.ops[raw[0]].name == "aten.detach.default" and (
            raw[7] not in (None, _ACCUMULATES) or (raw[1][0] in made and taken.isdisjoint(raw[10]))
        )
        found.append(keeps)
        if not keeps:
            made = set(raw[10])
    return found


def _aligned(part: Part, stream: Stream, kinds: Kinds, at: int, last: int) -> list[int] | Difference:
    """The place of each operation, from place `at` on."""
    operators, names = part.operators, stream.names
    places: list[int] = []
    while len(places) < len(operators):
        number = len(places)
        if at >= last:
            if not all(part.unseen[number:]):
                return Difference(number, "", operators[number])
            return places + [UNSEEN] * (len(operators) - number)
        name, kind = names[at], kinds[names[at]]
        is_it = name in (operators[number], part.instead[number]) or _is_in_place(operators[number], stream, at)
        if is_it and kind is not Kind.FRAME:
            if part.unseen[number] and _fewer_detached(part, number, stream, kinds, at, last):
                places.append(UNSEEN)
                continue
            places.append(at)
            at = stream.ends[at]
        elif kind is Kind.OPERATOR or (kind is Kind.EITHER and stream.ends[at] == at + 1):
            if not part.unseen[number]:
                return Difference(number, name, operators[number])
            places.append(UNSEEN)
        else:
            at += 1
    return places


def _is_in_place(operator: str, stream: Stream, at: int) -> bool:
    """Whether a composite operator of PyTorch's, such as attention, works in place here, as it does without a mode."""
    if stream.names[at] != f"{operator}_":
        return False
    around = (before for before in range(at - 1, max(at - _WITHIN, -1), -1) if stream.ends[before] > at)
    return any(stream.names[before].startswith("aten::") for before in around)


def _fewer_detached(part: Part, number: int, stream: Stream, kinds: Kinds, at: int, last: int) -> bool:
    """Whether more detaching operations follow than events of them: then those of autograd's are the unseen ones."""
    wanted = 0
    while number < len(part.operators) and part.operators[number] == _DETACH:
        wanted, number = wanted + 1, number + 1
    found = 0
    while at < last and found < wanted:
        if stream.names[at] == _DETACH:
            found += 1
        elif kinds[stream.names[at]] in (Kind.OPERATOR, Kind.EITHER):
            break
        at += 1
    return found < wanted
