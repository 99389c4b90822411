"""Reads the arguments of an operation back from its node: the inverse of `capture/torch/arguments.py`.

Everything comes from a file, so every argument is checked against the operator's schema before it is used.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from graphreel.capture.torch.arguments import IN_LIST, attribute_of, column_of
from graphreel.replay.torch.refused import Refused

NONE_ENTRY = -1
"""Stands in a list of inputs for a None."""

_INPUT = re.compile(r"(\w+)(?:\[(\d{1,9})\])?")
_COLUMN = re.compile(r"\[(argument\.\w+)\] \* (\d{1,9})")
_LONGEST_LIST = 1_000_000


def _named(kind: type) -> dict[str, Any]:
    return {str(found).removeprefix("torch."): found for found in vars(torch).values() if isinstance(found, kind)}


DTYPES: Mapping[str, torch.dtype] = _named(torch.dtype)
_LAYOUTS = _named(torch.layout)
_MEMORY_FORMATS = _named(torch.memory_format)


@dataclass(frozen=True, slots=True)
class Call:
    """An operation with its arguments, but for its tensors.

    Attributes:
        positional: The first arguments, with None where a tensor belongs.
        keywords: Names of the others, whose arguments follow in `arguments`.
        tensors: Place among the arguments and number of the input, for each tensor.
        storages: The same for the memory of each tensor that is given without it.
        lists: The same for each list of tensors; -1 in it stands for a None.
        columns: Place, column and length for what differs from step to step; length -1 for a single number.
        generators: Place and name of each random generator.
    """

    operator: Any
    arguments: tuple[Any, ...]
    positional: int
    keywords: tuple[str, ...]
    tensors: tuple[tuple[int, int], ...] = ()
    storages: tuple[tuple[int, int], ...] = ()
    lists: tuple[tuple[int, tuple[int, ...]], ...] = ()
    columns: tuple[tuple[int, str, int], ...] = ()
    generators: tuple[tuple[int, str], ...] = ()

    def run(
        self,
        inputs: Sequence[Tensor],
        number: Callable[[str], float],
        generator: Callable[[str], torch.Generator | None],
    ) -> Any:
        """Execute it on these tensors; `number` gives the number of a column, `generator` a generator by name."""
        arguments = list(self.arguments)
        for at, place in self.tensors:
            arguments[at] = inputs[place]
        for at, place in self.storages:
            arguments[at] = inputs[place].untyped_storage()
        for at, places in self.lists:
            arguments[at] = [None if place == NONE_ENTRY else inputs[place] for place in places]
        for at, column, length in self.columns:
            arguments[at] = number(column) if length < 0 else _entries(number, column, length)
        for at, name in self.generators:
            arguments[at] = generator(name)
        if not self.keywords:
            return self.operator(*arguments)
        keywords = dict(zip(self.keywords, arguments[self.positional :], strict=True))
        return self.operator(*arguments[: self.positional], **keywords)

    def converted(self, convert: Callable[[Any], Any]) -> "Call":
        """The same with every plain argument converted, such as all dtypes to another."""
        return replace(self, arguments=tuple(convert(argument) for argument in self.arguments))


@dataclass(slots=True)
class _Reading:
    """A call as far as it was read."""

    arguments: list[Any] = field(default_factory=list)
    positional: int = 0
    keywords: list[str] = field(default_factory=list)
    tensors: list[tuple[int, int]] = field(default_factory=list)
    storages: list[tuple[int, int]] = field(default_factory=list)
    lists: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    columns: list[tuple[int, str, int]] = field(default_factory=list)
    generators: list[tuple[int, str]] = field(default_factory=list)
    gap: bool = False

    def add(self, name: str, given: Any, *, by_name: bool) -> None:
        if by_name or self.gap:
            self.keywords.append(name)
        else:
            self.positional += 1
        self.arguments.append(given)


def read_call(operator: Any, names: Sequence[str], attributes: Mapping[str, Any]) -> Call:
    """The call of a node whose inputs have these names; raises Refused for what does not fit the operator."""
    single, listed = _inputs_by_argument(names)
    reading = _Reading()
    for argument in operator._schema.arguments:
        name, key = str(argument.name), attribute_of(str(argument.name))
        at = len(reading.arguments)
        by_name = bool(argument.kwarg_only)
        if name in single:
            bare = _peeled(argument.real_type)[0].kind() == "StorageType"
            _check_takes(argument, "a tensor", bare or _is_tensor(argument.real_type))
            (reading.storages if bare else reading.tensors).append((at, single.pop(name)))
            reading.add(name, None, by_name=by_name)
        elif name in listed:
            _check_takes(argument, "a list of tensors", _is_tensor_list(argument.real_type))
            reading.lists.append((at, _places(name, listed.pop(name), attributes.get(key))))
            reading.add(name, None, by_name=by_name)
        elif key in attributes:
            reading.add(name, _plain(argument, attributes[key], reading), by_name=by_name)
        elif argument.has_default_value():
            reading.gap = True
        elif _peeled(argument.real_type)[1]:
            reading.add(name, None, by_name=by_name)
        else:
            raise Refused(f"its argument {name} is missing in the trace")
    if single or listed:
        raise Refused(f"{operator} has no argument {next(iter([*single, *listed]))}")
    return Call(
        operator,
        tuple(reading.arguments),
        reading.positional,
        tuple(reading.keywords),
        tensors=tuple(reading.tensors),
        storages=tuple(reading.storages),
        lists=tuple(reading.lists),
        columns=tuple(reading.columns),
        generators=tuple(reading.generators),
    )


def _inputs_by_argument(names: Sequence[str]) -> tuple[dict[str, int], dict[str, dict[int, int]]]:
    """Inputs that are arguments by themselves, and those that stand in lists, by their place there."""
    single: dict[str, int] = {}
    listed: dict[str, dict[int, int]] = {}
    for number, name in enumerate(names):
        match = _INPUT.fullmatch(name)
        if match is None:
            raise Refused(f"an input is called {name[:40]!r}, which is no argument")
        argument, place = match.groups()
        if place is None:
            single[argument] = number
        else:
            listed.setdefault(argument, {})[int(place)] = number
    return single, listed


def _places(name: str, known: Mapping[int, int], shown: Any) -> tuple[int, ...]:
    """The inputs of a list of tensors by place; the attribute shows the list where a None stands in it."""
    if isinstance(shown, list):
        length = len(shown)
        complete = shown == [IN_LIST if place in known else None for place in range(length)] and max(known) < length
    else:
        length = len(known)
        complete = max(known) + 1 == length
    if not complete:
        raise Refused(f"the list of tensors {name} is not as it was recorded: an entry is missing")
    return tuple(known.get(place, NONE_ENTRY) for place in range(length))


def _check_takes(argument: Any, what: str, fits: bool) -> None:
    if not fits:
        raise Refused(f"its argument {argument.name} is {what} in the trace, and takes {argument.real_type}")


def _peeled(kind: Any) -> tuple[Any, bool]:
    """A type without its Optional, and whether it had one."""
    return (kind.getElementType(), True) if kind.kind() == "OptionalType" else (kind, False)


def _is_tensor(kind: Any) -> bool:
    return bool(_peeled(kind)[0].kind() == "TensorType")


def _is_tensor_list(kind: Any) -> bool:
    kind = _peeled(kind)[0]
    return kind.kind() == "ListType" and _is_tensor(kind.getElementType())


def _plain(argument: Any, given: Any, reading: _Reading) -> Any:
    """An argument that is no tensor, or an empty list of them; raises Refused."""
    name = str(argument.name)
    kind, optional = _peeled(argument.real_type)
    if given is None and optional:
        return None
    at = len(reading.arguments)
    if kind.kind() == "GeneratorType" and isinstance(given, str):
        reading.generators.append((at, given))
        return None
    column = column_of(name)
    if given == column and str(kind) in {"number", "float", "Tensor"}:
        reading.columns.append((at, column, -1))
        return None
    length = _length_in_column(kind, given, column)
    if length is not None:
        reading.columns.append((at, column, length))
        return None
    try:
        return _read(kind, given)
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        what = f"a {str(given)[1:-1]}, which a trace does not hold" if _is_placeholder(given) else repr(given)[:60]
        raise Refused(f"its argument {name} is {what}; {argument.real_type} is needed") from error


def _entries(number: Callable[[str], float], column: str, length: int) -> list[float]:
    """The entries of a list: one number over and over, or each from a column of its own where they differ."""
    same = number(column)
    if length == 1 or not math.isnan(same):
        return [same] * length
    return [number(f"{column}[{place}]") for place in range(length)]


def _length_in_column(kind: Any, given: Any, column: str) -> int | None:
    """How long a list is that is the number of a column over and over; None where it is no such list."""
    if kind.kind() != "ListType" or not isinstance(given, str):
        return None
    match = _COLUMN.fullmatch(given)
    if match is None or match[1] != column or int(match[2]) > _LONGEST_LIST:
        return None
    return int(match[2])


def _is_placeholder(given: Any) -> bool:
    return isinstance(given, str) and given.startswith("<") and given.endswith(">")


def _read(kind: Any, given: Any) -> Any:
    """A value of a type of the schema; raises ValueError, KeyError, TypeError or RuntimeError where it is not."""
    kind, optional = _peeled(kind)
    if given is None and optional:
        return None
    if kind.kind() == "ListType":
        return _read_list(kind.getElementType(), given)
    reader: Callable[[Any], Any] | None = _READERS.get(str(kind))
    if reader is None:
        raise ValueError(kind)
    return reader(given)


def _read_list(element: Any, given: Any) -> list[Any]:
    if not isinstance(given, list) or len(given) > _LONGEST_LIST:
        raise ValueError(given)
    if _is_tensor(element):
        # Tensors are inputs; what is written here is a list without any.
        if any(entry is not None for entry in given) or (given and not _peeled(element)[1]):
            raise ValueError(given)
        return given
    return [_read(element, entry) for entry in given]


def _exactly(*kinds: type) -> Callable[[Any], Any]:
    def read(given: Any) -> Any:
        if type(given) not in kinds:
            raise ValueError(given)
        return given

    return read


def _number(given: Any) -> Any:
    if isinstance(given, str) and given.startswith("(") and len(given) < 100:
        return complex(given)
    return _exactly(int, float, bool)(given)


def _float(given: Any) -> float:
    return float(_exactly(int, float)(given))


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "int": _exactly(int, bool),
    "bool": _exactly(bool),
    "float": _float,
    "number": _number,
    "complex": _number,
    # PyTorch hands a number over as it was given where it will make a tensor of it: `x + 1`.
    "Tensor": _number,
    "str": _exactly(str),
    "ScalarType": lambda given: DTYPES[given],
    "Layout": lambda given: _LAYOUTS[given],
    "MemoryFormat": lambda given: _MEMORY_FORMATS[given],
    "Device": lambda given: torch.device(_exactly(str)(given)),
}
