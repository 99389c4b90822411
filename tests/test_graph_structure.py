"""Flow through boundaries, structure hashes, and lint catching every planted fault."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from graphreel.graph import (
    ROOT,
    Graph,
    GraphBuilder,
    LintError,
    Phase,
    ScopeKind,
    ValueKind,
    common_scopes,
    flow_edges,
    lint,
    parse,
    scope_hashes,
    structure_hash,
)

from .samples import bodies, chain, edges_by_op, nested, training_step


def flow(graph: Graph) -> set[tuple[str, str]]:
    edges = flow_edges(graph)
    return edges_by_op(graph, edges.source.tolist(), edges.target.tolist())


# Flow


def test_flow_is_sorted_by_target_then_input() -> None:
    graph = parse("b -> d; a -> d; a -> c; c -> d")
    edges = flow_edges(graph)
    names = [node.name for node in map(graph.node, range(4))]
    found = [(names[s], names[t]) for s, t in zip(edges.source.tolist(), edges.target.tolist(), strict=True)]
    assert found == [("a", "c"), ("b", "d"), ("a", "d"), ("c", "d")]
    assert edges.value.tolist() == [graph.inputs.value[row] for row in range(4)]


@pytest.mark.parametrize("depth", [0, 1, 2, 50])
def test_flow_leads_through_nested_bodies(depth: int) -> None:
    inside = {("make", "double"), ("make", "negate"), ("double", "use"), ("negate", "use")}
    owned = {("If", "double"), ("If", "negate"), ("make", "If")}
    loops = {("make", "Loop"), ("Loop", "If")} if depth else set()
    loops |= {("Loop", "Loop")} if depth > 1 else set()
    assert flow(bodies(depth)) == inside | owned | loops


def test_what_leaves_one_of_two_branches_of_two_ifs_comes_from_four_nodes() -> None:
    builder = GraphBuilder()
    outer = builder.node("If")
    given = builder.value(producer=outer)
    for side in "ab":
        branch = builder.scope(side, kind=ScopeKind.BRANCH, owner=outer)
        inner = builder.node("If", scope=branch)
        inner_given = builder.value(producer=inner)
        for leaf in "12":
            scope = builder.scope(leaf, branch, ScopeKind.BRANCH, owner=inner)
            node = builder.node(side + leaf, scope=scope)
            builder.leave(scope, inner_given, builder.value(producer=node))
        builder.leave(branch, given, inner_given)
    builder.node("use", (given,))
    graph = builder.build()
    lint(graph)
    assert {source for source, target in flow(graph) if target == "use"} == {"a1", "a2", "b1", "b2"}


def test_a_branch_that_gives_an_outer_value_back() -> None:
    builder = GraphBuilder()
    made = builder.value(producer=builder.node("make"))
    owner = builder.node("If")
    given = builder.value(producer=owner)
    for name, inner in (("same", made), ("input", builder.value(kind=ValueKind.INPUT))):
        scope = builder.scope(name, kind=ScopeKind.BRANCH, owner=owner)
        builder.enter(scope, inner, inner)
        builder.leave(scope, given, inner)
    builder.node("use", (given,))
    assert flow(builder.build()) == {("make", "use")}


def test_a_body_that_gives_back_an_input_of_the_graph_flows_from_its_owner() -> None:
    builder = GraphBuilder()
    entering = builder.value(kind=ValueKind.INPUT)
    owner = builder.node("call", (entering,))
    given = builder.value(producer=owner)
    scope = builder.scope("body", kind=ScopeKind.FUNCTION, owner=owner)
    inner = builder.value()
    builder.enter(scope, entering, inner)
    builder.leave(scope, given, inner)
    builder.node("use", (given,))
    assert flow(builder.build()) == {("call", "use")}


def test_boundaries_that_run_in_a_circle_end() -> None:
    builder = GraphBuilder()
    owner = builder.node("owner")
    scope = builder.scope("body", owner=owner)
    one, other = builder.value(), builder.value()
    builder.enter(scope, one, other)
    builder.enter(scope, other, one)
    builder.node("use", (one, other), scope=scope)
    assert flow(builder.build()) == {("owner", "use")}


def test_control_edges_are_flow_without_a_value() -> None:
    builder = GraphBuilder()
    first, second = builder.node("a"), builder.node("b")
    builder.control(first, second)
    edges = flow_edges(builder.build())
    assert (edges.source.tolist(), edges.target.tolist(), edges.value.tolist()) == ([0], [1], [-1])


def test_common_scopes() -> None:
    graph = training_step()
    path = {path: scope for scope, path in enumerate(graph.paths)}
    pairs = [("forward/Net/layers/0", "forward/Net/layers/1", "forward/Net/layers"), ("forward", "backward", "")]
    pairs += [("forward/Net", "forward/Net/layers/0", "forward/Net"), ("optimizer", "optimizer", "optimizer")]
    one, other, expected = (np.array([path[pair[side]] for pair in pairs], np.int32) for side in range(3))
    assert common_scopes(graph, one, other).tolist() == expected.tolist()


# Hashes


def with_columns(graph: Graph, table: str, **columns: Any) -> Graph:
    return dataclasses.replace(graph, **{table: dataclasses.replace(getattr(graph, table), **columns)})


def test_the_hash_does_not_depend_on_the_numbering_of_strings() -> None:
    graph = training_step()
    order = [0, *reversed(range(1, len(graph.strings)))]
    number = np.argsort(order).astype(np.int32)
    texts = {
        "nodes": ("op", "name"),
        "inputs": ("name",),
        "values": ("name", "dtype", "device"),
        "scopes": ("name", "type"),
        "sources": ("file", "function"),
        **{f"{owner}_attributes": ("key", "text") for owner in ("node", "value", "scope")},
    }
    turned = dataclasses.replace(graph, strings=tuple(graph.strings[i] for i in order))
    for table, names in texts.items():
        turned = with_columns(turned, table, **{name: number[getattr(getattr(graph, table), name)] for name in names})
    dims = graph.shapes.dim.copy()
    symbols = dims < -1
    dims[symbols] = -2 - number[-2 - dims[symbols]]
    turned = with_columns(turned, "shapes", dim=dims)
    lint(turned)
    assert turned.strings != graph.strings
    assert structure_hash(turned) == structure_hash(graph)
    assert scope_hashes(turned).tolist() == scope_hashes(graph).tolist()


def test_the_hash_does_not_depend_on_what_nothing_refers_to() -> None:
    def build(extra: bool) -> Graph:
        builder = GraphBuilder()
        if extra:
            builder.source("unused.py", 1)
            builder.strings("unused")
        builder.node("a", source=builder.source("used.py", 2, caller=builder.source("main.py", 3)))
        return builder.build()

    assert structure_hash(build(True)) == structure_hash(build(False))


def test_meta_is_no_part_of_the_hash() -> None:
    graph = training_step()
    assert structure_hash(dataclasses.replace(graph, meta={"other": "1"})) == structure_hash(graph)


def changed(table: str, column: str, row: int, number: int) -> Callable[[Graph], Graph]:
    def change(graph: Graph) -> Graph:
        found = getattr(getattr(graph, table), column).copy()
        found[row] = number
        return with_columns(graph, table, **{column: found})

    return change


@pytest.mark.parametrize(
    ("table", "column", "row", "number"),
    [
        ("nodes", "op", 0, 0),
        ("nodes", "name", 0, 1),
        ("nodes", "scope", 0, 0),
        ("nodes", "phase", 0, 3),
        ("nodes", "source", 0, -1),
        ("nodes", "forward", 4, -1),
        ("inputs", "value", 0, 1),
        ("inputs", "name", 0, 0),
        ("inputs", "access", 0, 1),
        ("values", "name", 0, 0),
        ("values", "kind", 0, 2),
        ("values", "dtype", 0, 0),
        ("values", "shape", 0, -1),
        ("values", "device", 0, 1),
        ("values", "storage", 0, 7),
        ("values", "version", 0, 7),
        ("values", "base", 0, 1),
        ("values", "previous", 0, 1),
        ("scopes", "name", 1, 3),
        ("scopes", "kind", 1, 3),
        ("scopes", "type", 1, 3),
        ("sources", "line", 0, 99),
        ("node_attributes", "text", 0, 0),
    ],
)
def test_the_hash_tells_every_difference(table: str, column: str, row: int, number: int) -> None:
    graph = training_step()
    assert structure_hash(changed(table, column, row, number)(graph)) != structure_hash(graph)


def blocks(second: Callable[[GraphBuilder, int, int], int], outside: int = 1) -> Graph:
    """Two blocks in a row, the second of which may be built differently."""
    builder = GraphBuilder()
    at: int = builder.value("float32", (4,), kind=ValueKind.INPUT)
    for number, build in enumerate((block, second)):
        scope = builder.scope(f"block{number}", type="Block", source=builder.source("m.py", number))
        at = build(builder, scope, at)
    builder.node("last", (at,))
    return builder.build()


def block(
    builder: GraphBuilder,
    scope: int,
    at: int,
    *,
    op: str = "mul",
    factor: float = 2.0,
    swap: bool = False,
    twice: bool = False,
    tied: bool = False,
    dtype: str = "float32",
    child: str = "inner",
    phase: Phase = Phase.FORWARD,
) -> int:
    weights = [builder.value(dtype, (4,), kind=ValueKind.PARAMETER) for _ in range(2)]
    inner = builder.scope(child, scope)
    first = builder.value("float32", (4,), producer=builder.node("add", (at, weights[0]), scope=inner, phase=phase))
    second = weights[0] if tied else weights[1]
    inputs = (second, first) if swap else (first, first) if twice else (first, second)
    node = builder.node(op, inputs, scope=scope, attributes={"factor": factor}, source=builder.source("m.py", at))
    return builder.value("float32", (4,), producer=node)


def test_equal_blocks_have_equal_hashes_wherever_they_stand() -> None:
    graph = blocks(block)
    hashes = dict(zip(graph.paths, scope_hashes(graph).tolist(), strict=True))
    assert hashes["block0"] == hashes["block1"]
    assert hashes["block0/inner"] == hashes["block1/inner"]
    assert len(set(hashes.values())) == 3


@pytest.mark.parametrize(
    "difference",
    [
        {"op": "sub"},
        {"factor": 3.0},
        {"factor": -2.0},
        {"swap": True},
        {"twice": True},
        {"tied": True},
        {"dtype": "float16"},
        {"child": "other"},
        {"phase": Phase.OTHER},
    ],
    ids=str,
)
def test_blocks_that_differ_have_different_hashes(difference: dict[str, Any]) -> None:
    graph = blocks(lambda builder, scope, at: block(builder, scope, at, **difference))
    hashes = dict(zip(graph.paths, scope_hashes(graph).tolist(), strict=True))
    assert hashes["block0"] != hashes["block1"]


def test_blocks_of_bodies_differ_where_only_what_enters_differs() -> None:
    builder = GraphBuilder()
    for number in range(3):
        scope = builder.scope(f"block{number}")
        values = [builder.value(producer=builder.node("make", scope=scope)) for _ in range(2)]
        loop = builder.node("Loop", values, scope=scope)
        body = builder.scope("body", scope, ScopeKind.LOOP_BODY, owner=loop)
        inner = builder.value()
        builder.enter(body, values[number == 2], inner)
        builder.node("use", (inner,), scope=body)
    first, second, third = scope_hashes(builder.build())[[1, 3, 5]].tolist()
    assert first == second != third


def test_hashes_of_zero_and_minus_zero_and_not_a_number_differ() -> None:
    def build(number: float) -> Graph:
        builder = GraphBuilder()
        builder.node("a", scope=builder.scope("s"), attributes={"x": number})
        return builder.build()

    graphs = [build(number) for number in (0.0, -0.0, float("nan"), float("inf"), float("-inf"), 0, False)]
    assert len({structure_hash(graph) for graph in graphs}) == 7
    assert len({int(scope_hashes(graph)[1]) for graph in graphs}) == 7
    assert structure_hash(build(float("nan"))) == structure_hash(build(float("nan")))


def test_deep_and_long_graphs_hash() -> None:
    for graph in (nested(5000), chain(10_000), bodies(300)):
        assert len(scope_hashes(graph)) == graph.scope_count
    assert structure_hash(nested(50)) != structure_hash(nested(51))


def test_an_empty_graph() -> None:
    graph = GraphBuilder().build()
    lint(graph)
    assert len(structure_hash(graph)) == 32
    assert len(scope_hashes(graph)) == 1
    assert len(flow_edges(graph).source) == 0


# Lint

FAULTS: list[tuple[str, Callable[[Graph], Graph]]] = [
    ("nodes.op points outside", changed("nodes", "op", 0, 10**6)),
    ("nodes.name points outside", changed("nodes", "name", 0, -1)),
    ("nodes.scope points outside", changed("nodes", "scope", 0, 99)),
    ("nodes.source points outside", changed("nodes", "source", 0, 99)),
    ("nodes.forward points outside", changed("nodes", "forward", 0, 99)),
    ("nodes.phase holds a kind", changed("nodes", "phase", 0, 9)),
    ("inputs.value points outside", changed("inputs", "value", 0, -1)),
    ("inputs.name points outside", changed("inputs", "name", 0, 10**6)),
    ("inputs.access holds a kind", changed("inputs", "access", 0, 2)),
    ("inputs does not group", changed("inputs", "start", 1, 10**6)),
    ("values.producer points outside", changed("values", "producer", 0, 99)),
    ("values.name points outside", changed("values", "name", 0, 10**6)),
    ("values.dtype points outside", changed("values", "dtype", 0, 10**6)),
    ("values.device points outside", changed("values", "device", 0, -2)),
    ("values.shape points outside", changed("values", "shape", 0, 99)),
    ("values.base points outside", changed("values", "base", 0, -2)),
    ("values.previous points outside", changed("values", "previous", 0, -2)),
    ("values.kind holds a kind", changed("values", "kind", 0, 7)),
    ("a value is a view of itself", changed("values", "base", 1, 1)),
    ("a value comes before itself", changed("values", "previous", 1, 1)),
    ("are not ports 0, 1, 2", changed("values", "port", 2, 1)),
    ("writes a value whose storage is unknown", changed("values", "storage", 1, -1)),
    ("scopes.parent points outside", changed("scopes", "parent", 1, 99)),
    ("scopes.name points outside", changed("scopes", "name", 1, 10**6)),
    ("scopes.type points outside", changed("scopes", "type", 1, -1)),
    ("scopes.source points outside", changed("scopes", "source", 1, 99)),
    ("scopes.owner points outside", changed("scopes", "owner", 1, 99)),
    ("scopes.kind holds a kind", changed("scopes", "kind", 1, len(ScopeKind))),
    ("scope 0 is not the root", changed("scopes", "kind", 0, 2)),
    ("a scope stands before its parent", changed("scopes", "parent", 1, 2)),
    ("a scope has no name", changed("scopes", "name", 1, 0)),
    ("sources.file points outside", changed("sources", "file", 0, -1)),
    ("sources.function points outside", changed("sources", "function", 0, 10**6)),
    ("sources.caller points outside", changed("sources", "caller", 0, 99)),
    ("a source location stands before its caller", changed("sources", "caller", 0, 1)),
    ("outputs points outside", lambda g: dataclasses.replace(g, outputs=np.array([99], np.int32))),
    ("node_attributes.key points outside", changed("node_attributes", "key", 0, -1)),
    ("node_attributes.text points outside", changed("node_attributes", "text", 0, 10**6)),
    ("shapes.dim names a symbol", changed("shapes", "dim", 0, -(10**6))),
    ("shapes does not group", changed("shapes", "start", 0, 1)),
    ("string 0 is not the empty string", lambda g: dataclasses.replace(g, strings=("x", *g.strings[1:]))),
    ("columns of nodes have different lengths", lambda g: with_columns(g, "nodes", name=g.nodes.name[1:])),
    ("starts for", lambda g: with_columns(g, "node_attributes", start=g.node_attributes.start[:-1])),
]
BODY_FAULTS: list[tuple[str, Callable[[Graph], Graph]]] = [
    ("boundaries.scope points outside", changed("boundaries", "scope", 0, 99)),
    ("boundaries.outer points outside", changed("boundaries", "outer", 0, -1)),
    ("boundaries.inner points outside", changed("boundaries", "inner", 0, 99)),
    ("boundaries.direction holds a kind", changed("boundaries", "direction", 0, 2)),
    ("two scopes beside each other have the same name", lambda g: changed("scopes", "name", 3, g.scopes.name[2])(g)),
    ("controls.before points outside", lambda g: with_controls(g, 99, 0)),
    ("controls.after points outside", lambda g: with_controls(g, 0, -1)),
]


def with_controls(graph: Graph, before: int, after: int) -> Graph:
    return with_columns(graph, "controls", before=np.array([before], np.int32), after=np.array([after], np.int32))


@pytest.mark.parametrize(("message", "plant"), FAULTS, ids=[message for message, _ in FAULTS])
def test_lint_catches_each_fault(message: str, plant: Callable[[Graph], Graph]) -> None:
    with pytest.raises(LintError, match=f"graph bug, please report: .*{message}"):
        lint(plant(training_step()))


@pytest.mark.parametrize(("message", "plant"), BODY_FAULTS, ids=[message for message, _ in BODY_FAULTS])
def test_lint_catches_faults_of_bodies(message: str, plant: Callable[[Graph], Graph]) -> None:
    graph = bodies()
    lint(graph)
    with pytest.raises(LintError, match=message):
        lint(plant(graph))


def test_lint_names_five_faults_and_counts_the_rest() -> None:
    graph = training_step()
    for _, plant in FAULTS[:5] + FAULTS[6:8]:
        graph = plant(graph)
    with pytest.raises(LintError, match="; and 2 more"):
        lint(graph)


def test_every_column_is_looked_at() -> None:
    planted = " ".join(message for message, _ in FAULTS + BODY_FAULTS)
    free = {"values.port", "values.storage", "values.version", "sources.line"}
    for table, columns in training_step().tables().items():
        for column in columns:
            named = f"{table}.{column}" in planted or (column == "start" and f"{table} does not group" in planted)
            same = table.endswith("_attributes") and (column == "start" or f"node_attributes.{column}" in planted)
            assert named or same or f"{table}.{column}" in free, f"no fault is planted in {table}.{column}"


def test_root_is_number_zero() -> None:
    assert training_step().scope(ROOT).path == ""
