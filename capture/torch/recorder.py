"""Records a PyTorch program: hooks in, iterations out."""

import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from types import FrameType
from typing import Any

from torch import nn
from torch._C import _current_graph_task_id, _is_tracing
from torch.fx import GraphModule
from torch.nn.modules import module as module_hooks
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from graphreel.capture.interrupts import Uninterrupted
from graphreel.capture.options import RecordOptions
from graphreel.capture.torch.autograd_hooks import EngineHook, FunctionHook
from graphreel.capture.torch.checkpoints import CheckpointHook
from graphreel.capture.torch.compiled import CompiledCode
from graphreel.capture.torch.compiler import CompilerNews, CompilerWatch, HookNotice, hide_from_compiler
from graphreel.capture.torch.dispatch import RecordMode
from graphreel.capture.torch.errors import RecorderState, tell
from graphreel.capture.torch.failures import note_raised
from graphreel.capture.torch.handing import Writer
from graphreel.capture.torch.log import COMPILED, ScopeNote
from graphreel.capture.torch.modules import ModuleCall, ModuleNames, call_names, drop_stale, optimizer_names
from graphreel.capture.torch.optimizers import learning_rates
from graphreel.capture.torch.passes import Passes
from graphreel.capture.torch.resting import Resting
from graphreel.capture.torch.spared import Spared, is_of_signal_handler
from graphreel.capture.torch.stacks import NO_STACK, Stacks
from graphreel.capture.torch.tensors import SwapGuard, TensorTable
from graphreel.capture.torch.threads import ThreadNotice
from graphreel.tracefile.errors import TraceError
from graphreel.tracefile.extras import Finding

_running: "list[TorchRecorder]" = []
"""Not held weakly: what would tell of a death is called wherever the program stands, and loses what is raised there."""


class TorchRecorder:
    """Records what the calling thread runs between `start` and `stop`. Of others it is only noticed that they ran.

    Attributes:
        alive: False before the start, after the end, after a fault of the recorder's own, and in a forked child.
        problem: Why the recording ended before the program did; empty where it did not, or where the writer knows.
        told: Whether the user was told what the writer refused.
    """

    def __init__(self, writer: Writer, options: RecordOptions | None = None) -> None:
        self.alive, self.problem, self.told = False, "", False
        self._writer = writer
        self._options = options or RecordOptions()
        self._stacks, self._table = Stacks(), TensorTable()
        self._mode = RecordMode(self._table, self._stacks, self._give_up)
        self._passes = Passes(writer, self._options, self._mode)
        self._hooks: list[Any] = []
        self._thread = 0

    @property
    def recorded(self) -> int:
        """How many iterations went to the writer."""
        return self._passes.recorded

    @property
    def met(self) -> int:
        """How many iterations the program had, recorded or not."""
        return self._passes.met

    def start(self) -> None:
        """Begin to record the calling thread; raises RecorderState where a recording runs already."""
        if any(recorder.alive for recorder in _running):
            raise RecorderState.running_already()
        with Uninterrupted():
            self._start()

    def _start(self) -> None:
        self.alive = True
        self._thread = get_ident()
        self._passes = Passes(self._writer, self._options, self._mode)
        _running.append(self)
        self._hooks = [
            module_hooks.register_module_forward_pre_hook(self._guarded(self._module_enters)),
            module_hooks.register_module_forward_hook(self._guarded(self._module_leaves), always_call=True),
            module_hooks.register_module_parameter_registration_hook(self._guarded(self._parameter_registered)),
            register_optimizer_step_pre_hook(self._guarded(self._step_begins)),
            register_optimizer_step_post_hook(self._guarded(self._step_ends)),
            SwapGuard(self._table),
            EngineHook(self._passes.backward.backward_begins),
            FunctionHook(self._function_begins),
            CheckpointHook(self._checkpoint_begins),
            HookNotice(),
            self._passes.profiler,
            *self._passes.light.hooks(),
        ]
        self._resting = Resting(self._hooks[:2], self._mode.calls)
        self._mode.wakes = self._resting.end
        compiled, threads, news = CompiledCode(self._mode, self._scope_begins), ThreadNotice(), CompilerNews()
        self._hooks += [self._resting, compiled, threads, CompilerWatch(self._hooks[:2], self._guarded(compiled.look))]
        self._passes.notices = lambda: [*news.take(), *compiled.take(), *threads.take()]
        self._passes.begin(time.perf_counter_ns())

    def stop(self, error: BaseException | None = None) -> None:
        """End the recording; `error` is the exception that ended the program, if one did."""
        with Uninterrupted():
            for hook in self._hooks:
                hook.remove()
            self._hooks = []
            if self in _running:
                _running.remove(self)
            if self.alive:
                with Spared(self._give_up):
                    self._passes.finish_last(error)
            self.alive = False
            self._passes.drop()
            self._passes.pushed.pop()

    def interrupt(self) -> None:
        """Hand over what was recorded so far, from any thread, when the program is about to be ended by a signal."""
        if self.alive:
            self._passes.profiler.remove()
            self._passes.finish_last(SystemExit("signal"))
            self.alive = False

    @contextmanager
    def iteration(self) -> Iterator[None]:
        """Mark an iteration by hand. From the first mark on, only marked iterations are recorded."""
        if self._passes.by_hand:
            raise RecorderState.nested_iteration()
        error: BaseException | None = None
        try:
            self._mark(self._passes.mark_begins)
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._mark(lambda: self._passes.mark_ends(error))

    def _mark(self, mark: Callable[[], None]) -> None:
        if self.alive:
            with Uninterrupted(), Spared(self._give_up):
                mark()

    def abandon(self) -> None:
        """In a forked child: record nothing more and leave the file to the parent."""
        self.alive = False
        self._passes.let_go()
        self._writer.abandon()
        self._passes.profiler.abandon()
        self._passes.pushed.pop()

    def _guarded(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """A hook that hears only its own thread, and no `torch.jit.trace`; its faults never reach the program."""

        @hide_from_compiler
        def guarded(*args: Any) -> Any:
            if self.alive and get_ident() == self._thread and not _is_tracing():
                with Spared(self._give_up):
                    return hook(*args)
            return None

        return guarded

    def _module_enters(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        self._resting.end()
        calls = self._mode.calls
        if calls and calls[-1].note.classes == COMPILED and isinstance(module, GraphModule):
            return None  # What was compiled may be wrapped in a module, which is none of the program's.
        # Two frames up stands `inner` of `Module._call_impl`, which is on the stack for as long as the module runs.
        frame = sys._getframe(2)
        above = next((call for call in reversed(calls) if call.module), None) if calls else None
        root: ModuleNames | None = None
        if above is None and not any(call.note.is_again for call in calls):
            root = self._passes.module_called(module, frame)
        log = self._mode.log
        if log is None:
            if above is None and (instead := self._resting.begin(module, args)) is not None:
                return instead
            name = (type(module).__name__,)
            calls.append(ModuleCall(id(module), ScopeNote(0, name, name, 0)))
            return None
        if above is None:
            names, classes, parts = self._passes.names.call(module, root)
        else:
            (names, classes), parts = call_names(above, module), above.parts
            if len(log.events) >= self._options.operations_limit:
                self._passes.within_bounds()
        self._enter(ModuleCall(id(module), ScopeNote(0, names, classes, 0), 0, parts, parts.path(module), frame))
        return None

    def _enter(self, call: ModuleCall) -> None:
        """Something with a scope begins to run."""
        log, calls = self._mode.log, self._mode.calls
        if log is None:
            return
        above = calls[-1] if calls and calls[-1].frame is not None else None
        until, outer = (above.frame, above.stack) if above else (None, NO_STACK)
        call.stack = self._stacks.number(call.frame, until, outer)
        call.note = call.note._replace(parent=above.scope if above else 0, stack=call.stack)
        call.scope = len(log.scopes)
        log.scopes.append(call.note)
        calls.append(call)

    def _module_leaves(self, module: nn.Module, args: tuple[Any, ...], result: Any) -> None:
        calls, log = self._mode.calls, self._mode.log
        for depth in range(len(calls) - 1, -1, -1):
            if calls[depth].module == id(module):
                if result is None and log is not None and _current_graph_task_id() == -1:
                    note_raised(calls[depth].frame, log, self._mode.failed, self._stacks)
                # Those above it never came to their end: an interrupt, which hooks do not hear of.
                del calls[depth:]
                if not calls:
                    self._passes.module_left()
                return

    def _function_begins(self, function: type) -> Callable[[], None] | None:
        """The forward of a custom `autograd.Function` begins, which gives its operations a scope."""
        name = (function.__name__,)
        return self._scope_begins(ScopeNote(0, name, name, 0, is_function=True))

    def _checkpoint_begins(self) -> Callable[[], None] | None:
        """A part of forward is about to be run again within backward."""
        return self._scope_begins(ScopeNote(0, ("recompute",), ("torch.utils.checkpoint",), 0, is_again=True))

    def _scope_begins(self, note: ScopeNote, frame: FrameType | None = None) -> Callable[[], None] | None:
        calls = self._mode.calls
        if self._mode.log is None or not self.alive or get_ident() != self._thread:
            return None
        depth = len(calls)
        with Spared(self._give_up):
            above = calls[-1] if calls else None
            parts, path = (above.parts, above.path) if above else (ModuleNames(), "")
            self._enter(ModuleCall(0, note, 0, parts, path, frame or sys._getframe(2)))

        def ended() -> None:
            del calls[depth:]

        return ended

    def _parameter_registered(self, module: nn.Module, name: str, parameter: Any) -> None:
        """A model is being made, so what ran so far was preparation."""
        log = self._mode.log
        if log is not None and log.first and not self._passes.roots:
            log.preparation = len(log.events)

    def _step_begins(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        # Two frames up stands `wrapper` of `Optimizer.profile_hook_step`, which is there for as long as the step runs.
        self._passes.step_begins(optimizer, sys._getframe(2))
        log = self._mode.log
        if log is not None:
            log.steps.append(type(optimizer).__name__)
            self._mode.step = len(log.steps) - 1
            self._table.name(optimizer_names(optimizer, self._table.members))

    def _step_ends(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._mode.step = 0
        self._resting.end()
        drop_stale(self._mode.calls, sys._getframe())
        log = self._mode.log
        if log is not None:
            self._table.name(optimizer_names(optimizer, self._table.members))
            log.scalars |= learning_rates(optimizer, len(log.steps) - 1)
        self._passes.step_ends(optimizer)

    def _give_up(self, fault: Exception) -> None:
        """A fault of the recorder's own: one warning, and no more recording."""
        if not self.alive:
            return
        self.alive = False
        if isinstance(fault, TraceError):
            self._passes.drop()
            self.told = True
            tell(f"recording ended: {fault}")
            return
        where = traceback.extract_tb(fault.__traceback__)[-1:]
        place = f" ({where[0].name}, line {where[0].lineno})" if where else ""
        # It came while the recorder was at work, and has left that half done.
        its_own = is_of_signal_handler(fault)
        by = "an exception of a signal handler" if its_own else "a fault of Graphreel's own, please report"
        self.problem = f"recording ended by {by}: {type(fault).__name__}: {fault}{place}"
        with Spared(lambda _: self._passes.drop()):  # the fault that counts is the first one
            self._passes.give_up(Finding("recorder-fault", self.problem))
        tell(self.problem)
        if its_own:
            raise fault


def _abandon_all() -> None:
    for recorder in list(_running):
        recorder.abandon()
    _running.clear()


os.register_at_fork(after_in_child=_abandon_all)
