"""How a recording ends before its program: a limit on the file's size, and a fault of the recorder's own."""

from pathlib import Path

import numpy as np
import pytest

from graphreel.graph import ValueId
from graphreel.tracefile import CannotWrite, IterationRecord, TraceWriter, open_reel
from graphreel.tracefile.tensors import Keyframe, Storage, TensorView
from tests.tracefile_samples import INFO, model, record, write

LIMIT = 1_000_000
LARGE = model(layers=300)


def noisy(index: int, keyframe: int = 0) -> IterationRecord:
    """An iteration that compression makes no smaller, with a keyframe of so many bytes."""
    graph = LARGE
    chance = np.random.default_rng(index)
    columns = {"duration_ns": chance.integers(0, 2**62, graph.node_count)}
    if not keyframe:
        return record(graph, index, columns=columns)
    data = chance.integers(0, 256, keyframe).astype(np.uint8)
    view = TensorView("uint8", (keyframe,), (1,), storage=0, value=ValueId(0))
    return record(graph, index, columns=columns, keyframe=Keyframe((view,), (Storage(data),)))


def record_until_it_ends(path: Path, keyframe: int = 0) -> tuple[TraceWriter, int]:
    """Iterations until the writer wants no more, and how many were put."""
    writer = TraceWriter(path, INFO, capacity=1, limit=LIMIT)
    for index in range(2000):
        try:
            writer.put(noisy(index, keyframe if index % 20 == 1 else 0), index)
        except CannotWrite:
            return writer, index
    raise AssertionError("it never ended")


def test_a_recording_ends_where_its_file_would_grow_past_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "run.reel"
    writer, put = record_until_it_ends(path)
    assert writer.committed is not None
    kept = writer.committed + 1
    following = open_reel(path)
    ended = f"the recording ended: with iteration {kept} the file would grow past its limit of 1,000,000 bytes"
    assert following.problems == (ended,), "said at once, while the recorded program may still run"
    assert following.info.finished
    assert not following.running
    with pytest.raises(CannotWrite, match=rf"with iteration {kept} the file would .*; the {kept} iterations before"):
        writer.close()
    writer.close()
    assert put - kept < 4
    assert LIMIT * 0.9 < path.stat().st_size <= LIMIT
    trace = open_reel(path)
    assert (trace.problems, trace.info.ended, trace.info.finished) == ((ended,), ended, True)
    assert len(trace.iterations) == kept > 50
    for index in range(kept):
        np.testing.assert_array_equal(trace.columns(index)["duration_ns"], noisy(index).columns["duration_ns"])
    assert [found.name for found in tmp_path.iterdir()] == ["run.reel"]


def test_keyframes_go_before_iterations_do(tmp_path: Path) -> None:
    path = tmp_path / "run.reel"
    writer, _ = record_until_it_ends(path, keyframe=300_000)
    with pytest.raises(CannotWrite):
        writer.close()
    trace = open_reel(path)
    assert trace.keyframes == (1, 21)
    for index in trace.keyframes:
        assert trace.keyframe(index) is not None
        assert trace.findings(index) == ()
    (finding,) = trace.findings(41)
    assert finding.kind == "size-limit"
    assert finding.message == (
        "the iteration was written without its keyframe: the file would grow past its limit of 1,000,000 bytes"
    )
    assert trace.columns(41).keys() == {"duration_ns"}
    assert len(trace.iterations) > 42, "the iterations behind are small enough"
    assert path.stat().st_size <= LIMIT


def test_a_first_iteration_that_does_not_fit_leaves_the_old_trace(tmp_path: Path) -> None:
    path = write(tmp_path / "run.reel", [model()])
    writer = TraceWriter(path, INFO, limit=50_000)
    writer.put(noisy(0), 0)
    with pytest.raises(CannotWrite, match=r"with iteration 0 .*; the 0 iterations before are kept"):
        writer.close()
    trace = open_reel(path)
    assert (len(trace.iterations), trace.problems) == (1, ())


def test_a_recording_within_its_limit_ends_as_any(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "run.reel", INFO, limit=LIMIT)
    writer.add_source("a.py", "x")
    writer.put(noisy(0, 1000), 0)
    writer.close()
    trace = open_reel(tmp_path / "run.reel")
    assert (trace.problems, trace.info, trace.keyframes, trace.source_text("a.py")) == ((), INFO, (0,), "x")


@pytest.mark.parametrize("finished", [True, False])
def test_why_a_recording_ended_is_shown(tmp_path: Path, finished: bool) -> None:
    problem = "the recording ended with iteration 1, by a fault of Graphreel's own: KeyError: 7"
    writer = TraceWriter(tmp_path / "run.reel", INFO)
    writer.put(record(model(), 0), 0)
    writer.close(finished=finished, problem=problem.replace(", ", ",\n"))
    trace = open_reel(tmp_path / "run.reel")
    assert (trace.problems, trace.info.ended, trace.info.finished) == ((problem,), problem, finished)
    assert len(trace.iterations) == 1
