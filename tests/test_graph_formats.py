"""Graphs as JSON, networkx, DOT and GraphML, for samples and for graphs that Hypothesis makes up."""

import io
import json
import re
import shutil
import subprocess
import sys
from typing import Any

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphreel.graph import (
    Access,
    FormatError,
    Graph,
    GraphBuilder,
    Phase,
    ScopeKind,
    ValueKind,
    flow_edges,
    from_json,
    from_networkx,
    lint,
    node_keys,
    parse,
    scope_hashes,
    structure_hash,
    to_dot,
    to_graphml,
    to_json,
    to_networkx,
    walk,
)

from .samples import bodies, chain, nested, training_step

SAMPLES = {
    "training step": training_step(),
    "bodies": bodies(3),
    "chain": chain(2000),
    "deep": nested(500),
    "empty": GraphBuilder().build(),
    "cycle": parse("a -> b; b -> a"),
}
samples = pytest.mark.parametrize("graph", SAMPLES.values(), ids=SAMPLES)


# Names that formats find hard: quotes, markup, control characters, half a surrogate pair.
texts = st.one_of(st.text(max_size=5), st.sampled_from(['"', "\\", "<&>]]>", "\n\x00\x1b", "\ud800", "a/b", "\\N"]))
attributes = st.dictionaries(
    texts, st.one_of(st.integers(), st.floats(), st.booleans(), texts, st.lists(st.floats(), max_size=3)), max_size=3
)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Anything a builder can make: scopes in scopes, bodies, writes, views, sources, attributes, control edges."""
    builder = GraphBuilder(meta=draw(st.dictionaries(texts, texts, max_size=2)))
    rows = [builder.source(draw(texts), draw(st.integers(0, 9)), draw(texts)) for _ in range(draw(st.integers(0, 3)))]
    sources = st.sampled_from([-1, *rows])
    scopes: list[int] = [0]
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(ScopeKind).filter(lambda kind: kind not in (ScopeKind.ROOT, ScopeKind.DETECTED)))
        parent = draw(st.sampled_from(scopes))
        scopes.append(builder.scope(draw(texts), parent, kind, type=draw(texts), attributes=draw(attributes)))
    values: list[int] = []
    shape = st.one_of(st.none(), st.lists(st.one_of(st.none(), st.integers(0, 2**40), texts), max_size=3))

    def value(**more: Any) -> int:
        kind, storage = draw(st.sampled_from(ValueKind)), draw(st.integers(0, 3))
        base = draw(st.sampled_from([-1, *values]))
        values.append(
            builder.value(
                draw(texts),
                draw(shape),
                name=draw(texts),
                kind=kind,
                storage=storage,
                base=base,
                previous=draw(st.sampled_from([-1, *values])),
                version=draw(st.integers(0, 2)),
                device=draw(texts),
                attributes=draw(attributes),
                **more,
            )
        )
        return values[-1]

    value()
    nodes: list[int] = []
    for _ in range(draw(st.integers(0, 6))):
        taken = draw(st.lists(st.sampled_from(values), max_size=3))
        node = builder.node(
            draw(texts),
            taken,
            scope=draw(st.sampled_from(scopes)),
            phase=draw(st.sampled_from(Phase)),
            source=draw(sources),
            name=draw(texts),
            input_names=[draw(texts) for _ in taken],
            forward=draw(st.sampled_from([-1, *nodes])),
            attributes=draw(attributes),
        )
        nodes.append(node)
        for port in range(draw(st.integers(0, 2))):
            value(producer=node, port=port)
    if nodes:
        builder.add_input(draw(st.sampled_from(nodes)), draw(st.sampled_from(values)), "late", Access.WRITE)
        builder.control(draw(st.sampled_from(nodes)), draw(st.sampled_from(nodes)))
        for scope in scopes[1:]:
            builder.set_owner(scope, draw(st.sampled_from([-1, *nodes])))
            add = draw(st.sampled_from([builder.enter, builder.leave]))
            add(scope, draw(st.sampled_from(values)), draw(st.sampled_from(values)))
    builder.output(draw(st.sampled_from(values)))
    return builder.build()


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_any_graph_keeps_the_invariants_and_goes_through_every_format(graph: Graph) -> None:
    lint(graph)
    hashes = structure_hash(graph), scope_hashes(graph).tolist(), node_keys(graph), dict(graph.meta)
    for again in (from_json(to_json(graph)), from_networkx(to_networkx(graph))):
        assert (structure_hash(again), scope_hashes(again).tolist(), node_keys(again), dict(again.meta)) == hashes
    to_json(graph).encode()
    assert_dot(to_dot(graph), graph)
    found = networkx.read_graphml(io.BytesIO(to_graphml(graph).encode()), force_multigraph=True)
    assert len(found) == graph.node_count
    assert found.number_of_edges() == len(flow_edges(graph).source)


# JSON


@samples
def test_json_goes_there_and_back(graph: Graph) -> None:
    assert structure_hash(from_json(to_json(graph))) == structure_hash(graph)


def test_json_is_readable() -> None:
    text = to_json(training_step())
    found = json.loads(text)
    node = found["nodes"][0]
    assert node["key"] == "forward/Net/layers/0/linear@model.py:7#1"
    assert node["scope"] == "forward/Net/layers/0"
    assert node["inputs"] == [{"value": 0, "name": "input"}, {"value": 1, "name": "weight"}]
    assert found["values"][0] == {"id": 0, "kind": "input", "name": "x", "dtype": "float32", "shape": ["batch", 8]}
    assert found["nodes"][6]["inputs"][0] == {"value": 1, "access": "write"}
    assert any(line.startswith('  {"id": 0, "key": "forward') for line in text.splitlines()), "one line a node"


def test_json_holds_no_words_that_json_does_not_have() -> None:
    builder = GraphBuilder()
    builder.node("a", attributes={"x": [float("nan"), float("inf")]})
    text = to_json(builder.build())

    def refuse(word: str) -> None:
        raise AssertionError(word)

    json.loads(text, parse_constant=refuse)
    assert repr(from_json(text).node(0).attributes) == "{'x': [nan, inf]}"


GOOD = json.loads(to_json(training_step()))


def broken(*path: Any, to: Any) -> str:
    found = json.loads(json.dumps(GOOD))
    at = found
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = to
    return json.dumps(found)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[]", 'an object with "format": "graphreel graph" is wanted'),
        ("{}", 'an object with "format": "graphreel graph" is wanted'),
        ("[" * 100_000, "nest too deep"),
        (broken("version", to=99), "version: 99 is not known; this Graphreel reads 1"),
        (broken("nodes", to={}), "nodes: a list is wanted"),
        (broken("nodes", 3, to=7), r"nodes\[3\]: an object is wanted"),
        (broken("nodes", 3, "op", to=7), r"nodes\[3\].op: a text is wanted"),
        (broken("nodes", 3, "id", to=4), r"nodes\[3\].id: rows are numbered in order, so 3 is wanted"),
        (broken("nodes", 3, "scope", to="no/where"), r"nodes\[3\].scope: no scope 'no/where' stands before it"),
        (broken("nodes", 3, "phase", to="sideways"), r"nodes\[3\].phase: one of forward, backward, optimizer, other"),
        (broken("nodes", 3, "source", to=5), r"nodes\[3\].source: no source 5"),
        (broken("nodes", 3, "inputs", to=[1]), r"nodes\[3\].inputs: a list of objects is wanted"),
        (broken("nodes", 3, "inputs", to=[{"value": 99}]), "inputs.value points outside its table"),
        (broken("nodes", 3, "inputs", to=[{"value": -1}]), "a whole number from 0 on is wanted"),
        (broken("nodes", 3, "inputs", to=[{}]), "inputs.value points outside its table"),
        (broken("nodes", 3, "attributes", to=[]), r"nodes\[3\].attributes: an object is wanted"),
        (broken("values", 0, "shape", to=[-1]), r"values\[0\].shape: a list of sizes, names and nulls is wanted"),
        (broken("values", 0, "shape", to="8"), r"values\[0\].shape: a list"),
        (broken("values", 0, "kind", to=None), r"values\[0\].kind: one of input, parameter"),
        (broken("values", 0, "producer", to=2**40), r"values\[0\].producer: a whole number"),
        (broken("values", 0, "producer", to=True), r"values\[0\].producer: a whole number"),
        (broken("scopes", 0, "path", to=""), r"scopes\[0\].path: each scope needs a path of its own"),
        (broken("scopes", 1, "path", to="forward"), r"scopes\[1\].path: each scope needs a path of its own"),
        (broken("scopes", 1, "path", to="forward//Net"), r"scopes\[1\].path: no scope 'forward/' stands before it"),
        (broken("meta", to=[]), "meta: an object is wanted"),
        (broken("controls", to=[[1]]), "controls: pairs of node numbers are wanted"),
        (broken("outputs", to=["x"]), "outputs: value numbers are wanted"),
    ],
)
def test_bad_json_gives_one_clear_line(text: str, what: str) -> None:
    with pytest.raises(FormatError, match=f"^not a graph in JSON: .*{what}") as caught:
        from_json(text)
    assert "\n" not in str(caught.value)


# networkx


@samples
def test_networkx_goes_there_and_back(graph: Graph) -> None:
    assert structure_hash(from_networkx(to_networkx(graph))) == structure_hash(graph)


def test_networkx_carries_operations_and_edges() -> None:
    found = to_networkx(training_step())
    assert isinstance(found, networkx.MultiDiGraph)
    assert found.nodes[0]["op"] == "linear"
    assert found.nodes[0]["scope"] == "forward/Net/layers/0"
    assert list(found.edges(0, data=True)) == [(0, 1, {"value": 2, "name": "", "type": "float32[batch, 8]"})]
    assert networkx.is_directed_acyclic_graph(found)
    assert networkx.shortest_path(found, 0, 7)


def test_a_changed_op_comes_back_changed() -> None:
    found = to_networkx(training_step())
    found.nodes[0]["op"] = "conv"
    graph = from_networkx(found)
    assert graph.node(0).op == "conv"
    assert graph.node(0).inputs[1].kind is ValueKind.PARAMETER


def test_a_graph_that_lost_nodes_keeps_the_rest() -> None:
    found = to_networkx(training_step())
    found.remove_node(0)
    graph = from_networkx(found)
    lint(graph)
    assert graph.node_count == training_step().node_count - 1
    assert "forward/Net/layers/1" in graph.paths
    assert graph.node(0).op == "relu"
    assert {node.phase for node in walk(graph)} == {Phase.FORWARD, Phase.BACKWARD, Phase.OPTIMIZER}


def test_a_foreign_graph_becomes_operations_in_running_order() -> None:
    found = networkx.DiGraph(name="theirs")
    found.add_node("end", label="Add", scope="a/b", weight=3, when=complex(1, 2))
    found.add_edge("start", "end")
    found.add_edge(("odd", 1), "end")
    graph = from_networkx(found)
    lint(graph)
    assert [node.name for node in walk(graph)] == ["start", "('odd', 1)", "end"]
    end = graph.node(2)
    assert (end.op, end.scope.path, end.attributes) == ("Add", "a/b", {"label": "Add", "weight": 3, "when": "(1+2j)"})
    assert [value.producer and value.producer.name for value in end.inputs] == ["start", "('odd', 1)"]
    assert graph.meta["name"] == "theirs"


def test_foreign_graphs_may_be_large_and_have_cycles() -> None:
    graph = from_networkx(networkx.cycle_graph(5000, create_using=networkx.MultiDiGraph))
    lint(graph)
    assert graph.node_count == 5000


def test_an_undirected_graph_is_refused() -> None:
    with pytest.raises(FormatError, match="a directed graph is wanted"):
        from_networkx(networkx.path_graph(3))


def test_without_networkx_one_line_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['networkx'] = None\n"
        "from graphreel.graph import MissingExtra, parse, to_networkx\n"
        "try: to_networkx(parse('a -> b'))\n"
        "except MissingExtra as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "networkx is not installed; get it with: pip install 'graphreel[networkx]'\n"


# DOT

STATEMENT = re.compile(
    r'digraph "(?:[^"\\]|\\.)*" \{|\}|subgraph cluster_\d+ \{ label="(?:[^"\\]|\\.)*";'
    r'|[nv]\d+ \[(?:(?:shape=oval|(?:label|tooltip)="(?:[^"\\]|\\.)*"),? ?)+\];'
    r'|[nv]\d+ -> n\d+(?: \[(?:label="(?:[^"\\]|\\.)*"|style=dashed)\])?;'
    r"|compound=true; node \[shape=box\]; edge \[fontsize=10\];"
)


def assert_dot(text: str, graph: Graph) -> None:
    """Every line is a statement, braces balance, and nodes and edges are all there."""
    lines = [line.strip() for line in text.rstrip("\n").split("\n")]
    assert [line for line in lines if not STATEMENT.fullmatch(line)] == []
    opened = sum(line.startswith(("digraph", "subgraph")) for line in lines)
    assert opened == lines.count("}") == graph.scope_count
    assert sum(bool(re.match(r"n\d+ \[", line)) for line in lines) == graph.node_count
    assert sum(bool(re.match(r"n\d+ ->", line)) for line in lines) == len(flow_edges(graph).source)


@samples
def test_dot_is_well_formed(graph: Graph) -> None:
    assert_dot(to_dot(graph), graph)


def test_dot_shows_scopes_and_what_enters() -> None:
    text = to_dot(training_step(1))
    assert 'subgraph cluster_4 { label="0: Block";' in text
    assert 'v0 [shape=oval, label="x float32[batch, 8]"];' in text


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed (Debian: graphviz)")
@pytest.mark.parametrize("name", ["training step", "bodies", "empty", "cycle"])
def test_graphviz_reads_it(name: str) -> None:
    done = subprocess.run(["dot", "-Tplain"], input=to_dot(SAMPLES[name]), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    nodes = [line for line in done.stdout.splitlines() if line.startswith("node n")]
    assert len(nodes) == SAMPLES[name].node_count


# GraphML


@samples
def test_graphml_is_read_by_networkx(graph: Graph) -> None:
    found = networkx.read_graphml(io.BytesIO(to_graphml(graph).encode()), force_multigraph=True)
    assert [data["key"] for _, data in found.nodes(data=True)] == list(node_keys(graph))
    edges = flow_edges(graph)
    assert sorted(found.edges()) == sorted(
        (f"n{source}", f"n{target}") for source, target in zip(edges.source, edges.target, strict=True)
    )


def test_graphml_tells_what_a_node_is() -> None:
    found = networkx.read_graphml(io.BytesIO(to_graphml(training_step()).encode()))
    assert found.nodes["n1"] == {
        "key": "forward/Net/layers/0/relu@model.py:7#1",
        "op": "relu",
        "scope": "forward/Net/layers/0",
        "phase": "forward",
        "source": "model.py:7",
        "attributes": '{"inplace": false, "slope": -0.0}',
    }
    assert found.edges["n0", "n1"]["type"] == "float32[batch, 8]"
