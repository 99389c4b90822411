"""The arguments of an operation: names of its inputs, and everything else as attributes."""

from collections.abc import Iterator, Sequence
from typing import Any

from graphreel.capture.torch.log import NO_TENSOR, NUMBER, TENSOR, Event, Numbers


def named_arguments(event: Event) -> Iterator[tuple[str, object]]:
    """Name and encoded argument, in the order in which the operation's inputs are counted."""
    names = event.op.arguments
    for at, given in enumerate(event.arguments):
        yield (names[at] if at < len(names) else f"argument{at}"), given
    yield from event.keywords


def tensor_arguments(event: Event) -> list[str]:
    """The argument that each input tensor came in by, leaving out a None within a list."""
    found: list[str] = []
    for name, given in named_arguments(event):
        if given is TENSOR:
            found.append(name)
        elif _is_tensors(given):
            found += [name] * len(given)
    return [name for name, number in zip(found, event.inputs, strict=True) if number != NO_TENSOR]


def input_names(arguments: Sequence[str]) -> list[str]:
    """Names of inputs: `self`, `other`; those of a list are `tensors[0]`, `tensors[1]`, …."""
    counts: dict[str, int] = {}
    found: list[str] = []
    for name in arguments:
        at = counts.get(name, 0)
        counts[name] = at + 1
        found.append(f"{name}[{at}]" if arguments.count(name) > 1 else name)
    return found


def hidden_arguments(event: Event) -> list[str]:
    """The arguments whose float is kept apart, in the order in which floats were noted down."""
    return [name for name, given in named_arguments(event) if given is NUMBER or isinstance(given, Numbers)]


def is_training(event: Event) -> bool:
    """Whether the argument `training` is true."""
    return any(name == "training" and given is True for name, given in named_arguments(event))


def attributes_of(event: Event) -> dict[str, Any]:
    """What is no tensor, under the schema's names, as plain data; and the autograd node that ran the operation."""
    found: dict[str, Any] = {}
    for name, given in named_arguments(event):
        if given is None or given is TENSOR or given is NUMBER or isinstance(given, Numbers) or _is_tensors(given):
            continue
        found[name] = plain(given)
    if event.autograd:
        found["autograd"] = event.autograd
    return found


def plain(given: object) -> Any:
    """An argument as JSON can hold it: a dtype as `float32`, a device as `cuda:0`, a complex number as a text."""
    if given is None or isinstance(given, bool | int | float | str):
        return given
    if isinstance(given, list | tuple):
        return [plain(entry) for entry in given]
    return str(given).removeprefix("torch.")


def _is_tensors(given: object) -> bool:
    return isinstance(given, tuple) and bool(given) and given[0] is TENSOR
