"""Which boxes and edges show for a set of expanded scopes."""

import time

import numpy as np

from graphreel.graph import Graph, GraphBuilder, ScopeKind, ValueKind, find_scopes, parse
from graphreel.layout import BoxKind, EdgeKind, VisibleGraph, default_expansion, visible
from tests.layout_graphs import everything, training_step, transformer


def names(view: VisibleGraph) -> list[str]:
    """Each box as text; what is in a group stands behind it in its path."""
    found: list[str] = []
    for kind, ref, parent in zip(view.kind.tolist(), view.ref.tolist(), view.parent.tolist(), strict=True):
        if kind == BoxKind.NODE:
            name = view.graph.node(ref).name
        elif kind in (BoxKind.SCOPE, BoxKind.GROUP):
            name = view.graph.scope(ref).name + ("[]" if kind == BoxKind.SCOPE else "")
        else:
            name = f"{BoxKind(kind).name.lower()}:{view.graph.value(ref).name}"
        found.append(name if parent < 0 else f"{found[parent]}/{name}")
    return found


def draw(view: VisibleGraph) -> str:
    """Edges as text, with how many node-to-node edges each stands for."""
    name = names(view)
    return "; ".join(
        f"{name[source]} -> {name[target]}" + (f" ×{count}" if count > 1 else "")
        for source, target, count in zip(
            view.edge_source.tolist(), view.edge_target.tolist(), view.edge_count.tolist(), strict=True
        )
    )


NESTED = "x -> m/a -> m/n/b -> y; m/a -> y; y -> y"


def test_collapsed_scope_is_one_box_and_its_edges_are_merged() -> None:
    view = visible(parse(NESTED), [])
    assert names(view) == ["x", "m[]", "y"]
    assert draw(view) == "x -> m[]; m[] -> y ×2; y -> y"
    assert view.node_box.tolist() == [0, 1, 1, 2]


def test_expanded_scopes_are_groups_around_their_boxes() -> None:
    view = visible(parse(NESTED), [1, 2])
    assert names(view) == ["x", "m", "m/a", "m/n", "m/n/b", "y"]
    assert draw(view) == "x -> m/a; m/a -> m/n/b; m/a -> y; m/n/b -> y; y -> y"


def test_an_expanded_scope_in_a_collapsed_one_does_not_show() -> None:
    assert names(visible(parse(NESTED), [2])) == ["x", "m[]", "y"]


def test_scope_without_nodes_has_no_box() -> None:
    builder = GraphBuilder()
    empty = builder.scope("empty")
    builder.node("a", name="a")
    assert names(visible(builder.build(), [empty])) == ["a"]


def with_inputs() -> Graph:
    builder = GraphBuilder()
    outer = builder.scope("outer")
    inner = [builder.scope(name, outer) for name in ("one", "two")]
    shared = builder.value(kind=ValueKind.INPUT, name="shared")
    own = builder.value(kind=ValueKind.INPUT, name="own")
    weight = builder.value(kind=ValueKind.PARAMETER, name="weight")
    made = builder.value(producer=builder.node("op", [shared, weight], scope=inner[0], name="a"))
    made = builder.value(producer=builder.node("op", [made, shared, own], scope=inner[1], name="b"), name="result")
    builder.output(made)
    return builder.build()


def test_inputs_and_outputs_stand_outside_of_every_group() -> None:
    graph = with_inputs()
    assert names(visible(graph, everything(graph))) == [
        "input:shared",
        "outer",
        "outer/one",
        "outer/one/a",
        "input:own",
        "outer/two",
        "outer/two/b",
        "output:result",
    ]
    assert names(visible(graph, [])) == ["input:shared", "outer[]", "input:own", "output:result"]


def test_weights_have_no_box_and_outputs_have_an_edge() -> None:
    graph = with_inputs()
    assert draw(visible(graph, [])) == "input:shared -> outer[] ×2; outer[] -> output:result; input:own -> outer[]"


def test_an_input_given_back_untouched_joins_both() -> None:
    builder = GraphBuilder()
    builder.output(builder.value(kind=ValueKind.INPUT, name="x"))
    assert draw(visible(builder.build(), [])) == "input:x -> output:x"


def test_an_input_is_seen_through_the_boundary_of_a_body() -> None:
    builder = GraphBuilder()
    body = builder.scope("body", kind=ScopeKind.LOOP_BODY)
    outer, inner = builder.value(kind=ValueKind.INPUT, name="x"), builder.value(name="inner")
    builder.enter(body, outer, inner)
    builder.node("op", [inner], scope=body, name="a")
    assert draw(visible(builder.build(), [body])) == "input:x -> body/a"


def test_control_edges_stay_apart_from_data_edges() -> None:
    builder = GraphBuilder()
    value = builder.value(producer=builder.node("a", name="a"))
    builder.node("b", [value], name="b")
    builder.control(0, 1)
    view = visible(builder.build(), [])
    assert view.edge_kind.tolist() == [EdgeKind.DATA, EdgeKind.CONTROL]
    assert view.edge_value.tolist() == [value, -1]


def test_boxes_stand_in_execution_order_a_group_before_what_is_in_it() -> None:
    view = visible(training_step(2), everything(training_step(2)))
    inside = view.parent >= 0
    assert np.all(view.parent[inside] < np.flatnonzero(inside))
    others = view.kind != BoxKind.OUTPUT
    assert np.all(np.diff(view.first[others]) >= 0)


def test_every_node_shows_in_some_box() -> None:
    graph = training_step(2)
    for expanded in ([], find_scopes(graph, "layers"), default_expansion(graph), everything(graph)):
        view = visible(graph, expanded)
        kinds = view.kind[view.node_box]
        assert np.all((kinds == BoxKind.NODE) | (kinds == BoxKind.SCOPE))


def test_a_hundred_thousand_nodes_take_well_under_a_second() -> None:
    graph = transformer(3900)
    assert graph.node_count > 100_000
    start = time.process_time()
    view = visible(graph, everything(graph))
    assert time.process_time() - start < 1.0
    assert len(view.kind) > 140_000


def test_phases_open_by_default_and_repeated_blocks_open_together_or_not_at_all() -> None:
    graph = training_step(12)
    paths = sorted(graph.paths[scope] for scope in default_expansion(graph))
    assert {"forward", "backward", "forward/model", "forward/model/layers"} <= set(paths)
    assert not any(path.startswith("forward/model/layers/") for path in paths)


def test_default_expansion_opens_wrappers_and_keeps_to_the_limit() -> None:
    graph = parse("; ".join(f"outer/only/b{block}/n{node}" for block in range(5) for node in range(10)))
    assert sorted(graph.paths[scope] for scope in default_expansion(graph, 20)) == ["outer", "outer/only"]
    assert len(default_expansion(graph, 50)) == 7


def test_a_graph_of_nothing_shows_nothing() -> None:
    empty = parse("")
    assert len(visible(empty, []).kind) == 0
    assert default_expansion(empty) == frozenset()


def folded() -> Graph:
    """Four blocks in a row, each with a bypass to it and one from it."""
    builder = GraphBuilder()
    around = builder.scope("h")
    value = builder.value(producer=builder.node("x", name="x"))
    entry = builder.value(producer=builder.node("w", name="w"))
    bypasses: list[int] = []
    for block in range(4):
        scope = builder.scope(str(block), around, type="Block")
        value = builder.value(producer=builder.node("a", [value, entry], scope=scope, name="a"))
        value = builder.value(producer=builder.node("b", [value], scope=scope, name="b"))
        bypasses.append(value)
    builder.node("y", bypasses, name="y")
    return builder.build()


def test_repeated_scopes_are_one_box_and_its_edges_are_merged_with_their_counts() -> None:
    graph = folded()
    view = visible(graph, find_scopes(graph, "h"))
    assert view.kind.tolist() == [BoxKind.NODE, BoxKind.NODE, BoxKind.GROUP, BoxKind.FOLD, BoxKind.NODE]
    assert view.repeats.tolist() == [1, 1, 1, 4, 1]
    assert graph.paths[view.ref[3]] == "h/0"
    ends = zip(view.edge_source.tolist(), view.edge_target.tolist(), view.edge_count.tolist(), strict=True)
    assert list(ends) == [(0, 3, 1), (1, 3, 4), (3, 4, 4)]
    assert view.node_box.tolist() == [0, 1, *[3] * 8, 4]


def test_an_unfolded_run_shows_its_scopes_collapsed() -> None:
    graph = folded()
    (around,) = find_scopes(graph, "h")
    first = around + 1
    for any_of_them in (first, first + 3):
        view = visible(graph, [around], [any_of_them])
        assert names(view) == ["x", "w", "h", "h/0[]", "h/1[]", "h/2[]", "h/3[]", "y"]
        assert view.repeats.tolist() == [1] * 8


def test_an_expanded_scope_unfolds_its_run() -> None:
    graph = folded()
    view = visible(graph, [*find_scopes(graph, "h"), *find_scopes(graph, "h.2")])
    assert names(view) == ["x", "w", "h", "h/0[]", "h/1[]", "h/2", "h/2/a", "h/2/b", "h/3[]", "y"]


def test_a_fold_in_a_collapsed_scope_does_not_show() -> None:
    assert names(visible(folded(), [])) == ["x", "w", "h[]", "y"]


def test_forward_and_backward_fold_alike() -> None:
    graph = training_step(12)
    view = visible(graph, default_expansion(graph))
    folds = [graph.paths[ref] for ref in view.ref[view.kind == BoxKind.FOLD].tolist()]
    assert folds == ["forward/model/layers/0", "backward/model/layers/10"]
    assert view.repeats[view.kind == BoxKind.FOLD].tolist() == [12, 11]
    # The block that runs backward first differs, and stays closed beside the fold of its like.
    closed = [graph.paths[ref] for ref in view.ref[view.kind == BoxKind.SCOPE].tolist()]
    assert "backward/model/layers/11" in closed


def test_default_expansion_keeps_folds_and_opens_what_is_around() -> None:
    graph = parse("; ".join(f"net/h/{block}/n{node}" for block in range(30) for node in range(10)) + "; net/head/a")
    assert sorted(graph.paths[scope] for scope in default_expansion(graph)) == ["net", "net/h", "net/head"]


def test_default_expansion_opens_all_where_there_are_few_nodes() -> None:
    graph = folded()
    assert sorted(default_expansion(graph)) == list(range(1, graph.scope_count))
