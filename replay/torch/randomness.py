"""Random generators of an execution: those of devices, and a program's own, which are made anew."""

from collections import defaultdict
from collections.abc import Iterable

import torch

from graphreel.replay.torch.environment import default_generators
from graphreel.replay.torch.refused import Refused
from graphreel.tracefile.tensors import GeneratorState


class Randomness:
    """Generators by name, set to their recorded states as nodes come up."""

    def __init__(self, states: Iterable[GeneratorState]) -> None:
        self._states: defaultdict[int, list[GeneratorState]] = defaultdict(list)
        for state in states:
            self._states[state.node].append(state)
        self._generators = default_generators()

    def before(self, node: int) -> bool:
        """Let generators stand where they stood before a node, if the keyframe says where; whether it does.

        Raises Refused where there is none such here.
        """
        for state in self._states.get(node, ()):
            raw = torch.frombuffer(bytearray(state.state.tobytes()), dtype=torch.uint8)
            generator = self._generators.get(state.generator)
            try:
                if generator is None:
                    generator = self._generators[state.generator] = _own(state.generator, raw)
                generator.set_state(raw)
            except (RuntimeError, TypeError) as error:
                what = str(error).partition("\n")[0]
                raise Refused(f"the generator {state.generator[:40]!r} cannot be set here: {what}") from error
        return node in self._states

    def named(self, name: str) -> torch.Generator:
        """A generator that is given as an argument; raises Refused where its state was not kept."""
        if name not in self._generators:
            raise Refused(f"it draws from {name[:40]!r}, whose state is not in the keyframe")
        return self._generators[name]

    def save(self) -> dict[str, torch.Tensor]:
        """Where all generators stand."""
        return {name: generator.get_state() for name, generator in self._generators.items()}

    def restore(self, saved: dict[str, torch.Tensor]) -> None:
        """Let them stand there again."""
        for name, state in saved.items():
            self._generators[name].set_state(state)


def _own(name: str, state: torch.Tensor) -> torch.Generator:
    """A generator of the program's own. A state of the processor's is long, that of a device is not."""
    if not name.startswith("generator:"):
        raise Refused(f"it draws from the generator of {name[:40]!r}, and there is no such device here")
    on_cpu = len(state) > 1000
    if not on_cpu and not torch.cuda.is_available():
        raise Refused(f"it draws from {name!r}, a generator of a device that is not here")
    return torch.Generator("cpu" if on_cpu else "cuda")
