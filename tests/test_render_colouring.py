"""Colours of boxes and what their legend says; what boxes say by choice."""

from dataclasses import replace

import numpy as np
import pytest

from graphreel.analysis import Recorded
from graphreel.graph import Graph, GraphBuilder, ScopeId, ScopeKind
from graphreel.layout import lay_out, visible
from graphreel.layout.types import BoxKind
from graphreel.render import (
    BOX_CLASSES,
    COLOUR_BY,
    DARK,
    LIGHT,
    USUAL,
    Scene,
    Theme,
    build_scene,
    coloured,
    measure,
    picture,
    said,
    to_svg,
)
from graphreel.render.colours import HEATS
from graphreel.render.legend import placed
from tests.gui_support import training_step

GRAPH = training_step(2)
TIMES = np.array([1_000, 2_000, 4_000, 8_000, 1_000_000, -1, 16_000, 32_000])
RECORDED = Recorded({"duration_ns": TIMES})


def open_picture(graph: Graph = GRAPH) -> Scene:
    return picture(graph, [ScopeId(scope) for scope in range(1, graph.scope_count)])


def classes(scene: Scene) -> list[str]:
    """The colour of each node's box, by execution order."""
    view = scene.view
    nodes = np.flatnonzero(view.kind == BoxKind.NODE)
    return [BOX_CLASSES[scene.box_class[box]] for box in nodes[np.argsort(view.ref[nodes])].tolist()]


def test_times_lie_on_a_scale_of_equal_ratios() -> None:
    scene = coloured(open_picture(), "time", RECORDED)
    steps = [int(name.removeprefix("heat-")) if name.startswith("heat") else -1 for name in classes(scene)]
    assert steps[0] == 0
    assert steps[4] == HEATS - 1
    assert steps[5] == -1, "what took no measured time is told apart from what took little"
    assert np.ptp(np.diff(steps[:4])) <= 1, "twice the time is the same way further, wherever on the scale"
    legend = scene.legend
    assert legend is not None
    assert legend.title == "Time, logarithmic"
    assert legend.scale == ("1 µs", "8 µs", "1 ms")
    assert [entry.text for entry in legend.entries] == ["not known of 1"]


def test_a_closed_group_has_the_sum_of_times_and_the_largest_statistic() -> None:
    closed = picture(GRAPH, [])
    names = [closed.keys[box] for box in range(len(closed.view.kind))]
    timed = coloured(closed, "time", RECORDED)
    assert timed.legend is not None
    # 1.015 ms in forward, 16 µs in backward (of two operations one was measured), 32 µs in optimizer.
    assert timed.legend.scale == ("16 µs", "32 µs", "1.01 ms")
    assert "the sum" in timed.legend.note
    low = np.arange(GRAPH.value_count, dtype=float)
    statistics = Recorded(value_columns={"min": low, "max": low, "mean": low, "counted": low > 0})
    found = coloured(closed, "mean", statistics)
    assert found.legend is not None
    largest = max(v for v in range(GRAPH.value_count) if 0 <= GRAPH.values.producer[v] <= 4)
    at = names.index("forward")
    assert BOX_CLASSES[found.box_class[at]].startswith("heat-")
    assert f"{largest}" in found.legend.scale
    assert "the largest" in found.legend.note


def test_categories_have_colours_by_how_many_boxes_they_are() -> None:
    scene = coloured(open_picture(), "op", RECORDED)
    assert scene.legend is not None
    assert [(entry.text, entry.count) for entry in scene.legend.entries] == [
        ("mm", "4"),
        ("relu", "2"),
        ("mean", "1"),
        ("add_", "1"),
    ]
    assert classes(scene)[:3] == ["colour-0", "colour-1", "colour-0"]


def test_what_has_no_colour_of_its_own_is_counted_together() -> None:
    builder = GraphBuilder()
    for op in range(30):
        builder.node(f"op{op}")
    scene = coloured(open_picture(builder.build()), "op", Recorded())
    assert scene.legend is not None
    assert len(scene.legend.entries) == 9
    assert scene.legend.entries[-1].text == "22 others"
    assert classes(scene).count("colour-others") == 22


@pytest.mark.parametrize("by", COLOUR_BY)
def test_every_colouring_can_be_drawn_whatever_was_recorded(by: str) -> None:
    for graph in (GRAPH, GraphBuilder().build()):
        for recorded in (Recorded(), RECORDED):
            scene = coloured(open_picture(graph), by, recorded)
            assert scene.legend is not None
            legend = placed(scene.legend)
            assert all(text.x + text.width <= legend.width for text in legend.texts)
            assert all(x >= 0 and x + width <= legend.width for x, _, width, _, _ in legend.fields)


def test_what_was_not_recorded_is_grey_and_said() -> None:
    scene = coloured(open_picture(), "absmax", RECORDED)
    assert set(classes(scene)) == {"colour-none"}
    assert scene.legend is not None
    assert scene.legend.entries[0].text == "not recorded (needs --level stats)"


def test_colours_go_as_they_came() -> None:
    plain = open_picture()
    again = coloured(coloured(plain, "op", RECORDED), "", RECORDED)
    assert np.array_equal(again.box_class, plain.box_class)
    assert again.legend is None


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_the_svg_has_the_legend_and_a_rule_for_each_colour(theme: Theme) -> None:
    plain, svg = to_svg(open_picture(), theme), to_svg(coloured(open_picture(), "time", RECORDED), theme)
    assert "heat-" not in plain
    for name in {name for name in BOX_CLASSES if f'class="box node {name}"' in svg}:
        assert f".box.{name} rect{{fill:" in svg
    assert svg.count('class="field heat-') == HEATS
    assert "median 8 µs" in svg


def test_scopes_are_the_same_in_all_phases() -> None:
    builder = GraphBuilder()
    for phase in ("forward", "backward"):
        net = builder.scope("Net", builder.scope(phase, kind=ScopeKind.PHASE))
        for layer in "abcde":
            builder.node("mm", scope=builder.scope(layer, net))
    scene = coloured(open_picture(builder.build()), "scope", Recorded())
    assert scene.legend is not None
    assert [(entry.text, entry.count) for entry in scene.legend.entries] == [(f"Net/{n}", "2") for n in "abcde"]


def test_boxes_alike_but_for_what_is_chosen_say_different_things() -> None:
    view = visible(GRAPH, [ScopeId(scope) for scope in range(1, GRAPH.scope_count)])
    chosen = said(GRAPH, USUAL | {"source", "time"}, RECORDED)
    scene = build_scene(view, lay_out(view, measure(view, chosen)), chosen)
    texts = list(scene.texts.text)
    assert {"train.py:10", "train.py:11", "1 µs", "4 µs"} <= set(texts)
    assert said(GRAPH, USUAL, RECORDED) is None
    bare = replace(RECORDED, columns={})
    assert "1 µs" not in list(build_scene(view, scene.placement, said(GRAPH, USUAL | {"time"}, bare)).texts.text)
