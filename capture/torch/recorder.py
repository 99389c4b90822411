"""Records a PyTorch program: hooks in, iterations out.

An iteration ends at the optimizer's step; what afterwards reads a result of it (`loss.item()`) still belongs to it.
Without an optimizer it ends where the same outermost module is called again, or where it is marked by hand.
"""

import os
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from threading import get_ident
from types import FrameType
from typing import Any, Protocol
from weakref import WeakSet

import torch
from torch import nn
from torch._C import _get_dispatch_stack_at, _len_torch_dispatch_stack
from torch._C._autograd import _get_sequence_nr
from torch.nn.modules import module as module_hooks
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from graphreel.capture.options import RecordOptions
from graphreel.capture.torch.convert import Converter
from graphreel.capture.torch.dispatch import RecordMode
from graphreel.capture.torch.errors import RecorderState, RecorderWarning
from graphreel.capture.torch.failures import failure_of
from graphreel.capture.torch.log import PassLog, ScopeNote
from graphreel.capture.torch.modules import ModuleCall, ModuleNames, any_optimizer_of, call_names, optimizer_names
from graphreel.capture.torch.stacks import Stacks, source_text
from graphreel.capture.torch.tensors import SwapGuard, TensorTable
from graphreel.tracefile.errors import TraceError
from graphreel.tracefile.model import IterationRecord, Status


class Writer(Protocol):
    """Where iterations go: `TraceWriter`, or what a test looks into."""

    def put(self, record: Callable[[], IterationRecord], index: int) -> None:
        """Take an iteration; the callable makes it, on a thread of the writer's own."""
        ...

    def add_source(self, file: str, text: str) -> None:
        """Take the text of a source file."""
        ...

    def abandon(self) -> None:
        """Forget everything, in a forked child."""
        ...


_running: "WeakSet[TorchRecorder]" = WeakSet()


class TorchRecorder:
    """Records what the calling thread runs between `start` and `stop`. Other threads are not seen.

    Attributes:
        recorded: How many iterations went to the writer.
        alive: False before the start, after the end, after a fault of the recorder's own, and in a forked child.
    """

    def __init__(self, writer: Writer, options: RecordOptions | None = None) -> None:
        self.recorded = 0
        self.alive = False
        self._writer = writer
        self._options = options or RecordOptions()
        self._stacks = Stacks()
        self._table = TensorTable()
        self._mode = RecordMode(self._table, self._stacks, self._give_up)
        self._converter = Converter(self._stacks.lines, self._options.level)
        self._hooks: list[Any] = []
        self._thread = 0
        self._depth = 0
        self._pushed = False
        self._index = 0
        self._end_ns = 0
        self._names = ModuleNames()
        self._roots: set[int] = set()
        self._steppers: list[int] = []
        self._epilogue = self._tail = False
        self._marked = self._by_hand = False
        self._optimizer_seen, self._calls_until_search = False, 1

    def start(self) -> None:
        """Begin to record the calling thread; raises RecorderState where a recording runs already."""
        if any(recorder.alive for recorder in _running):
            raise RecorderState.running_already()
        self.alive = True
        self._thread, self._depth = get_ident(), _len_torch_dispatch_stack()
        _running.add(self)
        self._hooks = [
            module_hooks.register_module_forward_pre_hook(self._guarded(self._module_enters)),
            module_hooks.register_module_forward_hook(self._guarded(self._module_leaves), always_call=True),
            module_hooks.register_module_parameter_registration_hook(self._guarded(self._parameter_registered)),
            register_optimizer_step_pre_hook(self._guarded(self._step_begins)),
            register_optimizer_step_post_hook(self._guarded(self._step_ends)),
            SwapGuard(self._table),
        ]
        self._begin(time.perf_counter_ns())

    def stop(self, error: BaseException | None = None) -> None:
        """End the recording; `error` is the exception that ended the program, if one did."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        _running.discard(self)
        if self.alive:
            try:
                self._finish_last(error)
            except Exception as fault:  # noqa: BLE001 - the program must not notice a fault of ours
                self._give_up(fault)
        self.alive, self._mode.log = False, None
        self._pop()

    def interrupt(self) -> None:
        """Hand over what was recorded so far, from any thread, when the program is about to be ended by a signal."""
        if self.alive:
            self._finish_last(SystemExit("signal"))
            self.alive, self._mode.log = False, None

    @contextmanager
    def iteration(self) -> Iterator[None]:
        """Mark an iteration by hand. From the first mark on, only marked iterations are recorded."""
        if self._by_hand:
            raise RecorderState.nested_iteration()
        if self.alive:
            self._mark_begins()
        try:
            yield
        except BaseException as error:
            if self.alive:
                self._mark_ends(error)
            raise
        if self.alive:
            self._mark_ends(None)

    def abandon(self) -> None:
        """In a forked child: record nothing more and leave the file to the parent."""
        self.alive, self._mode.log = False, None
        self._writer.abandon()
        self._pop()

    # --- iterations ---------------------------------------------------------------------------------------------------

    def _begin(self, now: int) -> None:
        """Begin the pass with the next number, if it is to be recorded."""
        self._roots.clear()
        self._steppers.clear()
        self._epilogue, self._mode.before = False, None
        self._names = ModuleNames()
        self._mode.base = _get_sequence_nr()
        if self._index not in self._options.iterations or (self._marked and not self._by_hand):
            self._mode.log = None
            return
        log = PassLog(now, time.time_ns(), self._mode.ops, first=self._index == 0 and not self._by_hand)
        self._table.begin(log.tensors)
        self._mode.log = log
        for call in self._mode.calls:
            # A pass that begins within a module starts with that module's scope.
            names, classes = (call.kind,), (call.kind,)
            log.scopes.append(ScopeNote(call.scope and len(log.scopes) - 1, names, classes, call.stack))
            call.scope = len(log.scopes) - 1
        self._push()

    def _finish(self, status: Status = Status.COMPLETE, error: BaseException | None = None) -> None:
        """Hand the pass under way to the writer and count on; the next one is not begun."""
        log, self._mode.log = self._mode.log, None
        index, self._index = self._index, self._index + 1
        now = time.perf_counter_ns()
        if log is None:
            self._end_ns = now
            return
        log.end_ns = self._end_ns = log.ends[-1] if self._epilogue and log.ends else now
        log.status = status
        log.names = self._table.named()
        if error is not None:
            log.failure = failure_of(error, self._mode.failed)
        for file in self._stacks.take_new_files():
            text = source_text(file)
            if text is not None:
                self._writer.add_source(file, text)
        self.recorded += 1
        self._writer.put(partial(self._converter, log), index)

    def _next(self) -> None:
        """End the pass under way and begin the next."""
        self._end()
        self._begin(self._end_ns)

    def _end(self) -> None:
        """End the pass under way; what followed a pass that is not recorded is dropped."""
        if self._tail:
            self._tail, self._mode.log = False, None
            self._end_ns = time.perf_counter_ns()
        else:
            self._finish()

    def _begin_tail(self) -> None:
        """Watch what follows a pass that is not recorded, so that it is not taken for the begin of the next."""
        self._tail = True
        log = PassLog(begin_ns=0, started_ns=0, ops=self._mode.ops)
        self._table.begin(log.tensors)
        self._mode.log = log
        self._epilogue, self._mode.before = True, self._before_operation
        self._push()

    def _finish_last(self, error: BaseException | None) -> None:
        """Decide what becomes of the pass under way when the recording ends."""
        if self._epilogue:
            self._next()
        if isinstance(error, SystemExit) and not error.code:
            error = None
        log = self._mode.log
        if log is None:
            return
        if error is not None and not isinstance(error, SystemExit | GeneratorExit):
            self._finish(Status.PARTIAL if isinstance(error, KeyboardInterrupt) else Status.FAILED, error)
        elif not log.events or (self.recorded and not self._roots and not self._trained()):
            # Only the program's last words, such as saving the model: no iteration.
            self._mode.log = None
        else:
            unfinished = error is not None or bool(self._mode.calls) or (self._trained() and self._optimizer_seen)
            self._finish(Status.PARTIAL if unfinished else Status.COMPLETE)

    def _trained(self) -> bool:
        """Whether autograd noted down anything since the pass began."""
        return _get_sequence_nr() != self._mode.base

    def _mark_begins(self) -> None:
        if self._epilogue or (self._mode.log is not None and self._mode.log.events and self.recorded):
            self._end()
        self._by_hand = self._marked = True
        self._begin(time.perf_counter_ns())

    def _mark_ends(self, error: BaseException | None) -> None:
        self._epilogue = False
        if error is None:
            self._finish()
        else:
            self._finish(Status.FAILED if isinstance(error, Exception) else Status.PARTIAL, error)
        self._by_hand = False
        self._begin(self._end_ns)
        self._pop()

    def _before_operation(self, args: Sequence[Any]) -> None:
        """After a step: an operation that reads a result of the pass still belongs to it, any other begins the next."""
        if torch._C._current_autograd_node() is None and any(map(self._is_result, args)):
            return
        self._next()

    def _is_result(self, given: Any) -> bool:
        if isinstance(given, list | tuple):
            return any(map(self._is_result, given))
        if not isinstance(given, torch.Tensor):
            return False
        # Of a pass that is not recorded no results are known, but what has a history can only come from there.
        return self._table.is_result(given) or (self._tail and given.requires_grad and not given.is_leaf)

    # --- hooks --------------------------------------------------------------------------------------------------------

    def _guarded(self, hook: Callable[..., None]) -> Callable[..., None]:
        """A hook that hears only its own thread, and whose faults never reach the program."""

        def guarded(*args: Any) -> None:
            if self.alive and get_ident() == self._thread:
                try:
                    hook(*args)
                except Exception as fault:  # noqa: BLE001 - the program must not notice a fault of ours
                    self._give_up(fault)

        return guarded

    def _module_enters(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        calls = self._mode.calls
        if not calls:
            self._outermost(module)
        log = self._mode.log
        above = calls[-1] if calls else None
        if log is None:
            calls.append(ModuleCall(id(module), type(module).__name__, 0, "", None, 0))
            return
        # Two frames up stands `inner` of `Module._call_impl`, which is on the stack for as long as the module runs.
        frame = sys._getframe(2)
        stack = self._stacks.number(frame, above.frame, above.stack) if above else self._stacks.number(frame)
        names, classes = call_names(self._names, module, above.path if above else None)
        log.scopes.append(ScopeNote(above.scope if above else 0, names, classes, stack))
        path = self._names.modules.get(id(module), "")
        calls.append(ModuleCall(id(module), type(module).__name__, len(log.scopes) - 1, path, frame, stack))

    def _module_leaves(self, module: nn.Module, args: tuple[Any, ...], result: Any) -> None:
        calls = self._mode.calls
        for depth in range(len(calls) - 1, -1, -1):
            if calls[depth].module == id(module):
                # Those above it never came to their end: an interrupt, which hooks do not hear of.
                del calls[depth:]
                return

    def _drop_stale_calls(self) -> None:
        """Forget module calls that an interrupt ended, of which hooks do not hear."""
        calls = self._mode.calls
        frame: FrameType | None = sys._getframe()
        while calls and frame is not None and frame is not calls[0].frame:
            frame = frame.f_back
        if frame is None:
            calls.clear()

    def _outermost(self, module: nn.Module) -> None:
        """A module is called that no other module called: perhaps a new pass begins."""
        if self._epilogue or (
            id(module) in self._roots and not self._by_hand and not self._mode.step and self._may_end_here()
        ):
            self._next()
        self._roots.add(id(module))
        if self._mode.log is not None:
            self._push()
            self._names = ModuleNames.of(module)
            for key, name in self._names.tensors.items():
                self._table.members.setdefault(key, name)
        else:
            self._pop()

    def _may_end_here(self) -> bool:
        """Whether the same module called again means a new pass: so without gradients, or without any optimizer."""
        if not self._trained():
            return True
        if self._optimizer_seen:
            return False
        self._calls_until_search -= 1
        if self._calls_until_search <= 0:
            self._calls_until_search = 2 * self.recorded + 2
            self._optimizer_seen = any_optimizer_of(self._table.members)
        return not self._optimizer_seen

    def _parameter_registered(self, module: nn.Module, name: str, parameter: Any) -> None:
        """A model is being made, so what ran so far was preparation."""
        log = self._mode.log
        if log is not None and log.first and not self._roots:
            log.preparation = len(log.events)

    def _step_begins(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._optimizer_seen = True
        if self._epilogue:
            if id(optimizer) in self._steppers:
                self._next()
            else:
                # Several optimizers that step one right after the other are one iteration.
                self._epilogue, self._mode.before = False, None
        self._steppers.append(id(optimizer))
        log = self._mode.log
        if log is not None:
            log.steps.append(type(optimizer).__name__)
            self._mode.step = len(log.steps) - 1
            self._table.names.update(optimizer_names(optimizer, self._table.members))

    def _step_ends(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self._mode.step = 0
        self._drop_stale_calls()
        log = self._mode.log
        if log is not None:
            self._table.names.update(optimizer_names(optimizer, self._table.members))
            for at, group in enumerate(optimizer.param_groups):
                if isinstance(group.get("lr"), float | int):
                    log.scalars["lr" if at == 0 else f"lr.{at}"] = float(group["lr"])
        if self._by_hand:
            return
        if log is None:
            self._finish()
            if self._index in self._options.iterations:
                self._begin_tail()
            else:
                self._begin(self._end_ns)
            return
        self._epilogue, self._mode.before = True, self._before_operation

    # --- the mode -----------------------------------------------------------------------------------------------------

    def _push(self) -> None:
        """Put the mode on top, where it was when the recording began; under a mode of the program's own, wait."""
        if not self._pushed and _len_torch_dispatch_stack() == self._depth:
            self._mode.__enter__()
            self._pushed = True

    def _pop(self) -> None:
        """Take the mode away; where the program put one of its own above, ours stays and does nothing."""
        count = _len_torch_dispatch_stack()
        if self._pushed and count and _get_dispatch_stack_at(count - 1) is self._mode:
            self._mode.__exit__(None, None, None)
            self._pushed = False

    def _give_up(self, fault: Exception) -> None:
        """A fault of the recorder's own: one warning, and no more recording."""
        if not self.alive:
            return
        self.alive, self._mode.log, self._mode.before = False, None, None
        if isinstance(fault, TraceError):
            self._warn(f"recording ended: {fault}")
            return
        where = traceback.extract_tb(fault.__traceback__)[-1:]
        place = f" ({where[0].name}, line {where[0].lineno})" if where else ""
        what = f"{type(fault).__name__}: {fault}{place}"
        self._warn(f"recording ended by a fault of Graphreel's own, please report: {what}")

    def _warn(self, message: str) -> None:
        try:
            warnings.warn(message, RecorderWarning, stacklevel=2)
        except RecorderWarning:
            # Warnings are errors in this program; ours must not be one.
            os.write(2, f"graphreel: {message}\n".encode(errors="replace"))


def _abandon_all() -> None:
    for recorder in list(_running):
        recorder.abandon()
    _running.clear()


os.register_at_fork(after_in_child=_abandon_all)
