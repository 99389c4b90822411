"""Timing by events of a device. Here the CPU stands in for one, by way of the same code, and one made by hand."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from graphreel.capture.torch import watching
from graphreel.capture.torch.cuda_timing import (
    AcceleratorEvents,
    DeviceEvent,
    DeviceTimingWatch,
    EventPool,
    HostEvents,
    Queue,
    accelerator_pool,
)
from graphreel.capture.torch.ops import op_info
from graphreel.capture.torch.watch import Call, Numbering
from graphreel.graph import GraphBuilder
from graphreel.tracefile import IterationRecord, Status
from tests.torch_runs import Net, nodes, recording, train

Use = Callable[[Any], EventPool]


class Counting(HostEvents):
    """Counts the events that are made."""

    made = 0

    def event(self, device: str) -> DeviceEvent:
        self.made += 1
        return super().event(device)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Use:
    """Let recordings time the operations of this kind of device."""

    def used(source: Any) -> EventPool:
        pool = EventPool(source)
        monkeypatch.setattr(watching, "accelerator_pool", lambda: pool)
        return pool

    return used


def test_every_operation_is_timed_and_events_are_used_again(use: Use) -> None:
    source = Counting()
    use(source)
    with recording("timing") as (kept, _):
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        train(model, optimizer, (4, 1, 8, 8), steps=1)
        first = source.made
        train(model, optimizer, (4, 1, 8, 8), steps=4)
    assert len(kept.records) == 5
    for record in kept.records.values():
        assert not record.findings
        start, duration = record.columns["device_start_ns"], record.columns["device_duration_ns"]
        assert len(start) == record.graph.node_count
        assert (duration >= 0).all()
        assert (np.diff(start) > 0).all()
    assert first <= source.made < 2.5 * first


def test_timing_changes_no_result(use: Use) -> None:
    losses = []
    for timed in (False, True):
        if timed:
            use(HostEvents())
        torch.manual_seed(0)
        with recording("timing"):
            model = Net()
            losses.append(train(model, torch.optim.SGD(model.parameters(), lr=0.1), (4, 1, 8, 8)))
    assert losses[0] == losses[1]


def test_an_operation_that_raises_is_not_timed_and_those_after_it_are(use: Use) -> None:
    use(HostEvents())
    with recording("timing") as (kept, recorder), recorder.iteration():
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            torch.ones(2, 3) @ torch.ones(2, 3)
        torch.ones(3).cumsum(0)
    record = kept.records[0]
    (failed,), (last,) = nodes(record.graph, "aten.mm.default"), nodes(record.graph, "aten.cumsum.default")
    column = record.columns["device_duration_ns"]
    assert column[failed.id] == -1
    assert column[last.id] >= 0


class Elsewhere(HostEvents):
    """A device that only tensors of float64 are on."""

    def queue(self, args: Iterable[Any]) -> Queue | None:
        on_it = any(isinstance(given, torch.Tensor) and given.dtype is torch.float64 for given in args)
        return Queue("far:0", None) if on_it else None


def test_operations_on_other_devices_are_left_out(use: Use) -> None:
    use(Elsewhere())
    with recording("timing") as (kept, recorder):
        with recorder.iteration():
            (torch.ones(2) + 1).double().cumsum(0).float().sum()
        with recorder.iteration():
            torch.ones(2).sum()
    graph = kept.graph(0)
    timed = [graph.node(at).op for at in np.flatnonzero(kept.records[0].columns["device_duration_ns"] >= 0).tolist()]
    assert timed == ["aten.cumsum.default", "aten._to_copy.default"]
    assert "device_start_ns" not in kept.records[1].columns


def test_the_graph_level_times_nothing(use: Use) -> None:
    use(HostEvents())
    with recording("graph") as (kept, _):
        train(model := nn.Linear(2, 2), torch.optim.SGD(model.parameters(), lr=0.1), (1, 2), steps=2)
    assert all("device_start_ns" not in record.columns for record in kept.records.values())


class Clock:
    """A device that runs one thing after another, each 1,000 ns, on a clock that is 7 s ahead of the host's."""

    def __init__(self) -> None:
        self.host_ns, self.busy_until = 0, 0

    def event(self, device: str) -> DeviceEvent:
        return Mark(self)

    def queue(self, args: Iterable[Any]) -> Queue | None:
        return Queue("made:0", None)


class Mark:
    waited = False

    def __init__(self, clock: Clock) -> None:
        self.clock, self.at = clock, 0

    def record(self, stream: Any, /) -> None:
        self.at = max(self.clock.busy_until, self.clock.host_ns) + 7 * 10**9
        self.waited = False

    def synchronize(self) -> None:
        self.waited = True

    def elapsed_time(self, end: "Mark", /) -> float:
        assert self.waited or end.waited, "an event was read before the device came to it"
        return (end.at - self.at) / 1e6


def test_a_devices_clock_is_put_on_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("time.perf_counter_ns", lambda: clock.host_ns)
    pool = EventPool(clock)
    watch = DeviceTimingWatch(pool)
    builder = GraphBuilder({})
    info = op_info(torch.ops.aten.relu.default, 0)
    called = (10_000, 10_100, 10_200, 20_000)
    for event, now in enumerate(called):
        builder.node("aten.relu.default")
        clock.host_ns = now
        watch.before(call := Call(event, info, (), None, ()))
        clock.busy_until = max(clock.busy_until, now) + 1_000
        watch.after(call, None, ())
    watch.ended()
    record = IterationRecord(builder.build(), Status.COMPLETE, 0, 0)
    added = watch.add_to(record, Numbering(nodes=dict(enumerate(range(4))), begin_ns=9_000))
    # The first begins when it is called, the next two wait for it, the last finds the device idle.
    assert added.columns["device_start_ns"].tolist() == [1_000, 2_000, 3_000, 11_000]
    assert added.columns["device_duration_ns"].tolist() == [1_000] * 4


def test_without_an_accelerator_nothing_is_watched() -> None:
    if torch.accelerator.current_accelerator() is not None:
        pytest.skip("this PyTorch was built for an accelerator")
    assert accelerator_pool() is None


def test_devices_are_found_among_the_arguments() -> None:
    events = AcceleratorEvents("meta")
    on, off = torch.empty(2, device="meta"), torch.empty(2)
    for args, found in (
        ((off, on), on.device),
        ((off, [off, on]), on.device),
        (([2, 3], torch.device("meta")), torch.device("meta")),
        ((off, None, "meta", torch.device("cpu")), None),
        ((), None),
    ):
        assert events._device(args) == found


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")
def test_a_gpu_times_its_operations() -> None:
    with recording("timing") as (kept, _):
        model = Net().cuda()
        batch = torch.randn(4, 1, 8, 8, device="cuda")
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            model(batch).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    record = kept.records[1]
    for node in nodes(record.graph, "aten.convolution.default"):
        assert record.columns["device_duration_ns"][node.id] > 0
        assert record.columns["device_start_ns"][node.id] >= record.columns["start_ns"][node.id]
