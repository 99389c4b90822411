"""When operations ran on a device: two events of the device around each, read on the writer's thread after the pass.

Nothing waits for the device while the program runs, and no operation is made to. It works with any accelerator of
PyTorch's, of which CUDA is one; where there is none, `HostEvents` lets operations of the CPU go the same way.
"""

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from threading import get_ident
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from graphreel.capture.torch.spared import let_through
from graphreel.capture.torch.watch import Call, Numbering
from graphreel.tracefile.model import IterationRecord

NOT_ON_DEVICE = -1
"""Stands in both columns for a node that ran on no device."""


class Queue(NamedTuple):
    """Where an operation is queued: a device, and the stream of it that is current."""

    device: str
    stream: Any


class DeviceEvent(Protocol):
    """A mark in a queue, as `torch.Event` is one."""

    def record(self, stream: Any, /) -> None:
        """Put the mark at the end of a stream."""
        ...

    def synchronize(self) -> None:
        """Wait until the device has come to the mark."""
        ...

    def elapsed_time(self, end: Any, /) -> float:
        """Milliseconds from this mark to a later one."""
        ...


class EventSource(Protocol):
    """A kind of device, and how to mark what it runs."""

    def queue(self, args: Iterable[Any]) -> Queue | None:
        """Where an operation with these arguments will run; None where it is no such device or is not to be marked."""
        ...

    def event(self, device: str) -> DeviceEvent:
        """A new event of a device."""
        ...


class AcceleratorEvents:
    """Events of this PyTorch's kind of accelerator."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._names: dict[torch.device, str] = {}

    def queue(self, args: Iterable[Any]) -> Queue | None:
        """As `EventSource.queue`."""
        device = self._device(args)
        if device is None or self._is_captured():
            return None
        if device not in self._names:
            self._names[device] = str(device)
        return Queue(self._names[device], _current_stream(device))

    def event(self, device: str) -> DeviceEvent:
        """As `EventSource.event`."""
        return torch.Event(device, enable_timing=True)

    def _device(self, args: Iterable[Any]) -> torch.device | None:
        for given in args:
            if isinstance(given, Tensor):
                if given.device.type == self._kind:
                    return given.device
            elif isinstance(given, torch.device):
                if given.type == self._kind:
                    return given
            elif isinstance(given, list | tuple) and (found := self._device(given)) is not None:
                return found
        return None

    def _is_captured(self) -> bool:
        """Whether the stream is being captured into a graph, of which an event would become a part."""
        return self._kind == "cuda" and torch.cuda.is_current_stream_capturing()


class HostEvents:
    """The host's clock as a device, for tests where there is none."""

    def queue(self, args: Iterable[Any]) -> Queue | None:
        """As `EventSource.queue`."""
        return Queue("cpu", None)

    def event(self, device: str) -> DeviceEvent:
        """As `EventSource.event`."""
        return _HostEvent()


class _HostEvent:
    _at = 0

    def record(self, stream: Any, /) -> None:
        self._at = time.perf_counter_ns()

    def synchronize(self) -> None:
        pass

    def elapsed_time(self, end: Any, /) -> float:
        return float(end._at - self._at) / 1e6


class EventPool:
    """Events of a source, used again from pass to pass: making one costs more than recording it."""

    def __init__(self, source: EventSource) -> None:
        self.source = source
        # The recording thread takes, the writer's thread gives back.
        self._idle: defaultdict[str, deque[DeviceEvent]] = defaultdict(deque)

    def take(self, device: str) -> DeviceEvent:
        """An event that nobody uses."""
        try:
            return self._idle[device].pop()
        except IndexError as error:
            let_through(error)
            return self.source.event(device)

    def give_back(self, device: str, events: Iterable[DeviceEvent]) -> None:
        """Events that were read."""
        self._idle[device].extend(events)


@cache
def accelerator_pool() -> EventPool | None:
    """The pool of this PyTorch's accelerator; None where it was built without one. It does not touch the device."""
    if hasattr(torch, "accelerator"):
        found = torch.accelerator.current_accelerator()
        return EventPool(AcceleratorEvents(found.type)) if found is not None else None
    return EventPool(AcceleratorEvents("cuda")) if torch.backends.cuda.is_built() else None  # before PyTorch 2.6


@dataclass(frozen=True, slots=True)
class _Timed:
    """An operation between its two events, and when the host called it."""

    event: int
    device: str
    begin: DeviceEvent
    end: DeviceEvent
    called_ns: int


class DeviceTimingWatch:
    """Adds the columns `device_start_ns`, counted from the iteration's begin, and `device_duration_ns`."""

    follows = False

    def __init__(self, pool: EventPool) -> None:
        self._pool = pool
        self._origins: dict[str, DeviceEvent] = {}
        self._timed: list[_Timed] = []
        # By thread: backward has one for each device. What raises is never closed, and stays below what is.
        self._open: defaultdict[int, list[tuple[Queue, DeviceEvent, int] | None]] = defaultdict(list)

    def entered(self, number: int, tensor: Tensor) -> None:
        """As `Watch.entered`."""

    def before(self, call: Call) -> None:
        """As `Watch.before`."""
        queue = self._pool.source.queue((*call.args, *call.kwargs.values()) if call.kwargs else call.args)
        if queue is None:
            self._open[get_ident()].append(None)
            return
        if queue.device not in self._origins:
            self._origins[queue.device] = self._pool.take(queue.device)
            self._origins[queue.device].record(queue.stream)
        begin = self._pool.take(queue.device)
        begin.record(queue.stream)
        self._open[get_ident()].append((queue, begin, time.perf_counter_ns()))

    def after(self, call: Call, out: Any, outputs: tuple[int, ...]) -> None:
        """As `Watch.after`."""
        opened = self._open[get_ident()].pop()
        if opened is not None:
            queue, begin, called_ns = opened
            end = self._pool.take(queue.device)
            end.record(queue.stream)
            self._timed.append(_Timed(call.event, queue.device, begin, end, called_ns))

    def ended(self) -> None:
        """As `Watch.ended`."""
        self._open.clear()

    def add_to(self, record: IterationRecord, numbering: Numbering) -> IterationRecord:
        """As `Watch.add_to`. Waiting for the device here keeps nobody but the writer."""
        if not self._timed:
            return record
        start = np.full(record.graph.node_count, NOT_ON_DEVICE, dtype=np.int64)
        duration = start.copy()
        for device, origin in self._origins.items():
            timed = [each for each in self._timed if each.device == device]
            begins, lasted = _read(origin, timed)
            for each, begin, length in zip(timed, begins, lasted, strict=True):
                node = numbering.nodes.get(each.event)
                if node is not None:
                    start[node], duration[node] = begin - numbering.begin_ns, length
            self._pool.give_back(device, (origin, *(event for each in timed for event in (each.begin, each.end))))
        self._timed.clear()
        self._origins.clear()
        return replace(record, columns={**record.columns, "device_start_ns": start, "device_duration_ns": duration})


def _read(origin: DeviceEvent, timed: Sequence[_Timed]) -> tuple[list[int], list[int]]:
    """Begin on the monotonic clock and duration of each, in nanoseconds.

    A device has its own clock. Nothing begins before it is called, and what is called while the device is idle begins
    at once: so the clocks are apart by the least that lets nothing begin too early.
    """
    for mark in (origin, *(each.end for each in timed)):
        mark.synchronize()
    begins = [round(origin.elapsed_time(each.begin) * 1e6) for each in timed]
    ahead = max((each.called_ns - begin for each, begin in zip(timed, begins, strict=True)), default=0)
    return [begin + ahead for begin in begins], [round(each.begin.elapsed_time(each.end) * 1e6) for each in timed]


def _current_stream(device: torch.device) -> Any:
    if hasattr(torch, "accelerator"):
        return torch.accelerator.current_stream(device)
    return torch.cuda.current_stream(device)  # before PyTorch 2.6
