"""What shows where nodes are hidden: no box of theirs, and dashed edges for the ways through them."""

import numpy as np
import pytest

from graphreel.graph import Graph, ScopeId, parse
from graphreel.layout import EdgeKind, Hidden, VisibleGraph, lay_out, visible
from graphreel.layout import check_placement as check
from graphreel.layout.types import BoxKind
from graphreel.render import build_scene, measure, to_svg
from tests.gui_support import training_step


def hiding(graph: Graph, *nodes: int, bridged: bool = True, expanded: bool = True) -> VisibleGraph:
    gone = np.zeros(graph.node_count, dtype=bool)
    gone[list(nodes)] = True
    return visible(
        graph, [ScopeId(s) for s in range(1, graph.scope_count if expanded else 1)], (), Hidden(gone, bridged)
    )


def drawn(view: VisibleGraph) -> str:
    """The boxes, and the edges between them: `=>` is one through hidden nodes."""
    names = [
        view.graph.node(ref).op if kind == BoxKind.NODE else BoxKind(kind).name.lower()
        for kind, ref in zip(view.kind.tolist(), view.ref.tolist(), strict=True)
    ]
    arrows = {EdgeKind.DATA: "->", EdgeKind.CONTROL: "..>", EdgeKind.THROUGH: "=>"}
    ends = zip(view.edge_source.tolist(), view.edge_target.tolist(), view.edge_kind.tolist(), strict=True)
    edges = [f"{names[source]} {arrows[EdgeKind(kind)]} {names[target]}" for source, target, kind in ends]
    return f"{' '.join(names)}: {', '.join(sorted(edges))}"


@pytest.mark.parametrize(
    ("text", "hidden", "expected"),
    [
        ("a -> b -> c", [1], "a c: a => c"),
        ("a -> b -> c -> d", [1, 2], "a d: a => d"),
        ("a -> b -> c; a -> c", [1], "a c: a -> c, a => c"),
        ("a -> c; b -> c; c -> d; c -> e", [2], "a b d e: a => d, a => e, b => d, b => e"),
        ("a -> b -> c", [0], "b c: b -> c"),
        ("a -> b -> c", [0, 1, 2], ": "),
    ],
)
def test_edges_stand_for_the_ways_through_hidden_nodes(text: str, hidden: list[int], expected: str) -> None:
    graph = parse(text)
    order = sorted(range(graph.node_count), key=lambda node: graph.node(node).op)
    assert drawn(hiding(graph, *(order[node] for node in hidden))) == expected


def test_ways_can_be_left_out() -> None:
    assert drawn(hiding(parse("a -> b -> c"), 1, bridged=False)) == "a c: "


def test_a_hidden_hub_does_not_join_everything_with_everything() -> None:
    text = "; ".join([*(f"a{n} -> hub" for n in range(50)), *(f"hub -> b{n}" for n in range(50))])
    graph = parse(text)
    hub = next(node for node in range(graph.node_count) if graph.node(node).op == "hub")
    assert len(hiding(graph, hub).edge_source) == 16 * 50


def test_a_scope_whose_nodes_are_all_hidden_goes_with_them() -> None:
    graph = training_step(2)
    paths = [graph.paths[ref] for ref in hiding(graph, 5, 6, expanded=False).ref.tolist()]
    assert "backward" not in paths
    view = hiding(graph, 0, 1)
    shown = [graph.paths[ref] for ref in view.ref[view.kind == BoxKind.GROUP].tolist()]
    assert "forward/Net/layers/0" not in shown
    assert "forward/Net/layers/1" in shown
    # What only hidden nodes take is hidden too.
    assert BoxKind.INPUT not in view.kind.tolist()


def test_repeated_blocks_stay_one_box_where_the_same_is_hidden_in_each() -> None:
    graph = training_step(6)
    layers = [ScopeId(graph.paths.index(path)) for path in ("forward", "forward/Net", "forward/Net/layers")]
    for nodes, folds in (((), 1), (range(0, 12, 2), 1), ((2,), 0)):
        gone = np.zeros(graph.node_count, dtype=bool)
        gone[list(nodes)] = True
        view = visible(graph, layers, (), Hidden(gone))
        assert int((view.kind == BoxKind.FOLD).sum()) == folds


def test_the_picture_is_whole_and_tells_the_ways() -> None:
    view = hiding(training_step(3), 1, 3)
    placement = lay_out(view, measure(view))
    check(view, placement)
    svg = to_svg(build_scene(view, placement))
    assert svg.count('class="edge through"') == 2
    assert "<title>through hidden operations</title>" in svg
