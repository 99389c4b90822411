"""Statistics of values, kernels, findings and other graphs of an iteration: what goes in comes out."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphreel.graph import Graph, GraphBuilder, NodeId, parse, structure_hash
from graphreel.tracefile import (
    CannotWrite,
    DamagedTrace,
    IterationRecord,
    SingleGraphTrace,
    TraceWriter,
    UnknownIteration,
    open_reel,
)
from graphreel.tracefile.codec import encode, encode_strings
from graphreel.tracefile.extrarows import KERNEL_COLUMNS
from graphreel.tracefile.extras import Finding, Kernels
from tests.tracefile_samples import INFO, model, record

VALUES = model().value_count
STATISTICS: dict[str, np.ndarray[Any, np.dtype[Any]]] = {
    "min": np.linspace(-1, 1, VALUES),
    "mean": np.where(np.arange(VALUES) % 2, np.nan, -np.inf),
    "nan": np.arange(VALUES),
    "counted": np.arange(VALUES) % 2 == 0,
    "checksum": np.arange(VALUES) * -(1 << 59),
}
FINDINGS = (
    Finding("graph-break", "print() is called\nin forward", NodeId(2), "träin.py", 41, {"reason": "call to print"}),
    Finding("caught", ""),
)


def kernels(**more: Any) -> Kernels:
    columns = {
        "name": [1, 0, 1],
        "kind": [0, 1, 3],
        "node": [-1, 0, 3],
        "device": [0, 0, -1],
        "stream": [7, 7, 1 << 40],
        "start_ns": [0, 5, 1 << 50],
        "duration_ns": [5, 0, 1],
        "launch_ns": [-1, 3, 4],
        "nbytes": [0, 4096, 0],
    }
    found = {name: np.array(column, np.int64) for name, column in columns.items()} | more
    return Kernels(("Memcpy HtoD", "void gemm<float>(…)"), **found)


def write(path: Path, records: Iterable[IterationRecord]) -> Path:
    writer = TraceWriter(path, INFO)
    for index, iteration in enumerate(records):
        writer.put(iteration, index)
    writer.close()
    return path


def edit(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(statement, values)


def count(path: Path, table: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.fixture
def reel(tmp_path: Path) -> Path:
    full = {"value_columns": STATISTICS, "kernels": kernels(), "findings": FINDINGS}
    return write(tmp_path / "run.reel", [record(model(), 0, **full), record(model(), 1), record(model(), 2, **full)])


def test_everything_comes_back(reel: Path) -> None:
    trace = open_reel(reel)
    found = trace.value_columns(0)
    assert found.keys() == STATISTICS.keys()
    for name, column in STATISTICS.items():
        np.testing.assert_array_equal(found[name], column)
        assert found[name].dtype == column.dtype
    seen, expected = trace.kernels(2), kernels()
    assert seen is not None
    assert seen.names == expected.names
    for name in KERNEL_COLUMNS:
        np.testing.assert_array_equal(getattr(seen, name), getattr(expected, name))
    assert trace.findings(0) == FINDINGS
    assert (trace.value_columns(1), trace.kernels(1), trace.findings(1), trace.views(1)) == ({}, None, (), ())
    assert trace.problems == ()
    for ask in (trace.value_columns, trace.kernels, trace.findings, trace.views, lambda index: trace.view(index, "a")):
        with pytest.raises(UnknownIteration):
            ask(3)


def test_an_iteration_without_any_kernel_is_told_from_one_that_was_not_looked_at(tmp_path: Path) -> None:
    none = kernels(**{name: np.zeros(0, np.int64) for name in KERNEL_COLUMNS})
    found = open_reel(write(tmp_path / "run.reel", [record(model(), 0, kernels=replace(none, names=()))])).kernels(0)
    assert found is not None
    assert (found.names, len(found.name)) == ((), 0)


def autograd(name: str = "MmBackward0") -> Graph:
    builder = GraphBuilder({"view": "autograd"})
    node = builder.node(name, attributes={"forward": [0], "operations": [2, 3]})
    builder.node("AccumulateGrad", [builder.value(producer=node)])
    return builder.build()


def test_a_view_is_stored_once_for_each_structure(tmp_path: Path) -> None:
    views = {"autograd": autograd(), "compiled": parse("a -> b")}
    # The view comes with the second iteration of the same structure only; the third has a structure of its own.
    records = [record(model(), 0), *(record(model(), index, views=views) for index in (1, 2))]
    records += [record(model(3), 3, views={"autograd": autograd()}), record(model(4), 4)]
    reel = write(tmp_path / "run.reel", records)
    trace = open_reel(reel)
    assert [trace.views(index) for index in range(5)] == [("autograd", "compiled")] * 3 + [("autograd",), ()]
    for index in range(4):
        view = trace.view(index, "autograd")
        assert view is not None
        assert structure_hash(view) == structure_hash(autograd())
        assert view.meta == {"view": "autograd"}
        assert view.node(0).attributes == {"forward": [0], "operations": [2, 3]}
        assert structure_hash(trace.graph(index)) == trace.iterations[index].graph
    assert (trace.view(0, "kernels"), trace.view(4, "autograd")) == (None, None)
    assert (count(reel, "graphs"), count(reel, "views")) == (5, 3)
    assert len(trace.iterations) == 5


def test_columns_of_a_view_stand_in_each_iteration_that_has_the_same_view(tmp_path: Path) -> None:
    view, other = autograd(), parse("a -> b -> c")
    runs = [np.full(each.node_count, index) for index, each in enumerate((view, view, other))]
    records = [
        record(model(), index, views={"autograd": each}, view_columns={"autograd": {"runs": runs[index]}})
        for index, each in enumerate((view, view, other))
    ]
    trace = open_reel(write(tmp_path / "run.reel", [*records, record(model(), 3)]))
    for index in (0, 1):
        assert {name: column.tolist() for name, column in trace.view_columns(index, "autograd").items()} == {
            "runs": runs[index].tolist()
        }
    # The structure keeps the view that came first, so that numbers for another one would stand at the wrong nodes.
    assert trace.view_columns(2, "autograd") == trace.view_columns(3, "autograd") == {}
    assert trace.view_columns(0, "compiled") == {}
    with pytest.raises(UnknownIteration):
        trace.view_columns(9, "autograd")
    assert not trace.problems


def test_views_that_differ_in_meta_only_keep_theirs(tmp_path: Path) -> None:
    other = replace(autograd(), meta={"view": "other"})
    reel = write(tmp_path / "run.reel", [record(model(), 0, views={"one": autograd(), "other": other})])
    trace = open_reel(reel)
    assert [dict(view.meta) for name in ("one", "other") if (view := trace.view(0, name))] == [
        {"view": "autograd"},
        {"view": "other"},
    ]
    assert count(reel, "graphs") == 2


def test_a_single_graph_has_none_of_it() -> None:
    trace = SingleGraphTrace(Path("model.onnx"), parse("a -> b"), INFO)
    assert (trace.value_columns(0), trace.keyframes, trace.keyframe(0), trace.kernels(0)) == ({}, (), None, None)
    assert (trace.tensors(0), trace.tensor(0, 0), trace.findings(0), trace.views(0)) == ((), None, (), ())
    assert trace.view(0, "autograd") is None
    asks = (trace.value_columns, trace.keyframe, trace.kernels, trace.tensors, trace.findings, trace.views)
    for ask in (*asks, lambda index: trace.tensor(index, 0), lambda index: trace.view(index, "a")):
        with pytest.raises(UnknownIteration):
            ask(1)


# What the recorder may get wrong


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"value_columns": {"min": np.zeros(3)}}, r"column min has the shape \(3,\), and the graph has 8 values"),
        ({"value_columns": {"min": np.array(["a"] * VALUES)}}, "a column of type 'U4' cannot be stored"),
        ({"kernels": kernels(node=np.array([0, 0, 4]))}, "column node points outside its table"),
        ({"kernels": kernels(name=np.array([0, 0, 2]))}, "column name points outside its table"),
        ({"kernels": kernels(kind=np.array([0, 4, 0]))}, "column kind points outside its table"),
        ({"kernels": kernels(nbytes=np.array([0]))}, "column nbytes has another length"),
    ],
)
def test_what_cannot_be_stored_costs_its_iteration_only(tmp_path: Path, more: dict[str, Any], why: str) -> None:
    writer = TraceWriter(tmp_path / "run.reel", INFO)
    writer.put(record(model(), 0, **more), 0)
    writer.put(record(model(), 1), 1)
    with pytest.raises(CannotWrite, match=f"iteration 0 could not be written: .*{why}"):
        writer.close()
    assert [entry.index for entry in open_reel(tmp_path / "run.reel").iterations] == [1]


# Damage


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM kernels WHERE iteration = 0 AND name = 'names'", "column names is missing"),
        ("DELETE FROM kernels WHERE iteration = 0 AND name = 'node'", "column node is missing"),
        ("UPDATE kernels SET data = zeroblob(9) WHERE iteration = 0 AND name = 'node'", "column node: its bytes"),
        ("UPDATE kernels SET size = 1 << 60 WHERE iteration = 0 AND name = 'node'", "column node: it declares"),
        ("UPDATE kernels SET type = 'f8' WHERE iteration = 0 AND name = 'node'", "column node: Cannot cast"),
        ("UPDATE kernels SET type = 'u8' WHERE iteration = 0 AND name = 'node'", "column node: Cannot cast"),
        ("UPDATE kernels SET type = 'i4' WHERE iteration = 0 AND name = 'node'", "column node has another length"),
    ],
)
def test_damaged_kernels_cost_themselves_only(reel: Path, statement: str, why: str) -> None:
    edit(reel, statement)
    trace = open_reel(reel)
    with pytest.raises(DamagedTrace, match=f"the kernels of iteration 0 is damaged: {why}"):
        trace.kernels(0)
    assert trace.kernels(2) is not None
    assert trace.value_columns(0).keys() == STATISTICS.keys()


def test_kernels_that_point_nowhere_are_refused(reel: Path) -> None:
    for column, numbers in (("name", [0, 1, 2]), ("node", [0, 0, 4]), ("kind", [-1, 0, 0])):
        encoded = encode(np.array(numbers), "i8")
        edit(reel, "UPDATE kernels SET data = ? WHERE iteration = 0 AND name = ?", encoded.data, column)
        with pytest.raises(DamagedTrace, match=f"column {column} points outside its table"):
            open_reel(reel).kernels(0)
        right = encode(getattr(kernels(), column), "i8")
        edit(reel, "UPDATE kernels SET data = ? WHERE iteration = 0 AND name = ?", right.data, column)
    names = encode_strings(["a"])
    edit(reel, "UPDATE kernels SET size = ?, data = ? WHERE name = 'names'", names.size, names.data)
    with pytest.raises(DamagedTrace, match="column name points outside its table"):
        open_reel(reel).kernels(0)


def test_damaged_statistics_are_left_out_and_named(reel: Path) -> None:
    edit(reel, "UPDATE value_columns SET data = zeroblob(9) WHERE iteration = 0 AND name = 'min'")
    short = encode(np.zeros(3), "f8")
    statement = "UPDATE value_columns SET size = ?, data = ? WHERE iteration = 0 AND name = 'mean'"
    edit(reel, statement, short.size, short.data)
    trace = open_reel(reel)
    assert trace.value_columns(0).keys() == {"nan", "counted", "checksum"}
    assert trace.value_columns(2).keys() == STATISTICS.keys()
    assert len(trace.problems) == 2
    assert any("column min is damaged" in line for line in trace.problems)
    assert "iteration 0: column mean is damaged: it has 3 numbers for 8 values" in trace.problems


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("kind = zeroblob(3)", "its kind is bytes, not str"),
        ("message = zeroblob(3)", "its message is bytes, not str"),
        ("node = 4", "it speaks of node 4, and there are 4"),
        ("node = 'much'", "it speaks of node 'much', and there are 4"),
        ("file = zeroblob(3)", "its file is bytes, not str"),
        ("line = 'far'", "its line is str, not int"),
        ("more = '[]'", "more is list, not dict"),
        ("more = '{'", "it is not JSON"),
    ],
)
def test_a_damaged_finding_is_left_out_and_named(reel: Path, change: str, why: str) -> None:
    edit(reel, f"UPDATE findings SET {change} WHERE iteration = 0 AND position = 0")
    trace = open_reel(reel)
    assert trace.findings(0) == FINDINGS[1:]
    assert trace.findings(2) == FINDINGS
    assert [line for line in trace.problems if line.startswith(f"iteration 0: finding 0 is damaged: {why}")]


def test_a_damaged_view_costs_itself_only(tmp_path: Path) -> None:
    views = {"autograd": autograd(), "lost": autograd("Lost")}
    reel = write(tmp_path / "run.reel", [record(model(), 0, views=views)])
    edit(reel, "UPDATE views SET view = 99 WHERE name = 'lost'")
    edit(
        reel, "DELETE FROM sections WHERE graph = (SELECT view FROM views WHERE name = 'autograd') AND name = 'outputs'"
    )
    trace = open_reel(reel)
    with pytest.raises(DamagedTrace, match="the graph autograd of iteration 0 is damaged: section outputs is missing"):
        trace.view(0, "autograd")
    with pytest.raises(DamagedTrace, match="the graph lost of iteration 0 is damaged: its graph is missing"):
        trace.view(0, "lost")
    assert structure_hash(trace.graph(0)) == structure_hash(model())
