"""Where an iteration begins and ends, and which of them are recorded."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

import graphreel
from graphreel.capture.torch import RecorderState
from graphreel.graph import Phase, ScopeKind, walk
from graphreel.tracefile import Status
from tests.torch_runs import Net, nodes, recording, train


def phases(graph: object) -> list[str]:
    """Paths of the phase scopes, in order."""
    scopes = map(graph.scope, range(graph.scope_count))  # type: ignore[attr-defined] # a Graph
    return [scope.path for scope in scopes if scope.kind is ScopeKind.PHASE]


def test_what_reads_a_result_after_the_step_belongs_to_it() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 2)
        train(model, torch.optim.SGD(model.parameters(), lr=0.1), (1, 2), steps=2)
    assert list(kept.records) == [0, 1]
    for index in kept.records:
        graph = kept.graph(index)
        last = graph.node(graph.node_count - 1)
        assert last.op == "aten._local_scalar_dense.default"
        assert next(iter(walk(graph))).op == "aten.randn.default"


def test_gradient_accumulation_is_one_iteration_with_two_visits() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            for _ in range(2):
                model(torch.randn(1, 2)).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert len(kept.records) == 2
    assert phases(kept.graph(1)) == ["forward", "backward", "forward:2", "backward:2", "optimizer"]


def test_optimizers_that_step_together_are_one_iteration() -> None:
    with recording() as (kept, _):
        one, two = nn.Linear(2, 2), nn.Linear(2, 2)
        optimizers = [torch.optim.SGD(part.parameters(), lr=rate) for part, rate in ((one, 0.1), (two, 0.2))]
        for _ in range(3):
            two(one(torch.randn(1, 2))).sum().backward()
            for optimizer in optimizers:
                optimizer.step()
    assert [record.status for record in kept.records.values()] == [Status.COMPLETE] * 3


def test_evaluation_without_gradients_is_an_iteration_per_call() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        train(model, optimizer, (1, 2), steps=2)
        with torch.no_grad():
            for _ in range(3):
                model(torch.randn(1, 2)).argmax()
        train(model, optimizer, (1, 2), steps=1)
    assert [len(nodes(kept.graph(index), "aten.argmax.default")) for index in kept.records] == [0, 0, 1, 1, 1, 0]
    assert phases(kept.graph(3)) == ["forward"]
    assert {record.status for record in kept.records.values()} == {Status.COMPLETE}


def test_a_teacher_without_gradients_does_not_cut_the_step() -> None:
    with recording() as (kept, _):
        student, teacher = nn.Linear(2, 2), nn.Linear(2, 2)
        optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
        for _ in range(3):
            batch = torch.randn(1, 2)
            with torch.no_grad():
                target = teacher(batch)
            functional.mse_loss(student(batch), target).backward()
            optimizer.step()
    assert len(kept.records) == 3
    assert len(nodes(kept.graph(2), "aten.addmm.default")) == 2


def test_without_an_optimizer_each_outermost_call_is_an_iteration() -> None:
    with recording() as (kept, _):
        model = Net().eval()
        for _ in range(3):
            model(torch.randn(1, 1, 8, 8))
    assert [record.status for record in kept.records.values()] == [Status.COMPLETE] * 3


def test_an_optimizer_that_has_not_stepped_yet_is_known() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loss = sum(model(torch.randn(1, 2)).sum() for _ in range(5))
        assert isinstance(loss, torch.Tensor)
        loss.backward()
        optimizer.step()
    assert len(kept.records) == 1


def test_iterations_marked_by_hand_are_all_there_is() -> None:
    with recording() as (kept, recorder):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            with recorder.iteration():
                for _ in range(2):
                    model(torch.randn(1, 2)).sum().backward()
                    optimizer.step()
            torch.ones(7).sum()
        with recorder.iteration(), pytest.raises(RecorderState, match="marked already"), recorder.iteration():
            pass
    assert [len(nodes(kept.graph(index), "aten.addmm.default")) for index in (0, 1)] == [2, 2]
    assert all(not nodes(kept.graph(index), "aten.ones.default") for index in kept.records)


def test_only_the_iterations_asked_for() -> None:
    with recording(iterations="1,3:") as (kept, _):
        model = nn.Linear(2, 2)
        train(model, torch.optim.SGD(model.parameters(), lr=0.1), (1, 2), steps=6)
    assert list(kept.records) == [1, 3, 4, 5]
    assert all("loss" in record.scalars for record in kept.records.values())


def test_lbfgs_runs_its_closure_within_the_step() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 1)
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)
        batch = torch.randn(4, 2)

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = model(batch).square().mean()
            loss.backward()
            return loss

        for _ in range(2):
            optimizer.step(closure)
    assert len(kept.records) == 2
    found = {each.phase for each in walk(kept.graph(1))}
    assert found >= {Phase.FORWARD, Phase.BACKWARD, Phase.OPTIMIZER}


def test_a_plain_program_without_modules_is_one_iteration() -> None:
    with recording() as (kept, _):
        x = torch.ones(3, requires_grad=True)
        (x * 2).sum().backward()
    assert [record.status for record in kept.records.values()] == [Status.COMPLETE]
    assert phases(kept.graph(0)) == ["forward", "backward"]


def test_last_words_are_no_iteration() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 2)
        train(model, torch.optim.SGD(model.parameters(), lr=0.1), (1, 2), steps=2)
        torch.ones(3).sum()
    assert list(kept.records) == [0, 1]


def test_a_second_recorder_is_refused() -> None:
    with recording(), pytest.raises(RecorderState, match="running already"), recording():
        pass


def test_a_recording_that_cannot_begin_leaves_the_trace_of_the_run_before(tmp_path: Path) -> None:
    kept = tmp_path / "kept.reel"
    with graphreel.record(kept):
        torch.ones(2).exp()
    before = kept.read_bytes()
    with graphreel.record(tmp_path / "outer.reel"):
        torch.ones(2).exp()
        with pytest.raises(RecorderState), graphreel.record(kept):
            pass
    assert kept.read_bytes() == before
    assert not list(tmp_path.glob(".kept*"))
