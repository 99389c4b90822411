"""Training steps: forward, backward and optimizer beside each other, with matching boxes in common rows."""

from dataclasses import replace

import numpy as np
import pytest

from graphreel.graph import Cancelled, Graph, GraphBuilder, Phase, ScopeKind
from graphreel.layout import BoxKind, LayoutCache, Placement, VisibleGraph, check_placement, lay_out, visible
from tests.layout_graphs import box_sizes, everything, training_step, transformer


def placed(graph: Graph, opened: "range | list[int]") -> tuple[VisibleGraph, Placement]:
    view = visible(graph, opened, everything(graph))
    placement = lay_out(view, box_sizes(view))
    check_placement(view, placement)
    return view, placement


def scopes(view: VisibleGraph) -> dict[str, int]:
    """The box of each scope, by its path."""
    kinds = (BoxKind.SCOPE, BoxKind.GROUP)
    return {view.graph.paths[ref]: box for box, ref in enumerate(view.ref.tolist()) if view.kind[box] in kinds}


def mirrored(boxes: dict[str, int]) -> list[tuple[int, int]]:
    """Forward and backward boxes of the same module."""
    pairs = [(box, boxes.get(path.replace("forward", "backward", 1))) for path, box in boxes.items()]
    return [(box, other) for box, other in pairs if other is not None and other != box]


def flat(view: VisibleGraph) -> VisibleGraph:
    """The same without any group."""
    kept = view.kind != BoxKind.GROUP
    number = (np.cumsum(kept) - 1).astype(np.int32)
    return replace(
        view,
        kind=view.kind[kept],
        ref=view.ref[kept],
        parent=np.full(int(kept.sum()), -1, np.int32),
        first=view.first[kept],
        repeats=view.repeats[kept],
        edge_source=number[view.edge_source],
        edge_target=number[view.edge_target],
        node_box=number[view.node_box],
    )


def test_forward_backward_and_optimizer_stand_from_left_to_right() -> None:
    view, placement = placed(training_step(3), range(0))
    boxes = scopes(view)
    lefts = [placement.rects[boxes[phase], 0] for phase in ("forward", "backward", "optimizer")]
    assert lefts == sorted(lefts)
    assert len({placement.rects[boxes[phase], 1] for phase in ("forward", "backward", "optimizer")}) == 1


def test_each_backward_scope_stands_at_the_height_of_its_forward_scope() -> None:
    graph = training_step(3)
    view, placement = placed(graph, everything(graph))
    pairs = mirrored(scopes(view))
    assert len(pairs) > 30
    for box, other in pairs:
        assert placement.rects[box, 1] == pytest.approx(placement.rects[other, 1])
        assert placement.rects[box, 3] == pytest.approx(placement.rects[other, 3])


def test_where_only_one_of_two_is_open_the_other_stands_in_its_row() -> None:
    graph = training_step(3)
    shut = [scope for scope, path in enumerate(graph.paths) if path != "backward/model/layers/1"]
    view, placement = placed(graph, shut)
    boxes = scopes(view)
    open_one, closed = boxes["forward/model/layers/1"], boxes["backward/model/layers/1"]
    assert view.kind[closed] == BoxKind.SCOPE
    _, top, _, height = placement.rects[open_one].tolist()
    assert placement.rects[closed, 1] + placement.rects[closed, 3] / 2 == pytest.approx(top + height / 2)


def test_backward_flows_upward_and_nothing_is_drawn_between_phases() -> None:
    graph = training_step(3)
    view, placement = placed(graph, everything(graph))
    phase = graph.nodes.phase[view.first]
    whole = np.diff(placement.route_start) > 0
    node = (view.kind[view.edge_source] == BoxKind.NODE) & (view.kind[view.edge_target] == BoxKind.NODE)
    one, other = phase[view.edge_source], phase[view.edge_target]
    assert not np.any(whole & node & (one != other))
    inside = whole & (one == Phase.BACKWARD) & (other == Phase.BACKWARD)
    rises = placement.rects[view.edge_target, 1] < placement.rects[view.edge_source, 1]
    assert inside.sum() > 60
    assert np.all(rises[inside])


@pytest.mark.parametrize("grouped", [True, False])
def test_most_backward_nodes_stand_in_the_row_of_their_forward_node(grouped: bool) -> None:
    graph = training_step(3)
    nested = visible(graph, everything(graph), everything(graph))
    view = nested if grouped else flat(nested)
    placement = lay_out(view, box_sizes(view))
    check_placement(view, placement)
    middles = placement.rects[:, 1] + placement.rects[:, 3] / 2
    nodes = np.flatnonzero(graph.nodes.forward >= 0)
    one, other = view.node_box[nodes], view.node_box[graph.nodes.forward[nodes]]
    assert np.mean(np.abs(middles[one] - middles[other]) < 0.01) > 0.95
    assert np.all(placement.rects[one, 0] > placement.rects[other, 0])


def recorded() -> Graph:
    """What a recorder writes: a batch is drawn first, gradients are clipped before the optimizer, the loss is read."""
    builder = GraphBuilder()
    phases = [builder.scope(name, kind=ScopeKind.PHASE) for name in ("forward", "backward", "optimizer")]
    batch = builder.value(producer=builder.node("randint", phase=Phase.OTHER))
    builder.node("zero_", phase=Phase.OTHER)
    loss = builder.value(producer=builder.node("loss", [batch], scope=phases[0]))
    gradient = builder.value(producer=builder.node("back", [loss], scope=phases[1], phase=Phase.BACKWARD, forward=2))
    clipped = builder.value(producer=builder.node("clip", [gradient], phase=Phase.OTHER))
    builder.node("add_", [clipped], scope=phases[2], phase=Phase.OPTIMIZER)
    builder.node("item", [loss], phase=Phase.OTHER)
    builder.node("print", phase=Phase.OTHER)
    return builder.build()


def test_what_runs_outside_of_phases_stands_above_and_below_or_with_the_optimizer() -> None:
    graph = recorded()
    view, placement = placed(graph, everything(graph))
    op = {view.graph.node(ref).op: box for box, ref in enumerate(view.ref.tolist()) if view.kind[box] == BoxKind.NODE}
    boxes = scopes(view)
    forward, optimizer = placement.rects[boxes["forward"]], placement.rects[boxes["optimizer"]]
    for name in ("randint", "zero_"):
        assert placement.rects[op[name], 1] < forward[1]
    for name in ("item", "print"):
        assert placement.rects[op[name], 1] >= forward[1] + forward[3]
    assert (
        placement.rects[op["clip"], 0] > placement.rects[boxes["backward"], 0] + placement.rects[boxes["backward"], 2]
    )
    assert placement.rects[op["clip"], 1] < optimizer[1]


def test_forward_and_backward_alone_stand_side_by_side() -> None:
    builder = GraphBuilder()
    forward, backward = (builder.scope(name, kind=ScopeKind.PHASE) for name in ("forward", "backward"))
    value = builder.value(producer=builder.node("a", scope=forward))
    builder.node("b", [value], scope=backward, phase=Phase.BACKWARD, forward=0)
    view, placement = placed(builder.build(), range(3))
    a, b = (box for box in range(len(view.kind)) if view.kind[box] == BoxKind.NODE)
    assert placement.rects[a, 1] == placement.rects[b, 1]
    assert placement.rects[a, 0] < placement.rects[b, 0]


def saved(between: bool) -> Graph:
    """A backward node that takes what its forward node gave; with something beside the forward node or not."""
    builder = GraphBuilder()
    forward, backward = (builder.scope(name, kind=ScopeKind.PHASE) for name in ("forward", "backward"))
    start = builder.value(producer=builder.node("start", scope=forward))
    value = builder.value(producer=builder.node("exp", [start], scope=forward))
    if between:
        builder.node("relu", [start], scope=forward)
    builder.node("exp_backward", [value], scope=backward, phase=Phase.BACKWARD, forward=1)
    return builder.build()


@pytest.mark.parametrize("between", [False, True])
def test_a_line_joins_partners_where_nothing_stands_between_them_else_stubs_do(between: bool) -> None:
    view, placement = placed(saved(between), range(3))
    target = int(np.flatnonzero(view.edge_target == len(view.kind) - 1)[0])
    route = placement.route_points[placement.route_start[target] : placement.route_start[target + 1]]
    one, other = placement.rects[view.edge_source[target]], placement.rects[view.edge_target[target]]
    if between:
        assert len(route) == 0
        assert len(placement.stubs.box) == 2
    else:
        assert route[0].tolist() == [one[0] + one[2], one[1] + one[3] / 2]
        assert route[-1].tolist() == [other[0], other[1] + other[3] / 2]
        assert len(placement.stubs.box) == 0


def test_a_graph_without_backward_has_no_columns() -> None:
    graph = transformer(2)
    _, placement = placed(graph, everything(graph))
    assert placement.size[0] < placement.size[1] / 4


def test_what_a_cache_knows_is_not_laid_out_again_and_stands_as_it_stood() -> None:
    graph = training_step(3)
    view, cache = visible(graph, everything(graph), everything(graph)), LayoutCache()
    first = lay_out(view, box_sizes(view), cache=cache)
    known = len(cache)
    again = lay_out(view, box_sizes(view), previous=first, cache=cache)
    assert again.rects.tobytes() == first.rects.tobytes()
    assert len(cache) - known <= 2


def test_a_cache_forgets_what_was_unused_for_longest() -> None:
    cache = LayoutCache(most_boxes=50)
    for blocks in range(1, 30):
        view = visible(transformer(blocks), [1, 3], range(blocks + 5))
        lay_out(view, box_sizes(view), cache=cache)
    assert len(cache) < 12


def test_opening_a_scope_keeps_rows_and_order_of_all_others() -> None:
    graph = training_step(3)
    opened = [scope for scope, path in enumerate(graph.paths) if path.count("/") < 3]
    before = visible(graph, opened, everything(graph))
    old = lay_out(before, box_sizes(before))
    clicked = list(graph.paths).index("forward/model/layers/1/attn")
    after = visible(graph, [*opened, clicked], everything(graph))
    new = lay_out(after, box_sizes(after), previous=old)
    known = {tuple(ref): row for ref, row in zip(new.refs.tolist(), new.rows.tolist(), strict=True)}
    assert all(known[tuple(ref)] == row for ref, row in zip(old.refs.tolist(), old.rows.tolist(), strict=True))


class _Patient:
    """Cancels at the given look."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def step(self, done: int, total: int) -> None:
        self.looks -= 1
        if self.looks == 0:
            raise Cancelled


def test_one_huge_group_can_be_cancelled_in_its_midst() -> None:
    view = visible(transformer(40, flat=True), [])
    for looks in (5, 15, 25, 35):
        with pytest.raises(Cancelled):
            lay_out(view, box_sizes(view), progress=_Patient(looks))


def test_the_optimizer_stands_in_short_rows_beside_the_tall_columns() -> None:
    graph = training_step(12)
    opened = [scope for scope, path in enumerate(graph.paths) if path == "optimizer"]
    view, placement = placed(graph, opened)
    _, _, width, height = placement.rects[scopes(view)["optimizer"]].tolist()
    assert 300 < width < 1200
    assert height > width / 2
