"""The language of searches: what each form finds, and what is said of what cannot be understood."""

from contextlib import suppress

import numpy as np
import pytest

from graphreel.analysis import QueryError, Recorded, search
from graphreel.graph import Graph, GraphBuilder, Phase, ScopeKind, ValueKind
from graphreel.tracefile.extras import Kernels


def training_step() -> Graph:
    builder = GraphBuilder()
    forward = builder.scope("forward", kind=ScopeKind.PHASE)
    layers = builder.scope("layers", builder.scope("Net", forward, type="Net"))
    x = builder.value("float16", [8, 16], name="x", kind=ValueKind.INPUT, device="cuda:0")
    for index in (3, 30):
        scope = builder.scope(str(index), layers, type="Linear")
        line = builder.source("/home/me/train.py", 40 + index, "forward")
        weight = builder.value("float32", [16, 768], name=f"layers.{index}.weight", kind=ValueKind.PARAMETER)
        mm = builder.node("aten.mm.default", [x, weight], scope=scope, source=line, attributes={"alpha": index})
        wide = builder.value("float32", [8, 768], producer=mm, device="cuda:0")
        view = builder.node("aten.view.default", [wide], scope=scope, source=line)
        x = builder.value("float32", [768, 8], producer=view, device="cuda:0")
    loss = builder.node("aten.mean.default", [x], scope=forward, name="the (loss)")
    gradient = builder.value("float32", [], producer=loss, device="cpu")
    backward = builder.scope("backward", kind=ScopeKind.PHASE)
    last = builder.node("aten.expand.default", [gradient], scope=backward, phase=Phase.BACKWARD)
    builder.value("float32", [768, 8], producer=last, kind=ValueKind.GRADIENT)
    return builder.build()


GRAPH = training_step()
"""0 mm, 1 view (in layers.3), 2 mm, 3 view (in layers.30), 4 mean, 5 expand."""


def recorded() -> Recorded:
    outputs = [GRAPH.outputs_of(node)[0] for node in range(6)]
    counted = np.zeros(GRAPH.value_count, dtype=bool)
    counted[outputs] = True
    low, high, nan = (np.zeros(GRAPH.value_count) for _ in range(3))
    low[outputs], high[outputs] = [-2e4, -1, -1, -1, np.nan, 0], [1, 2, 3, 4, np.nan, 0]
    nan[outputs[4]] = 1
    whole = {"min": low, "max": high, "mean": (low + high) / 2, "std": high, "nan": nan, "zeros": nan, "inf": 0 * nan}
    one = np.ones(1, dtype=np.int64)
    kernels = Kernels(("k",), 0 * one, 0 * one, 2 * one, 0 * one, 0 * one, one, 7000 * one, one, 0 * one)
    times = np.array([500, 1_000, 2_000_000, 3_000, 4_000_000_000, -1])
    return Recorded({"duration_ns": times}, {**whole, "counted": counted}, kernels)


RECORDED = recorded()


@pytest.mark.parametrize(
    ("query", "nodes"),
    [
        ("op:mm", [0, 2]),
        ("op:m*", [0, 2, 4]),
        ("op:?m", [0, 2]),
        ("op:*.view.*", [1, 3]),
        ("OP:MM", [0, 2]),
        ("-op:view", [0, 2, 4, 5]),
        ("mm OR expand", [0, 2, 5]),
        ("op:mm -layers.30", [0]),
        ("(op:mm OR op:view) scope:layers.30", [2, 3]),
        ("op:mm OR op:view scope:layers.30", [0, 2, 3]),
        ("NOT (op:mm OR op:view)", [4, 5]),
        ("scope:layers.3", [0, 1, 2, 3]),
        ("scope:*.3", [0, 1]),
        ("scope:layers.3*", [0, 1, 2, 3]),
        ("scope:linear", [0, 1, 2, 3]),
        ("shape:*x768", [0, 1, 2, 3]),
        ("shape:8x*", [0, 1, 2, 3]),
        ("shape:[768,8]", [1, 2, 3, 4, 5]),
        ("shape:6x768", []),
        ("shape:[]", [4, 5]),
        ("dtype:f16", [0]),
        ("dtype:float32 -dtype:float16", [1, 2, 3, 4, 5]),
        ("device:cpu", [4, 5]),
        ("phase:back", [5]),
        ("kind:parameter", [0, 2]),
        ("kind:gradient", [5]),
        ("source:train.py:43", [0, 1]),
        ("source:train*", [0, 1, 2, 3]),
        ("value:*.weight", [0, 2]),
        ("attr:alpha=3", [0, 2]),
        ("attr:alpha=3?", [2]),
        ('"the (loss)"', [4]),
        ("(loss)", [4]),
        ("bytes>20kB", [0, 1, 2, 3, 5]),
        ("bytes=4B", [4]),
        ("numel<2", [4]),
        ("dim=0", [4]),
        ("calls>1", [0, 1, 2, 3]),
        ("time>1ms", [2, 4]),
        ("time>=1us time<1s", [1, 2, 3]),
        ("TIME>1MS", [2, 4]),
        ("-time>1ms", [0, 1, 3, 5]),
        ("device>5us", [2]),
        ("nan>0", [4]),
        ("absmax>1e4", [0]),
        ("mean<0", [0]),
        ("max>=3", [2, 3]),
        ("inf>0", []),
        ("-", []),
        ("a->b", []),
    ],
)
def test_finds(query: str, nodes: list[int]) -> None:
    assert sorted(search(GRAPH, query, recorded=RECORDED).nodes.tolist()) == nodes


@pytest.mark.parametrize(
    ("query", "column", "said"),
    [
        ("mm shape:", 9, "a text is expected after 'shape:', such as shape:8x16"),
        ("time>", 5, "a number is expected, such as 5us, 1ms or 2s"),
        ("mm time>1parsec", 9, "'parsec' is no unit here; write 5us, 1ms or 2s"),
        ("nan>1ms", 5, "'ms' is no unit here"),
        ("tine>1ms", 0, "'tine' is no number of an operation; there are: time, self"),
        ("mm (view", 8, "a ')' is missing for the '(' in column 4"),
        ("mm )", 3, "closes nothing"),
        ("()", 1, "a word is expected, a field such as op:matmul"),
        ("mm OR", 5, "a word is expected"),
        ("OR mm", 0, "a word is expected"),
        ('op:"mm', 6, "a '\"' is missing for that in column 4"),
        ('""', 0, "nothing between these quotes"),
        ("(" * 60, 51, "more than 50 terms within each other"),
        ("-" * 5000 + "a", 51, "more than 50"),
    ],
)
def test_says_where_a_query_cannot_be_understood(query: str, column: int, said: str) -> None:
    with pytest.raises(QueryError, match=f"^column {column + 1}: ") as raised:
        search(GRAPH, query, recorded=RECORDED)
    assert raised.value.column == column
    assert said in str(raised.value)


@pytest.mark.parametrize(("query", "level"), [("time>1ms", "timing"), ("device>1ms", "kernels"), ("nan>0", "stats")])
def test_says_what_was_not_recorded(query: str, level: str) -> None:
    with pytest.raises(QueryError, match=f"nothing was recorded .*; record with --level {level}"):
        search(GRAPH, query)


def test_any_text_is_a_query_or_an_error() -> None:
    """Nothing that one types on the way raises anything else."""
    for query in ('op:m* OR (shape:[8, 16] -time>=1.5ms) "x y" nan>0', "İ time>1ms", "\ud800*", "a\nb", "*", "?*?"):
        for end in range(len(query) + 1):
            for text in (query[:end], query[end:]):
                with suppress(QueryError):
                    search(GRAPH, text, recorded=RECORDED)


def test_wildcards_are_quick_on_awkward_labels() -> None:
    builder = GraphBuilder()
    builder.node("a" * 10_000)
    assert len(search(builder.build(), "op:" + "*a" * 30 + "*b")) == 0
