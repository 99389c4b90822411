"""Files that are damaged, cut off, newer, hostile, or no traces: told in one line, never a crash or a hang."""

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from graphreel.graph import structure_hash
from graphreel.tracefile import DamagedTrace, NewerTrace, NotATrace, Trace, TraceError, TraceWriter, open_reel
from tests.tracefile_samples import INFO, model, record, write


@pytest.fixture
def reel(tmp_path: Path) -> Path:
    return write(tmp_path / "run.reel", [model(layers) for layers in range(1, 9)])


def edit(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement, values)


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Nothing but a TraceError of one line may come out of it."""
    try:
        yield
    except TraceError as error:
        if "\n" in str(error):
            raise


def read_all(trace: Trace) -> int:
    """Everything that can be read; how many graphs that was. Only a TraceError may come of it."""
    whole = 0
    for entry in trace.iterations:
        with told_in_one_line():
            graph = trace.graph(entry.index)
            _ = [node.attributes for node in map(graph.node, range(graph.node_count))]
            trace.columns(entry.index)
            whole += 1
    with told_in_one_line():
        trace.source_text("train.py")
    assert all("\n" not in line for line in trace.problems)
    return whole


def test_what_is_no_trace_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotATrace, match="there is no such file; make one with: graphreel record"):
        open_reel(tmp_path / "missing.reel")
    empty = tmp_path / "empty.reel"
    empty.touch()
    with pytest.raises(NotATrace, match="the file is empty"):
        open_reel(empty)
    text = tmp_path / "notes.txt"
    text.write_text("x" * 1000)
    with pytest.raises(NotATrace, match="not a trace, but some other kind of file"):
        open_reel(text)
    database = tmp_path / "other.db"
    edit(database, "CREATE TABLE iterations (iteration)")
    with pytest.raises(NotATrace, match="an SQLite database of another program"):
        open_reel(database)
    with pytest.raises(TraceError, match="cannot be read: Is a directory"):
        open_reel(tmp_path)


def test_a_newer_version_says_how_to_update(reel: Path) -> None:
    edit(reel, "PRAGMA user_version=2")
    with pytest.raises(NewerTrace, match=r"version 2 .* reads up to 1; update with: pip install -U graphreel"):
        open_reel(reel)


def test_what_a_later_graphreel_adds_is_skipped(reel: Path) -> None:
    edit(reel, "CREATE TABLE bookmarks (iteration INTEGER)")
    edit(reel, "ALTER TABLE iterations ADD COLUMN energy REAL")
    edit(reel, "INSERT INTO info VALUES ('machine', '\"big\"')")
    edit(reel, "INSERT INTO sections VALUES (1, 'nodes.stream', 'q9', 1, x'00')")
    trace = open_reel(reel)
    assert read_all(trace) == 8
    assert trace.problems == ()


def test_a_damaged_column_is_left_out_and_named(reel: Path) -> None:
    for index in (3, 4, 6):
        edit(reel, "UPDATE columns SET data = zeroblob(200) WHERE iteration = ? AND name = 'duration_ns'", index)
    trace = open_reel(reel)
    assert trace.problems == ()
    assert read_all(trace) == 8
    assert trace.columns(4).keys() == {"start_ns"}
    assert trace.columns(5).keys() == {"start_ns", "duration_ns"}
    assert trace.problems == (
        "iterations 3 to 4, 6: column duration_ns is damaged: its bytes are not what was written "
        "(Error -3 while decompressing data: unknown compression method)",
    )


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (
            "UPDATE sections SET data = substr(data, 1, 5) WHERE name = 'values.port'",
            r"section values\.port: it declares",
        ),
        ("DELETE FROM sections WHERE name = 'nodes.op'", r"section nodes\.op is missing"),
        ("DELETE FROM sections WHERE name = 'strings'", "section strings is missing"),
        ("UPDATE sections SET type = 'O8' WHERE name = 'nodes.op'", "'O8' is no element type"),
        ("UPDATE sections SET type = 'f4' WHERE name = 'nodes.op'", r"section nodes\.op: Cannot cast"),
        ("UPDATE sections SET type = 'i8' WHERE name = 'nodes.op'", r"section nodes\.op"),
        ("UPDATE sections SET size = -1 WHERE name = 'nodes.op'", "it declares -1 bytes"),
        ("UPDATE sections SET size = 1 << 62 WHERE name = 'nodes.op'", "cannot hold that"),
        ("UPDATE sections SET size = 'big' WHERE name = 'nodes.op'", "it is no compressed column"),
        ("UPDATE sections SET data = 'text' WHERE name = 'nodes.op'", "it is no compressed column"),
        ("UPDATE graphs SET nodes = 7", "it has 2 nodes, and 7 are listed"),
        ("UPDATE graphs SET meta = '[]'", "its meta is list, not dict"),
    ],
)
def test_a_graph_that_is_damaged_is_named(tmp_path: Path, statement: str, why: str) -> None:
    reel = write(tmp_path / "run.reel", [model(1)])
    edit(reel, statement)
    trace = open_reel(reel)
    assert len(trace.iterations) == 1
    with pytest.raises(DamagedTrace, match=rf"run\.reel: the graph of iteration 0 is damaged: .*{why}"):
        trace.graph(0)


@pytest.mark.parametrize(
    ("section", "numbers", "why"),
    [
        ("nodes.op", [10_000, 0], r"nodes\.op points outside its table"),
        ("scopes.parent", [0, 3, 2, 0], "a scope stands before its parent"),
        ("inputs.start", [0, 2**31 - 1, 3], "inputs does not group its 3 rows"),
        ("nodes.phase", [9, 0], "a kind that is not known"),
    ],
)
def test_ids_that_lead_nowhere_are_found_when_the_graph_is_read(
    tmp_path: Path, section: str, numbers: list[int], why: str
) -> None:
    reel = write(tmp_path / "run.reel", [model(1)])
    plain = np.array(numbers, "<u1" if section == "nodes.phase" else "<i4")
    planes = plain.view(np.uint8).reshape(len(plain), plain.itemsize).T.tobytes()
    edit(reel, "UPDATE sections SET size = ?, data = ? WHERE name = ?", len(planes), zlib.compress(planes), section)
    with pytest.raises(DamagedTrace, match=why):
        open_reel(reel).graph(0)


@pytest.mark.parametrize("text", ["{", "1 2", "[" * 100_000, "", "nope"])
def test_an_attribute_that_is_no_json_is_found_when_the_graph_is_read(tmp_path: Path, text: str) -> None:
    graph = model(1)
    reel = write(tmp_path / "run.reel", [graph])
    strings = [text if string == "1.5" else string for string in graph.strings]
    plain = json.dumps(strings).encode()
    edit(reel, "UPDATE sections SET size = ?, data = ? WHERE name = 'strings'", len(plain), zlib.compress(plain))
    with pytest.raises(DamagedTrace, match="an attribute is not JSON"):
        open_reel(reel).graph(0)


def test_a_bomb_does_not_fill_the_memory(tmp_path: Path) -> None:
    """A quarter of a gigabyte of zeros in a megabyte: refused by what it declares, and by what it holds."""
    reel = write(tmp_path / "run.reel", [model(1)])
    packer = zlib.compressobj(1)
    bomb = b"".join(packer.compress(bytes(1 << 24)) for _ in range(16)) + packer.flush()
    program = f"""
import resource, sys
from pathlib import Path
from graphreel.tracefile import open_reel
import graphreel.graph
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
trace = open_reel(Path({str(reel)!r}))
try: trace.graph(0); sys.exit("read")
except Exception as error: print(type(error).__name__, error)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used
assert grown < 64_000, grown
"""
    for size in (16, 1 << 40):
        edit(reel, "UPDATE sections SET size = ?, data = ? WHERE name = 'nodes.op'", size, bomb)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.startswith("DamagedTrace")


def test_a_view_in_the_place_of_a_table_is_refused(reel: Path) -> None:
    """It would run for ever, and at every reader's."""
    edit(reel, "DROP TABLE sources")
    endless = "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n) SELECT i AS file, i AS text FROM n"
    edit(reel, f"CREATE VIEW sources AS {endless}")
    with pytest.raises(DamagedTrace, match="table sources is missing"):
        open_reel(reel)


def test_rows_of_the_wrong_kind_are_named(reel: Path) -> None:
    edit(reel, "UPDATE iterations SET status = 'odd' WHERE iteration = 1")
    edit(reel, "UPDATE iterations SET started_ns = 'soon' WHERE iteration = 2")
    edit(reel, "UPDATE iterations SET graph = 77 WHERE iteration = 3")
    edit(reel, "UPDATE scalars SET value = 'much' WHERE iteration = 4")
    edit(reel, "UPDATE info SET value = 'nonsense' WHERE key = 'versions'")
    trace = open_reel(reel)
    assert [entry.index for entry in trace.iterations] == [0, 4, 5, 6, 7]
    assert trace.iterations[1].scalars == {}
    assert any("what is known of the recording is damaged" in line for line in trace.problems)
    assert {line for line in trace.problems if line.startswith("iteration")} == {
        "iteration 1: its status is 'odd'",
        "iteration 2: what is listed of it is damaged",
        "iteration 3: its graph is missing",
    }


def noisy(path: Path, iterations: int) -> Path:
    """A trace whose columns fill most of the file."""
    graph = model(60)
    numbers = np.random.default_rng(0)
    writer = TraceWriter(path, INFO)
    for index in range(iterations):
        columns = {"duration_ns": numbers.integers(0, 2**60, graph.node_count)}
        writer.put(record(graph, index, columns=columns), index)
    writer.close()
    return path


@pytest.mark.parametrize("part", [0.99, 0.7, 0.5, 0.2])
def test_a_trace_that_is_cut_off_opens_as_far_as_it_is_whole(tmp_path: Path, part: float) -> None:
    reel = noisy(tmp_path / "run.reel", 120)
    # The tables and the graph stand at the front; it is columns that are cut off.
    front = noisy(tmp_path / "one.reel", 1).stat().st_size
    os.truncate(reel, front + int((reel.stat().st_size - front) * part))
    trace = open_reel(reel)
    assert trace.problems[0] == "the file is cut off: what stood at its end is missing"
    assert all(structure_hash(trace.graph(entry.index)) == entry.graph for entry in trace.iterations)
    readable = sum("duration_ns" in trace.columns(entry.index) for entry in trace.iterations)
    assert readable > 120 * part - 5
    if readable < len(trace.iterations):
        assert any("columns are damaged" in line or "duration_ns is damaged" in line for line in trace.problems)


def test_a_long_trace_that_is_cut_off_opens_or_says_what_to_do(tmp_path: Path) -> None:
    reel = noisy(tmp_path / "run.reel", 300)
    opened = 0
    for hundredth in range(95, 0, -10):
        os.truncate(reel, int(reel.stat().st_size * hundredth / (hundredth + 10)))
        try:
            trace = open_reel(reel)
        except DamagedTrace as error:
            said = str(error)
        else:
            said = trace.problems[0]
            opened += read_all(trace) > 0
        assert "the file is cut off" in said
    assert opened > 2, "cuts behind the place where the list of iterations outgrew its first page"


@pytest.mark.parametrize("left", [1, 15, 16, 99, 100, 512, 4095, 4096, 20_000])
def test_a_trace_of_which_little_is_left_is_said_to_be_damaged(reel: Path, left: int) -> None:
    os.truncate(reel, left)
    with pytest.raises(DamagedTrace, match=r"the trace is damaged and nothing of it can be read: .+; (record|if)"):
        open_reel(reel)


def test_random_damage_never_crashes_or_hangs(reel: Path) -> None:
    """A hundred files with some bytes overwritten: each opens in part, or is said to be damaged."""
    whole = reel.read_bytes()
    chance = random.Random(7)
    opened = 0
    for _ in range(100):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 3, 30))):
            at = chance.randrange(100, len(damaged))
            length = chance.choice((1, 4, 200))
            damaged[at : at + length] = chance.randbytes(len(damaged[at : at + length]))
        reel.write_bytes(damaged)
        start = time.monotonic()
        with told_in_one_line():
            read_all(open_reel(reel))
            opened += 1
        assert time.monotonic() - start < 10
    assert opened > 50, "most damage leaves most of a trace readable"


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """Puts files on a file system that cannot be written."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "none", str(folder)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a file system: {mounted.stderr.decode().strip()}")

    def place(*files: Path) -> Path:
        for file in files:
            shutil.copy(file, folder)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        return folder

    yield place
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_finished_trace_opens_in_a_read_only_folder(reel: Path, read_only: Callable[..., Path]) -> None:
    trace = open_reel(read_only(reel) / reel.name)
    assert (read_all(trace), trace.problems) == (8, ())


@pytest.mark.parametrize("suffixes", [("", "-wal"), ("", "-wal", "-shm")])
def test_a_killed_recording_opens_in_a_read_only_folder(
    tmp_path: Path, read_only: Callable[..., Path], suffixes: tuple[str, ...]
) -> None:
    writer = TraceWriter(tmp_path / "run.reel", INFO)
    for index in range(5):
        writer.put(record(model(), index), index)
    writer.flush()
    folder = read_only(*(tmp_path / f"run.reel{suffix}" for suffix in suffixes))
    writer.close()
    trace = open_reel(folder / "run.reel")
    assert read_all(trace) == 5
    assert trace.problems == ("the recording did not end: the program was killed",)


def test_a_copy_without_its_journal_is_an_older_state(tmp_path: Path, read_only: Callable[..., Path]) -> None:
    writer = TraceWriter(tmp_path / "run.reel", INFO)
    writer.put(record(model(), 0), 0)
    writer.flush()
    folder = read_only(tmp_path / "run.reel")
    writer.close()
    trace = open_reel(folder / "run.reel")
    assert list(trace.iterations) == []
    assert trace.problems == ("the recording did not end: the program was killed",)


def test_a_copy_with_its_journal_is_folded_into_one_file(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "run.reel", INFO)
    writer.put(record(model(), 0), 0)
    writer.flush()
    copy = tmp_path / "copy"
    copy.mkdir()
    for suffix in ("", "-wal"):
        shutil.copy(tmp_path / f"run.reel{suffix}", copy)
    writer.close()
    assert read_all(open_reel(copy / "run.reel")) == 1
    assert [found.name for found in copy.iterdir()] == ["run.reel"]


def test_opening_the_own_file_while_recording_does_not_unlock_it(tmp_path: Path) -> None:
    """On POSIX, closing any handle of a file drops the process's record locks on it; see lock.py."""
    path = tmp_path / "run.reel"
    writer = TraceWriter(path, INFO)
    writer.put(record(model(), 0), 0)
    writer.flush()
    path.read_bytes()
    program = f"""
from pathlib import Path
from graphreel.tracefile import open_reel
trace = open_reel(Path({str(path)!r}))
assert trace.running and not trace.problems, trace.problems
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
    writer.put(record(model(), 1), 1)
    writer.close()
    assert read_all(open_reel(path)) == 2


def test_a_trace_that_another_recording_replaced_says_so(reel: Path) -> None:
    trace = open_reel(reel)
    assert len(trace.iterations) == 8
    write(reel, [model()])
    for ask in (trace.refresh, lambda: trace.graph(0), lambda: trace.columns(0)):
        with pytest.raises(TraceError, match="another recording has taken its place; open it again"):
            ask()
    reel.unlink()
    with pytest.raises(TraceError, match="cannot be read: unable to open database file"):
        trace.refresh()


def test_threads_share_a_trace(reel: Path) -> None:
    trace = open_reel(reel)
    right: list[int] = []

    def read(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(25):
            index = chance.randrange(8)
            assert structure_hash(trace.graph(index)) == trace.iterations[index].graph
            np.testing.assert_array_equal(
                trace.columns(index)["start_ns"], record(model(index + 1), index).columns["start_ns"]
            )
            trace.refresh()
        right.append(seed)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(right) == list(range(6))
