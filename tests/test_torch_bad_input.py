"""Programs that go wrong: what they raise stays theirs, and the trace is whole up to there."""

import gc
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import graphreel
import graphreel.capture.torch.noting
from graphreel.capture.options import IterationRanges, RecordOptions
from graphreel.capture.torch import RecorderWarning, TorchRecorder
from graphreel.capture.torch.keyframes import KeyframeWatch
from graphreel.graph import Phase, walk
from graphreel.tracefile import Status, open_reel
from tests.torch_runs import Kept, Net, nodes, recording, train


class Refusal(Exception):
    """What the programs here raise."""


def refuse(*args: object) -> None:
    """Raise, wherever a hook may stand."""
    raise Refusal("not today")


class RefusingForward(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        super().forward(input)
        raise Refusal("not today")


class RefusingOptimizer(torch.optim.SGD):
    def step(self, closure: Any = None) -> Any:
        super().step()
        raise Refusal("not today")


def in_forward() -> None:
    RefusingForward(2, 2)(torch.ones(1, 2))


def in_backward() -> None:
    class Refusing(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: object, grad: Tensor) -> Tensor:
            grad.neg()
            raise Refusal("not today")

    Refusing.apply(nn.Linear(2, 2)(torch.ones(1, 2))).sum().backward()


def in_a_module_hook() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model[0].register_forward_hook(refuse)
    model(torch.ones(1, 2))


def before_a_module() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model[1].register_forward_pre_hook(refuse)
    model(torch.ones(1, 2))


def in_a_tensor_hook() -> None:
    out = nn.Linear(2, 2)(torch.ones(1, 2))
    out.register_hook(refuse)
    out.sum().backward()


def in_an_optimizer() -> None:
    model = nn.Linear(2, 2)
    optimizer = RefusingOptimizer(model.parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()


PROGRAMS = [in_forward, in_backward, in_a_module_hook, before_a_module, in_a_tensor_hook, in_an_optimizer]
LAST = {
    in_forward: "aten.addmm.default",
    in_backward: "aten.neg.default",
    in_a_module_hook: "aten.addmm.default",
    before_a_module: "aten.addmm.default",
    in_a_tensor_hook: "aten.expand.default",
    in_an_optimizer: "aten.add_.Tensor",
}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_what_a_program_raises_is_its_own_and_ends_the_iteration(program: Callable[[], None], tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="not today"), graphreel.record(tmp_path / "run.reel"):
        program()
    trace = open_reel(tmp_path / "run.reel")
    assert [each.status for each in trace.iterations] == [Status.FAILED]
    error = trace.iterations[0].error
    assert error is not None
    assert (error.type, error.message) == ("Refusal", "not today")
    assert not trace.problems
    assert trace.info.finished
    ops = [each.op for each in walk(trace.graph(0))]
    assert ops[-1] == LAST[program]
    trace.close()


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_what_a_program_catches_is_a_finding(program: Callable[[], None]) -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for turn in range(4):
            if turn == 2:
                with pytest.raises(Refusal):
                    program()
            model(torch.ones(1, 2)).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert {record.status for record in kept.records.values()} == {Status.COMPLETE}
    last = max(kept.records)
    graph = kept.graph(last)
    # What was left by an exception does not colour what follows.
    assert [each.scope.path for each in nodes(graph, "aten.addmm.default")] == ["forward/Linear"]
    assert [each.phase for each in nodes(graph, "aten.ones.default")] == [Phase.OTHER]
    found = [finding for record in kept.records.values() for finding in record.findings]
    assert {finding.kind for finding in found} <= {"caught"}
    if program in (in_forward, in_a_module_hook, before_a_module):
        assert ["Refusal: not today" in finding.message for finding in found] == [True]
        assert found[0].file == __file__


def test_an_operation_that_the_program_catches_is_named() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for size in (2, 2, 3, 2):
            try:
                out = model(torch.ones(1, size))
            except RuntimeError:
                out = model(torch.ones(1, 2))
            out.sum().backward()
            optimizer.step()
    assert [len(record.findings) for record in kept.records.values()] == [0, 0, 1, 0]
    (finding,) = kept.records[2].findings
    assert finding.kind == "caught"
    assert finding.node is not None
    assert kept.graph(2).node(finding.node).op == "aten.addmm.default"
    assert "cannot be multiplied" in finding.message
    assert "went on" in finding.message
    assert (finding.file, finding.line > 0) == (__file__, True)
    assert kept.records[2].error is None


def test_numbers_that_are_none_are_recorded_like_any() -> None:
    with recording() as (kept, _):
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=float("nan"))
        losses = train(model, optimizer, (2, 1, 8, 8), steps=3)
    assert [math.isnan(loss) for loss in losses] == [False, True, True]
    assert [record.status for record in kept.records.values()] == [Status.COMPLETE] * 3
    assert math.isnan(kept.records[2].scalars["loss"])


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_an_exit_in_the_loop_keeps_whole_turns_whole(kind: type[BaseException]) -> None:
    error = kind(3)

    def program(within: bool) -> None:
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for turn in range(4):
            loss = model(torch.randn(1, 2)).sum()
            if within and turn == 2:
                raise error
            loss.backward()
            optimizer.step()
            loss.item()
            if not within and turn == 2:
                raise error

    for within, last in ((True, Status.PARTIAL), (False, Status.COMPLETE)):
        with pytest.raises(type(error)) as caught, recording() as (kept, _):
            program(within)
        assert caught.value is error
        assert [record.status for record in kept.records.values()] == [Status.COMPLETE, Status.COMPLETE, last]


def test_a_generator_that_is_closed_half_way_is_recorded_so_far() -> None:
    def batches() -> Iterator[Tensor]:
        with recording() as (kept, recorder):
            found.append((kept, recorder))
            model = nn.Linear(2, 2)
            while True:
                yield model(torch.ones(1, 2))

    found: list[tuple[Kept, TorchRecorder]] = []
    running = batches()
    next(running), next(running)
    running.close()
    kept, recorder = found[0]
    assert not recorder.alive
    assert len(kept.records) == 2


def test_a_fault_of_the_recorders_own_stands_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> int:
        raise ZeroDivisionError("a fault")

    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def program() -> None:
        with graphreel.record(tmp_path / "run.reel"):
            for turn in range(4):
                loss = model(torch.randn(1, 2)).sum()
                if turn == 2:
                    monkeypatch.setattr(graphreel.capture.torch.noting, "_get_sequence_nr", broken)
                loss.backward()
                optimizer.step()

    with pytest.warns(RecorderWarning, match="a fault"):
        program()
    trace = open_reel(tmp_path / "run.reel")
    assert [each.status for each in trace.iterations] == [Status.COMPLETE, Status.COMPLETE, Status.PARTIAL]
    assert any("ZeroDivisionError: a fault" in finding.message for finding in trace.findings(2))
    assert nodes(trace.graph(2), "aten.addmm.default")
    assert "ZeroDivisionError: a fault" in trace.info.ended
    assert "please report" in trace.info.ended
    trace.close()


def test_a_program_without_iterations_is_cut_before_it_fills_the_memory() -> None:
    kept = Kept()
    recorder = TorchRecorder(kept, RecordOptions(operations_limit=10))
    recorder.start()
    total = torch.zeros(())
    for _ in range(24):
        total = total + 1
    recorder.stop()
    assert total == 24
    assert [record.status for record in kept.records.values()] == [Status.PARTIAL, Status.PARTIAL, Status.COMPLETE]
    assert [record.graph.node_count for record in kept.records.values()] == [10, 10, 5]
    assert [[finding.kind for finding in record.findings] for record in kept.records.values()] == [["too-long"]] * 2 + [
        []
    ]
    assert "with recorder.iteration():" in kept.records[0].findings[0].message


def test_one_call_that_is_too_long_is_cut_between_its_layers() -> None:
    kept = Kept()
    model = nn.Sequential(*[nn.Linear(2, 2) for _ in range(16)])
    recorder = TorchRecorder(kept, RecordOptions(operations_limit=10))
    recorder.start()
    out = model(torch.ones(1, 2))
    out.sum().backward()
    recorder.stop()
    assert len(kept.records) > 3
    assert all(record.graph.node_count <= 12 for record in kept.records.values())
    assert nodes(kept.graph(1), "aten.addmm.default")[0].scope.path.startswith("forward/Sequential/")
    assert any(each.phase is Phase.BACKWARD for record in kept.records.values() for each in walk(record.graph))


class Speechless(RuntimeError):
    def __str__(self) -> str:
        raise Refusal("no words")


@pytest.mark.parametrize("catch", [True, False])
def test_an_exception_that_cannot_be_put_into_words_ends_no_recording(catch: bool) -> None:
    class Mute(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            super().forward(input)
            raise Speechless

    def program() -> None:
        try:
            Mute(2, 2)(torch.ones(1, 2))
        except Speechless:
            if not catch:
                raise
        nn.Linear(2, 2)(torch.ones(1, 2))

    kept = Kept()
    try:
        with recording() as (kept, _):
            program()
    except Speechless:
        assert not catch
    (record,) = kept.records.values()
    assert record.status is (Status.COMPLETE if catch else Status.FAILED)
    told = [finding.message for finding in record.findings] or [record.error.message if record.error else ""]
    assert "cannot be put into words" in told[0]


def test_what_watches_hold_is_let_go_however_a_recording_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: object) -> int:
        raise ZeroDivisionError("a fault")

    def held() -> list[str]:
        gc.collect()
        return [type(found).__name__ for found in gc.get_objects() if type(found) is KeyframeWatch]

    def step(fault: bool = False) -> None:
        model = nn.Linear(2, 2)
        loss = model(torch.ones(1, 2)).sum()
        if fault:
            with monkeypatch.context() as patched:
                patched.setattr(graphreel.capture.torch.noting, "_get_sequence_nr", broken)
                loss.backward()
        loss.add(1)

    for end in ("stop", "interrupt", "abandon", "fault", "drop"):
        kept = Kept()
        recorder = TorchRecorder(kept, RecordOptions(keyframes=IterationRanges()))
        recorder.start()
        if end == "fault":
            with pytest.warns(RecorderWarning, match="a fault"):
                step(fault=True)
        elif end != "drop":
            step()
        if end == "abandon":
            recorder.abandon()
        elif end == "interrupt":
            recorder.interrupt()
        if end in ("abandon", "interrupt", "fault"):
            assert held() == [], end
        recorder.stop()
        assert held() == [], end
