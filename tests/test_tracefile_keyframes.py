"""Keyframes and whole values: what goes in comes out, equal bytes stand in the file once, damage costs its own part."""

import json
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphreel.graph import ValueId, structure_hash
from graphreel.tracefile import DamagedTrace, IterationRecord, TraceWriter, UnknownIteration, open_reel
from graphreel.tracefile.blobs import PIECE
from graphreel.tracefile.schema import ADDED_TABLES
from graphreel.tracefile.tensors import Keyframe, RecordedTensor, Storage, TensorView, to_numpy
from tests.tracefile_samples import INFO, bytes_of, keyframe, model, record


def write(path: Path, records: list[IterationRecord]) -> Path:
    writer = TraceWriter(path, INFO)
    for index, iteration in enumerate(records):
        writer.put(iteration, index)
    writer.close()
    return path


def edit(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement, values)


def rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def same(found: object, expected: object) -> None:
    """Equal in every field, and arrays in every bit."""
    if isinstance(expected, np.ndarray):
        assert isinstance(found, np.ndarray)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
    elif isinstance(expected, list | tuple):
        assert isinstance(found, list | tuple)
        for one, other in zip(found, expected, strict=True):
            same(one, other)
    elif is_dataclass(expected):
        assert type(found) is type(expected)
        for field in fields(expected):
            same(getattr(found, field.name), getattr(expected, field.name))
    else:
        assert found == expected


def whole_value(value: int, array: np.ndarray[Any, np.dtype[Any]]) -> RecordedTensor:
    view = TensorView(str(array.dtype), array.shape, (1,), storage=0, value=ValueId(value))
    return RecordedTensor(view, (Storage(bytes_of(array)),))


def test_a_keyframe_and_whole_values_come_back(tmp_path: Path) -> None:
    kept = [whole_value(2, np.arange(5.0)), whole_value(0, np.array([True, False]))]
    expected = keyframe()
    reel = write(tmp_path / "run.reel", [record(model(), 0), record(model(), 1, keyframe=expected, tensors=kept)])
    trace = open_reel(reel)
    assert trace.keyframes == (1,)
    assert trace.keyframe(0) is None
    same(trace.keyframe(1), expected)
    assert (trace.tensors(0), trace.tensors(1)) == ((), (0, 2))
    assert trace.tensor(0, 2) is trace.tensor(1, 1) is trace.tensor(1, 1 << 80 >> 20) is None
    same(trace.tensor(1, 2), kept[0])
    found = trace.tensor(1, 0)
    assert found is not None
    assert to_numpy(found.view, found.storages).tolist() == [True, False]
    for ask in (trace.keyframe, trace.tensors, lambda index: trace.tensor(index, 0)):
        with pytest.raises(UnknownIteration, match="no iteration 5"):
            ask(5)
    assert trace.problems == ()


views = st.builds(
    TensorView,
    dtype=st.sampled_from(["float32", "bfloat16", "bool"]),
    shape=st.just((2, 2)),
    stride=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    offset=st.integers(0, 4),
    storage=st.integers(0, 1),
    value=st.integers(0, 3).map(ValueId),
    about=st.dictionaries(st.text(max_size=3), st.none() | st.booleans() | st.integers() | st.text(max_size=3)),
)
nested = views | st.builds(
    TensorView,
    dtype=st.text(max_size=3),
    shape=st.lists(st.integers(0, 9), max_size=3).map(tuple),
    stride=st.just(()),
    value=st.integers(0, 3).map(ValueId),
    layout=st.sampled_from(["sparse_coo", "jagged"]),
    parts=st.dictionaries(st.text(max_size=3), views, max_size=2),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(nested, max_size=4), st.lists(st.binary(min_size=60, max_size=90), min_size=2, max_size=3), st.text())
def test_random_keyframes_come_back(tmp_path: Path, tensors: list[TensorView], data: list[bytes], text: str) -> None:
    storages = [Storage(np.frombuffer(piece, np.uint8), text) for piece in data]
    expected = Keyframe(tensors, storages, environment={text: [text, 1.5]}, problems=[text])
    reel = write(tmp_path / "run.reel", [record(model(), 0, keyframe=expected)])
    same(open_reel(reel).keyframe(0), expected)


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 77])
@pytest.mark.parametrize("kind", ["zeros", "noise", "counting", "weights"])
def test_storages_of_every_size_come_back(tmp_path: Path, size: int, kind: str) -> None:
    chance = np.random.default_rng(0)
    make: dict[str, Callable[[], Any]] = {
        "zeros": lambda: np.zeros(size, np.uint8),
        "noise": lambda: chance.integers(0, 256, size).astype(np.uint8),
        "counting": lambda: np.arange(size // 4 + 1, dtype=np.int32),
        "weights": lambda: chance.standard_normal(size // 4 + 1, np.float32),
    }
    data = bytes_of(make[kind]())[:size]
    count = size // 4
    view = TensorView("float32", (count,), (1,), storage=0, value=ValueId(0))
    reel = write(tmp_path / "run.reel", [record(model(), 0, keyframe=Keyframe((view,), (Storage(data),)))])
    found = open_reel(reel).keyframe(0)
    assert found is not None
    assert found.storages[0].data.tobytes() == data.tobytes()
    if kind in ("zeros", "counting") and size > PIECE // 2:
        assert reel.stat().st_size < size / 2, "compressed, since it pays"


def test_what_does_not_change_stands_in_the_file_once(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    weights = chance.integers(0, 256, 3 * PIECE).astype(np.uint8)
    changed = weights.copy()
    changed[PIECE + 5] += 1

    def iteration(index: int, data: np.ndarray[Any, np.dtype[np.uint8]]) -> IterationRecord:
        view = TensorView("uint8", data.shape, (1,), storage=0, value=ValueId(1))
        kept = (RecordedTensor(view, (Storage(data),)),)
        return record(model(), index, keyframe=Keyframe((view,), (Storage(data), Storage(data))), tensors=kept)

    once = write(tmp_path / "once.reel", [iteration(0, weights)])
    reel = write(tmp_path / "run.reel", [iteration(index, changed if index == 4 else weights) for index in range(6)])
    assert rows(once, "SELECT count(*) FROM blobs") == [(3,)]
    assert rows(reel, "SELECT count(*) FROM blobs") == [(4,)], "of the one that changed in one byte, one piece is new"
    assert once.stat().st_size < 3 * PIECE * 1.02
    assert reel.stat().st_size - once.stat().st_size < PIECE * 1.1
    trace = open_reel(reel)
    for index in range(6):
        expected = changed if index == 4 else weights
        found, value = trace.keyframe(index), trace.tensor(index, 1)
        assert found is not None
        assert value is not None
        for storage in (*found.storages, *value.storages):
            assert storage.data.tobytes() == expected.tobytes()


def test_a_file_of_the_first_writer_opens(tmp_path: Path) -> None:
    graph = model()
    reel = write(tmp_path / "run.reel", [record(graph, 0, keyframe=keyframe())])
    for table in ADDED_TABLES:
        edit(reel, f"DROP TABLE {table}")
    edit(reel, "DELETE FROM info WHERE key = 'ended'")
    trace = open_reel(reel)
    assert structure_hash(trace.graph(0)) == structure_hash(graph)
    assert trace.columns(0).keys() == {"start_ns", "duration_ns"}
    assert (trace.keyframes, trace.keyframe(0), trace.tensors(0), trace.tensor(0, 0)) == ((), None, (), None)
    assert (trace.value_columns(0), trace.kernels(0), trace.findings(0)) == ({}, None, ())
    assert (trace.views(0), trace.view(0, "autograd"), trace.problems) == ((), None, ())
    with pytest.raises(UnknownIteration):
        trace.keyframe(1)


@pytest.mark.parametrize("table", sorted(ADDED_TABLES))
def test_a_view_in_the_place_of_a_new_table_is_refused(tmp_path: Path, table: str) -> None:
    """It would run for ever, and at every reader's."""
    reel = write(tmp_path / "run.reel", [record(model(), 0)])
    edit(reel, f"DROP TABLE {table}")
    edit(reel, f"CREATE VIEW {table} AS WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i FROM n) SELECT i FROM n")
    with pytest.raises(DamagedTrace, match=f"table {table} is missing"):
        open_reel(reel)


def test_keyframes_are_read_while_the_recording_runs(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "run.reel", INFO)
    trace = open_reel(tmp_path / "run.reel")
    assert trace.keyframes == ()
    for index in range(4):
        expected = keyframe(index, 3 << 20)
        kept = () if index % 2 else (whole_value(1, np.full(9, index)),)
        writer.put(record(model(), index, keyframe=None if index == 2 else expected, tensors=kept), index)
        writer.flush()
        held = trace.keyframes
        assert trace.refresh()
        assert len(trace.keyframes) == len(held) + (index != 2)
        if index != 2:
            same(trace.keyframe(index), expected)
        assert trace.tensors(index) == (() if index % 2 else (1,))
    writer.close()
    assert trace.refresh()
    assert trace.keyframes == (0, 1, 3)
    assert trace.problems == ()


# Damage


@pytest.fixture
def reel(tmp_path: Path) -> Path:
    """Two iterations with keyframes and values; their storages have rows of their own."""
    records = [
        record(model(), index, keyframe=keyframe(index, 4096), tensors=(whole_value(1, np.arange(index, index + 99)),))
        for index in range(2)
    ]
    return write(tmp_path / "run.reel", records)


def described(path: Path, change: Callable[[Any], object], table: str = "keyframes") -> None:
    """Change what the file says of the first keyframe, or of the first value."""
    size, data = rows(path, f"SELECT size, data FROM {table} WHERE iteration = 0")[0]
    found = json.loads(zlib.decompress(data))
    assert len(zlib.decompress(data)) == size
    change(found)
    text = json.dumps(found).encode()
    edit(path, f"UPDATE {table} SET size = ?, data = ? WHERE iteration = 0", len(text), zlib.compress(text))


BLOB = "(SELECT id FROM blobs ORDER BY id LIMIT 1)"


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (f"DELETE FROM blobs WHERE id = {BLOB}", "storage 0: blob 1 is missing"),
        (f"UPDATE blobs SET data = zeroblob(length(data)) WHERE id = {BLOB}", "storage 0: blob 1"),
        (f"UPDATE blobs SET data = substr(data, 1, 99) WHERE id = {BLOB}", "storage 0: blob 1"),
        (f"UPDATE blobs SET data = 'text' WHERE id = {BLOB}", "storage 0: blob 1"),
        (f"UPDATE blobs SET hash = zeroblob(32) WHERE id = {BLOB}", "blob 1 does not hold the bytes that were written"),
        (f"UPDATE blobs SET hash = 7 WHERE id = {BLOB}", "blob 1 does not hold the bytes that were written"),
        (f"UPDATE blobs SET type = 'f4' WHERE id = {BLOB}", "'f4' is no type of a blob"),
        (f"UPDATE blobs SET type = 'pickle' WHERE id = {BLOB}", "'pickle' is no type of a blob"),
        (f"UPDATE blobs SET size = 1 << 40 WHERE id = {BLOB}", "a piece has at most"),
        (f"UPDATE blobs SET size = -1 WHERE id = {BLOB}", "a piece has at most"),
        (f"UPDATE blobs SET size = 'big' WHERE id = {BLOB}", "a piece has at most"),
        (f"UPDATE blobs SET size = 5 WHERE id = {BLOB}", "declares 5 bytes"),
        ("UPDATE keyframes SET data = zeroblob(9) WHERE iteration = 0", "its bytes are not what was written"),
        ("UPDATE keyframes SET data = substr(data, 1, 50) WHERE iteration = 0", "it declares"),
        ("UPDATE keyframes SET type = 'i4' WHERE iteration = 0", "'i4' instead of 'json'"),
        ("UPDATE keyframes SET size = 1 << 50 WHERE iteration = 0", "cannot hold that"),
    ],
)
def test_a_damaged_keyframe_costs_itself_only(reel: Path, statement: str, why: str) -> None:
    edit(reel, statement)
    trace = open_reel(reel)
    with pytest.raises(DamagedTrace, match=rf"run\.reel: the keyframe of iteration 0 is damaged: .*{why}"):
        trace.keyframe(0)
    assert trace.keyframes == (0, 1)
    assert trace.tensor(0, 1) is not None
    same(trace.keyframe(1), keyframe(1, 4096))
    assert trace.graph(0).node_count == 4


def set_in(*path: str | int, to: object) -> Callable[[Any], object]:
    def change(found: Any) -> None:
        for part in path[:-1]:
            found = found[part]
        found[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (set_in("tensors", to=None), "tensors is NoneType, not list"),
        (set_in("tensors", 0, to=[]), "a tensor is list, not dict"),
        (set_in("tensors", 0, "dtype", to=5), "dtype is int, not str"),
        (set_in("tensors", 0, "shape", to=[1.5, 2]), "shape holds something other than integers"),
        (set_in("tensors", 0, "shape", to=[True, 2]), "shape holds something other than integers"),
        (set_in("tensors", 0, "stride", to="ab"), "stride is str, not list"),
        (set_in("tensors", 0, "offset", to=4095), "reaches to byte"),
        (set_in("tensors", 0, "offset", to=None), "offset is NoneType"),
        (set_in("tensors", 0, "stride", to=[1 << 62, 1 << 62]), "reaches to byte"),
        (set_in("tensors", 0, "storage", to=3), "storage 3, and there are 3"),
        (set_in("tensors", 0, "storage", to=-1), "looks at storage -1"),
        (set_in("tensors", 0, "value", to=8), "value 8, and there are 8"),
        (set_in("tensors", 0, "value", to=-1), "value -1"),
        (set_in("tensors", 2, "parts", to=[]), "parts is list"),
        (set_in("tensors", 2, "parts", "values", "offset", to=5000), "reaches to byte"),
        (set_in("tensors", 1, "about", to=1), "about is int"),
        (set_in("changes", 0, "node", to=4), "node 4, and there are 4"),
        (set_in("changes", 0, "in_place", to=1), "in_place is int, not bool"),
        (set_in("changes", 0, "view", "offset", to=4095), "reaches to byte"),
        (set_in("generators", 0, "node", to=4), "node 4, and there are 4"),
        (set_in("generators", 0, "generator", to=None), "generator is NoneType"),
        (set_in("generators", 0, "blobs", to=[1]), "generator state 0: its pieces"),
        (set_in("storages", 0, "device", to={}), "device is dict"),
        (set_in("storages", 0, "blobs", to=["1"]), "what says where its bytes are is damaged"),
        (set_in("storages", 0, "blobs", to=[1 << 80]), "what says where its bytes are is damaged"),
        (set_in("storages", 0, "blobs", to=[999]), "storage 0: blob 999 is missing"),
        (set_in("storages", 0, "blobs", to=[1, 1]), "its pieces hold more than its"),
        (set_in("storages", 0, "blobs", to=[]), "it declares 16384 bytes, and its 0 pieces cannot hold that"),
        (set_in("storages", 0, "size", to=1 << 60), "cannot hold that"),
        (set_in("storages", 0, "size", to=True), "what says where its bytes are is damaged"),
        (set_in("storages", 0, "size", to=16385), "its pieces are not the ones that were written"),
        (set_in("storages", 0, "hash", to="0" * 16), "its pieces are not the ones that were written"),
        (set_in("storages", 0, to=7), "what says where its bytes are is damaged"),
        (set_in("environment", to=[]), "its environment is list"),
    ],
)
def test_a_keyframe_that_says_what_cannot_be_is_refused(reel: Path, change: Callable[[Any], object], why: str) -> None:
    described(reel, change)
    trace = open_reel(reel)
    with pytest.raises(DamagedTrace, match=rf"the keyframe of iteration 0 is damaged: .*{why}"):
        trace.keyframe(0)
    same(trace.keyframe(1), keyframe(1, 4096))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (set_in("view", "value", to=2), "it says that it is value 2"),
        (set_in("view", to=None), "a tensor is NoneType"),
        (set_in("storages", 0, "blobs", to=[999]), "blob 999 is missing"),
        (set_in("view", "shape", to=[100]), "reaches to byte 800"),
    ],
)
def test_a_value_that_says_what_cannot_be_is_refused(reel: Path, change: Callable[[Any], object], why: str) -> None:
    described(reel, change, "tensors")
    trace = open_reel(reel)
    with pytest.raises(DamagedTrace, match=f"value 1 of iteration 0 is damaged: .*{why}"):
        trace.tensor(0, 1)
    same(trace.tensor(1, 1), whole_value(1, np.arange(1, 100)))
    assert trace.keyframe(0) is not None


def test_parts_within_parts_are_refused(reel: Path) -> None:
    text = '{"dtype":"f","shape":[],"stride":[],"parts":{"a":' * 50 + "1" + "}}" * 50
    text = f'{{"view":{text}}}'
    edit(reel, "UPDATE tensors SET size = ?, data = ?", len(text), zlib.compress(text.encode()))
    with pytest.raises(DamagedTrace, match="parts within parts without end"):
        open_reel(reel).tensor(0, 1)


def test_a_keyframe_of_many_small_files_worth_does_not_fill_the_memory(tmp_path: Path) -> None:
    """One piece, listed a million times over: 4 TB, as a file of some kilobytes may declare them."""
    data = np.full(PIECE, 1, np.uint8)
    view = TensorView("uint8", (PIECE,), (1,), storage=0, value=ValueId(0))
    reel = write(tmp_path / "run.reel", [record(model(), 0, keyframe=Keyframe((view,), (Storage(data),)))])
    described(reel, lambda found: found["storages"][0].update(blobs=[1] * 1_000_000, size=PIECE * 1_000_000))
    program = f"""
import resource
from pathlib import Path
from graphreel.tracefile import DamagedTrace, open_reel
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
trace = open_reel(Path({str(reel)!r}))
try: trace.keyframe(0)
except DamagedTrace as error: print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "half of this machine's memory" in done.stdout


def test_random_damage_is_found_or_harmless(reel: Path) -> None:
    """Bytes overwritten in two hundred copies: a keyframe is right in every bit, or it is said to be damaged."""
    whole = reel.read_bytes()
    chance = np.random.default_rng(3)
    found = damaged = 0
    for _ in range(200):
        data = bytearray(whole)
        at = int(chance.integers(100, len(data)))
        length = int(chance.choice([1, 4, 500]))
        data[at : at + length] = chance.bytes(len(data[at : at + length]))
        reel.write_bytes(data)
        try:
            trace = open_reel(reel)
            for index in range(2):
                kept = trace.keyframe(index)
                if kept is not None:
                    same([kept.storages, kept.tensors], [keyframe(index, 4096).storages, keyframe(index, 4096).tensors])
                    found += 1
        except (DamagedTrace, UnknownIteration) as error:
            damaged += "\n" not in str(error)
    assert found > 200
    assert damaged > 20


def test_a_file_that_is_cut_off_keeps_its_first_keyframes(tmp_path: Path) -> None:
    records = [record(model(), index, keyframe=keyframe(index, 1 << 18)) for index in range(6)]
    reel = write(tmp_path / "run.reel", records)
    data = reel.read_bytes()
    reel.write_bytes(data[: len(data) // 2])
    trace = open_reel(reel)
    assert trace.problems[0] == "the file is cut off: what stood at its end is missing"
    whole = 0
    for index in trace.keyframes:
        with suppress(DamagedTrace):
            same(trace.keyframe(index), keyframe(index, 1 << 18))
            whole += 1
    assert 1 <= whole <= 3


# What the recorder may get wrong


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (replace(keyframe(), tensors=[replace(keyframe().tensors[0], offset=99)]), "reaches to byte"),
        (
            replace(keyframe(), tensors=[replace(keyframe().tensors[0], value=ValueId(99))]),
            "speaks of value 99, and there are 8",
        ),
    ],
)
def test_a_keyframe_that_does_not_fit_costs_itself_only(tmp_path: Path, broken: Keyframe, why: str) -> None:
    reel = write(tmp_path / "run.reel", [record(model(), 0, keyframe=broken), record(model(), 1, keyframe=keyframe())])
    trace = open_reel(reel)
    assert trace.keyframes == (1,)
    (found,) = trace.findings(0)
    assert found.kind == "recorder-fault"
    assert found.message.startswith("the iteration was written without its keyframe: ")
    assert why in found.message
    assert trace.columns(0).keys() == {"start_ns", "duration_ns"}
