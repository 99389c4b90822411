"""Stubs in place of edges that would run far."""

from dataclasses import replace

import numpy as np
import pytest

from graphreel.graph import Graph, GraphBuilder
from graphreel.layout import LayoutBug, LayoutOptions, Placement, VisibleGraph, check_placement, lay_out, visible
from graphreel.layout.quality import measured
from tests.layout_graphs import box_sizes, everything, transformer


def placed(graph: Graph) -> tuple[VisibleGraph, Placement]:
    view = visible(graph, everything(graph), everything(graph))
    placement = lay_out(view, box_sizes(view))
    check_placement(view, placement)
    return view, placement


def star(rays: int, *, inward: bool = False) -> Graph:
    builder = GraphBuilder()
    if inward:
        builder.node("centre", [builder.value(producer=builder.node("ray")) for _ in range(rays)])
    else:
        centre = builder.value(producer=builder.node("centre"))
        for _ in range(rays):
            builder.node("ray", [centre])
    return builder.build()


def chain_with_skip(length: int) -> Graph:
    builder = GraphBuilder()
    values = [builder.value(producer=builder.node("op"))]
    for _ in range(length - 1):
        values.append(builder.value(producer=builder.node("op", [values[-1]])))
    builder.node("end", [values[0], values[-1]])
    return builder.build()


def drawn(placement: Placement) -> int:
    return int((np.diff(placement.route_start) > 0).sum())


@pytest.mark.parametrize("inward", [False, True])
def test_a_fan_over_twenty_is_one_chip_at_its_centre(inward: bool) -> None:
    view, placement = placed(star(21, inward=inward))
    stubs = placement.stubs
    assert drawn(placement) == 0
    centre = 21 if inward else 0
    row = int(np.flatnonzero(stubs.box == centre)[0])
    assert stubs.leaves[row] == (not inward)
    assert stubs.edge[stubs.start[row] : stubs.start[row + 1]].tolist() == list(range(21))
    assert len(stubs.box) == 22
    assert view.edge_source[0] == (0 if inward else centre)


def test_a_fan_of_twenty_is_drawn() -> None:
    _, placement = placed(star(20))
    assert drawn(placement) == 20
    assert len(placement.stubs.box) == 0


@pytest.mark.parametrize(("length", "whole"), [(10, True), (30, False)])
def test_an_edge_over_many_rows_is_told_at_both_ends(length: int, whole: bool) -> None:
    view, placement = placed(chain_with_skip(length))
    assert drawn(placement) == len(view.edge_source) - (not whole)
    expected = [] if whole else [(0, 1), (length, 0)]
    assert list(zip(placement.stubs.box.tolist(), placement.stubs.leaves.tolist(), strict=True)) == expected


def test_stubs_stand_beside_their_boxes_in_the_size_that_was_asked_for() -> None:
    view = visible(chain_with_skip(30), [])
    options = LayoutOptions(stub_width=90.0, stub_height=20.0, stub_gap=7.0)
    placement = lay_out(view, box_sizes(view), options=options)
    x, y, width, height = placement.rects[0].tolist()
    assert placement.stubs.rects[0].tolist() == [x + width + 7.0, y + height / 2 - 10.0, 90.0, 20.0]


def test_a_box_with_many_other_ends_has_one_stub_for_all() -> None:
    builder = GraphBuilder()
    values = [builder.value(producer=builder.node("op"))]
    for _ in range(39):
        values.append(builder.value(producer=builder.node("op", [values[-1]])))
    builder.node("end", [values[-1], *values[:3]])
    _, placement = placed(builder.build())
    stubs = placement.stubs
    assert np.diff(stubs.start)[stubs.box == 40].tolist() == [3]


def test_an_edge_told_by_stubs_leaves_no_port_in_any_group() -> None:
    builder = GraphBuilder()
    inner, other = builder.scope("inner"), builder.scope("other")
    mask = builder.value(producer=builder.node("mask", scope=inner))
    value = builder.value(producer=builder.node("op"))
    for _ in range(30):
        value = builder.value(producer=builder.node("op", [value]))
    builder.node("end", [mask, value], scope=other)
    builder.control(0, 1)
    view, placement = placed(builder.build())
    edge = int(np.flatnonzero((view.edge_target == len(view.kind) - 1) & (view.edge_source == 1))[0])
    assert placement.route_start[edge] == placement.route_start[edge + 1]
    assert set(placement.stubs.box.tolist()) == {1, len(view.kind) - 1}


def test_the_mask_of_a_long_transformer_is_a_chip_at_each_block() -> None:
    view, placement = placed(transformer(30))
    assert len(placement.stubs.box) == 31
    assert measured(view, placement).crossings == 0


@pytest.mark.parametrize("fault", ["boxes overlap", "an edge has neither a route nor stubs", "an edge runs through"])
def test_the_check_knows_stubs(fault: str) -> None:
    view = visible(chain_with_skip(30), [])
    placement = lay_out(view, box_sizes(view))
    stubs, rects = placement.stubs, placement.stubs.rects.copy()
    if fault == "boxes overlap":
        rects[0] = placement.rects[5]
    elif fault == "an edge runs through":
        middle = placement.rects[5, :2] + placement.rects[5, 2:] * [0.5, 1.0]
        rects[0] = [middle[0] - 5, middle[1] + 10, 10, 10]
    one = slice(0, 1) if fault.startswith("an edge has") else slice(None)
    changed = replace(
        stubs, box=stubs.box[one], leaves=stubs.leaves[one], rects=rects[one], start=stubs.start[: 3 - (one.stop or 0)]
    )
    changed = replace(changed, edge=stubs.edge[: changed.start[-1]])
    with pytest.raises(LayoutBug, match=f"please report: {fault}"):
        check_placement(view, replace(placement, stubs=changed))


def test_a_loop_beside_stubs_is_told_by_them() -> None:
    builder = GraphBuilder()
    centre = builder.value(producer=builder.node("centre"))
    for _ in range(30):
        builder.node("ray", [centre])
    builder.add_input(0, centre)
    _, placement = placed(builder.build())
    assert drawn(placement) == 0
    assert set(placement.stubs.leaves[placement.stubs.box == 0].tolist()) == {0, 1}
