"""Kernels of live recordings: on this machine those of the CPU, and by hand-made profiles those of a device."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

import graphreel
from graphreel.capture.kineto import Category, Profile, ProfileBuilder
from graphreel.capture.sources import open_trace
from graphreel.capture.torch.kernels import kernels_of
from graphreel.capture.torch.profiler import Piece, Profiler
from graphreel.capture.torch.profiler_events import profile_of
from graphreel.graph import GraphBuilder, Phase, walk
from graphreel.tracefile import IterationRecord, Status
from graphreel.tracefile.extras import Kernels
from tests.torch_runs import Net, nodes, recording, train

ROOT = Path(__file__).resolve().parent.parent


def kernels(record: IterationRecord) -> Kernels:
    assert record.kernels is not None, record.findings
    return record.kernels


def names_by_node(found: Kernels) -> dict[int, list[str]]:
    by_node: dict[int, list[str]] = {}
    for name, at in zip(found.name.tolist(), found.node.tolist(), strict=True):
        by_node.setdefault(at, []).append(found.names[name])
    return by_node


def a_net_that_trains(level: str, steps: int = 3) -> tuple[list[float], Any]:
    torch.manual_seed(0)
    with recording(level) as (kept, _):
        model = Net()
        losses = train(model, torch.optim.Adam(model.parameters()), (4, 1, 8, 8), steps)
    return losses, kept


def test_every_node_has_its_kernels_and_every_kernel_its_node() -> None:
    _, kept = a_net_that_trains("kernels")
    assert len(kept.records) == 3
    for record in kept.records.values():
        assert not record.findings
        found = kernels(record)
        by_node = names_by_node(found)
        # What reads a result after the step comes after the profile's end.
        without = [node.op for node in walk(record.graph) if node.id not in by_node]
        assert without == ["aten._local_scalar_dense.default"]
        assert -1 not in by_node
        assert {"aten.addmm.default", "aten.mm.default"} <= {node.op for node in walk(record.graph)}
        for op, kernel in (("aten.addmm.default", "aten::addmm"), ("aten.mm.default", "aten::mm")):
            # Any, not all: where the machine is busy, a part of one may take most of its time.
            assert any(by_node[node.id] == [kernel] for node in nodes(record.graph, op))
        assert (np.diff(found.start_ns) >= 0).all()
        assert set(found.device.tolist()) == {-1}
        phases = {record.graph.node(at).phase for at in by_node}
        assert phases == {Phase.FORWARD, Phase.BACKWARD, Phase.OPTIMIZER, Phase.OTHER} & phases
        assert {Phase.FORWARD, Phase.BACKWARD, Phase.OPTIMIZER} <= phases


def test_no_time_of_a_node_counts_twice() -> None:
    _, kept = a_net_that_trains("kernels")
    found = kernels(kept.records[2])
    ends = found.start_ns + found.duration_ns
    assert (found.start_ns[1:] >= ends[:-1]).all()
    assert (found.duration_ns > 0).any()


def test_profiling_changes_no_result() -> None:
    torch.manual_seed(0)
    model = Net()
    losses = train(model, torch.optim.Adam(model.parameters()), (4, 1, 8, 8), 3)
    assert a_net_that_trains("kernels")[0] == losses


def test_other_levels_have_no_kernels() -> None:
    _, kept = a_net_that_trains("timing")
    assert all(record.kernels is None for record in kept.records.values())


def test_kernels_come_back_from_the_trace(tmp_path: Path) -> None:
    path = tmp_path / "run.reel"
    with graphreel.record(path, level="kernels"):
        model = Net()
        train(model, torch.optim.SGD(model.parameters(), lr=0.1), (4, 1, 8, 8), 2)
    trace = open_trace(path)
    found = trace.kernels(1)
    assert found is not None
    assert "aten::addmm" in found.names
    assert {trace.graph(1).node(node).op for node in found.node.tolist()} >= {"aten.addmm.default"}
    assert trace.columns(1).keys() >= {"start_ns", "duration_ns"}
    trace.close()


def test_two_optimizers_of_one_iteration_both_have_kernels() -> None:
    with recording("kernels") as (kept, _):
        one, two = nn.Linear(2, 2), nn.Linear(2, 2)
        optimizers = [torch.optim.SGD(part.parameters(), lr=0.1) for part in (one, two)]
        for _ in range(3):
            two(one(torch.randn(1, 2))).sum().backward()
            for optimizer in optimizers:
                optimizer.step()
    assert len(kept.records) == 3
    graph = kept.graph(1)
    by_node = names_by_node(kernels(kept.records[1]))
    steps = [node for node in walk(graph) if node.phase is Phase.OPTIMIZER]
    assert len(steps) == 4
    assert all(node.id in by_node for node in steps)


def test_marked_iterations_are_profiled_to_their_end() -> None:
    with recording("kernels") as (kept, recorder):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            with recorder.iteration():
                model(torch.randn(1, 2)).sum().backward()
                optimizer.step()
                optimizer.zero_grad()
                torch.ones(3).cumsum(0)
    for record in kept.records.values():
        (last,) = nodes(record.graph, "aten.cumsum.default")
        assert last.id in names_by_node(kernels(record))


def test_without_an_optimizer_each_call_has_its_kernels() -> None:
    with recording("kernels") as (kept, _):
        model = Net().eval()
        with torch.no_grad():
            for _ in range(3):
                model(torch.randn(1, 1, 8, 8))
    for index in (1, 2):
        by_node = names_by_node(kernels(kept.records[index]))
        assert {node.id for node in nodes(kept.graph(index), "aten.addmm.default")} <= by_node.keys()


def test_a_pass_that_fails_keeps_the_kernels_up_to_there() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"), recording("kernels") as (kept, _):
        nn.Sequential(nn.Linear(2, 3), nn.Linear(4, 5))(torch.randn(1, 2))
    (record,) = kept.records.values()
    assert record.status is Status.FAILED
    assert "aten::addmm" in kernels(record).names
    assert Profiler.running is None


def test_a_profiler_of_the_programs_own_gets_its_results_and_ours_stands_aside() -> None:
    with recording("kernels") as (kept, _):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        train(model, optimizer, (1, 2), steps=1)
        model(torch.randn(1, 2))
        with profile(activities=[ProfilerActivity.CPU]) as own:
            train(model, optimizer, (1, 2), steps=2)
        train(model, optimizer, (1, 2), steps=1)
    assert "aten::addmm" in {entry.key for entry in own.key_averages()}
    assert not kept.records[0].findings
    assert kernels(kept.records[0]).names
    late = [record for index, record in kept.records.items() if index]
    assert [[finding.kind for finding in record.findings] for record in late] == [["no-kernels"]] * len(late)
    assert all("profiler of its own" in record.findings[0].message for record in late)
    assert late[-1].kernels is None


def test_a_profile_around_the_recording_is_left_alone() -> None:
    with profile(activities=[ProfilerActivity.CPU]) as own, recording("kernels") as (kept, _):
        train(model := nn.Linear(2, 2), torch.optim.SGD(model.parameters(), lr=0.1), (1, 2), steps=2)
    assert "aten::addmm" in {entry.key for entry in own.key_averages()}
    assert all(record.kernels is None and record.findings for record in kept.records.values())


def test_pytorchs_own_functions_are_put_back() -> None:
    from torch.autograd import profiler as theirs

    before = theirs._prepare_profiler, theirs._enable_profiler
    a_net_that_trains("kernels", steps=1)
    assert (theirs._prepare_profiler, theirs._enable_profiler) == before
    with profile(activities=[ProfilerActivity.CPU]) as own:
        torch.ones(3)
    assert [entry.key for entry in own.key_averages()][:1] == ["aten::ones"]


def test_ranges_of_the_program_are_closed_with_our_profile() -> None:
    """Else PyTorch writes into memory that it freed: so in a process of its own, many times over."""
    program = """
import gc, torch
from torch.profiler import record_function
from tests.torch_runs import Net, recording, train
from torch import nn
with recording("kernels") as (kept, _):
    model = nn.Linear(4, 4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(8):
        ranges = [record_function(f"range {at}") for at in range(20)]
        for entered in ranges:
            entered.__enter__()
            train(model, optimizer, (2, 4), steps=1)
        gc.collect()
        for entered in ranges:
            entered.__exit__(None, None, None)
assert len(kept.records) == 160, len(kept.records)
assert not any(record.findings for record in kept.records.values())
print("fine")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


def test_forked_workers_may_profile_for_themselves() -> None:
    program = """
import torch
from torch import nn
from torch.profiler import profile
from torch.utils.data import DataLoader, Dataset
from tests.torch_runs import recording
class Profiling(Dataset):
    def __len__(self):
        return 4
    def __getitem__(self, at):
        with profile() as own:
            drawn = torch.ones(2) * at
        assert "aten::mul" in {entry.key for entry in own.key_averages()}
        return drawn
with recording("kernels") as (kept, _):
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for batch in DataLoader(Profiling(), batch_size=2, num_workers=2, multiprocessing_context="fork"):
        model(batch).sum().backward()
        optimizer.step()
assert len(kept.records) == 2
assert all(record.kernels is not None for record in kept.records.values())
print("fine")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


def a_profiled_pass() -> tuple[Profile, IterationRecord]:
    """An iteration recorded with timings, and a profile of it by hand."""
    pieces: list[Piece] = []
    profiler = Profiler()
    with recording("timing") as (kept, recorder):
        model = Net()
        with recorder.iteration():
            profiler.begin(pieces.append)
            model(torch.randn(4, 1, 8, 8)).sum().backward()
            profiler.end()
    profiler.remove()
    return profile_of(pieces), kept.records[0]


def test_where_the_clocks_disagree_the_names_decide() -> None:
    profile_taken, record = a_profiled_pass()
    found = []
    for hours in (0, 1, -5):
        moved = replace(profile_taken, start_ns=profile_taken.start_ns + hours * 3600 * 10**9)
        result, findings = kernels_of(moved, record, begin_ns=0)
        assert not findings
        found.append(result.node.tolist())
    assert found[0] == found[1] == found[2]
    by_node = names_by_node(result)
    assert any(by_node[node.id] == ["aten::addmm"] for node in nodes(record.graph, "aten.addmm.default"))
    assert set(by_node) == set(range(record.graph.node_count))


def test_a_profile_of_something_else_is_put_to_no_node() -> None:
    _, record = a_profiled_pass()
    builder = ProfileBuilder()
    for at in range(8):
        builder.add("aten::fft_c2c", Category.OPERATION, at * 1000, 500, "1/1", external=at + 1)
    result, findings = kernels_of(builder.build(), record, begin_ns=0)
    assert not len(result.node)
    assert [finding.kind for finding in findings] == ["unplaced-kernels"]
    assert "do not match" in findings[0].message


def two_calls() -> IterationRecord:
    """A product from 1,000 to 2,000 ns and a copy to the host from 5,000 to 9,000."""
    builder = GraphBuilder({})
    product = builder.node("aten.mm.default")
    builder.value(producer=product)
    builder.node("aten._to_copy.default")
    columns = {"start_ns": np.array([1_000, 5_000]), "duration_ns": np.array([1_000, 4_000])}
    return IterationRecord(builder.build(), Status.COMPLETE, 0, 10_000, columns=columns)


def test_work_of_a_device_goes_to_the_node_that_launched_it() -> None:
    begin = 10**15
    builder = ProfileBuilder()
    operation = Category.OPERATION
    builder.add("aten::mm", operation, begin + 100, 1_950, "9/9", external=1)  # as the program called it
    builder.add("aten::mm", operation, begin + 1_050, 900, "9/9", external=2)  # below the recorder
    builder.add("aten::_to_copy", operation, begin + 5_010, 3_900, "9/9", external=3)
    builder.add("aten::copy_", operation, begin + 5_500, 3_000, "9/9", external=4)
    builder.add("cudaLaunchKernel", Category.RUNTIME, begin + 1_200, 10, "9/9", external=2, correlation=70)
    builder.add("cudaMemcpyAsync", Category.RUNTIME, begin + 5_600, 10, "9/9", external=4, correlation=71)
    builder.add("cudaLaunchKernel", Category.RUNTIME, begin + 9_500, 10, "9/9", correlation=72)
    on = {"device": 1, "stream": 7}
    builder.add("gemm", Category.KERNEL, begin + 3_000, 2_500, "1/7", external=2, correlation=70, **on)
    builder.add("Memcpy DtoH", Category.COPY, begin + 5_700, 80, "1/7", external=4, correlation=71, nbytes=64, **on)
    builder.add("late", Category.KERNEL, begin + 9_800, 80, "1/7", correlation=72, **on)
    builder.add("Memset", Category.FILL, begin + 9_900, 5, "1/8", nbytes=32, device=1, stream=8)
    result, findings = kernels_of(builder.build(), two_calls(), begin)
    assert [result.names[row] for row in result.name] == ["gemm", "Memcpy DtoH", "late", "Memset"]
    assert result.node.tolist() == [0, 1, -1, -1]
    assert result.kind.tolist() == [0, 1, 0, 2]
    assert result.start_ns.tolist() == [3_000, 5_700, 9_800, 9_900]
    assert result.launch_ns.tolist() == [1_200, 5_600, 9_500, -1]
    assert result.nbytes.tolist() == [0, 64, 0, 32]
    assert (result.device.tolist(), result.stream.tolist()) == ([1] * 4, [7, 7, 7, 8])
    assert [(finding.kind, finding.message) for finding in findings] == [
        ("unplaced-kernels", "2 kernels belong to no recorded operation, of 4")
    ]


def test_a_kernel_without_ids_goes_to_the_node_under_way_at_its_launch() -> None:
    builder = ProfileBuilder()
    builder.add("aten::mm", Category.OPERATION, 1_050, 900, "9/9")
    builder.add("aten::_to_copy", Category.OPERATION, 5_050, 900, "9/9")
    builder.add("cuLaunchKernel", Category.RUNTIME, 5_200, 10, "other thread", correlation=5)
    builder.add("triton", Category.KERNEL, 6_000, 10, "0/7", correlation=5, device=0, stream=7)
    result, _ = kernels_of(builder.build(), two_calls(), 0)
    assert result.node.tolist() == [1]


def test_an_iteration_without_operations_has_no_kernels() -> None:
    builder = GraphBuilder({})
    none = np.empty(0, dtype=np.int64)
    record = IterationRecord(builder.build(), Status.COMPLETE, 0, 0, columns={"start_ns": none, "duration_ns": none})
    result, findings = kernels_of(ProfileBuilder().build(), record, 0)
    assert not len(result.node)
    assert not findings


def test_kinetos_own_messages_stay_off_the_programs_output(tmp_path: Path) -> None:
    program = f"""
import graphreel, torch
with graphreel.record({str(tmp_path / "run.reel")!r}, level="kernels"):
    torch.ones(3).sum()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_range_that_the_program_names_is_no_kernel() -> None:
    with recording("kernels") as (kept, recorder), recorder.iteration(), record_function("mine"):
        torch.ones(3).sum()
    found = kernels(kept.records[0])
    assert "mine" not in found.names
    assert set(found.node.tolist()) == {0, 1}
