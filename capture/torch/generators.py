"""What random generators are called in arguments and keyframes: `cpu`, `cuda:0`, `generator:1` for a program's own."""

from typing import Any

import torch


class Generators:
    """Names the generators of a pass, its own ones in the order in which operations are given them.

    PyTorch hands an operation's generator over in a new Python object each time, so it goes by the address of what that
    stands for. The object is held, so that the address stays its own while the pass lasts.
    """

    def __init__(self) -> None:
        self._own: dict[int, tuple[str, torch.Generator]] = {}

    def name(self, generator: torch.Generator) -> str:
        """The name of a generator that was given as an argument."""
        address = _address(generator)
        if address == _address(_default(generator.device)):
            return str(generator.device)
        found = self._own.setdefault(address, (f"generator:{len(self._own) + 1}", generator))
        return found[0]


def _address(generator: Any) -> int:
    # WORKAROUND: nothing public says whether two of these objects stand for the same generator (`_cdata` is in
    # torch/csrc/Generator.cpp); see the test of generators that are given as arguments.
    return 0 if generator is None else int(generator._cdata)


def _default(device: torch.device) -> torch.Generator | None:
    """The generator that a device draws from unasked."""
    if device.type == "cpu":
        return torch.default_generator
    if device.type == "cuda" and torch.cuda.is_initialized():
        return torch.cuda.default_generators[device.index or 0]
    return None
