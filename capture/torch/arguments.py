"""The arguments of an operation: names of its inputs, and everything else as attributes.

What is written here can be read back exactly, with the operator's schema at hand (`replay/torch/arguments.py`):

- An input is named after its argument; one of a list after its place in the list as well: `tensors[0]`.
- Of a list of tensors that holds a None, an attribute shows the places: `[null, "tensor"]`.
- An argument is absent where it was left out, or was None where that is the default or where there is no default.
- A complex number is a text, `(1+2j)`, and so are dtypes and the like; the schema tells them from texts.
- A float of the optimizer, which changes from step to step, is the name of the column of the nodes that holds it,
  `argument.lr`; a list of n of them is `[argument.lr] * n`. Where the entries of a list differ, that column is NaN and
  the columns `argument.lr[0]`, `argument.lr[1]`, … hold them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from graphreel.capture.torch.log import NO_TENSOR, NUMBER, TENSOR, Event
from graphreel.capture.torch.ops import OpInfo

IN_LIST = "tensor"
"""Stands for a tensor in the attribute of a list of tensors that holds a None."""

OWN_ATTRIBUTES = frozenset({"autograd", "error"})
"""Attributes of a node that are no arguments. An argument of such a name gets `argument.` before it."""


def column_of(argument: str) -> str:
    """The column of the nodes that holds an argument's float of each step."""
    return f"argument.{argument}"


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
        """Read an event's arguments."""
        numbers = iter(event.inputs)
        tensors: list[str] = []
        names: list[str] = []
        hidden: list[str] = []
        attributes: dict[str, Any] = {}
        for name, given in _named_arguments(event):
            if given is TENSOR:
                if next(numbers) != NO_TENSOR:
                    tensors.append(name)
                    names.append(name)
            elif isinstance(given, tuple) and given and given[0] is TENSOR:
                places = [at for at in range(len(given)) if next(numbers) != NO_TENSOR]
                tensors += [name] * len(places)
                names += [f"{name}[{at}]" for at in places]
                if len(places) < len(given):
                    attributes[attribute_of(name)] = [IN_LIST if at in places else None for at in range(len(given))]
            elif isinstance(given, tuple) and any(_is_tensors(inner) for inner in given):
                # A list of lists, as collectives take it.
                found = [f"{name}[{at}][{place}]" for at, inner in enumerate(given) for place in range(len(inner))]
                found = [each for each in found if next(numbers) != NO_TENSOR]
                tensors += [name] * len(found)
                names += found
            elif given is NUMBER or (isinstance(given, tuple) and given and given[0] is NUMBER):
                hidden.append(name)
                attributes[attribute_of(name)] = _in_column(name, given)
            elif given is not None or _default(event.op, name) is not None:
                attributes[attribute_of(name)] = plain(given)
        return cls(tuple(tensors), tuple(names), _written(event, tensors), tuple(hidden), attributes)


class Signatures:
    """Reads each signature once."""

    def __init__(self) -> None:
        self._known: dict[object, Signature] = {}

    def __call__(self, event: Event) -> Signature:
        """The signature of an event."""
        exact = tuple(map(_exact, event.arguments)), tuple((name, _exact(given)) for name, given in event.keywords)
        key = event.op, exact, NO_TENSOR in event.inputs
        found = self._known.get(key)
        if found is None:
            found = Signature.of(event)
            if not key[-1]:
                self._known[key] = found
        return found


def attribute_of(argument: str) -> str:
    """The attribute that an argument is written as: its own name, unless nodes have an attribute of that name."""
    return column_of(argument) if argument in OWN_ATTRIBUTES else argument


def plain(given: object) -> Any:
    """An argument as JSON can hold it: a dtype as `float32`, a device as `cuda:0`, a complex number as `(1+2j)`."""
    if given is None or isinstance(given, bool | int | float | str):
        return given
    if isinstance(given, complex):
        text = str(given)
        return text if text.startswith("(") else f"({text})"
    if isinstance(given, tuple):
        return [plain(entry) for entry in given]
    return str(given).removeprefix("torch.")


def _exact(given: object) -> object:
    """What tells an argument from all others: 1, 1.0 and True are one key to a dict, and so are 0.0 and -0.0."""
    if isinstance(given, tuple):
        return tuple(map(_exact, given))
    return type(given), given or str(given)


def _is_tensors(given: object) -> bool:
    return isinstance(given, tuple) and bool(given) and given[0] is TENSOR


def _in_column(name: str, given: object) -> str:
    return f"[{column_of(name)}] * {given[1]}" if isinstance(given, tuple) else column_of(name)


def _written(event: Event, tensors: list[str]) -> tuple[int, ...]:
    writes = event.op.written
    if event.op.hidden_writes and dict(_named_arguments(event)).get("training") is True:
        writes = writes | event.op.hidden_writes
    return tuple(at for at, name in enumerate(tensors) if name in writes)


def _default(op: OpInfo, argument: str) -> Any:
    """The default of an argument; None where there is none."""
    schema = getattr(op.func, "_schema", None)
    return next((known.default_value for known in schema.arguments if known.name == argument), None) if schema else None


def _named_arguments(event: Event) -> Iterator[tuple[str, object]]:
    """Name and encoded argument, in the order in which the operation's inputs are counted."""
    names = event.op.arguments
    for at, given in enumerate(event.arguments):
        yield (names[at] if at < len(names) else f"argument{at}"), given
    yield from event.keywords
