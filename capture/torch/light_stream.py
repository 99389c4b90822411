"""What PyTorch's profiler saw of one or more iterations, as one list in the order of their beginning.

An operator stands here by its name, and what it runs inside does not: those calls are the framework's own. What is only
a frame around operators (`aten::linear`, a node of autograd, a range of `record_function`) stands before them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Self

import torch

from graphreel.capture.torch.profiler import Piece
from graphreel.capture.torch.spared import let_through

MARK = "graphreel iteration"
"""The name of the range that is put where an iteration's first module is called."""
_EMPTY = getattr(torch._C._profiler, "_RecordFunctionFast", torch.autograd.profiler.record_function)


class Kind(IntEnum):
    """What an event is, by its name."""

    OPERATOR = 0
    """Seen by the recorder as it is called; what runs inside is not."""
    EITHER = 1
    """Seen so in some cases, in others only what runs inside: `aten::max` is an operator and a frame around one."""
    WHOLE = 2
    """A frame around operators, which inference mode hands over whole; it may hold none."""
    FRAME = 3
    """A frame around operators; it may hold none."""
    DEVICE = 4
    """Of a device, and of the calls that give it work."""


class Kinds(dict[str, Kind]):
    """The kind of each name, looked up when it is first asked for."""

    def __missing__(self, name: str) -> Kind:
        kind = self[name] = _kind(name)
        return kind

    def seen_whole(self, names: Iterable[str]) -> None:
        """Some frames were recorded as operators."""
        for name in names:
            if self[name] is Kind.FRAME:
                self[name] = Kind.WHOLE


@dataclass(slots=True)
class Stream:
    """Events in the order of their beginning.

    Attributes:
        names: Their names.
        start_ns: When each began, on the monotonic clock; 0 for frames.
        duration_ns: How long it ran; 0 for frames.
        ends: The place after all that runs inside of each; empty where nobody asked.
    """

    names: list[str] = field(default_factory=list)
    start_ns: list[int] = field(default_factory=list)
    duration_ns: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, pieces: Iterable[Piece], kinds: Kinds, *, nested: bool) -> Self:
        """The events of all pieces, in order; `nested` if it is asked what runs inside of what."""
        found = cls()
        for piece in pieces:
            start, end = piece.clock_ns
            roots = piece.results.experimental_event_tree()
            if nested:
                found._add_nested(roots, kinds, (start + end) // 2)
            else:
                found._add(roots, kinds, (start + end) // 2)
        return found

    def marks(self) -> list[int]:
        """Where iterations were marked."""
        return [at for at, name in enumerate(self.names) if name == MARK]

    def follow(self, other: "Stream") -> None:
        """Append another's events."""
        shift = len(self.names)
        self.names += other.names
        self.start_ns += other.start_ns
        self.duration_ns += other.duration_ns
        self.ends += [end + shift for end in other.ends]

    def after(self, place: int) -> "Stream":
        """The events from a place on."""
        ends = [end - place for end in self.ends[place:]]
        return Stream(self.names[place:], self.start_ns[place:], self.duration_ns[place:], ends)

    def _add(self, roots: list[Any], kinds: Kinds, ahead_ns: int) -> None:
        # The hot loop of this level: each question to an event costs a tenth of a microsecond and more.
        names, starts, durations = self.names.append, self.start_ns.append, self.duration_ns.append
        operator, frame, device = Kind.OPERATOR, Kind.FRAME, Kind.DEVICE
        waiting = roots[::-1]
        take = waiting.pop
        while waiting:
            event = take()
            name = event.name
            kind = kinds[name]
            if kind is operator:
                names(name)
                starts(event.start_time_ns - ahead_ns)
                durations(event.duration_time_ns)
                continue
            if kind is device:
                continue
            names(name)
            if kind is frame:
                starts(0)
                durations(0)
            else:
                starts(event.start_time_ns - ahead_ns)
                durations(event.duration_time_ns)
            inside = event.children
            if inside:
                waiting += inside[::-1]

    def _add_nested(self, roots: list[Any], kinds: Kinds, ahead_ns: int) -> None:
        waiting: list[Any] = roots[::-1]
        while waiting:
            event = waiting.pop()
            if isinstance(event, int):
                self.ends[event] = len(self.names)
                continue
            kind = kinds[event.name]
            if kind is Kind.DEVICE:
                continue
            timed = kind is not Kind.FRAME
            self.names.append(event.name)
            self.start_ns.append(event.start_time_ns - ahead_ns if timed else 0)
            self.duration_ns.append(event.duration_time_ns if timed else 0)
            self.ends.append(len(self.names))
            if kind is not Kind.OPERATOR:
                waiting.append(len(self.names) - 1)
                waiting += event.children[::-1]


def mark() -> None:
    """Put the mark of an iteration into the profile that runs."""
    with _EMPTY(MARK):
        pass


def _kind(name: str) -> Kind:
    if "::" not in name or name.startswith(("autograd::", "torch::autograd::")):
        return Kind.DEVICE if name.startswith(("cuda", "hip", "Memcpy", "Memset", "cuLaunch")) else Kind.FRAME
    composite = [_is_composite(schema) for schema in _schemas(name)]
    known = {each for each in composite if each is not None}
    if not composite:
        # Not an operator: a kernel of a device goes by its C++ name, with blanks and brackets.
        return Kind.DEVICE if " " in name or "<" in name or "(" in name else Kind.FRAME
    return Kind.EITHER if len(known) > 1 else Kind.FRAME if known == {True} else Kind.OPERATOR


def _schemas(name: str) -> list[Any]:
    """The operator's overloads, but for those that only named dimensions and given outputs tell apart."""
    found = torch._C._jit_get_schemas_for_operator(name)
    plain = [each for each in found if "Dimname" not in str(each) and "out" not in each.overload_name]
    return plain or list(found)


def _is_composite(schema: Any) -> bool | None:
    """Whether an overload is made of others; None where the dispatcher does not know it."""
    full = f"{schema.name}.{schema.overload_name}" if schema.overload_name else schema.name
    try:
        return bool(torch._C._dispatch_has_kernel_for_dispatch_key(full, "CompositeImplicitAutograd"))
    except RuntimeError as error:
        let_through(error)
        return None
