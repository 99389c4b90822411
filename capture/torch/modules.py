"""Which module runs, and what its parts are called relative to the outermost module."""

import gc
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Self

import torch
from torch import nn
from torch.optim import Optimizer

from graphreel.graph import ValueKind


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
        for path, module in root.named_modules():
            prefix = f"{path}." if path else ""
            names.modules[id(module)] = path
            names.classes[path] = type(module).__name__
            # The dictionaries themselves: `named_parameters` on each of a thousand modules takes milliseconds.
            for name, parameter in module._parameters.items():
                names.tensors.setdefault(id(parameter), (ValueKind.PARAMETER, prefix + name))
            for name, buffer in module._buffers.items():
                names.tensors.setdefault(id(buffer), (ValueKind.BUFFER, prefix + name))
        return names


@dataclass(slots=True)
class ModuleCall:
    """A module that is running: its `id`, class, scope in the pass, dotted path, and the frame that called it.

    A custom `autograd.Function` that is running has `id` 0, and the path of the module around it.
    """

    module: int
    kind: str
    scope: int
    path: str
    frame: FrameType | None
    stack: int


def call_names(names: ModuleNames, module: nn.Module, above: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The scope names from the calling module's scope down to a called one, and their classes.

    `above` is the caller's dotted path, or None for an outermost call. `layers.0` called by the root gives `layers`
    and `0`, so that containers, which are never called themselves, show as groups.
    """
    path = names.modules.get(id(module))
    kind = type(module).__name__
    if above is None or path is None:
        return (kind,), (kind,)
    prefix = f"{above}." if above else ""
    if not path or not path.startswith(prefix):
        # Shared by two branches and called from the other one: its whole path tells which it is.
        return (path or kind,), (kind,)
    parts = path[len(prefix) :].split(".")
    inner = [names.classes.get(prefix + ".".join(parts[: depth + 1]), "") for depth in range(len(parts) - 1)]
    return tuple(parts), (*inner, kind)


def optimizer_names(
    optimizer: Optimizer, members: dict[int, tuple[ValueKind, str]]
) -> dict[int, tuple[ValueKind, str]]:
    """Kinds and names of an optimizer's gradients and states by `id`: `fc.weight.grad`, `fc.weight.exp_avg`."""
    found: dict[int, tuple[ValueKind, str]] = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            _, name = members.get(id(parameter), (None, ""))
            if not name:
                found[id(parameter)] = (ValueKind.PARAMETER, "")
            if parameter.grad is not None:
                found[id(parameter.grad)] = (ValueKind.GRADIENT, f"{name}.grad" if name else "")
            # `get`, since the state is a defaultdict and asking must not make an entry.
            for key, state in optimizer.state.get(parameter, {}).items():
                if isinstance(state, torch.Tensor):
                    found[id(state)] = (ValueKind.OPTIMIZER_STATE, f"{name}.{key}" if name else str(key))
    return found


def any_optimizer_of(members: Mapping[int, object]) -> bool:
    """Whether the program has made an optimizer for one of these parameters, given by `id`."""
    # PyTorch keeps no list of optimizers, so the garbage collector's has to do. By type, not by isinstance, which
    # runs code of the objects asked.
    return any(
        id(parameter) in members
        for found in gc.get_objects()
        if issubclass(type(found), Optimizer)
        for group in getattr(found, "param_groups", ())
        for parameter in group["params"]
    )
