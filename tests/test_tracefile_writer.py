"""The writer: what it refuses, what it survives, and how long it makes the recorded program wait."""

import errno
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from graphreel.tracefile import (
    CannotWrite,
    IterationRecord,
    Status,
    TraceError,
    TraceWriter,
    open_reel,
)
from tests.tracefile_samples import INFO, model, record, write


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for 512 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a file system: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def noise(index: int) -> IterationRecord:
    """An iteration that compression makes no smaller."""
    graph = model(layers=500)
    duration = np.random.default_rng(index).integers(0, 2**62, graph.node_count)
    return IterationRecord(graph, Status.COMPLETE, index, 1, {"duration_ns": duration})


def record_noise(writer: TraceWriter) -> None:
    for index in range(1000):
        writer.put(noise(index), index)


def check_kept(path: Path, count: int) -> None:
    """The first iterations are there, and right."""
    trace = open_reel(path)
    assert [entry.index for entry in trace.iterations] == list(range(count))
    assert not trace.info.finished
    assert trace.problems == ("the recording did not end: the program was killed",)
    for index in range(count):
        assert trace.graph(index).node_count == 1000
        np.testing.assert_array_equal(trace.columns(index)["duration_ns"], noise(index).columns["duration_ns"])


def test_a_full_disk_ends_the_recording_and_keeps_what_is_written(small_disk: Path) -> None:
    path = small_disk / "run.reel"
    writer = TraceWriter(path, INFO)
    with pytest.raises(CannotWrite, match=r"run\.reel: the recording stopped: the disk is full; the \d+ iterations"):
        record_noise(writer)
    with pytest.raises(CannotWrite, match="the disk is full"):
        writer.close()
    assert writer.committed is not None
    assert writer.committed > 3
    check_kept(path, writer.committed + 1)


def test_a_limit_on_the_file_size_ends_the_recording_too(tmp_path: Path) -> None:
    path = tmp_path / "run.reel"
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = TraceWriter(path, INFO)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, limit[1]))
        with pytest.raises(CannotWrite, match="the recording stopped: disk I/O error"):
            record_noise(writer)
        with pytest.raises(CannotWrite):
            writer.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert writer.committed is not None
    check_kept(path, writer.committed + 1)


def test_a_disk_that_is_full_from_the_first_is_said_at_once(small_disk: Path) -> None:
    with (small_disk / "other").open("wb") as file, pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        file.write(bytes(1 << 20))
    with pytest.raises(CannotWrite, match=r"run\.reel: cannot be written: the disk is full"):
        TraceWriter(small_disk / "run.reel", INFO)
    assert [path.name for path in small_disk.iterdir()] == ["other"]


def test_a_read_only_file_system_is_said_at_once(small_disk: Path) -> None:
    write(small_disk / "old.reel", [model()])
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for name in ("new.reel", "old.reel"):
        with pytest.raises(CannotWrite, match=rf"{name}: cannot be written: Read-only file system"):
            TraceWriter(small_disk / name, INFO)
    assert len(open_reel(small_disk / "old.reel").iterations) == 1


def test_a_folder_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match=r"it is a folder; name a file in it, such as run\.reel"):
        TraceWriter(tmp_path, INFO)
    with pytest.raises(CannotWrite, match=r"there is no folder .*/missing; make it first"):
        TraceWriter(tmp_path / "missing" / "run.reel", INFO)
    with pytest.raises(CannotWrite, match="it is no regular file"):
        TraceWriter(Path("/dev/null"), INFO)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0 and not shutil.which("setpriv"), reason="root may write anywhere; needs setpriv")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from graphreel.tracefile import TraceInfo, TraceWriter
try: TraceWriter(Path({str(tmp_path / "closed" / "run.reel")!r}), TraceInfo("torch"))
except Exception as error: print(type(error).__name__, error)
"""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    without_rights = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    done = subprocess.run([*without_rights, sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("CannotWrite")
    assert "run.reel: cannot be written: Permission denied" in done.stdout


def test_what_is_no_trace_is_left_as_it_is(tmp_path: Path) -> None:
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("years of work")
    database = tmp_path / "other.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE t (a)")
    before = database.read_bytes()
    for path in (thesis, database):
        with pytest.raises(CannotWrite, match="holds something other than a trace and is left as it is"):
            TraceWriter(path, INFO)
    assert (thesis.read_text(), database.read_bytes()) == ("years of work", before)


def test_an_old_trace_and_an_empty_file_are_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "run.reel", [model(3)] * 3)
    # What a killed recording may have left beside it, and what would be taken for the new file's journal.
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).write_bytes(b"old" * 100)
    trace = open_reel(write(path, [model(1)]))
    assert (len(trace.iterations), trace.graph(0).node_count, trace.problems) == (1, 2, ())
    (tmp_path / "empty.reel").touch()
    assert len(open_reel(write(tmp_path / "empty.reel", [model()])).iterations) == 1
    assert sorted(found.name for found in tmp_path.iterdir()) == ["empty.reel", "run.reel"]


def test_two_recordings_into_one_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.reel"
    writer = TraceWriter(path, INFO)
    writer.put(record(model(), 0), 0)
    with pytest.raises(CannotWrite, match="another recording is being written into this file"):
        TraceWriter(path, INFO)
    writer.close()
    assert len(open_reel(path).iterations) == 1


def test_one_file_remains_also_where_a_reader_follows(tmp_path: Path) -> None:
    path = tmp_path / "run.reel"
    writer = TraceWriter(path, INFO)
    trace = open_reel(path)
    writer.put(record(model(), 0), 0)
    writer.flush()
    assert trace.refresh()
    assert trace.running
    assert trace.problems == ()
    writer.close()
    assert trace.refresh()
    assert not trace.refresh()
    assert trace.problems == ()
    assert [found.name for found in tmp_path.iterdir()] == ["run.reel"]


def test_a_conversion_that_fails_costs_its_iteration_only(tmp_path: Path) -> None:
    def broken() -> NoReturn:
        raise KeyError("no such tensor")

    writer = TraceWriter(tmp_path / "run.reel", INFO)
    for index in range(6):
        writer.put(broken if index in (2, 3) else record(model(), index), index)
    with pytest.raises(
        CannotWrite, match=r"iteration 2 could not be written: KeyError: .*and 1 more were lost"
    ) as told:
        writer.close()
    assert isinstance(told.value.__cause__, KeyError)
    trace = open_reel(tmp_path / "run.reel")
    assert [entry.index for entry in trace.iterations] == [0, 1, 4, 5]
    assert trace.info.finished
    assert len(trace.problems) == 2
    assert trace.problems[0].startswith("iteration 2 could not be written: KeyError")


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (np.zeros(3), r"column bad has the shape \(3,\), and the graph has 4 nodes"),
        (np.array(["a"] * 4), "a column of type 'U4' cannot be stored"),
        (np.array([object()] * 4), "a column of type 'O8' cannot be stored"),
    ],
)
def test_a_column_that_cannot_be_stored_costs_its_iteration_only(
    tmp_path: Path, column: np.ndarray[tuple[int], np.dtype[np.generic]], why: str
) -> None:
    writer = TraceWriter(tmp_path / "run.reel", INFO)
    writer.put(record(model(), 0, columns={"bad": column}), 0)
    writer.put(record(model(), 1), 1)
    with pytest.raises(CannotWrite, match=why):
        writer.close()
    assert [entry.index for entry in open_reel(tmp_path / "run.reel").iterations] == [1]


def test_sources_of_a_lost_iteration_are_kept(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "run.reel", INFO)
    writer.add_source("a.py", "a")
    writer.put(record(model(), 0, columns={"bad": np.zeros(1)}), 0)
    with pytest.raises(CannotWrite):
        writer.close()
    assert open_reel(tmp_path / "run.reel").source_text("a.py") == "a"


def test_the_producer_waits_instead_of_the_queue_growing(tmp_path: Path) -> None:
    gate = threading.Event()
    written: list[int] = []
    put: list[int] = []

    def slow(index: int) -> IterationRecord:
        gate.wait()
        written.append(index)
        return record(model(), index)

    writer = TraceWriter(tmp_path / "run.reel", INFO, capacity=3)

    def produce() -> None:
        for index in range(10):
            writer.put(lambda index=index: slow(index), index)
            put.append(index)

    producer = threading.Thread(target=produce)
    producer.start()
    deadline = time.monotonic() + 10
    while len(put) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)
    assert (put, written) == ([0, 1, 2], [])
    gate.set()
    producer.join()
    writer.close()
    assert written == list(range(10))
    assert len(open_reel(tmp_path / "run.reel").iterations) == 10


def test_close_twice_put_after_close_and_indices_that_fall(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "run.reel", INFO)
    writer.put(record(model(), 5), 5)
    with pytest.raises(ValueError, match="iteration 5 is put after 5"):
        writer.put(record(model(), 5), 5)
    writer.close()
    writer.close()
    with pytest.raises(TraceError, match="the trace is closed"):
        writer.put(record(model(), 6), 6)
    assert not any(thread.name == "graphreel-writer" for thread in threading.enumerate())


def test_a_recording_that_was_broken_off_says_so(tmp_path: Path) -> None:
    trace = open_reel(write(tmp_path / "run.reel", [model()], finished=False))
    assert not trace.info.finished
    assert trace.problems == ("the recording did not end: the program was killed",)


@pytest.mark.parametrize("abandon", [True, False])
def test_a_forked_child_leaves_the_recording_alone(tmp_path: Path, abandon: bool) -> None:
    path = tmp_path / "run.reel"
    program = f"""
import os, sys
from pathlib import Path
from graphreel.tracefile import TraceWriter
from tests.tracefile_samples import INFO, model, record
writer = TraceWriter(Path({str(path)!r}), INFO)
for index in range(30):
    writer.put(record(model(), index), index)
    if index % 10 == 5:
        child = os.fork()
        if not child:
            if {abandon}: writer.abandon()
            writer.put(record(model(), 99), 99)
            writer.add_source("child.py", "")
            writer.flush()
            writer.close()
            sys.exit(0)  # runs the interpreter's whole farewell, as a child of the user's may
        assert os.waitpid(child, 0)[1] == 0
writer.close()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)
    trace = open_reel(path)
    assert [entry.index for entry in trace.iterations] == list(range(30))
    assert trace.problems == ()
    assert trace.source_text("child.py") is None
    assert [found.name for found in tmp_path.iterdir()] == ["run.reel"]
