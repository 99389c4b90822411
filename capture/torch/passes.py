"""Where an iteration begins and ends.

An iteration ends at the optimizer's step; what afterwards reads a result of it (`loss.item()`) still belongs to it.
Without an optimizer it ends where the same outermost module is called again, or where it is marked by hand.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import nn
from torch._C import _get_dispatch_stack_at, _len_torch_dispatch_stack
from torch._C._autograd import _get_sequence_nr
from torch.optim import Optimizer

from graphreel.capture.options import Level, RecordOptions
from graphreel.capture.torch.autograd import BackwardWatch
from graphreel.capture.torch.convert import Converter
from graphreel.capture.torch.dispatch import RecordMode
from graphreel.capture.torch.failures import failure_of
from graphreel.capture.torch.kernels import KernelsWatch
from graphreel.capture.torch.log import PassLog, ScopeNote
from graphreel.capture.torch.modules import ModuleNames, any_optimizer_of
from graphreel.capture.torch.profiler import Profiler
from graphreel.capture.torch.stacks import source_text
from graphreel.capture.torch.watching import Watches, watches_of
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


class Passes:
    """Begins and ends passes, decides which are recorded, and hands them to the writer.

    Attributes:
        recorded: How many iterations went to the writer.
        names: What the parts of the outermost module that runs are called.
        roots: The outermost modules that were called in the pass under way, by `id`.
        by_hand: Whether an iteration that was marked by hand is under way.
        profiler: PyTorch's profiler, for the iterations that ask for kernels.
        backward: Looks at the backward of those passes that ask for it.
    """

    def __init__(self, writer: Writer, options: RecordOptions, mode: RecordMode) -> None:
        self.recorded = 0
        self.names = ModuleNames()
        self.roots: set[int] = set()
        self.by_hand = False
        self.profiler = Profiler()
        self.backward = BackwardWatch(mode.table)
        self._writer, self._options, self._mode = writer, options, mode
        self._table, self._stacks = mode.table, mode.stacks
        self._converter = Converter(mode.stacks.lines, options.level)
        self._depth = _len_torch_dispatch_stack()
        self._pushed = self._marked = self._epilogue = self._tail = False
        self._index = self._end_ns = 0
        self._steppers: list[int] = []
        self._optimizer_seen, self._calls_until_search = False, 1

    def module_called(self, module: nn.Module) -> None:
        """A module is called that no other module called: perhaps a new pass begins."""
        again = id(module) in self.roots and not self._marked and not self._mode.step
        if self._epilogue or (again and self._may_end_here()):
            self.next()
        self.roots.add(id(module))
        if self._mode.log is None:
            self.pop()
            return
        self.push()
        self.names = ModuleNames.of(module)
        for key, name in self.names.tensors.items():
            self._table.members.setdefault(key, name)

    def step_begins(self, optimizer: Optimizer) -> None:
        """An optimizer begins its step."""
        self._optimizer_seen = True
        if self._epilogue:
            if id(optimizer) in self._steppers:
                self.next()
            else:
                # Several optimizers that step one right after the other are one iteration.
                self._epilogue, self._mode.before = False, None
                self.profiler.resume()
        self._steppers.append(id(optimizer))

    def step_ends(self) -> None:
        """An optimizer ended its step, and with it the pass, but for what reads its results."""
        if self._marked:
            return
        if self._mode.log is not None:
            self._epilogue, self._mode.before = True, self._before_operation
            # The pass's end is noticed within an operation, where no profile may end and another begin.
            self.profiler.pause()
            return
        self._finish()
        if self._index in self._options.iterations:
            self._begin_tail()
        else:
            self.begin(self._end_ns)

    def begin(self, now: int) -> None:
        """Begin the pass with the next number, if it is to be recorded."""
        self.roots.clear()
        self._steppers.clear()
        self._epilogue, self._mode.before = False, None
        self.names = ModuleNames()
        self._mode.watch = self._table.entered = None
        self._mode.base = _get_sequence_nr()
        if self._index not in self._options.iterations or (self._marked and not self.by_hand):
            self._mode.log = None
            return
        log = PassLog(now, time.time_ns(), self._mode.ops, first=self._index == 0 and not self.by_hand)
        self._table.begin(log.tensors)
        self._mode.log = log
        self._watch(log)
        for call in self._mode.calls:
            # A pass that begins within a module starts with that module's scope.
            names, above = (call.kind,), call.scope and len(log.scopes) - 1
            log.scopes.append(ScopeNote(above, names, names, call.stack, is_function=not call.module))
            call.scope = len(log.scopes) - 1
        self.push()

    def _finish(self, status: Status = Status.COMPLETE, error: BaseException | None = None) -> None:
        """Hand the pass under way to the writer and count on; the next one is not begun."""
        log, self._mode.log = self._mode.log, None
        self._mode.watch = self._table.entered = None
        self.backward.end()
        index, self._index = self._index, self._index + 1
        now = time.perf_counter_ns()
        if log is None:
            self._end_ns = now
            return
        log.end_ns = self._end_ns = log.ends[-1] if self._epilogue and log.ends else now
        for watch in log.watches:
            watch.ended()
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

    def _watch(self, log: PassLog) -> None:
        """Let those look at a pass that its iteration asks for."""
        watches = watches_of(self._options, self._index, log, self._table)
        if watches:
            self._mode.watch = Watches(watches)
            self._table.entered = self._mode.watch.entered
            log.watches = (self._mode.watch,)
        if self._options.level_at(self._index) is Level.KERNELS:
            # Not told of each operation: it needs none of them, and telling costs.
            log.watches = (*log.watches, Watches((KernelsWatch(self.profiler),)))
        if self._options.has_autograd(self._index):
            log.autograd = self.backward.begin(log, self._mode.base)

    def next(self) -> None:
        """End the pass under way and begin the next."""
        self._end()
        self.begin(self._end_ns)

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
        self.push()

    def finish_last(self, error: BaseException | None) -> None:
        """Decide what becomes of the pass under way when the recording ends."""
        if self._epilogue:
            self.next()
        if isinstance(error, SystemExit) and not error.code:
            error = None
        log = self._mode.log
        if log is None:
            return
        if isinstance(error, KeyboardInterrupt) and not log.events:
            # Interrupted between two passes, as most are: the next one had not begun.
            self._mode.log = None
        elif error is not None and not isinstance(error, SystemExit | GeneratorExit):
            self._finish(Status.PARTIAL if isinstance(error, KeyboardInterrupt) else Status.FAILED, error)
        elif not log.events or (self.recorded and not self.roots and not self._trained()):
            # Only the program's last words, such as saving the model: no iteration.
            self._mode.log = None
        else:
            unfinished = error is not None or bool(self._mode.calls) or (self._trained() and self._optimizer_seen)
            self._finish(Status.PARTIAL if unfinished else Status.COMPLETE)

    def _trained(self) -> bool:
        """Whether autograd noted down anything since the pass began."""
        return _get_sequence_nr() != self._mode.base

    def mark_begins(self) -> None:
        """Begin an iteration that the program marks."""
        if self._epilogue or (self._mode.log is not None and self._mode.log.events and self.recorded):
            self._end()
        self.by_hand = self._marked = True
        self.begin(time.perf_counter_ns())

    def mark_ends(self, error: BaseException | None) -> None:
        """End an iteration that the program marks, by this exception if there is one."""
        self._epilogue = False
        if error is None:
            self._finish()
        else:
            self._finish(Status.FAILED if isinstance(error, Exception) else Status.PARTIAL, error)
        self.by_hand = False
        self.begin(self._end_ns)
        self.pop()

    def _before_operation(self, args: Sequence[Any]) -> None:
        """After a step: an operation that reads a result of the pass still belongs to it, any other begins the next."""
        if torch._C._current_autograd_node() is None and any(map(self._is_result, args)):
            return
        self.next()

    def _is_result(self, given: Any) -> bool:
        if isinstance(given, list | tuple):
            return any(map(self._is_result, given))
        if not isinstance(given, torch.Tensor):
            return False
        # Of a pass that is not recorded no results are known, but what has a history can only come from there.
        return self._table.is_result(given) or (self._tail and given.requires_grad and not given.is_leaf)

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

    def push(self) -> None:
        """Put the mode on top, where it was when the recording began; under a mode of the program's own, wait."""
        if not self._pushed and _len_torch_dispatch_stack() == self._depth:
            self._mode.__enter__()
            self._pushed = True

    def pop(self) -> None:
        """Take the mode away; where the program put one of its own above, ours stays and does nothing."""
        count = _len_torch_dispatch_stack()
        if self._pushed and count and _get_dispatch_stack_at(count - 1) is self._mode:
            self._mode.__exit__(None, None, None)
            self._pushed = False
