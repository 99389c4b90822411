"""The level light: iterations that only PyTorch's profiler saw, with the graph of one that was recorded in full."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile, record_function

import graphreel
from graphreel.capture.sources import open_trace
from graphreel.capture.torch import RecorderWarning
from graphreel.examples.transformer import GPT
from graphreel.graph import structure_hash
from graphreel.tracefile import IterationRecord, Status
from tests.torch_runs import Kept, Net, recording, train


def is_seen_in_full(record: IterationRecord) -> bool:
    """A loss is read by the program, which only a recording in full sees."""
    return "loss" in record.scalars


def kinds(record: IterationRecord) -> list[str]:
    return [finding.kind for finding in record.findings]


def a_net_that_trains(level: str, steps: int = 8) -> tuple[list[float], Kept]:
    torch.manual_seed(0)
    with recording(level) as (kept, _):
        model = Net()
        losses = train(model, torch.optim.Adam(model.parameters()), (4, 1, 8, 8), steps)
    return losses, kept


def test_iterations_have_the_graph_that_they_have_at_level_timing() -> None:
    (losses, light), (expected, timing) = [a_net_that_trains(level) for level in ("light", "timing")]
    assert losses == expected
    hashes = [[structure_hash(kept.graph(at)) for at in range(8)] for kept in (light, timing)]
    assert hashes[0] == hashes[1]
    assert [is_seen_in_full(light.records[at]) for at in range(8)] == [True] * 3 + [False] * 5


def test_attention_is_known_again_though_it_works_in_place_without_a_mode() -> None:
    def run(level: str) -> Kept:
        torch.manual_seed(0)
        with recording(level) as (kept, _):
            model = GPT(letters=5, length=6, width=8, heads=2, depth=2)
            optimizer = torch.optim.AdamW(model.parameters())
            for _ in range(7):
                letters = torch.randint(5, (3, 6))
                optimizer.zero_grad()
                nn.functional.cross_entropy(model(letters).flatten(0, 1), letters.flatten()).backward()
                optimizer.step()
        return kept

    light, timing = [run(level) for level in ("light", "timing")]
    assert not any(record.findings for record in light.records.values())
    assert structure_hash(light.graph(6)) == structure_hash(timing.graph(6))
    # The last was seen by the profiler alone: autograd detaches nothing for its own sake then.
    assert 0 in light.records[6].columns["duration_ns"]


def test_every_node_has_its_time() -> None:
    _, kept = a_net_that_trains("light")
    for at in range(3, 8):
        record = kept.records[at]
        start, duration = record.columns["start_ns"], record.columns["duration_ns"]
        assert not record.findings
        assert (start >= 0).all()
        assert (start[1:] >= start[:-1]).all()
        assert (start + duration <= record.duration_ns).all()
        # What autograd dispatches only while a dispatch mode is on takes no time.
        idle = {node.op for node in map(record.graph.node, range(record.graph.node_count)) if not duration[node.id]}
        assert idle <= {"aten.detach.default"}
        assert record.scalars == {"lr": 0.001}


def test_one_iteration_begins_where_the_one_before_has_ended() -> None:
    _, kept = a_net_that_trains("light")
    for at in range(4, 7):
        one, two = kept.records[at], kept.records[at + 1]
        assert abs(one.started_ns + one.duration_ns - two.started_ns) < 1_000_000


class Branches(nn.Module):
    """Goes one of several ways, of which all but the first are rare."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)
        self.way = ""

    def forward(self, x: Tensor) -> Tensor:
        if self.way == "operator":
            return torch.tanh(self.one(x))
        if self.way == "module":
            return torch.relu(self.two(x))
        if self.way == "more":
            return torch.relu(self.one(x)) * 2
        return torch.relu(self.one(x))


@pytest.mark.parametrize("way", ["operator", "module", "more", "shape", "front"])
def test_a_rare_branch_is_never_shown_as_another(way: str) -> None:
    rare = (9, 14, 15)

    def run(level: str) -> Kept:
        torch.manual_seed(0)
        with recording(level) as (kept, _):
            model = Branches()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for step in range(24):
                x = torch.randn(3 if step in rare and way == "shape" else 2, 4)
                if step in rare and way == "front":
                    x = x + 1
                optimizer.zero_grad()
                model.way = way if step in rare else ""
                model(x).sum().backward()
                optimizer.step()
        return kept

    light, timing = [run(level) for level in ("light", "timing")]
    assert list(light.records) == list(timing.records) == list(range(24))
    claimed = [at for at in range(24) if "unknown-structure" not in kinds(light.records[at])]
    for at in claimed:
        assert structure_hash(light.graph(at)) == structure_hash(timing.graph(at)), at
    assert not set(rare[:1]) & set(claimed)
    assert {5, 6, 7} <= set(claimed)
    told = " ".join(finding.message for at in (8, 9) for finding in light.records[at].findings)
    assert {"operator": "aten::tanh", "more": "aten::mul", "front": "aten::randn"}.get(
        way, "modules were called"
    ) in told


def test_after_a_branch_an_iteration_is_recorded_in_full() -> None:
    with recording("light") as (kept, _):
        model = Branches()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(30):
            optimizer.zero_grad()
            model.way = "module" if step >= 12 else ""
            model(torch.randn(2, 4)).sum().backward()
            optimizer.step()
    known = [at for at in range(30) if "unknown-structure" not in kinds(kept.records[at])]
    hashes = {at: structure_hash(kept.graph(at)) for at in known}
    assert len(set(hashes.values()) - {hashes[1]}) == 1
    assert set(range(20, 30)) <= set(known)


def test_an_exception_ends_an_iteration_as_failed() -> None:
    class Fails(Exception):
        pass

    def loss_of(out: Tensor) -> Tensor:
        nonlocal steps
        steps += 1
        if steps == 8:
            raise Fails("no more")
        return out.square().mean()

    steps, model = 0, Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(Fails), recording("light") as (kept, _):
        train(model, optimizer, (2, 1, 8, 8), 9, loss_of)
    last = kept.records[7]
    assert last.status is Status.FAILED
    assert last.error is not None
    assert (last.error.type, last.error.message) == ("Fails", "no more")
    assert "loss_of" in last.error.traceback
    assert kinds(last) == ["unknown-structure"]
    assert not kept.records[6].findings


def test_ranges_of_iterations_may_have_the_level() -> None:
    with recording("timing", "0:5=timing,5:9=light,9:11=timing,12:") as (kept, _):
        model = Net()
        train(model, torch.optim.SGD(model.parameters(), lr=0.1), (2, 1, 8, 8), 15)
    assert sorted(kept.records) == [*range(11), 12, 13, 14]
    assert len({structure_hash(record.graph) for at, record in kept.records.items() if at}) == 1
    assert [at for at, record in kept.records.items() if not is_seen_in_full(record)] == [5, 6, 7, 8]
    assert all(not record.findings for record in kept.records.values())


def test_iterations_that_are_marked_by_hand() -> None:
    with recording("light") as (kept, recorder):
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(7):
            with recorder.iteration():
                optimizer.zero_grad()
                model(torch.randn(2, 1, 8, 8)).sum().backward()
                optimizer.step()
            torch.randn(3).sum().item()
    assert len({structure_hash(record.graph) for record in kept.records.values()}) == 1
    assert len(kept.records) == 7
    assert all(not record.findings for record in kept.records.values())


def test_a_profiler_of_the_program_is_left_alone() -> None:
    model = Net()
    with (
        profile(activities=[ProfilerActivity.CPU]) as theirs,
        recording("light") as (kept, _),
        pytest.warns(RecorderWarning, match="the program runs a profiler of its own"),
    ):
        train(model, torch.optim.SGD(model.parameters(), lr=0.1), (2, 1, 8, 8), 6)
    assert "aten::addmm" in {event.key for event in theirs.key_averages()}
    assert all(is_seen_in_full(record) for record in kept.records.values())
    assert kinds(kept.records[5]) == ["not-light"]


def test_a_profiler_that_the_program_starts_later_is_left_alone() -> None:
    def once(step: int, work: Callable[[], object]) -> None:
        if step != 6:
            work()
            return
        with profile(activities=[ProfilerActivity.CPU]) as theirs:
            work()
        found.extend(event.key for event in theirs.key_averages())

    found: list[str] = []
    with recording("light") as (kept, _):
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for step in range(12):
            once(step, lambda: train(model, optimizer, (2, 1, 8, 8), 1))
    assert "aten::addmm" in found
    assert sorted(kept.records) == list(range(12))
    assert is_seen_in_full(kept.records[11])
    assert "not-light" in kinds(kept.records[11])


def test_ranges_of_the_program_survive_the_profiles_ends() -> None:
    with recording("light") as (kept, _):
        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            with record_function("epoch"):
                train(model, optimizer, (2, 1, 8, 8), 60)
    assert len(kept.records) == 180
    unknown = [at for at, record in kept.records.items() if "unknown-structure" in kinds(record)]
    assert len(unknown) < 60


def test_the_trace_tells_the_same(tmp_path: Path) -> None:
    path = tmp_path / "run.reel"
    with graphreel.record(path, level="light"):
        model = Net()
        train(model, torch.optim.SGD(model.parameters(), lr=0.1), (2, 1, 8, 8), 6)
    trace = open_trace(path)
    assert len(trace.iterations) == 6
    assert trace.iterations[5].graph == trace.iterations[1].graph
    assert trace.columns(5)["duration_ns"].sum() > 0
    assert trace.info.settings["level"] == "light"
    trace.close()
