"""Begins and ends passes, and hands them over.

Where one ends is what `turns` says, which knows positions only.
"""

import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from graphreel.capture.options import Level, RecordOptions
from graphreel.capture.torch.autograd import BackwardWatch
from graphreel.capture.torch.boundary import Boundary
from graphreel.capture.torch.dispatch import RecordMode
from graphreel.capture.torch.failures import caught_in, failure_of, too_long
from graphreel.capture.torch.handing import Handing, Writer
from graphreel.capture.torch.light import Light
from graphreel.capture.torch.log import PassLog
from graphreel.capture.torch.modules import ModuleNames, RootNames
from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.preparation import loop_turned
from graphreel.capture.torch.profiler import Profiler
from graphreel.capture.torch.pushing import Pushed
from graphreel.capture.torch.turns import CALL, Position
from graphreel.capture.torch.watching import watch
from graphreel.tracefile.extras import Finding
from graphreel.tracefile.model import Status


class Passes:
    """Begins and ends passes, decides which are recorded, and hands them to the writer.

    A pass that is not recorded is not noted down either, and ends at calls and steps alone. Three kinds are noted down
    all the same and then dropped: the first, in which `turns` learns what belongs to a turn; one before a pass that is
    recorded, so that this one begins at its first operation; and those of a program that calls no modules.

    Attributes:
        names: What the outermost modules are called, and their parts.
        roots: The outermost modules that were called in the pass under way, by `id`.
        by_hand: Whether an iteration that was marked by hand is under way.
        turns: Where passes end by themselves.
        pushed: The mode on PyTorch's stack of modes.
        profiler: PyTorch's profiler, for the iterations that ask for kernels.
        light: The passes that only the profiler sees.
        backward: Looks at the backward of those passes that ask for it.
        notices: What there is to be told with the pass that ends.
    """

    def __init__(self, writer: Writer, options: RecordOptions, mode: RecordMode) -> None:
        self.names = RootNames()
        self.roots: set[int] = set()
        self.by_hand = False
        self.profiler = Profiler()
        self.backward = BackwardWatch(mode.table)
        self.notices: Callable[[], list[Finding]] = list
        self._options, self._mode = options, mode
        self._table, self._stacks = mode.table, mode.stacks
        self._handing = Handing(writer, mode.stacks)
        self.light = Light(options, self.profiler, self._handing)
        # A profile that runs cannot end within an operation.
        self._boundary = Boundary(mode, lambda: Profiler.running is not self.profiler, self.next)
        self.turns, self._optimizers = self._boundary.turns, self._boundary.optimizers
        self.pushed = Pushed(mode)
        self._marked = self._blind = False
        self._index = self._end_ns = 0

    @property
    def recorded(self) -> int:
        """How many iterations went to the writer."""
        return self._handing.count

    @property
    def met(self) -> int:
        """How many iterations the program had, recorded or not."""
        return self._index + (self.turns.worked and not self.recorded)

    def module_called(self, module: nn.Module, frame: FrameType) -> ModuleNames | None:
        """A module is called that no other module called: perhaps a new pass begins. Gives names of its parts."""
        if self._optimizers.drop_stale(frame):
            self._mode.step = 0
        if not self._marked and not self._optimizers.stepping:
            at = CALL, self._stacks.number(frame)
            again = id(module) in self.roots and self.names.knows(module)
            evaluates = not module.training and not torch.is_grad_enabled()
            if self.turns.call(at, again=again, evaluates=evaluates):
                self.next(at)
            self._work_begins(at)
            self.turns.called()
        self.roots.add(id(module))
        self.names.name(module)
        self._give_to_profiler()
        if self._mode.log is None:
            self.pushed.pop()
            return None
        self.pushed.push()
        self.profiler.resume()
        parts = self.names.enter(module)
        for key, name in parts.tensors.items():
            self._table.members.setdefault(key, name)
        return parts

    def module_left(self) -> None:
        """The outermost module is left again, and the pass may soon be found to have ended, within an operation."""
        if not (self._marked or self.light.under_way or self._optimizers.stepping or self._boundary.trained()):
            self.profiler.pause()

    def step_begins(self, optimizer: Optimizer, frame: FrameType) -> None:
        """An optimizer begins its step."""
        self._optimizers.drop_stale(frame.f_back)
        nested = self._optimizers.stepping
        self._optimizers.begins(optimizer, frame)
        self.light.stepped(optimizer)
        if self._marked or nested:
            return
        if id(optimizer) in self.turns.steps:
            self.next(None)
        self._work_begins()
        if not self.light.under_way:
            self.profiler.resume()

    def _work_begins(self, *at: Position) -> None:
        """The program goes on: a call at this position or a step begins."""
        self._handing.release()
        log = self._mode.log
        self.turns.works(at if log is None else {*log.positions(), *at}, len(log.tensors) if log else 0)

    def step_ends(self, optimizer: Optimizer) -> None:
        """An optimizer ended its step, and perhaps with it the work of a turn."""
        self._optimizers.ends()
        self.light.step_ended(optimizer)
        if self._marked or self._optimizers.stepping:
            return
        self.turns.stepped(id(optimizer))
        # The pass's end is noticed within an operation, where no profile may end and another begin.
        if not self.light.under_way:
            self.profiler.pause()

    def begin(self, now: int, at: Position | None = None, *, worked: bool = False) -> None:
        """Begin the pass with the next number, and note it down if that is wanted."""
        self.roots.clear()
        if not self._mode.calls:
            self.names.begin()
        self.turns.begin(at, worked=worked)
        self._mode.watch = self._table.entered = self._mode.before = None
        self._mode.base = self._boundary.autograd_number()
        level = None if self._marked and not self.by_hand else self._options.level_at(self._index)
        if self.light.begin(self._index, now, level) or (level is None and not self._is_noted()):
            self._mode.log = None
            return
        level = None if self.light.is_bridge() else level
        log = PassLog(now, time.time_ns(), self._mode.ops, first=self._index == 0 and not self.by_hand, level=level)
        self._table.begin(log.tensors)
        self._mode.log = log
        self._mode.before = self._before_operation
        if level is not None and not (level is Level.LIGHT and self.light.may_begin(self._index)):
            self._watch(log)
        for call in self._mode.calls:
            # A pass that begins within a module starts with that module's scope.
            log.scopes.append(call.note._replace(parent=len(log.scopes) - 1))
            call.scope = len(log.scopes) - 1
        self.pushed.push()

    def _is_noted(self) -> bool:
        """Whether a pass that is not recorded is noted down."""
        before_recorded = self._options.level_at(self._index + 1) is not None
        return not self._marked and (self._index == 0 or before_recorded or self._blind)

    def _watch(self, log: PassLog) -> None:
        """Let those look at a pass that its iteration asks for."""
        self._mode.watch = watch(log, self._options, self._index, self._table, self.profiler)
        if self._options.has_autograd(self._index):
            log.autograd = self.backward.begin(log, self._mode.base)

    def next(self, at: Position | None) -> None:
        """End the pass under way and begin the next, which this position made begin."""
        loop_turned(self._mode.log, at)
        self._finish()
        self.begin(self._end_ns, at)

    def _finish(self, status: Status = Status.COMPLETE, error: BaseException | None = None) -> None:
        """Hand the pass under way to the writer and count on; the next one is not begun."""
        log = self._mode.log
        self.let_go()
        index, self._index = self._index, self._index + 1
        self._blind = not self.turns.calls
        if log is None or log.level is None:
            self._end_ns = time.perf_counter_ns()
            failure = None if error is None else failure_of(error, self._mode.failed)
            self.light.finish(log, status, failure, self.notices)
            return
        # What is waited for after the last operation of a turn, such as data, is waited for by the next.
        turned = self.turns.worked and not self._marked and log.ends
        log.end_ns = self._end_ns = log.ends[-1] if turned else time.perf_counter_ns()
        for each in log.watches:
            each.ended()
        log.status = status
        log.loose = self.turns.loose[0] if self.turns.loose else None
        log.findings += self.notices()
        log.names = self._table.named()
        if error is not None:
            log.failure = failure_of(error, self._mode.failed)
        log.findings += caught_in(log, error, self._stacks.lines)
        self.light.noted(log)
        self._handing.take(log, index)

    def let_go(self) -> None:
        """Note nothing down any more of the pass under way, and hold nothing of it."""
        self._mode.log = self._mode.watch = self._mode.before = self._table.entered = None
        self.backward.end()

    def _give_to_profiler(self) -> None:
        """The pass's work begins: perhaps the profiler alone sees it from now on."""
        if self.light.called(self._index, self._mode.log, self.pushed.is_away):
            self._mode.log = None

    def drop(self) -> None:
        """Give the pass under way up."""
        self.let_go()
        self.light.drop()
        self.profiler.end()

    def give_up(self, finding: Finding) -> None:
        """End the pass under way, as far as it came, because the recorder cannot go on."""
        if self._mode.log is not None:
            self._mode.log.findings.append(finding)
        self._finish(Status.PARTIAL)

    def finish_last(self, error: BaseException | None) -> None:
        """Decide what becomes of the pass under way when the recording ends."""
        try:
            self._finish_last(error)
        finally:
            self.light.end()
            self._handing.release()

    def _finish_last(self, error: BaseException | None) -> None:
        log, turns = self._mode.log, self.turns
        if isinstance(error, SystemExit) and not error.code:
            error = None
        if not self.light.under_way and (log is None or log.level is None):
            self.drop()
            return
        if error is not None and not isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            self._finish(Status.FAILED, error)
            return
        if turns.loose is not None and log is not None:
            # The program's last words, such as saving the model: they belong to no iteration.
            log.forget_from(turns.loose[0])
        is_empty = log is not None and not log.events
        broken = error is not None and self._boundary.trained()
        backward = log is not None and log.has_backward()
        if turns.steps and not turns.is_broken_off() and not self._optimizers.stepping:
            self._finish()
        elif is_empty or (self._index and not turns.worked and not broken and not self.by_hand):
            # Interrupted between two passes, as most are, or the last words again, which may have begun before.
            self._handing.forget_last_words()
            self.drop()
        elif isinstance(error, KeyboardInterrupt):
            self._finish(Status.PARTIAL, error)
        else:
            unfinished = error is not None or bool(self._mode.calls) or (self._optimizers.seen and backward)
            self._finish(Status.PARTIAL if unfinished else Status.COMPLETE)

    def mark_begins(self) -> None:
        """Begin an iteration that the program marks."""
        log = self._mode.log
        if not self._marked and log is not None and (self.turns.steps or (self._index and log.events)):
            self._finish()
        self._handing.release()
        self.drop()
        self.by_hand = self._marked = True
        self.begin(time.perf_counter_ns())
        self._give_to_profiler()

    def mark_ends(self, error: BaseException | None) -> None:
        """End an iteration that the program marks, by this exception if there is one."""
        if error is None:
            self._finish()
        else:
            self._finish(Status.FAILED if isinstance(error, Exception) else Status.PARTIAL, error)
        self.by_hand = False
        self.begin(self._end_ns)
        self.pushed.pop()

    def within_bounds(self) -> None:
        """End a pass that has grown so long that it would fill the memory; the next goes on from there."""
        log = self._mode.log
        if log is None or len(log.events) < self._options.operations_limit or self._mode.step:
            return
        if log.level is None:
            self.begin(time.perf_counter_ns(), worked=True)
            return
        log.findings.append(too_long(len(log.events)))
        self._finish(Status.PARTIAL)
        self.begin(self._end_ns, worked=True)

    def _before_operation(self, info: OpInfo, frame: FrameType | None, args: Sequence[Any]) -> None:
        """Before an operation outside of modules: perhaps it begins the next pass."""
        log = self._mode.log
        if log is None or self._mode.step:
            return
        if len(log.events) >= self._options.operations_limit:
            self.within_bounds()
        elif not self._marked:
            self._boundary.operation(info, frame, args)
