"""Whole pictures: what a layout promises, on random graphs and on graphs with the shapes of real ones."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphreel.graph import Cancelled, Graph, GraphBuilder, ValueKind, find_scopes, parse
from graphreel.layout import (
    BoxKind,
    LayoutBug,
    LayoutOptions,
    Placement,
    VisibleGraph,
    check_placement,
    default_expansion,
    lay_out,
    visible,
)
from graphreel.layout.quality import Quality, measured
from tests.layout_graphs import box_sizes, everything, training_step, transformer


def placed(graph: Graph, expanded: "set[int] | range | frozenset[int]") -> tuple[VisibleGraph, Placement, Quality]:
    view = visible(graph, expanded)
    placement = lay_out(view, box_sizes(view))
    return view, placement, measured(view, placement)


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Nested scopes, cycles, self-loops, multi-edges, isolated nodes, inputs, outputs, control edges."""
    builder = GraphBuilder()
    scopes = [0]
    for _ in range(draw(st.integers(0, 6))):
        scopes.append(builder.scope("s", draw(st.sampled_from(scopes))))
    nodes = draw(st.integers(1, 16))
    values = [builder.value(producer=builder.node("op", scope=draw(st.sampled_from(scopes)))) for _ in range(nodes)]
    values += [builder.value(kind=ValueKind.INPUT) for _ in range(draw(st.integers(0, 2)))]
    node = st.integers(0, nodes - 1)
    for target, value in draw(st.lists(st.tuples(node, st.sampled_from(values)), max_size=40)):
        builder.add_input(target, value)
    for before, after in draw(st.lists(st.tuples(node, node), max_size=3)):
        builder.control(before, after)
    for value in draw(st.lists(st.sampled_from(values), max_size=2)):
        builder.output(value)
    return builder.build()


@settings(max_examples=150, deadline=None)
@given(graphs(), st.data())
def test_random_graphs_keep_every_promise(graph: Graph, data: st.DataObject) -> None:
    expanded = data.draw(st.sets(st.integers(1, max(1, graph.scope_count - 1))))
    view = visible(graph, expanded)
    width = st.sampled_from([10.0, 80.0, 500.0])
    sizes = np.array([(data.draw(width), 0.0 if kind == BoxKind.GROUP else 40.0) for kind in view.kind]).reshape(-1, 2)
    placement = lay_out(view, sizes)
    check_placement(view, placement)
    leaves = view.kind != BoxKind.GROUP
    np.testing.assert_allclose(placement.rects[leaves, 2:], sizes[leaves])
    assert np.all(placement.rects[~leaves, 2] >= sizes[~leaves, 0])


@pytest.mark.parametrize("opened", ["nothing", "default", "everything"])
def test_a_training_step_has_no_edge_through_a_box_and_no_overlap(opened: str) -> None:
    graph = training_step(12)
    expanded = {"nothing": range(0), "default": default_expansion(graph), "everything": everything(graph)}[opened]
    _, placement, quality = placed(graph, expanded)
    assert quality.through_boxes == 0
    assert quality.overlaps == 0
    assert placement.size[0] < 4000


def test_the_main_way_of_a_flat_transformer_runs_straight_down() -> None:
    view, placement, quality = placed(transformer(4, flat=True), range(0))
    assert quality.through_boxes == 0
    middles = placement.rects[:, 0] + placement.rects[:, 2] / 2
    adds = [box for box in range(len(view.kind)) if view.kind[box] == 0 and view.graph.node(view.ref[box]).op == "add"]
    assert np.ptp(middles[adds]) < 1.0
    assert placement.size[0] < 600


def test_repeated_groups_are_laid_out_alike() -> None:
    graph = transformer(6)
    view, placement, _ = placed(graph, everything(graph))
    blocks = find_scopes(graph, "layers.*")
    rects = [placement.rects[box] for box in range(len(view.kind)) if view.kind[box] == 2 and view.ref[box] in blocks]
    inner = [rect for rect in rects if rect[2] == max(rect[2] for rect in rects)]
    assert len({(rect[2], rect[3]) for rect in inner}) == 1


@pytest.mark.parametrize("text", ["", "a", "a -> a", "a -> b -> a", "g/a -> h/b -> g/c; h/b -> x -> g/a"])
def test_small_graphs(text: str) -> None:
    _, placement, quality = placed(parse(text), range(9))
    assert quality.through_boxes == quality.overlaps == 0
    assert min(placement.size) > 0


def chain(length: int) -> Graph:
    builder = GraphBuilder()
    value = builder.value(kind=ValueKind.INPUT)
    for _ in range(length):
        value = builder.value(producer=builder.node("op", [value]))
    return builder.build()


def deep(depth: int) -> Graph:
    builder = GraphBuilder()
    scope, value = 0, builder.value(producer=builder.node("outer"))
    for _ in range(depth):
        scope = builder.scope("d", scope)
    builder.output(builder.value(producer=builder.node("inner", [value], scope=scope)))
    return builder.build()


def star(rays: int) -> Graph:
    builder = GraphBuilder()
    centre = builder.value(producer=builder.node("centre"))
    for _ in range(rays):
        builder.node("ray", [centre])
    return builder.build()


def isolated(count: int) -> Graph:
    builder = GraphBuilder()
    scope = builder.scope("s")
    for _ in range(count):
        builder.node("op", scope=scope)
    return builder.build()


@pytest.mark.parametrize(("graph", "aspect"), [(star(400), 8.0), (isolated(2000), 3.0)], ids=["star", "isolated"])
def test_wide_graphs_are_wrapped(graph: Graph, aspect: float) -> None:
    _, placement, quality = placed(graph, everything(graph))
    width, height = placement.size
    assert 1 / aspect < width / height < aspect
    assert quality.through_boxes == quality.overlaps == 0


@pytest.mark.parametrize("graph", [chain(10_000), deep(2_000)], ids=["chain", "deep"])
def test_long_and_deep_graphs_do_not_recurse(graph: Graph) -> None:
    view = visible(graph, everything(graph))
    placement = lay_out(view, box_sizes(view))
    assert placement.size[1] > 40_000


def test_a_hundred_updates_of_an_optimizer_stand_in_several_rows() -> None:
    builder = GraphBuilder()
    backward, optimizer = builder.scope("backward"), builder.scope("optimizer")
    gradients = [builder.value(producer=builder.node("grad", scope=backward)) for _ in range(100)]
    for gradient in gradients:
        builder.node("foreach_add_", [gradient], scope=optimizer)
    view, placement, quality = placed(builder.build(), range(3))
    updates = [box for box, parent in enumerate(view.parent.tolist()) if parent >= 0 and view.ref[parent] == optimizer]
    assert len(np.unique(placement.rects[updates, 1])) > 4
    assert placement.size[0] < 4000
    assert quality.through_boxes == 0


def test_the_same_input_gives_the_same_bytes() -> None:
    graph = training_step(3)
    one, other = placed(graph, everything(graph))[1], placed(graph, everything(graph))[1]
    assert one.rects.tobytes() == other.rects.tobytes()
    assert one.route_points.tobytes() == other.route_points.tobytes()


def test_options_set_the_distances() -> None:
    view = visible(parse("a -> b"), [])
    sizes = np.array([(80.0, 40.0)] * 2)
    placement = lay_out(view, sizes, options=LayoutOptions(rank_gap=100.0, group_padding=5.0))
    assert placement.rects.tolist() == [[5.0, 5.0, 80.0, 40.0], [5.0, 145.0, 80.0, 40.0]]


def test_expanding_keeps_the_order_of_what_stood_before() -> None:
    graph = parse("x -> p/a -> y; x -> q/b -> y; x -> r/c -> y")
    before_view = visible(graph, [])
    before = lay_out(before_view, box_sizes(before_view))
    after_view = visible(graph, [2])
    after = lay_out(after_view, box_sizes(after_view), previous=before)

    def order_of(view: VisibleGraph, placement: Placement) -> list[int]:
        boxes = [box for box in range(len(view.kind)) if view.kind[box] in (1, 2)]
        return [int(view.ref[box]) for box in sorted(boxes, key=lambda box: placement.rects[box, 0])]

    assert order_of(after_view, after) == order_of(before_view, before)


def test_a_mirrored_picture_before_stays_mirrored() -> None:
    graph = parse("x -> a -> y; x -> b -> y; x -> c -> y")
    view = visible(graph, [])
    first = lay_out(view, box_sizes(view))
    mirrored = first.rects.copy()
    mirrored[:, 0] = first.size[0] - mirrored[:, 0] - mirrored[:, 2]
    again = lay_out(view, box_sizes(view), previous=replace(first, rects=mirrored))
    assert np.argsort(again.rects[:, 0]).tolist() == np.argsort(mirrored[:, 0]).tolist()


class _Impatient:
    """Cancels at once."""

    def step(self, done: int, total: int) -> None:
        raise Cancelled


def test_a_layout_can_be_cancelled() -> None:
    view = visible(chain(3), [])
    with pytest.raises(Cancelled):
        lay_out(view, box_sizes(view), progress=_Impatient())


BROKEN = {
    "boxes overlap": ("rects", (1, 1), 20.0),
    "a box sticks out of its group": ("rects", (1, 0), -50.0),
    "a route does not join its boxes": ("route_points", (0, 1), 3.0),
    "a position is not a number": ("rects", (0, 0), float("nan")),
    "an edge runs through a box": ("route_points", (2, 0), 400.0),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_the_check_names_what_is_broken(fault: str) -> None:
    graph = parse("a -> b; a -> c; b -> d; c -> d; a -> d")
    view = visible(graph, [])
    placement = lay_out(view, box_sizes(view))
    column, place, number = BROKEN[fault]
    changed = getattr(placement, column).copy()
    if fault == "an edge runs through a box":
        edge = next(e for e in range(5) if (view.edge_source[e], view.edge_target[e]) == (0, 1))
        start, end = placement.route_start[edge], placement.route_start[edge + 1]
        middle = placement.rects[2, :2] + placement.rects[2, 2:] / 2
        changed[start + 1 : end - 1] = middle
    else:
        changed[place] = number
    with pytest.raises(LayoutBug, match=f"please report: {fault}"):
        check_placement(view, replace(placement, **{column: changed}))


def test_crossings_are_counted() -> None:
    _, _, quality = placed(parse("a -> c; a -> d; b -> c; b -> d"), range(0))
    assert quality.crossings == 1
    assert quality.length > 0
