"""The graph model: columns and views, the builder, scopes, storage, keys and text."""

import gc
import tracemalloc

import numpy as np
import pytest

from graphreel.graph import (
    NONE,
    ROOT,
    Access,
    AttributeText,
    Graph,
    GraphBuilder,
    GraphError,
    ParseError,
    Phase,
    ScopeKind,
    UnknownKey,
    UnknownScope,
    ValueKind,
    attribute_text,
    draw,
    find_node,
    find_scopes,
    lint,
    node_keys,
    parse,
    source_files,
    structure_hash,
    walk,
    word,
)

from .samples import bodies, chain, nested, training_step


def test_views_show_what_the_columns_hold() -> None:
    graph = training_step()
    lint(graph)
    linear = graph.node(0)
    assert (linear.op, linear.phase, linear.scope.path) == ("linear", Phase.FORWARD, "forward/Net/layers/0")
    assert linear.input_names == ["input", "weight"]
    assert [value.kind for value in linear.inputs] == [ValueKind.INPUT, ValueKind.PARAMETER]
    assert linear.inputs[0].type_text == "float32[batch, 8]"
    assert [node.op for node in linear.outputs[0].consumers] == ["relu"]
    assert linear.outputs[0].producer == linear
    assert [str(line) for line in linear.stack] == ["model.py:7", "train.py:20"]
    assert linear.attributes == {}
    backward = graph.node(5)
    assert backward.forward == linear
    assert [value.port for value in backward.outputs] == [0, 1]
    assert source_files(graph) == ["model.py", "train.py"]
    assert [node.id for node in walk(graph)] == list(range(graph.node_count))


def test_an_in_place_write_gives_a_new_version_of_the_same_storage() -> None:
    graph = training_step()
    update = graph.node(6)
    weight, new = update.inputs[0], update.outputs[0]
    assert update.accesses == [Access.WRITE, Access.READ]
    assert new.storage == weight.storage != NONE
    assert (weight.version, new.version) == (0, 1)
    assert new.previous == weight
    assert new.base is None


@pytest.mark.parametrize("what", ["node", "value", "scope"])
@pytest.mark.parametrize("number", [-1, 10_000])
def test_a_view_of_nothing_says_how_many_there_are(what: str, number: int) -> None:
    with pytest.raises(IndexError, match=f"there is no {what} {number}; this graph has"):
        getattr(training_step(), what)(number)


def test_attributes_come_back_as_they_were_given() -> None:
    given = {
        "int": 1,
        "true": True,
        "zero": 0.0,
        "minus": -0.0,
        "text": "x/y é",
        "list": [1, [2.5, None]],
        "big": 10**30,
    }
    builder = GraphBuilder()
    builder.node("a", attributes=given)
    builder.node("b", attributes={"nan": float("nan"), "low": float("-inf"), "one": True, "two": 1, "three": "1"})
    graph = builder.build()
    assert repr(graph.node(0).attributes) == repr(given), "1 is not True and 0.0 is not -0.0"
    assert repr(graph.node(1).attributes) == "{'nan': nan, 'low': -inf, 'one': True, 'two': 1, 'three': '1'}"


def test_attributes_of_nodes_may_be_given_in_any_order() -> None:
    builder = GraphBuilder()
    second = [builder.node(op) for op in "abc"][1]
    builder.add_input(second, builder.value(attributes={"late": 1}))
    builder.add_input(0, builder.value(name="first"), "x")
    graph = builder.build()
    lint(graph)
    assert graph.node(0).input_names == ["x"]
    assert graph.node(1).inputs[0].attributes == {"late": 1}


def test_an_attribute_that_is_json_already_is_taken_as_it_is() -> None:
    builder = GraphBuilder()
    builder.node("a", attributes={"given": AttributeText(attribute_text([1, "é"])), "plain": "[1]"})
    assert builder.build().node(0).attributes == {"given": [1, "é"], "plain": "[1]"}


def test_what_stands_already_can_be_changed_however_long_ago_it_was_appended() -> None:
    count = 3000
    builder = GraphBuilder()
    values = [builder.value() for _ in range(count)]
    nodes = [builder.node("op", values[at : at + 2], writes=(-1,) if at % 2 else ()) for at in range(count)]
    for at in range(count):
        builder.produce(values[at], nodes[at])
        builder.annotate(values[at], name=f"value {at}", kind=ValueKind.GRADIENT)
        builder.add_input(nodes[at], values[0], "late", Access.WRITE)
        builder.set_forward(nodes[at], nodes[count - 1 - at])
    graph = builder.build()
    assert [value.name for value in map(graph.value, values)] == [f"value {at}" for at in range(count)]
    assert {value.kind for value in map(graph.value, values)} == {ValueKind.GRADIENT}
    assert graph.values.producer.tolist() == nodes
    assert graph.nodes.forward.tolist() == nodes[::-1]
    assert graph.inputs_of(7).tolist() == [7, 8, 0]
    access = graph.inputs.access.tolist()
    assert [access[3 * at : 3 * at + 3] for at in (6, 7)] == [[0, 0, 1], [0, 1, 1]]


@pytest.mark.parametrize(
    ("shape", "text"),
    [(None, "float32[…]"), ((), "float32[]"), ((2, "n", None), "float32[2, n, ?]"), ((0,), "float32[0]")],
)
def test_shapes(shape: tuple[int | str | None, ...] | None, text: str) -> None:
    builder = GraphBuilder()
    value = builder.value("float32", shape)
    found = builder.build().value(value)
    assert found.shape == shape
    assert found.type_text == text


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(GraphError, match="never negative"):
        GraphBuilder().value("float32", (2, -1))


def test_scopes_of_one_name_are_numbered() -> None:
    builder = GraphBuilder()
    names = ["fc", "fc", "fc:2", "fc", "a/b", ""]
    scopes = [builder.scope(name) for name in names]
    builder.scope("fc", scopes[0])
    graph = builder.build()
    lint(graph)
    assert graph.paths == ("", "fc", "fc:2", "fc:2:2", "fc:3", "a∕b", "scope", "fc/fc")


def test_bodies_have_owners_and_boundaries() -> None:
    graph = bodies()
    lint(graph)
    loop, then, otherwise = (graph.scope(scope) for scope in (1, 2, 3))
    assert (loop.kind, loop.owner and loop.owner.op) == (ScopeKind.LOOP_BODY, "Loop")
    assert [scope.name for scope in loop.children] == ["If.double", "If.negate"]
    [(outer, inner)] = loop.entries
    assert outer.producer == graph.node(0)
    assert inner.producer is None
    assert [outer for outer, _ in then.exits] == [outer for outer, _ in otherwise.exits]
    assert then.parent == loop


def test_keys_are_unique_and_the_same_in_every_iteration() -> None:
    first, again = training_step(), training_step()
    keys = node_keys(first)
    assert keys == node_keys(again)
    assert keys[0] == "forward/Net/layers/0/linear@model.py:7#1"
    assert keys[4:6] == ("backward/linear_backward#1", "backward/linear_backward#2")
    assert len(set(keys)) == len(keys)
    assert find_node(first, keys[3]) == 3


def test_a_key_survives_what_happens_elsewhere() -> None:
    keys = set(node_keys(training_step(2)))
    more = set(node_keys(training_step(3)))
    assert keys <= more


def test_keys_stay_unique_where_ops_look_like_paths() -> None:
    builder = GraphBuilder()
    scope = builder.scope("a")
    source, other = builder.source("dir/m.py", 1), builder.source("other/m.py", 1)
    builder.node("a/b")
    builder.node("a∕b")
    builder.node("b", scope=scope)
    builder.node("b#1", scope=scope)
    builder.node("b", scope=scope, source=source)
    builder.node("b", scope=scope, source=other)
    builder.node("b@m.py:1", scope=scope)
    graph = builder.build()
    lint(graph)
    assert node_keys(graph) == ("a∕b#1", "a∕b#2", "a/b#1", "a/b#1#1", "a/b@m.py:1#1", "a/b@m.py:1#2", "a/b@m.py:1#3")


def test_an_unknown_key_offers_those_near() -> None:
    with pytest.raises(UnknownKey, match=r"no node has the key '.*linear#9'; near it: backward/linear_backward#"):
        find_node(training_step(), "backward/linear#9")


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("layers.*", ["forward/Net/layers/0", "forward/Net/layers/1"]),
        ("layers/1", ["forward/Net/layers/1"]),
        ("/layers/1/", ["forward/Net/layers/1"]),
        ("forward", ["forward"]),
        ("forward.Net", ["forward/Net"]),
        ("ayers", []),
        ("layers.[0-9]", ["forward/Net/layers/0", "forward/Net/layers/1"]),
        ("", []),
        ("optim*", ["optimizer"]),
    ],
)
def test_scopes_are_found_by_pattern(pattern: str, paths: list[str]) -> None:
    graph = training_step()
    if paths:
        assert [graph.paths[scope] for scope in find_scopes(graph, pattern)] == paths
    else:
        with pytest.raises(UnknownScope, match="there are, for example: forward, "):
            find_scopes(graph, pattern)


def test_a_graph_without_scopes_says_so() -> None:
    with pytest.raises(UnknownScope, match="this graph has no scopes"):
        find_scopes(parse("a -> b"), "x")


@pytest.mark.parametrize(
    "text",
    [
        "a -> b",
        "a -> b; a -> c; b -> c",
        "block/d:relu -> block/e; block/d:relu -> f",
        "a -> a",
        "a -> b; b -> a",
        "x:add -> y:add; alone",
        "a -> b; a -> b",
        "",
    ],
)
def test_what_is_drawn_is_what_is_parsed(text: str) -> None:
    graph = parse(text)
    lint(graph)
    assert sorted(draw(graph).split("; ")) == sorted(text.split("; "))
    assert structure_hash(parse(draw(graph))) == structure_hash(graph)


def test_parsed_nodes_run_in_an_order_that_edges_allow() -> None:
    assert [node.name for node in walk(parse("d; c -> d; b -> c; a -> b"))] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("text", "what"),
    [("a ->", "an arrow leads nowhere"), ("a b", "is not a node"), ("a:x -> a:y", "already has the op x")],
)
def test_text_that_does_not_follow_the_notation(text: str, what: str) -> None:
    with pytest.raises(ParseError, match=what):
        parse(text)


def test_words_are_the_vocabulary() -> None:
    assert word(ValueKind.OPTIMIZER_STATE) == "optimizer state"
    assert word(ScopeKind.LOOP_BODY) == "loop body"


def test_a_long_chain_and_deep_scopes() -> None:
    for graph in (chain(10_000), nested(1000), bodies(500), parse(" -> ".join(f"n{i}" for i in range(10_000)))):
        lint(graph)
        assert len(set(node_keys(graph))) == graph.node_count
        assert structure_hash(graph) == structure_hash(graph)


def test_100_000_nodes_stay_under_100_megabytes() -> None:
    count = 20_000
    gc.collect()
    tracemalloc.start()
    graph = many_nodes(count)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert graph.node_count == count
    assert peak / count < 1000
    assert held < 2 * graph.nbytes, "nbytes tells what is really held"


def many_nodes(count: int) -> Graph:
    """Names, attributes and shapes that differ, as in a real recording."""
    builder = GraphBuilder()
    at = builder.value("float32", (1,), kind=ValueKind.INPUT)
    scope: int = ROOT
    for number in range(count):
        if number % 10 == 0:
            scope = builder.scope(f"block{number}")
        line = builder.source("model.py", number % 500, "forward")
        attributes = {"alpha": number / 7, "mode": "same"}
        node = builder.node("op", (at,), scope=scope, source=line, name=f"op_{number}", attributes=attributes)
        at = builder.value("float32", (8, number), producer=node, name=f"value_{number}")
    return builder.build()


def test_columns_are_as_narrow_as_they_may_be() -> None:
    graph = training_step()
    wide = {f"{t}.{c}": a.dtype for t, columns in graph.tables().items() for c, a in columns.items() if a.itemsize > 4}
    assert wide == {"shapes.dim": np.dtype(np.int64)}
