"""Which watches a pass gets, and several of them as one."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from torch import Tensor

from graphreel.capture.options import Level, RecordOptions
from graphreel.capture.torch.cuda_timing import DeviceTimingWatch, accelerator_pool
from graphreel.capture.torch.kernels import KernelsWatch
from graphreel.capture.torch.keyframes import KeyframeWatch
from graphreel.capture.torch.log import PassLog
from graphreel.capture.torch.profiler import Profiler
from graphreel.capture.torch.spared import Spared, is_of_signal_handler
from graphreel.capture.torch.statistics import StatisticsWatch
from graphreel.capture.torch.tensors import TensorTable
from graphreel.capture.torch.values import ValuesWatch
from graphreel.capture.torch.watch import Call, Numbering, Silent, Watch
from graphreel.tracefile.extras import Finding
from graphreel.tracefile.model import IterationRecord


class Watches:
    """Tells several watches what one would hear.

    A watch that raises is told no more, and the iteration says so: it loses what that watch would have added, nothing
    else.
    """

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._all = tuple(watches)
        self.follows = all(watch.follows for watch in watches)
        self._faults: list[Finding] = []
        self._hearing: dict[str, tuple[Watch, ...]] = {}
        self._listen()

    def entered(self, number: int, tensor: Tensor) -> None:
        """As `Watch.entered`."""
        self._tell("entered", number, tensor)

    def before(self, call: Call) -> None:
        """As `Watch.before`."""
        self._tell("before", call)

    def after(self, call: Call, out: Any, outputs: tuple[int, ...]) -> None:
        """As `Watch.after`."""
        self._tell("after", call, out, outputs)

    def ended(self) -> None:
        """As `Watch.ended`."""
        self._tell("ended")

    def add_to(self, record: IterationRecord, numbering: Numbering) -> IterationRecord:
        """As `Watch.add_to`."""
        for watch in self._all:
            with Spared(partial(self._drop, watch)):
                record = watch.add_to(record, numbering)
        return replace(record, findings=(*record.findings, *self._faults)) if self._faults else record

    def _tell(self, what: str, *about: Any) -> None:
        for watch in self._hearing[what]:
            try:
                getattr(watch, what)(*about)
            except Exception as fault:
                if is_of_signal_handler(fault):
                    raise
                self._drop(watch, fault)

    def _drop(self, watch: Watch, fault: Exception) -> None:
        self._all = tuple(other for other in self._all if other is not watch)
        self._listen()
        what = type(watch).__name__.removesuffix("Watch").lower()
        message = f"{what}: not recorded in this iteration, by a bug, please report: {type(fault).__name__}: {fault}"
        self._faults.append(Finding("recorder-fault", message))

    def _listen(self) -> None:
        """Know who does something when it is told of each thing: a call for nothing costs each operation."""
        self._hearing = {
            what: tuple(watch for watch in self._all if getattr(type(watch), what) is not getattr(Silent, what, None))
            for what in ("entered", "before", "after", "ended")
        }


def watch(log: PassLog, options: RecordOptions, index: int, table: TensorTable, profiler: Profiler) -> Watches | None:
    """Let those look at a pass that the iteration with this number asks for; gives who hears of each operation."""
    found = watches_of(options, index, log, table)
    hearing = Watches(found) if found else None
    if hearing is not None:
        table.entered = hearing.entered
        log.watches = (hearing,)
    if log.level is Level.KERNELS:
        # Not told of each operation: it needs none of them, and telling costs.
        log.watches = (*log.watches, Watches((KernelsWatch(profiler),)))
    return hearing


def watches_of(options: RecordOptions, index: int, log: PassLog, table: TensorTable) -> tuple[Watch, ...]:
    """The watches of the iteration with this number, whose pass is noted down here."""
    watches: list[Watch] = []
    level, pool = options.level_at(index), accelerator_pool()
    if pool is not None and level is not None and level.has_timing:
        # The first, so that what other watches run on the device is not taken for the operation's own time.
        watches.append(DeviceTimingWatch(pool))
    counts = level is not None and level.has_statistics
    if options.has_keyframe(index):
        keyframe = KeyframeWatch(options.keyframe_limit, log, table)
        watches.append(keyframe)
        if not counts:
            # What a replay is checked against.
            watches.append(StatisticsWatch(table, only_checksums=True, wanted=lambda: keyframe.keeps))
    if counts:
        watches.append(StatisticsWatch(table))
    if level is Level.VALUES:
        watches.append(ValuesWatch(options.values, options.values_limit, log, table))
    return tuple(watches)
