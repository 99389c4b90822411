"""`kill -9` at any moment loses at most the iteration under way; and a second process follows while a first records."""

import os
import random
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from graphreel.graph import Graph, structure_hash
from graphreel.tracefile import Trace, is_reel, open_reel
from tests.tracefile_samples import keyframe, model, record

KILLS = 20

# Writes until it is killed. Every third iteration brings a graph that is new, every fifth a keyframe; each committed
# index goes down the pipe.
RECORDER = """
import os, sys
from pathlib import Path
from graphreel.tracefile import TraceWriter
from tests.tracefile_samples import INFO, keyframe, model, record
graphs = [model(layers) for layers in range(2, 41)]
os.write(1, b"ready\\n")
writer = TraceWriter(Path(sys.argv[1]), INFO, capacity=int(sys.argv[2]))
limit = int(sys.argv[3])
for index in range(limit):
    kept = keyframe(index, 20_000) if index % 5 == 4 else None
    writer.put(record(graphs[index // 3 % 39], index, keyframe=kept), index)
    if limit == 1_000_000:
        writer.flush()
    if writer.committed is not None:
        os.write(1, b"%d\\n" % writer.committed)
writer.close()
"""


def start(path: Path, capacity: int = 1, limit: int = 1_000_000) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", RECORDER, str(path), str(capacity), str(limit)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


@cache
def hashed_model(layers: int) -> tuple[Graph, str]:
    graph = model(layers)
    return graph, structure_hash(graph)


def check(trace: Trace, index: int) -> None:
    """The iteration holds what the recorder put into it."""
    graph, digest = hashed_model(index // 3 % 39 + 2)
    expected = record(graph, index)
    entry = trace.iterations[index]
    assert (entry.index, entry.duration_ns, entry.scalars) == (index, expected.duration_ns, expected.scalars)
    assert structure_hash(trace.graph(index)) == digest == entry.graph
    columns = trace.columns(index)
    for name, column in expected.columns.items():
        np.testing.assert_array_equal(columns[name], column)
    kept = trace.keyframe(index)
    assert (kept is not None) == (index % 5 == 4) == (index in trace.keyframes)
    if kept is not None:
        assert kept.storages[0].data.tobytes() == keyframe(index, 20_000).storages[0].data.tobytes()


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_kill_loses_at_most_the_iteration_under_way(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "run.reel"
    process = start(path)
    # From the creation of the file to some hundred iterations.
    time.sleep(random.Random(seed).random() ** 2 * 0.4)
    os.kill(process.pid, signal.SIGKILL)
    reported = process.communicate()[0].split(b"\n")[:-1]
    committed = len(reported)
    assert reported == [b"%d" % index for index in range(committed)]
    if not committed and not is_reel(path.read_bytes()[:100] if path.exists() else b""):
        return  # killed before there was a file
    trace = open_reel(path)
    assert trace.problems == ("the recording did not end: the program was killed",)
    assert committed <= len(trace.iterations) <= committed + 1
    for index in range(len(trace.iterations)):
        check(trace, index)
    assert trace.source_text("train.py") is None
    assert [found.name for found in tmp_path.iterdir()] == ["run.reel"], "one file that can be copied"


def test_a_kill_loses_no_more_than_is_on_its_way(tmp_path: Path) -> None:
    """Without waiting for each iteration: what was reported is there, and nothing stands in the file half."""
    path = tmp_path / "run.reel"
    process = start(path, capacity=4, limit=999_999)
    assert process.stdout is not None
    reported = [process.stdout.readline() for _ in range(300)]
    os.kill(process.pid, signal.SIGKILL)
    reported += process.communicate()[0].split(b"\n")[:-1]
    trace = open_reel(path)
    assert len(trace.iterations) > int(reported[-1])
    for index in range(len(trace.iterations)):
        check(trace, index)


def test_a_second_process_follows_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "run.reel"
    process = start(path, capacity=4, limit=1500)
    deadline = time.monotonic() + 30
    while not path.exists() or not path.stat().st_size:
        assert time.monotonic() < deadline
    trace = open_reel(path)
    seen: list[int] = []
    while not trace.info.finished:
        assert time.monotonic() < deadline
        held = trace.iterations
        before = len(held)
        trace.refresh()
        assert len(held) == before, "what was listed does not change under who goes through it"
        if len(trace.iterations) > before:
            seen.append(len(trace.iterations))
            check(trace, len(trace.iterations) - 1)
    process.communicate()
    assert process.returncode == 0
    assert len(seen) > 5, "it was followed while it grew"
    trace.refresh()
    assert [entry.index for entry in trace.iterations] == list(range(1500))
    assert trace.problems == ()
    assert [found.name for found in tmp_path.iterdir()] == ["run.reel"]
