"""The light level: once an iteration repeats an earlier one, only PyTorch's profiler runs over those that follow.

This is the recording thread's part: it notes which modules are called, begins and ends the profiles, and decides when
an iteration is recorded in full again. What the profiler saw is read by the writer's thread (`light_reading`).
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from torch import Tensor, nn
from torch._C import _current_graph_task_id
from torch.nn.modules import module as module_hooks
from torch.optim import Optimizer

from graphreel.capture.options import Level, RecordOptions
from graphreel.capture.torch.errors import tell
from graphreel.capture.torch.handing import Handing
from graphreel.capture.torch.light_matching import LightPass, Stretch
from graphreel.capture.torch.light_plan import Known
from graphreel.capture.torch.light_reading import LightReading
from graphreel.capture.torch.light_stream import mark
from graphreel.capture.torch.log import FailureNote, PassLog
from graphreel.capture.torch.optimizers import learning_rates
from graphreel.capture.torch.profiler import Profiler, is_within_function
from graphreel.tracefile.extras import Finding
from graphreel.tracefile.model import Status

Told: TypeAlias = Callable[[], list[Finding]]
"""Gives what there is to be told of a pass."""

_REMEMBERED = 4
"""How many recorded passes are kept to compare with."""
_STRETCH_OPERATIONS, _STRETCH_NS = 4096, 500_000_000
"""When a profile is ended and the next begun: after so many operations or so long. Each costs a millisecond, and a
kilobyte of memory for each event while it runs."""
_DIFFERING = 12
"""After so many iterations in a row that were like none, all that follow are recorded in full."""


class Light:
    """Decides which passes only the profiler sees, and hands those to the writer.

    Attributes:
        under_way: Whether the pass under way is one of which nothing is noted down.
    """

    def __init__(self, options: RecordOptions, profiler: Profiler, handing: Handing) -> None:
        self.under_way = False
        self._wanted = Level.LIGHT in (options.level, *(own.level for own in options.levels))
        self._options, self._profiler, self._handing = options, profiler, handing
        self._reading = LightReading(handing.convert)
        self._known: list[Known] = []
        self._ready = self._told = False
        self._calls: list[object] | None = None
        self._front: int | None = None
        self._scalars: dict[str, float] = {}
        self._steps = self._unlike = 0
        self._pass: LightPass | None = None
        self._stretch: Stretch | None = None
        self._stretch_ns = 0

    def hooks(self) -> list[Any]:
        """Hear of modules, if any iteration has this level."""
        if not self._wanted:
            return []
        # Not guarded: it is called for each module, and cannot do harm.
        return [module_hooks.register_module_forward_pre_hook(self._module_enters)]

    def begin(self, index: int, now: int, level: Level | None) -> bool:
        """A pass begins, of which so much is kept; whether nothing is noted down of it, since the profiler sees it."""
        self._calls = [] if self._wanted else None
        self._front, self._steps, self._scalars = None, 0, {}
        self._pass, self.under_way = None, False
        if self._reading.unlike != self._unlike:
            self._unlike, self._ready = self._reading.unlike, False
        if self._stretch is None:
            return False
        if level is None or not self._is_light(index) or self._profiler.refused:
            self._end_stretch()
            return False
        self._pass = LightPass(index, now, time.time_ns())
        # The profile that runs now has seen what ran since the last pass ended.
        self.under_way = self.may_begin(index)
        if not self.under_way:
            self._end_stretch(bridge=self._pass)
        return self.under_way

    def is_bridge(self) -> bool:
        """Whether the pass that began is noted down only so that the next one begins at its first operation."""
        return self._pass is not None and not self.under_way

    def may_begin(self, index: int) -> bool:
        """Whether the profiler is to take a pass over where its first module is called."""
        return self._ready and self._is_light(index) and not self._wants_full_after(index)

    def called(self, index: int, log: PassLog | None, pop: Callable[[], bool]) -> bool:
        """The pass's first module is called, or it was marked by hand; whether nothing is noted down from now on.

        `pop` takes the dispatch mode away, and says whether it is.
        """
        if self._calls is None or self._front is not None:
            return self.under_way
        self._front = len(log.events) if log is not None else 0
        if self.is_bridge():
            return False
        if self.under_way:
            self._next_stretch()
        elif (
            log is None
            or log.level is not Level.LIGHT
            or not self.may_begin(index)
            or not self._take_over(index, log, pop)
        ):
            return False
        stretch, each = self._stretch, self._pass
        if stretch is not None and each is not None:
            stretch.passes.append(each)
            mark()
        return True

    def stepped(self, optimizer: Optimizer) -> None:
        """An optimizer is about to step."""
        if self._calls is not None:
            self._calls.append(id(optimizer))

    def step_ended(self, optimizer: Optimizer) -> None:
        """An optimizer has stepped: its rates are numbers of the iteration."""
        if self.under_way:
            self._steps += 1
            self._scalars |= learning_rates(optimizer, self._steps)

    def finish(self, log: PassLog | None, status: Status, failure: FailureNote | None, told: Told) -> None:
        """The pass of which the profiler has seen something ended; `log` is what else was noted down of it."""
        each, self._pass = self._pass, None
        if each is None:
            return
        each.end_ns, each.status, each.failure = time.perf_counter_ns(), status, failure
        each.calls, each.scalars, each.findings = tuple(self._calls or ()), self._scalars, told()
        each.broken = self._profiler.refused
        bridged = not self.under_way
        self.under_way, self._calls = False, None
        if bridged:
            each.rest, each.scalars = log, dict(log.scalars) if log else {}
            stretch = Stretch(tuple(self._known), [each], last=True)
            self._reset()
            self._put(stretch)
        elif each.broken or status is not Status.COMPLETE:
            self._end_stretch()
        elif not any(known.calls == each.calls for known in self._known):
            self._ready = False  # what the writer's thread will find out, too, but later

    def noted(self, log: PassLog) -> None:
        """A pass ended that was recorded in full: perhaps it repeats a known one, perhaps it is to be known."""
        calls, front = self._calls, self._front
        self._calls = None
        if calls is None or front is None or log.status is not Status.COMPLETE:
            return
        if log.first or log.preparation or log.errors or log.failure is not None or log.loose is not None:
            return
        if log.level is Level.LIGHT:
            log.findings += self._notices()
        for at, known in enumerate(self._known):
            if _are_alike(known, log, calls, front):
                self._known.insert(0, self._known.pop(at))
                self._ready = self._reading.in_a_row < _DIFFERING
                return
        self._ready = False
        self._known = [Known.of(log, tuple(calls), front), *self._known[: _REMEMBERED - 1]]

    def _notices(self) -> list[Finding]:
        """Why an iteration was recorded in full that was not to be."""
        if self._profiler.refused:
            return [Finding("not-light", f"recorded in full: {self._profiler.refused}")]
        if self._reading.in_a_row >= _DIFFERING:
            what = f"the last {self._reading.in_a_row} iterations that only the profiler saw were like none before"
            return [Finding("not-light", f"recorded in full: {what}")]
        return []

    def end(self) -> None:
        """The program ends."""
        self._end_stretch(ended=True)
        self._pass, self.under_way, self._calls = None, False, None

    def drop(self) -> None:
        """Forget the pass under way; those before it stay."""
        if self._pass is not None and self._stretch is not None:
            self._stretch.passes = [each for each in self._stretch.passes if each is not self._pass]
        self._pass, self.under_way, self._calls = None, False, None
        self._end_stretch()

    def _reset(self) -> None:
        self._stretch = None
        self._profiler.end()

    def _is_light(self, index: int) -> bool:
        kept = self._options.keyframes is not None and self._options.has_keyframe(index)
        return self._options.level_at(index) is Level.LIGHT and not kept

    def _wants_full_after(self, index: int) -> bool:
        return self._options.level_at(index + 1) is not None and not self._is_light(index + 1)

    def _take_over(self, index: int, log: PassLog, pop: Callable[[], bool]) -> bool:
        """From the pass under way on let the profiler see what runs."""
        stretch = Stretch(tuple(self._known))
        if not self.may_begin(index) or is_within_function() or _current_graph_task_id() != -1:
            return False
        if not self._profiler.begin(stretch.pieces.append):
            if self._profiler.refused and not self._told:
                self._told = True
                tell(f"level light records in full: {self._profiler.refused}")
            return False
        if not pop():
            self._profiler.end()
            return False
        self._stretch, self._stretch_ns = stretch, time.perf_counter_ns()
        self._pass = LightPass(index, log.begin_ns, log.started_ns, before=log)
        self.under_way = True
        return True

    def _next_stretch(self) -> None:
        """End the profile that runs and begin the next, if it is time to."""
        stretch = self._stretch
        if stretch is None or not stretch.passes:
            return
        count = len(stretch.passes) * max(len(known.log.events) for known in stretch.known)
        due = count >= _STRETCH_OPERATIONS or time.perf_counter_ns() - self._stretch_ns >= _STRETCH_NS
        if not due or is_within_function() or _current_graph_task_id() != -1:
            return
        self._profiler.end()
        self._put(stretch)
        self._stretch, self._stretch_ns = Stretch(stretch.known), time.perf_counter_ns()
        self._profiler.begin(self._stretch.pieces.append)

    def _end_stretch(self, *, bridge: LightPass | None = None, ended: bool = False) -> None:
        stretch = self._stretch
        if stretch is None:
            return
        self._reset()
        stretch.last, stretch.ended = bridge is None, ended
        if stretch.passes:
            self._put(stretch)

    def _put(self, stretch: Stretch) -> None:
        for each in stretch.passes:
            self._handing.put(partial(self._reading.record, stretch, each.index), each.index)

    def _module_enters(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        calls = self._calls
        if calls is not None:
            calls.append(id(module))
            for given in args:
                calls.append((given.shape, given.dtype) if type(given) is Tensor else _note(given))


def _note(given: object) -> object:
    """What is known of an argument: of a tensor its shape and kind of numbers, not what is in it."""
    if isinstance(given, Tensor):
        return type(given), given.dtype
    if given is None or isinstance(given, bool | int | str):
        return given
    return tuple(map(_note, given)) if isinstance(given, list | tuple) else type(given)


def _are_alike(known: Known, log: PassLog, calls: Sequence[object], front: int) -> bool:
    """Whether a pass is in everything like a known one that its graph is made of."""
    other = known.log
    return (
        len(known.front.operators) == front
        and list(known.calls) == list(calls)
        and log.events == other.events
        and all(
            one is two or repr(one[2:4]) == repr(two[2:4]) for one, two in zip(log.events, other.events, strict=True)
        )
        and (log.tensors, log.scopes, log.steps, log.names) == (other.tensors, other.scopes, other.steps, other.names)
    )
