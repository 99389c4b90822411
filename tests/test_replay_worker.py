"""The process that executes: what it answers, and what becomes of us when it dies, is cancelled, or is fed rubbish."""

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from torch import nn

from graphreel.graph import GraphBuilder, GraphreelError, NodeId, ValueId, walk
from graphreel.graph.progress import Cancelled
from graphreel.replay import BadEdit, CannotReplay, Replay, SetAttribute, WorkerDied
from graphreel.tracefile import DamagedTrace, IterationRecord, Status, Trace, TraceInfo, TraceWriter, open_reel
from graphreel.tracefile.tensors import Keyframe, Storage, TensorView, to_numpy
from tests.replay_runs import recorded


def program() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(3, 4)).square().mean().backward()
        optimizer.step()


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    found = recorded(tmp_path_factory.mktemp("worker") / "run.reel", program)
    yield found
    found.close()


@pytest.fixture(scope="module")
def replay(trace: Trace) -> Iterator[Replay]:
    with Replay(trace, 1) as found:
        yield found


def workers() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if "graphreel.replay.worker" in each.cmdline()]


def test_it_answers_as_this_process_would(trace: Trace, replay: Replay) -> None:
    with Replay(trace, 1, in_process=True) as here:
        ours, theirs = here.run(verify=True), replay.run(verify=True)
        assert replace(ours, duration_ns=0) == replace(theirs, duration_ns=0)
        assert theirs.exact
        value = trace.graph(1).node(5).outputs[0].id
        one, other = here.values([value])[value], replay.values([value])[value]
        np.testing.assert_array_equal(to_numpy(one.view, one.storages), to_numpy(other.view, other.storages))
    assert replay.time_operation(NodeId(3), 5).median_ns > 0
    assert replay.run(dtype="float64").drift


def test_its_errors_are_ours(replay: Replay) -> None:
    with pytest.raises(BadEdit, match="no such attribute"):
        replay.run(edits=[SetAttribute(NodeId(3), "nothing", 1)])
    with pytest.raises(CannotReplay, match="--dtype int8"):
        replay.run(dtype="int8")
    with pytest.raises(CannotReplay, match="--device nowhere"):
        replay.run(device="nowhere")
    assert replay.run(verify=True).exact


class _When:
    """Progress that does something once the work goes on, or raises."""

    def __init__(self, act: Any) -> None:
        self.act, self.done = act, False

    def step(self, done: int, total: int) -> None:
        if not self.done:
            self.done = True
            self.act()


def slow(trace: Trace) -> Any:
    """A request that takes its time: one operation, very often."""
    return {"node": NodeId(3), "repeats": 10_000_000}


def test_killed_it_names_where_it_was_and_the_next_request_begins_anew(trace: Trace) -> None:
    with Replay(trace, 1) as replay:
        replay.run()

        def kill() -> None:
            time.sleep(0.3)
            workers()[-1].kill()

        with pytest.raises(WorkerDied, match=r"aten\.\S+ \(iteration 1\) died: it was killed.* the trace is unharmed"):
            replay.time_operation(**slow(trace), progress=_When(kill))
        assert replay.run(verify=True).exact


def test_cancelled_it_is_gone(trace: Trace) -> None:
    def stop() -> None:
        raise Cancelled

    with Replay(trace, 1) as replay:
        replay.run()
        running = workers()[-1]
        with pytest.raises(Cancelled):
            replay.time_operation(**slow(trace), progress=_When(stop))
        assert not running.is_running()
        assert replay.run(verify=True).exact


def test_requests_of_several_threads_wait_for_each_other(trace: Trace, replay: Replay) -> None:
    found: list[bool] = []
    threads = [threading.Thread(target=lambda: found.append(replay.run(verify=True).exact)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 4


def test_it_does_not_outlive_the_one_who_asked(trace: Trace) -> None:
    with Replay(trace, 1) as replay:
        replay.run()
        running = workers()[-1]
    assert not running.is_running()


def made(path: Path, op: str, attributes: dict[str, Any], view: TensorView, nbytes: int = 16) -> Trace:
    """A trace of one node that nobody recorded."""
    builder = GraphBuilder()
    value = builder.value("float32", (2, 2))
    node = builder.node(op, [value], input_names=["self"], attributes=attributes)
    builder.output(builder.value("float32", (2, 2), producer=node))
    keyframe = Keyframe((view,), (Storage(np.ones(nbytes, np.uint8)),))
    record = IterationRecord(builder.build(), Status.COMPLETE, 1, 1, keyframe=keyframe)
    writer = TraceWriter(path, TraceInfo(source="torch"))
    writer.put(lambda: record, 0)
    writer.close()
    return open_reel(path)


SQUARE = TensorView("float32", (2, 2), (2, 1), storage=0, value=ValueId(0))


@pytest.mark.parametrize(
    ("op", "attributes", "said"),
    [
        ("torch.ops.__class__", {}, "has no operator"),
        ("aten.from_file.default", {"filename": "/etc/passwd"}, "opens a file"),
        ("os.system.default", {"command": "touch /tmp/graphreel-was-here"}, "has no operator"),
        ("aten.sum.dim_IntList", {"dim": "all"}, "is needed"),
        ("aten.sum.dim_IntList", {"dim": [9]}, "out of range"),
        ("aten.expand.default", {"size": [-5, 10**18]}, "RuntimeError"),
        ("aten.new_zeros.default", {"size": [10**7, 10**7]}, "alloc"),
        ("aten.repeat.default", {"repeats": [10**6, 10**6]}, "alloc"),
        ("aten.as_strided.default", {"size": [1000], "stride": [1]}, "out of bounds"),
    ],
)
def test_hostile_operations_are_refused_or_fail_by_themselves(
    op: str, attributes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    trace = made(tmp_path / "hostile.reel", op, attributes, SQUARE)
    with Replay(trace, 0, in_process=True) as replay:
        (missing,) = replay.run().missing
    assert said in missing.reason
    trace.close()


def test_what_takes_all_memory_is_an_error_here(tmp_path: Path) -> None:
    trace = made(tmp_path / "large.reel", "aten.repeat.default", {"repeats": [1 << 16, 1 << 14]}, SQUARE)
    with Replay(trace, 0, memory_limit=3 << 30) as replay:
        (missing,) = replay.run().missing
        assert "memory" in missing.reason
        assert replay.run().missing == (missing,)
    trace.close()


@pytest.mark.parametrize(
    "view",
    [
        replace(SQUARE, shape=(1 << 40, 1 << 20), stride=(0, 0)),
        replace(SQUARE, offset=100),
        replace(SQUARE, storage=7),
        replace(SQUARE, dtype="no_such_dtype"),
        replace(SQUARE, stride=(1,)),
        replace(SQUARE, layout="no_such_layout", storage=-1),
        replace(SQUARE, layout="sparse_coo", storage=-1),
    ],
)
def test_hostile_tensors_are_refused(view: TensorView, tmp_path: Path) -> None:
    """Most are refused by the file itself; none gets to the operator."""
    from graphreel.replay.torch.memory import Memory
    from graphreel.replay.torch.refused import Refused
    from graphreel.replay.torch.running import recorded_place

    memory = Memory((Storage(np.ones(16, np.uint8)),), recorded_place)
    if view.shape == (1 << 40, 1 << 20):
        assert memory.tensor(view).stride() == (0, 0)  # repeats one element, and takes no memory
        return
    with pytest.raises(Refused):
        memory.tensor(view)


def test_a_keyframe_that_was_cut_off_is_damage(tmp_path: Path) -> None:
    import sqlite3

    trace = recorded(tmp_path / "run.reel", program)
    trace.close()
    connection = sqlite3.connect(tmp_path / "run.reel")
    connection.execute("DELETE FROM blobs WHERE id = (SELECT min(id) FROM blobs)")
    connection.commit()
    connection.close()
    again = open_reel(tmp_path / "run.reel")
    with pytest.raises(DamagedTrace, match="keyframe of iteration"), Replay(again, again.keyframes[0]) as replay:
        replay.run()
    again.close()


def test_another_recording_in_its_place_is_noticed(tmp_path: Path) -> None:
    trace = recorded(tmp_path / "run.reel", program)
    os.unlink(tmp_path / "run.reel")
    recorded(tmp_path / "run.reel", program).close()
    with pytest.raises(GraphreelError, match="another recording"), Replay(trace, 1) as replay:
        replay.run()
    trace.close()


def test_a_keyframe_that_lacks_a_tensor_names_what_needs_it(trace: Trace) -> None:
    from graphreel.replay.torch.session import Request, Session

    session = Session(trace, 1)
    graph = trace.graph(1)
    weight = next(value.id for node in walk(graph) for value in node.inputs if value.name == "2.weight")
    lacking = tuple(view for view in session._keyframe.tensors if view.value != weight)
    session._keyframe = replace(
        session._keyframe, tensors=lacking, problems=(f"2.weight (value {weight}) is not kept: so",)
    )
    result = session.run(Request(verify=True))
    (missing,) = result.missing
    assert missing.reason == "its input 2.weight is not in the keyframe: so"
    assert missing.behind > 5
    assert not result.differences
