"""Takes the recorder's module hooks away while an outermost module runs of which nothing is noted down.

Between recorded iterations only outermost calls count. With any hook at all PyTorch takes a longer way through each
module, which costs a training step more than a percent even where the hook does nothing.
"""

from collections.abc import MutableMapping, Sequence
from functools import partial
from typing import Any

from torch import nn
from torch.nn.modules import module as module_hooks

from graphreel.capture.torch.log import ScopeNote
from graphreel.capture.torch.modules import ModuleCall

_ALL = (
    module_hooks._global_forward_pre_hooks,
    module_hooks._global_forward_hooks,
    module_hooks._global_backward_pre_hooks,
    module_hooks._global_backward_hooks,
)
_OWN = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


class Resting:
    """Puts two hooks of all modules, that before and that after forward, away and back.

    WORKAROUND: with the hooks away nothing tells that the module is left. So the module's arguments go on as a tuple
    whose end is that of the frame that holds it, `_call_impl` of torch/nn/modules/module.py, also where an exception
    leaves it. What brings the first hook back then is no Python code: what a signal handler raises in such is lost.
    """

    def __init__(self, hooks: Sequence[Any], calls: list[ModuleCall]) -> None:
        self._calls = calls
        self._call: ModuleCall | None = None
        (self._before, entering), (self._after, self._leaving) = map(_taken_apart, hooks)
        # What is brought back at the end of the frame; empty once the recording is over.
        self._entering = entering
        ended = staticmethod(partial(self._before.update, entering))
        self._kind: type[tuple[Any, ...]] = type("_Arguments", (tuple,), {"__slots__": (), "__del__": ended})

    def begin(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Rest until a module is left that is called with these arguments; gives what they are to be replaced with.

        None if there are other hooks: their way is long anyway, and they might keep the arguments.
        """
        if sum(map(len, _ALL)) > len(self._entering) + len(self._leaving) or any(vars(module)[own] for own in _OWN):
            return None
        for key in self._entering:
            self._before.pop(key, None)
        for key in self._leaving:
            self._after.pop(key, None)
        name = (type(module).__name__,)
        self._call = ModuleCall(id(module), ScopeNote(0, name, name, 0))
        return self._kind(args)

    def end(self) -> None:
        """Hear everything again. The module may run still, and counts as called then."""
        call, self._call = self._call, None
        if call is None:
            return
        self._after.update(self._leaving)
        if not self._before.keys() >= self._entering.keys():
            self._before.update(self._entering)
            self._calls.append(call)

    def remove(self) -> None:
        """Bring nothing back any more."""
        self._entering.clear()
        self._leaving.clear()


def _taken_apart(hook: Any) -> tuple[MutableMapping[int, Any], dict[int, Any]]:
    """The dictionary where a hook is registered, and what stands there of it."""
    hooks: MutableMapping[int, Any] = hook.hooks_dict_ref()
    return hooks, {hook.id: hooks[hook.id]}
