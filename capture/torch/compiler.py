"""Standing beside `torch.compile`: what of ours it must neither compile nor see, and what it tells of its work.

With our mode, compiled functions run as compiled (`RecordMode.ignore_compile_internals`). What PyTorch compiles while a
recording runs must be what it would compile without one.
"""

import sys
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from types import CodeType
from typing import Any

from torch._C._dynamo import eval_frame
from torch.nn.modules import module as module_hooks

from graphreel.capture.script import when_imported
from graphreel.capture.torch.failures import is_ours
from graphreel.tracefile.extras import Finding

_HOOK = "TorchRecorder."
"""In the name of each hook of ours. What the compiler does because of one is none of the user's concern."""


def keep_compiler_out(code: CodeType, *, below: bool = False) -> None:
    """Mark a function so that PyTorch's compiler runs it as it is; `below` also all that it calls.

    WORKAROUND: `torch.compiler.disable` does this at a price for every call. torch._dynamo.eval_frame.skip_code does
    it at none, but importing that takes a second.
    """
    if skip_code := getattr(eval_frame, "skip_code", None):  # before PyTorch 2.7
        skip_code(code)
    else:
        action = eval_frame._FrameAction
        inner = action.SKIP if below else action.DEFAULT
        eval_frame.set_code_exec_strategy(code, eval_frame._FrameExecStrategy(action.SKIP, inner))


def hide_from_compiler(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a hook of ours, which PyTorch's compiler would look into where it meets it on its way, and give it back."""
    marked: Any = hook
    keep_compiler_out(marked.__code__, below=True)
    # WORKAROUND: what torch.compiler.disable sets on a function, and all that the compiler asks for.
    marked._torchdynamo_disable = True
    return hook


class HookNotice:
    """Keeps PyTorch from warning the user, until it is removed, of hooks that are ours and not the user's.

    WORKAROUND: a module made by `torch.compile` warns at each call while there are global module hooks, which raises
    where warnings are errors. Nothing else asks `_has_any_global_hook`; a test fails when that changes.
    """

    def __init__(self) -> None:
        self._asked = module_hooks._has_any_global_hook
        self._ours = lambda: False
        module_hooks._has_any_global_hook = self._ours

    def remove(self) -> None:
        """Put PyTorch's own function back, unless somebody has replaced ours meanwhile."""
        if module_hooks._has_any_global_hook is self._ours:
            module_hooks._has_any_global_hook = self._asked


class CompilerWatch:
    """Is there whenever PyTorch compiles, until it is removed: takes our module hooks away meanwhile, then tells.

    WORKAROUND: nothing public says where a compilation begins and ends and outlives `torch._dynamo.reset()`. The two
    places that compile call `callback_handler.install_callbacks` of torch/_dynamo/callback.py by that name.
    """

    def __init__(self, hooks: Sequence[Any], compiled: Callable[[], None]) -> None:
        self._hooks, self._compiled = hooks, compiled
        self._handler: Any = None
        self._theirs: Any = None
        # Importing PyTorch's compiler takes a second, which is the program's to spend.
        self._import = ExitStack()
        self._import.enter_context(when_imported("torch._dynamo", self._begin))

    def _begin(self) -> None:
        self._handler = sys.modules["torch._dynamo.callback"].callback_handler
        self._theirs = self._handler.install_callbacks
        self._handler.install_callbacks = self._install_callbacks

    @contextmanager
    def _install_callbacks(self, *args: Any, **kwargs: Any) -> Iterator[None]:
        with self._theirs(*args, **kwargs), self._hooks_away():
            yield
        self._compiled()

    @contextmanager
    def _hooks_away(self) -> Iterator[None]:
        """While a compilation runs, also within another, the hooks are out of their dictionaries."""
        taken: list[tuple[MutableMapping[int, Any], int, Any]] = []
        for handle in self._hooks:
            hooks = handle.hooks_dict_ref()
            if hooks is not None and handle.id in hooks:
                taken.append((hooks, handle.id, hooks.pop(handle.id)))
        try:
            yield
        finally:
            for hooks, key, hook in taken:
                hooks[key] = hook

    def remove(self) -> None:
        """Watch no longer."""
        self._import.close()
        if self._handler is not None:
            # Ours stands on the object; below it lies the method of its class.
            vars(self._handler).pop("install_callbacks", None)
            self._handler = None


class CompilerNews:
    """What PyTorch's compiler has to say: why it broke a graph or compiled a function anew, as findings.

    WORKAROUND: `graph_break_reasons` and `get_compilation_metrics()` of torch/_dynamo/utils.py, which are lists that
    only grow, up to a limit. The metrics of a compilation are there only after its end.
    """

    def __init__(self) -> None:
        self._last_metrics: Any = None
        self._told: set[tuple[str, str, int]] = set()
        self._breaks = 0
        utils = sys.modules.get("torch._dynamo.utils")
        if utils is not None:
            self._breaks = len(utils.graph_break_reasons)
            self._last_metrics = next(reversed(utils.get_compilation_metrics()), None)

    def take(self) -> list[Finding]:
        """What is new since the last time."""
        utils = sys.modules.get("torch._dynamo.utils")
        if utils is None:
            return []
        found = [*self._new_breaks(utils.graph_break_reasons), *self._new_metrics(utils.get_compilation_metrics())]
        fresh: list[Finding] = []
        for finding in found:
            key = finding.kind, finding.file, finding.line
            # One break shows up in the function that holds it and in each that was compiled around it.
            if finding.kind != "graph-break" or key not in self._told:
                fresh.append(finding)
            self._told.add(key)
        return fresh

    def _new_breaks(self, reasons: Sequence[Any]) -> Iterator[Finding]:
        if len(reasons) < self._breaks:  # torch._dynamo.reset()
            self._breaks = 0
        new, self._breaks = reasons[self._breaks :], len(reasons)
        for reason in new:
            stack = list(reason.user_stack)
            if stack and _HOOK not in reason.reason and not any(is_ours(frame.filename) for frame in stack):
                yield Finding("graph-break", _in_words(reason.reason), file=stack[-1].filename, line=stack[-1].lineno)

    def _new_metrics(self, metrics: Sequence[Any]) -> Iterator[Finding]:
        new: list[Any] = []
        for one in reversed(metrics):
            if one is self._last_metrics:
                break
            new.append(one)
        if new:
            self._last_metrics = new[0]
        for one in reversed(new):
            file, name = one.co_filename or "", (one.co_name or "a function").removeprefix("torch_dynamo_resume_in_")
            if one.recompile_reason and "_global_optimizer_" not in one.recompile_reason:
                reason = one.recompile_reason.partition(": ")[2] or one.recompile_reason
                message = f"{name} was compiled again: {reason}"
                yield Finding("recompile", message, file=file, line=one.co_firstlineno or 0)
            why = one.fail_reason or one.fail_type
            if why and _HOOK not in why:
                message = f"{name} runs uncompiled: {_in_words(why)}"
                where = one.fail_user_frame_filename or file
                line = one.fail_user_frame_lineno or one.co_firstlineno or 0
                yield Finding("graph-break", message, file=where, line=line)


def _in_words(reason: str) -> str:
    if reason.startswith("generic_jump"):
        return "a branch depends on what a tensor holds, which is known only when it runs"
    return reason.partition("\n\n")[0].strip()
