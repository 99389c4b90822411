"""Random generators as operations find them: states before those that draw, wherever nothing recorded explains them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphreel.capture.torch.generators import Generators
from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.quiet import NoFunctions, NoHistory, NoModes
from graphreel.tracefile.tensors import Bytes

_OURS = ("aten", "prims", "prim")
"""Namespaces whose operators carry a tag if they draw; operators of others are asked by what they did."""


class RandomStates:
    """Notes down (event, generator, state) where a generator does not stand where the operation before left it.

    `before` and `after` belong around each operation. A state is read in the host's memory, on any device.
    """

    def __init__(self, generators: Generators) -> None:
        self.found: list[tuple[int, str, Bytes]] = []
        self._generators = generators
        self._last: dict[str, Bytes] = {}
        self._tagged: dict[int, bool | None] = {}
        self._now: tuple[str, Any, Bytes] | None = None

    @property
    def nbytes(self) -> int:
        """Bytes of the states."""
        return sum(state.nbytes for _, _, state in self.found)

    def before(self, event: int, info: OpInfo, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> None:
        """An operation is about to run."""
        self._now = None
        draws = self._tagged[info.index] if info.index in self._tagged else self._learn(info)
        if draws is False:
            return
        generator = self._generator(args, kwargs)
        if generator is None:
            return
        name = self._generators.name(generator)
        state = _state(generator)
        self._now = name, generator, state
        if draws:
            self._note(event, name, state)

    def after(self, event: int, info: OpInfo) -> None:
        """The same operation ran."""
        if self._now is None:
            return
        name, generator, before = self._now
        state = _state(generator)
        if self._tagged[info.index] is None and np.array_equal(state, before):
            return
        self._note(event, name, before)
        self._last[name] = state

    def forget(self, *, let_go: bool) -> None:
        """Note down every generator anew; with `let_go`, also let go of what was noted."""
        self._last.clear()
        if let_go:
            self.found.clear()

    def _note(self, event: int, name: str, state: Bytes) -> None:
        last = self._last.get(name)
        if last is None or not np.array_equal(last, state):
            self.found.append((event, name, state))
            self._last[name] = state

    def _learn(self, info: OpInfo) -> bool | None:
        """Whether an operator draws; None where only its doing tells."""
        draws: bool | None = torch.Tag.nondeterministic_seeded in getattr(info.func, "tags", ())
        if not draws and not info.name.startswith(_OURS):
            draws = None
        self._tagged[info.index] = draws
        return draws

    def _generator(self, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> torch.Generator | None:
        """The generator that an operation draws from: the one that it is given, or that of its device."""
        given = [*args, *kwargs.values()] if kwargs else args
        for entry in given:
            if isinstance(entry, torch.Generator):
                return entry
        device = kwargs.get("device") if kwargs else None
        if not isinstance(device, torch.device):
            device = _device(given)
        if device.type == "cuda" and torch.cuda.is_initialized():
            index = torch.cuda.current_device() if device.index is None else device.index
            return torch.cuda.default_generators[index]
        return torch.default_generator if device.type == "cpu" else None


def _device(given: Sequence[Any]) -> torch.device:
    """The device of the first tensor that is not on the CPU, as a number beside it may be."""
    for entry in given:
        for each in entry if isinstance(entry, list | tuple) else (entry,):
            if isinstance(each, Tensor) and each.device.type != "cpu":
                return each.device
    return torch.device("cpu")


def _state(generator: torch.Generator) -> Bytes:
    with NoFunctions(), NoModes(), NoHistory():  # `numpy` detaches, which a mode of the program's own would hear of
        found: Bytes = generator.get_state().numpy()
    return found
