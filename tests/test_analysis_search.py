"""Search finds nodes by what people remember of them, best first."""

import time

import numpy as np
import pytest

from graphreel.analysis import Place, search
from graphreel.graph import Cancelled, Graph, GraphBuilder, ValueKind


def small_model() -> Graph:
    builder = GraphBuilder()
    model = builder.scope("model", type="Net")
    layers = builder.scope("layers", model)
    fc = builder.scope("0", layers, type="Linear")
    line = builder.source("/home/me/train.py", 41, "forward")
    x = builder.value("float32", [8, 16], name="x", kind=ValueKind.INPUT)
    weight = builder.value("float32", [16, 32], name="layers.0.weight", kind=ValueKind.PARAMETER)
    addmm = builder.node("aten.addmm.default", [x, weight], scope=fc, source=line, attributes={"alpha": 1})
    hidden = builder.value("float32", [8, 32], producer=addmm)
    relu = builder.node("aten.relu.default", [hidden], scope=model, name="relu_after_addmm")
    builder.value("float32", [8, 32], producer=relu)
    builder.node("aten.mm.default", [hidden], scope=model, attributes={"mode": "fast"})
    return builder.build()


GRAPH = small_model()


@pytest.mark.parametrize(
    ("query", "nodes"),
    [
        ("addmm", [0, 1]),
        ("mm", [2, 0, 1]),
        ("AddMM", [0, 1]),
        ("op:addmm", [0]),
        ("layers.0", [0]),
        ("layers/0", [0]),
        ("linear", [0]),
        ("layers.0.weight", [0]),
        ("shape:8,32", [0, 1, 2]),
        ("16x32", [0]),
        ("[16, 32]", [0]),
        ("[8", [0, 1, 2]),
        ("train.py:41", [0]),
        ("train.py:4", []),
        ("attr:mode=fast", [2]),
        ("attr:alpha", [0]),
        ("addmm relu", [1]),
        ('op:"aten.relu"', [1]),
        ("nothing-like-it", []),
        ("", []),
        ("   ", []),
        ("relu(", []),
    ],
)
def test_finds(query: str, nodes: list[int]) -> None:
    assert search(GRAPH, query).nodes.tolist() == nodes


def test_says_where_the_word_was_found() -> None:
    hits = search(GRAPH, "addmm")
    assert [Place(place) for place in hits.place] == [Place.OP_EXACTLY, Place.NAME]


def test_a_search_can_be_cancelled() -> None:
    class Stop:
        def step(self, done: int, total: int) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        search(GRAPH, "addmm", Stop())


def test_a_graph_without_nodes_has_no_hits() -> None:
    assert len(search(GraphBuilder().build(), "anything shape:1 attr:x source:y value:z")) == 0


def test_a_hundred_thousand_nodes_are_searched_while_one_types() -> None:
    builder = GraphBuilder()
    scopes = [builder.scope(f"block{i}") for i in range(1000)]
    value = builder.value("float32", [4, 4])
    for i in range(100_000):
        node = builder.node(("aten.mm.default", "aten.relu.default")[i % 2], [value], scope=scopes[i % 1000])
        value = builder.value("float32", [4, 4], producer=node)
    graph = builder.build()
    start = time.process_time()
    hits = search(graph, "relu block99")
    spent = time.process_time() - start
    assert np.all(np.diff(hits.nodes) > 0)
    assert len(hits) == 600
    assert spent < 1.0
