"""Which module runs, and what its parts are called relative to the outermost module."""

from dataclasses import dataclass, field
from types import FrameType
from typing import Self
from weakref import ref

import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from graphreel.capture.torch.log import ScopeNote
from graphreel.graph import ValueKind

_PLAIN = (torch.Tensor, nn.Parameter, type(None))


@dataclass(frozen=True, slots=True)
class ModuleNames:
    """Names within one outermost module, by `id`: of modules, and of parameters and buffers with their kind."""

    modules: dict[int, str] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    tensors: dict[int, tuple[ValueKind, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, root: nn.Module) -> Self:
        """Walk the module once. A part that is reachable under two names goes by the first."""
        names = cls()
        for at, module in root.named_modules():
            # `torch.compile(model)` is a module around the model, which is to keep its names.
            path = ".".join(part for part in at.split(".") if part != "_orig_mod") if "_orig_mod" in at else at
            prefix = f"{path}." if path else ""
            names.modules[id(module)] = path
            names.classes[path] = type(module).__name__
            # The dictionaries themselves: `named_parameters` on each of a thousand modules takes milliseconds.
            for name, parameter in module._parameters.items():
                names.tensors.setdefault(id(parameter), (ValueKind.PARAMETER, prefix + name))
                if type(parameter) is not nn.Parameter:
                    names.tensors.update(inner_names(parameter, ValueKind.PARAMETER, prefix + name))
            for name, buffer in module._buffers.items():
                names.tensors.setdefault(id(buffer), (ValueKind.BUFFER, prefix + name))
        return names

    def path(self, module: nn.Module) -> str:
        """The dotted path of a part; empty for the outermost module itself, and for what is no part of it."""
        return self.modules.get(id(module), "")

    def classes_above(self, path: str) -> tuple[str, ...]:
        """The classes of what is above a part, from the outermost module on."""
        steps = path.split(".") if path else []
        return tuple(self.classes.get(".".join(steps[:depth]), "") for depth in range(len(steps)))


@dataclass(slots=True)
class ModuleCall:
    """A module that is running, or something else that has a scope.

    Attributes:
        module: Its `id`; 0 for what is no module.
        note: Its scope as it is noted down; the scope around it is another pass's when a pass begins within it.
        scope: Number of its scope in the pass.
        parts: Names within its outermost module.
        path: Its dotted path there.
        frame: The frame that called it, on stack `stack`; None while nothing is noted down.
    """

    module: int
    note: ScopeNote
    scope: int = 0
    parts: ModuleNames = field(default_factory=ModuleNames)
    path: str = ""
    frame: FrameType | None = None
    stack: int = 0


class RootNames:
    """Names of outermost modules, which stay the same over all passes, and of their parts.

    A module goes by its class; the second one of that class by `Net#2`, and so on in the order of their first calls.
    One that died leaves its name to the next. No module is held.
    """

    def __init__(self) -> None:
        self._names: dict[int, tuple[str, ref[nn.Module]]] = {}
        self._parts: dict[int, ModuleNames] = {}

    def name(self, module: nn.Module) -> str:
        """The name of an outermost module, given now if it has none."""
        known = self._names.get(id(module))
        if known is not None and known[1]() is module:
            return known[0]
        self._names = {key: found for key, found in self._names.items() if found[1]() is not None}
        taken = {name for name, _ in self._names.values()}
        kind = type(module).__name__
        name = next(name for name in (kind, *(f"{kind}#{at}" for at in range(2, len(taken) + 3))) if name not in taken)
        self._names[id(module)] = name, ref(module)
        return name

    def knows(self, module: nn.Module) -> bool:
        """Whether a module has a name, and not one that died and left it its `id`."""
        known = self._names.get(id(module))
        return known is not None and known[1]() is module

    def enter(self, module: nn.Module) -> ModuleNames:
        """The names of the parts of an outermost module that is called, as they are now."""
        parts = self._parts[id(module)] = ModuleNames.of(module)
        return parts

    def begin(self) -> None:
        """A pass begins: what is called again in its backward was called in this pass."""
        self._parts.clear()

    def call(self, module: nn.Module, root: ModuleNames | None) -> tuple[tuple[str, ...], tuple[str, ...], ModuleNames]:
        """Names, classes and parts of a module that is called outside of all others; `root` are its own parts.

        Without them it is called again by a checkpoint, and goes by the whole path that it had in forward.
        """
        kind = type(module).__name__
        if root is not None:
            return (self.name(module),), (kind,), root
        for key, parts in self._parts.items():
            path = parts.modules.get(id(module))
            if path is not None and key in self._names:
                above = parts.classes_above(path)
                names = (self._names[key][0], *(path.split(".") if path else ()))
                return names, (*above, kind), parts
        return (kind,), (kind,), ModuleNames()


def call_names(above: ModuleCall, module: nn.Module) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The scope names from the calling module's scope down to a called one, and their classes.

    `layers.0` called by the root gives `layers` and `0`, so that containers, which are never called themselves, show as
    groups.
    """
    path = above.parts.modules.get(id(module))
    kind = type(module).__name__
    if path is None:
        return (kind,), (kind,)
    prefix = f"{above.path}." if above.path else ""
    if not path or not path.startswith(prefix):
        # Shared by two branches and called from the other one: its whole path tells which it is.
        return (path or kind,), (kind,)
    parts = path[len(prefix) :].split(".")
    inner = [above.parts.classes.get(prefix + ".".join(parts[: depth + 1]), "") for depth in range(len(parts) - 1)]
    return tuple(parts), (*inner, kind)


def drop_stale(calls: list[ModuleCall], frame: FrameType | None) -> None:
    """Forget module calls that an interrupt ended, of which hooks do not hear; seen from this frame."""
    while calls and frame is not None and frame is not calls[0].frame:
        frame = frame.f_back
    if frame is None:
        calls.clear()


def inner_names(tensor: object, kind: ValueKind, name: str) -> dict[int, tuple[ValueKind, str]]:
    """Kind and name, by `id`, of the tensors that one of a class of its own holds, such as the shard of a DTensor."""
    found: dict[int, tuple[ValueKind, str]] = {}
    if is_traceable_wrapper_subclass(tensor):
        parts = tensor.__tensor_flatten__()[0]
        for part in parts:
            inner, called = getattr(tensor, part), name if len(parts) == 1 or not name else f"{name}.{part}"
            found |= {id(inner): (kind, called), **inner_names(inner, kind, called)}
    return found


def optimizer_names(
    optimizer: Optimizer, members: dict[int, tuple[ValueKind, str]]
) -> dict[int, tuple[ValueKind, str]]:
    """Kinds and names of an optimizer's gradients and states by `id`: `fc.weight.grad`, `fc.weight.exp_avg`."""
    found: dict[int, tuple[ValueKind, str]] = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            _, name = members.get(id(parameter), (None, ""))
            for held in (parameter, parameter.grad):
                if type(held) not in _PLAIN:
                    kind = ValueKind.PARAMETER if held is parameter else ValueKind.GRADIENT
                    found |= inner_names(held, kind, name if held is parameter or not name else f"{name}.grad")
            if not name:
                found[id(parameter)] = (ValueKind.PARAMETER, "")
            if parameter.grad is not None:
                found[id(parameter.grad)] = (ValueKind.GRADIENT, f"{name}.grad" if name else "")
            # `get`, since the state is a defaultdict and asking must not make an entry.
            for key, state in optimizer.state.get(parameter, {}).items():
                if isinstance(state, torch.Tensor):
                    of = ValueKind.OPTIMIZER_STATE, f"{name}.{key}" if name else str(key)
                    found[id(state)] = of
                    if type(state) not in _PLAIN:
                        found |= inner_names(state, *of)
    return found
