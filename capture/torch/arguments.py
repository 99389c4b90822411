"""The arguments of an operation: names of its inputs, and everything else as attributes."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from graphreel.capture.torch.log import NO_TENSOR, NUMBER, TENSOR, Event


@dataclass(frozen=True, slots=True)
class Signature:
    """What all operations with the same operator and the same encoded arguments have in common.

    Attributes:
        tensors: The argument that each input tensor came in by.
        names: Names of the inputs: `self`, `other`; those of a list are `tensors[0]`, `tensors[1]`, ….
        written: Positions of the inputs that are written in place.
        hidden: Arguments whose float is kept apart, in the order in which floats were noted down.
        attributes: What is no tensor, under the schema's names, as plain data.
    """

    tensors: tuple[str, ...]
    names: tuple[str, ...]
    written: tuple[int, ...]
    hidden: tuple[str, ...]
    attributes: Mapping[str, Any]

    @classmethod
    def of(cls, event: Event) -> Self:
        """Read an event's arguments, leaving out a None within a list of tensors."""
        tensors: list[str] = []
        hidden: list[str] = []
        attributes: dict[str, Any] = {}
        for name, given in _named_arguments(event):
            if given is TENSOR:
                tensors.append(name)
            elif isinstance(given, tuple) and given and given[0] is TENSOR:
                tensors += [name] * len(given)
            elif given is NUMBER or (isinstance(given, tuple) and given and given[0] is NUMBER):
                hidden.append(name)
            elif given is not None:
                attributes[name] = plain(given)
        kept = tuple(name for name, number in zip(tensors, event.inputs, strict=True) if number != NO_TENSOR)
        writes = event.op.written
        if event.op.hidden_writes and attributes.get("training") is True:
            writes = writes | event.op.hidden_writes
        written = tuple(at for at, name in enumerate(kept) if name in writes)
        return cls(kept, _numbered(kept), written, tuple(hidden), attributes)


class Signatures:
    """Reads each signature once."""

    def __init__(self) -> None:
        self._known: dict[object, Signature] = {}

    def __call__(self, event: Event) -> Signature:
        """The signature of an event."""
        # With the types, since 1, 1.0 and True are one key to a dict.
        key = event.op, event.arguments, event.keywords, tuple(map(type, event.arguments)), NO_TENSOR in event.inputs
        found = self._known.get(key)
        if found is None:
            found = Signature.of(event)
            if not key[-1]:
                self._known[key] = found
        return found


def _named_arguments(event: Event) -> Iterator[tuple[str, object]]:
    """Name and encoded argument, in the order in which the operation's inputs are counted."""
    names = event.op.arguments
    for at, given in enumerate(event.arguments):
        yield (names[at] if at < len(names) else f"argument{at}"), given
    yield from event.keywords


def _numbered(arguments: Sequence[str]) -> tuple[str, ...]:
    counts = Counter(arguments)
    found: list[str] = []
    seen: Counter[str] = Counter()
    for name in arguments:
        found.append(f"{name}[{seen[name]}]" if counts[name] > 1 else name)
        seen[name] += 1
    return tuple(found)


def plain(given: object) -> Any:
    """An argument as JSON can hold it: a dtype as `float32`, a device as `cuda:0`, a complex number as a text."""
    if given is None or isinstance(given, bool | int | float | str):
        return given
    if isinstance(given, tuple):
        return [plain(entry) for entry in given]
    return str(given).removeprefix("torch.")
