"""Arguments, targets and values of FX nodes."""

import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphreel.capture.torchfile.encoding import numbered, plain
from graphreel.capture.torchfile.program import UNKNOWN_VALUE, ValueInfo

if TYPE_CHECKING:
    from graphreel.graph.types import Dim


@dataclass(frozen=True, slots=True)
class Argument:
    """One value or constant that a node takes; `value` is its name and empty for a constant.

    Attributes:
        group: The position of the argument that it is part of.
    """

    label: str
    value: str
    group: int
    constant: Any = None


def arguments_of(args: Sequence[Any], kwargs: Mapping[str, Any], names: Sequence[str]) -> list[Argument]:
    """The arguments of a node in order: first the values of each, then what is constant in it."""
    found: list[Argument] = []
    given = [(names[at] if at < len(names) else f"argument{at}", each) for at, each in enumerate(args)]
    for group, (label, each) in enumerate((*given, *kwargs.items())):
        nodes = list(_nodes(each))
        values = [node for node in nodes if node is not None]
        if not values:
            found.append(Argument(label, "", group, _constant(each)))
            continue
        labels = iter(numbered(label, len(values)))
        found.extend(
            Argument(label if node is None else next(labels), "" if node is None else node.name, group, _constant(each))
            for node in nodes
        )
    return found


def _nodes(given: Any) -> Iterator[Any]:
    """The nodes in an argument, however nested; None for each constant among them."""
    waiting = [given]
    while waiting:
        each = waiting.pop()
        if isinstance(each, list | tuple):
            waiting.extend(reversed(each))
        elif isinstance(each, dict):
            waiting.extend(reversed(list(each.values())))
        elif isinstance(each, slice):
            waiting.extend((each.step, each.stop, each.start))
        else:
            yield each if hasattr(each, "all_input_nodes") else None


def _constant(given: Any) -> Any:
    if hasattr(given, "all_input_nodes"):
        return given.name
    if isinstance(given, list | tuple):
        return plain([_constant(each) for each in given])
    if isinstance(given, slice):
        return f"{_constant(given.start)}:{_constant(given.stop)}:{_constant(given.step)}"
    return plain(given)


def target_name(node: Any) -> str:
    """What a node calls: `aten.addmm.default`, `higher_order.cond`, `torch.relu`, `Tensor.view`."""
    target = node.target
    if node.op == "call_method":
        return f"Tensor.{target}"
    if hasattr(target, "_schema"):
        return str(target)
    name = str(getattr(target, "__name__", None) or target)
    space = getattr(target, "namespace", "")
    if space:
        return f"{space}.{name}"
    module = str(getattr(target, "__module__", "") or "torch").replace("_operator", "operator", 1)
    return f"{module.replace('torch._C._nn', 'torch.nn.functional')}.{name}"


def info_of(node: Any, tensor: Any = None) -> ValueInfo:
    """What is known of the value that a node gives: from export, from shape propagation, or from the tensor itself."""
    found = tensor if tensor is not None else _told(node)
    return _info(found)


def _told(node: Any) -> Any:
    for key in ("val", "tensor_meta", "example_value"):
        if key in node.meta:
            return node.meta[key]
    return None


def _info(found: Any) -> ValueInfo:
    kind = type(found).__name__
    if kind in ("SymInt", "SymFloat", "SymBool", "int", "float", "bool"):
        return ValueInfo(kind.removeprefix("Sym").lower())
    shape, dtype = getattr(found, "shape", None), getattr(found, "dtype", None)
    if shape is None or dtype is None:
        return UNKNOWN_VALUE
    device = getattr(found, "device", None)
    dims: tuple[Dim, ...] = tuple(size if isinstance(size, int) else str(size) for size in shape)
    return ValueInfo(str(dtype).removeprefix("torch."), dims, "" if device is None else str(device))


@dataclass(frozen=True, slots=True)
class Parts:
    """The values that a node gives: their names, what is known of them, and which nodes only stand for one of them."""

    names: list[str]
    infos: dict[str, ValueInfo] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)


def parts_of(node: Any) -> Parts:
    """One value, unless the node is known to give several and these are only taken apart."""
    told = _told(node)
    if told is None and not node.users and node.op == "call_function":
        return Parts([])
    takers = [user for user in node.users if user.target is operator.getitem and user.args[0] is node]
    if not isinstance(told, list | tuple) or hasattr(told, "dtype") or len(takers) < len(node.users):
        return Parts([node.name], {node.name: info_of(node)})
    first: dict[int, str] = {}
    renamed: dict[str, str] = {}
    for user in takers:
        at = user.args[1] if user.args[1] >= 0 else user.args[1] + len(told)
        renamed[user.name] = first.setdefault(at, user.name)
    names, infos = [], {}
    for at, each in enumerate(told):
        if each is None:
            continue
        name = first.get(at, f"{node.name}_unused_{at}")
        names.append(name)
        infos[name] = _info(each)
    return Parts(names, infos, renamed)
