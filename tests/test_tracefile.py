"""What goes into a trace comes out of it."""

import math
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphreel.graph import Graph, GraphBuilder, Phase, ScopeKind, ValueKind, lint, parse, structure_hash
from graphreel.tracefile import (
    Iteration,
    IterationRecord,
    RecordedError,
    SingleGraphTrace,
    Status,
    TraceError,
    TraceWriter,
    UnknownIteration,
    is_reel,
    open_reel,
)
from graphreel.tracefile.codec import decode, encode
from graphreel.tracefile.sections import SECTIONS
from tests.tracefile_samples import INFO, model, record, write


def same(found: Graph, expected: Graph) -> None:
    assert structure_hash(found) == structure_hash(expected)
    assert found.strings == expected.strings
    assert found.meta == expected.meta
    for table, columns in expected.tables().items():
        for name, column in columns.items():
            np.testing.assert_array_equal(found.tables()[table][name], column, err_msg=f"{table}.{name}")
            assert found.tables()[table][name].dtype == column.dtype, f"{table}.{name}"
    np.testing.assert_array_equal(found.outputs, expected.outputs)


def test_a_trace_holds_what_was_put_into_it(tmp_path: Path) -> None:
    graph = model()
    lint(graph)
    error = RecordedError("ValueError", "shapes don't match", "Traceback …", node=None)
    writer = TraceWriter(tmp_path / "run.reel", INFO)
    writer.add_source("train.py", "x = 1\n")
    writer.add_source("train.py", "changed since\n")
    writer.put(record(graph, 3), 3)
    writer.put(lambda: record(graph, 7, Status.FAILED, error=error), 7)
    writer.close()

    trace = open_reel(tmp_path / "run.reel")
    assert trace.problems == ()
    assert trace.info == INFO
    assert trace.path == tmp_path / "run.reel"
    first, second = trace.iterations
    digest = structure_hash(graph)
    expected = record(graph, 3)
    # In a layer of the sample the matrix feeds the activation, and that feeds the next layer.
    assert first == Iteration(3, Status.COMPLETE, digest, 4, 3, 1003, expected.duration_ns, {"loss": 0.25})
    assert second.status is Status.FAILED
    assert second.error == error
    same(trace.graph(3), graph)
    assert trace.graph(7) is trace.graph(3)
    assert trace.columns(3).keys() == {"start_ns", "duration_ns"}
    np.testing.assert_array_equal(trace.columns(3)["duration_ns"], [1003, 2003, 3003, 4003])
    np.testing.assert_array_equal(trace.columns(7)["start_ns"], [0, 1007, 3014, 6021])
    assert trace.source_text("train.py") == "x = 1\n"
    assert trace.source_text("other.py") is None
    trace.close()
    trace.close()
    with pytest.raises(TraceError, match="the trace is closed"):
        trace.graph(3)


def test_an_iteration_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    trace = open_reel(write(tmp_path / "run.reel", [model()] * 3))
    for ask in (trace.graph, trace.columns):
        with pytest.raises(UnknownIteration, match=r"no iteration 5; there are 3, numbered 0 to 2"):
            ask(5)


def test_iterations_can_be_sliced_counted_and_searched(tmp_path: Path) -> None:
    iterations = open_reel(write(tmp_path / "run.reel", [model()] * 5)).iterations
    assert len(iterations) == 5
    assert [entry.index for entry in iterations[1:4]] == [1, 2, 3]
    assert iterations[-1].index == 4
    assert [entry.scalars["loss"] for entry in reversed(iterations)] == [1 / 5, 1 / 4, 1 / 3, 1 / 2, 1]
    with pytest.raises(IndexError):
        iterations[5]


def test_what_is_not_a_number_and_the_infinities_come_back(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "run.reel", INFO)
    writer.put(record(model(), 0, scalars={"loss": math.nan, "high": math.inf, "low": -math.inf}), 0)
    writer.close()
    scalars = open_reel(tmp_path / "run.reel").iterations[0].scalars
    assert math.isnan(scalars["loss"])
    assert (scalars["high"], scalars["low"]) == (math.inf, -math.inf)


def test_graphs_that_differ_in_meta_only_share_their_structure(tmp_path: Path) -> None:
    one, other = GraphBuilder({"epoch": "1"}), GraphBuilder({"epoch": "2"})
    one.node("relu")
    other.node("relu")
    trace = open_reel(write(tmp_path / "run.reel", [one.build(), other.build()]))
    assert [dict(trace.graph(index).meta) for index in (0, 1, 0)] == [{"epoch": "1"}, {"epoch": "2"}, {"epoch": "1"}]
    with closing(sqlite3.connect(tmp_path / "run.reel")) as connection:
        assert connection.execute("SELECT count(*) FROM graphs").fetchone() == (1,)


def test_text_that_is_not_unicode_does_not_stop_the_recording(tmp_path: Path) -> None:
    file = b"caf\xe9.py".decode("utf-8", "surrogateescape")
    builder = GraphBuilder()
    builder.node("relu", source=builder.source(file, 1))
    graph = builder.build()
    writer = TraceWriter(tmp_path / "run.reel", INFO)
    writer.add_source(file, "x = '\ud800'\0")
    writer.put(record(graph, 0, error=RecordedError("E", file, file), scalars={file: 1.0}), 0)
    writer.close()
    trace = open_reel(tmp_path / "run.reel")
    assert trace.graph(0).node(0).source == graph.node(0).source
    assert trace.source_text(file) == "x = '\\ud800'\0"
    error = trace.iterations[0].error
    assert error is not None
    assert error.message == "caf\\udce9.py"


def test_a_thousand_equal_iterations_cost_their_timings_only(tmp_path: Path) -> None:
    graph = model(layers=100)
    random = np.random.default_rng(1)

    def size(name: str, iterations: int) -> int:
        writer = TraceWriter(tmp_path / name, INFO)
        for index in range(iterations):
            duration = random.lognormal(9, 1, graph.node_count).astype(np.int64)
            columns = {"start_ns": np.cumsum(duration), "duration_ns": duration}
            writer.put(IterationRecord(graph, Status.COMPLETE, index, 1, columns, {"loss": 0.5}), index)
        writer.close()
        return (tmp_path / name).stat().st_size

    one, thousand = size("one.reel", 1), size("thousand.reel", 1000)
    timings = sum(
        len(encode(column, "i8").data) for column in open_reel(tmp_path / "thousand.reel").columns(999).values()
    )
    assert (thousand - one) / 999 < timings * 1.25 + 200


def test_every_column_of_a_graph_has_a_section() -> None:
    """A column that is added to the model and not to the file would be lost without a word."""
    columns = {f"{table}.{name}" for table, columns in model().tables().items() for name in columns}
    assert {section.name for section in SECTIONS} == columns | {"outputs"}


@pytest.mark.parametrize("kind", ["b1", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"])
@pytest.mark.parametrize("length", [0, 1, 1000])
def test_numbers_of_every_type_come_back(kind: str, length: int) -> None:
    largest = 2**16 if kind == "f2" else 2**63
    numbers = np.random.default_rng(0).integers(0, largest - 32, length).astype(kind)
    encoded = encode(numbers, kind)
    found = decode(encoded.type, encoded.size, encoded.data)
    assert found.dtype == numbers.dtype
    np.testing.assert_array_equal(found, numbers)


def test_an_empty_graph_and_an_empty_recording_are_traces(tmp_path: Path) -> None:
    same(open_reel(write(tmp_path / "run.reel", [GraphBuilder().build()])).graph(0), GraphBuilder().build())
    trace = open_reel(write(tmp_path / "none.reel", []))
    assert (list(trace.iterations), trace.problems) == ([], ())


def test_a_trace_is_told_by_its_first_bytes(tmp_path: Path) -> None:
    head = write(tmp_path / "run.reel", [model()]).read_bytes()[:100]
    assert is_reel(head)
    assert not is_reel(head[:99])
    assert not is_reel(b"SQLite format 3\0" + bytes(84))
    assert not is_reel(b"")


def test_a_single_graph_is_a_trace_of_one_iteration() -> None:
    graph = parse("a -> b; a -> c")
    trace = SingleGraphTrace(Path("model.onnx"), graph, INFO, {"m.py": "text"})
    assert trace.iterations == (Iteration(0, Status.COMPLETE, structure_hash(graph), 3, 2, INFO.started_ns, 0),)
    assert trace.graph(0) is graph
    assert (trace.columns(0), trace.problems, trace.refresh()) == ({}, (), False)
    assert (trace.source_text("m.py"), trace.source_text("n.py")) == ("text", None)
    with pytest.raises(UnknownIteration, match=r"no iteration 1; there are 1, numbered 0"):
        trace.graph(1)
    trace.close()


texts = st.text(max_size=8)
json_data = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
dims = st.lists(st.none() | st.integers(0, 2**40) | st.text(min_size=1, max_size=4), max_size=4)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Graphs with anything in them that the builder takes and lint accepts."""
    builder = GraphBuilder(draw(st.dictionaries(texts, texts, max_size=2)))
    scopes, sources, values = [0], [-1], []
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(ScopeKind))
        scopes.append(builder.scope(draw(texts), draw(st.sampled_from(scopes)), kind, type=draw(texts)))
        sources.append(
            builder.source(draw(texts), draw(st.integers(0, 9)), draw(texts), draw(st.sampled_from(sources)))
        )
    for storage in range(draw(st.integers(0, 3))):
        shape = draw(st.none() | dims)
        values.append(
            builder.value(draw(texts), shape, name=draw(texts), kind=draw(st.sampled_from(ValueKind)), storage=storage)
        )
    for _ in range(draw(st.integers(0, 6))):
        inputs = draw(st.lists(st.sampled_from(values), max_size=3)) if values else []
        node = builder.node(
            draw(texts),
            inputs,
            scope=draw(st.sampled_from(scopes)),
            phase=draw(st.sampled_from(Phase)),
            source=draw(st.sampled_from(sources)),
            writes=[0] if inputs and draw(st.booleans()) else [],
            attributes=draw(st.dictionaries(texts, json_data, max_size=2)),
        )
        for port in range(draw(st.integers(0, 2))):
            base = draw(st.sampled_from([-1, *inputs]))
            values.append(builder.value("f", (port,), producer=node, port=port, storage=node, base=base, previous=base))
    for value in draw(st.lists(st.sampled_from(values), max_size=2)) if values else []:
        builder.output(value)
    return builder.build()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(graphs(), min_size=1, max_size=3))
def test_random_graphs_come_back(tmp_path: Path, drawn: list[Graph]) -> None:
    for graph in drawn:
        lint(graph)
    trace = open_reel(write(tmp_path / "run.reel", drawn))
    assert trace.problems == ()
    first: dict[str, Graph] = {}
    for index, graph in enumerate(drawn):
        # What nothing refers to is no part of the structure, and stands in the file as it first came.
        known = first.setdefault(structure_hash(graph), graph)
        same(trace.graph(index), replace(known, meta=graph.meta))
        assert trace.iterations[index].graph == structure_hash(graph)
        for name, column in record(graph, index).columns.items():
            np.testing.assert_array_equal(trace.columns(index)[name], column)
