"""Finding one's way in the real window: walking by keyboard, what lights up under the mouse, back, forward and undo."""

from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from graphreel.graph import Graph, GraphBuilder, ValueKind
from graphreel.gui.views import Selection, What
from graphreel.gui.window import Window
from tests import gui_support
from tests.gui_support import (
    OFFSCREEN_NOISE,
    Open,
    graph_of,
    record,
    reel,
    scene_of,
    settle,
    training_step,
    trigger,
    write_reel,
)
from tests.large_graphs import star

pytestmark = OFFSCREEN_NOISE

window = pytest.fixture(gui_support.window)
opened = pytest.fixture(gui_support.opened)
step = pytest.fixture(gui_support.step)

NO_MODIFIER = Qt.KeyboardModifier.NoModifier
BLOCK = "forward/Net/layers/0"


def fork() -> Graph:
    """An operation that three take from, and one that takes from these three."""
    builder = GraphBuilder()
    at = builder.value("float32", [4], name="x", kind=ValueKind.INPUT)
    first = builder.value("float32", [4], producer=builder.node("aten.exp.default", [at]))
    ops = ("aten.relu.default", "aten.tanh.default", "aten.sigmoid.default")
    arms = [builder.value("float32", [4], producer=builder.node(op, [first])) for op in ops]
    builder.output(builder.value("float32", [4], producer=builder.node("aten.cat.default", arms)))
    return builder.build()


@pytest.fixture
def forked(tmp_path: Path, opened: Open) -> Window:
    return opened(write_reel(tmp_path / "fork.reel", [record(fork())]))


def box_of_node(window: Window, node: int) -> int:
    return int(scene_of(window).view.node_box[node])


def press(qtbot: QtBot, window: Window, key: Qt.Key, modifier: Qt.KeyboardModifier = NO_MODIFIER) -> None:
    window.canvas.setFocus()
    qtbot.keyClick(window.canvas, key, modifier)
    settle(qtbot, window)


def selected(window: Window) -> str:
    """The op or path of what is selected."""
    selection, graph = window.session.selection, graph_of(window)
    if selection.what is What.NODE:
        return graph.node(selection.id).op.split(".")[1]
    return graph.paths[selection.id] if selection.what is What.SCOPE else selection.what.value


def test_arrows_follow_edges_and_rows(qtbot: QtBot, forked: Window) -> None:
    forked.session.select(Selection.of_node(0))
    press(qtbot, forked, Qt.Key.Key_Down)
    arms = {"relu", "tanh", "sigmoid"}
    seen = {selected(forked)}
    assert seen < arms
    press(qtbot, forked, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    seen.add(selected(forked))
    press(qtbot, forked, Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier)
    assert seen | {selected(forked)} == arms, "Shift and an arrow lead to the others in turn"
    for _ in range(2):
        press(qtbot, forked, Qt.Key.Key_Left)
    row = [selected(forked)]
    for _ in range(2):
        press(qtbot, forked, Qt.Key.Key_Right)
        row.append(selected(forked))
    assert set(row) == arms, "left and right lead through the row"
    press(qtbot, forked, Qt.Key.Key_Right)
    assert selected(forked) == row[-1], "and stay at its end"
    press(qtbot, forked, Qt.Key.Key_Down)
    assert selected(forked) == "cat"
    press(qtbot, forked, Qt.Key.Key_Up)
    assert selected(forked) in arms
    press(qtbot, forked, Qt.Key.Key_Up)
    press(qtbot, forked, Qt.Key.Key_Up)
    assert selected(forked) == "value", "the input has a box of its own"
    press(qtbot, forked, Qt.Key.Key_Down)
    assert selected(forked) == "exp"


def test_without_a_selection_the_walk_begins_in_the_middle_of_the_view(qtbot: QtBot, forked: Window) -> None:
    box = box_of_node(forked, 2)
    forked.canvas.fit_box(box)
    press(qtbot, forked, Qt.Key.Key_Down)
    assert forked.session.selection == Selection.of_node(2)


def test_enter_opens_and_closes_and_backspace_leads_out(qtbot: QtBot, tmp_path: Path, opened: Open) -> None:
    window = opened(reel(tmp_path))
    graph = graph_of(window)
    window.session.select(Selection.of_scope(graph.paths.index(BLOCK)))
    press(qtbot, window, Qt.Key.Key_Enter)
    assert BLOCK not in window.session.expanded
    press(qtbot, window, Qt.Key.Key_Return)
    assert BLOCK in window.session.expanded
    press(qtbot, window, Qt.Key.Key_Down, Qt.KeyboardModifier.ControlModifier)
    assert selected(window) == "mm"
    press(qtbot, window, Qt.Key.Key_Backspace)
    assert selected(window) == BLOCK
    for path in ("forward/Net/layers", "forward/Net", "forward"):
        press(qtbot, window, Qt.Key.Key_Backspace)
        assert selected(window) == path


def test_an_open_scope_leads_to_what_takes_from_it(qtbot: QtBot, step: Window) -> None:
    step.session.select(Selection.of_scope(graph_of(step).paths.index(BLOCK)))
    press(qtbot, step, Qt.Key.Key_Down)
    assert step.session.selection == Selection.of_node(2), "the first operation of the next block"


def test_what_is_walked_to_comes_into_view(qtbot: QtBot, step: Window) -> None:
    canvas = step.canvas
    step.session.select(Selection.of_node(0))
    canvas.fit_box(box_of_node(step, 0))
    canvas.zoom_by(3.0)
    for _ in range(4):
        press(qtbot, step, Qt.Key.Key_Down)
        box = box_of_node(step, step.session.selection.id)
        assert canvas.rect().contains(canvas.screen_rect(box).center().toPoint())


def test_arrows_in_the_outline_stay_there(qtbot: QtBot, step: Window) -> None:
    step.outline.setFocus()
    step.outline.setCurrentIndex(step.model.index(0, 0))
    qtbot.keyClick(step.outline, Qt.Key.Key_Down)
    assert selected(step) != "forward"
    index = step.outline.currentIndex()
    assert step.model.selection_at(index) == step.session.selection


def hover(qtbot: QtBot, window: Window, place: QPointF) -> None:
    canvas = window.canvas
    none, nothing = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    event = QMouseEvent(QEvent.Type.MouseMove, place, canvas.mapToGlobal(place), none, none, nothing)
    QApplication.sendEvent(canvas, event)
    qtbot.wait(80)


def test_what_is_joined_with_what_is_under_the_mouse_is_lit(qtbot: QtBot, forked: Window) -> None:
    canvas, glow = forked.canvas, forked.navigation.hovering.glow
    canvas.fit()
    before = canvas.grab().toImage()
    hover(qtbot, forked, canvas.screen_rect(box_of_node(forked, 0)).center())
    assert glow.lit is not None
    assert len(glow.lit.producers) == 1, "the input"
    assert set(glow.lit.consumers.tolist()) == {box_of_node(forked, node) for node in (1, 2, 3)}
    assert canvas.grab().toImage() != before
    hover(qtbot, forked, QPointF(3, 3))
    assert glow.lit is None
    assert not glow.isVisible()
    assert canvas.grab().toImage() == before


def test_an_edge_under_the_mouse_lights_its_ends(qtbot: QtBot, forked: Window) -> None:
    canvas, glow, scene = forked.canvas, forked.navigation.hovering.glow, scene_of(forked)
    canvas.fit()
    edge = next(
        row for row in range(len(scene.view.edge_source)) if scene.view.edge_target[row] == box_of_node(forked, 4)
    )
    start, end = scene.placement.route_start[edge : edge + 2]
    points = scene.placement.route_points[start:end]
    middle = (points[0] + 3 * points[1] + 3 * points[2] + points[3]) / 8
    hover(qtbot, forked, QPointF(*canvas.camera.to_screen(*middle.tolist())))
    assert glow.lit is not None
    assert glow.lit.consumers.tolist() == [box_of_node(forked, 4)]
    assert glow.lit.producers.tolist() == [int(scene.view.edge_source[edge])]
    canvas.zoom_by(1.2)
    assert glow.lit is None, "the picture moved away under the mouse"


def test_a_thousand_edges_are_lit_only_in_part(qtbot: QtBot, tmp_path: Path, opened: Open) -> None:
    window = opened(write_reel(tmp_path / "star.reel", [record(star(1000))]))
    window.session.expand(graph_of(window).paths[1:])
    settle(qtbot, window)
    canvas, glow = window.canvas, window.navigation.hovering.glow
    canvas.fit_box(box_of_node(window, 0))
    hover(qtbot, window, canvas.screen_rect(box_of_node(window, 0)).center())
    assert glow.lit is not None
    assert 0 < len(glow.lit.edges) <= 300


def test_back_and_forward_lead_through_the_places(qtbot: QtBot, step: Window) -> None:
    session, canvas = step.session, step.canvas
    assert not step.actions_["go.back"].isEnabled()
    session.select(Selection.of_node(0))
    canvas.fit_box(box_of_node(step, 0))
    where = canvas.camera
    session.select(Selection.of_node(4))
    canvas.fit_box(box_of_node(step, 4))
    trigger(qtbot, step, "go.back")
    assert session.selection == Selection.of_node(0)
    assert canvas.camera == where, "one looks where one looked"
    qtbot.mouseClick(canvas, Qt.MouseButton.ForwardButton, pos=QPoint(5, 5))
    assert session.selection == Selection.of_node(4)
    qtbot.mouseClick(canvas, Qt.MouseButton.BackButton, pos=QPoint(5, 5))
    assert session.selection == Selection.of_node(0)
    session.select(Selection.of_node(2))
    assert not step.actions_["go.forward"].isEnabled(), "another place takes the place of all that followed"


def test_back_leads_into_the_iteration_one_came_from(qtbot: QtBot, step: Window) -> None:
    session = step.session
    session.select(Selection.of_node(1))
    session.show_iteration(2)
    settle(qtbot, step)
    session.select(Selection.of_node(6))
    trigger(qtbot, step, "go.back", "go.back")
    assert session.shown is not None
    assert session.shown.iteration.index == 0
    assert session.selection == Selection.of_node(1)


def test_stepping_is_one_place(qtbot: QtBot, step: Window) -> None:
    step.session.select(Selection.of_node(5))
    trigger(qtbot, step, "step.next", "step.next", "step.next")
    trigger(qtbot, step, "go.back")
    assert step.session.selection == Selection.of_node(5)


def test_opening_and_closing_is_undone_and_done_again(qtbot: QtBot, tmp_path: Path, opened: Open) -> None:
    window = opened(reel(tmp_path))
    session = window.session
    at_first = set(session.expanded)
    assert not window.actions_["view.undo"].isEnabled()
    session.toggle(BLOCK)
    settle(qtbot, window)
    session.toggle("backward")
    settle(qtbot, window)
    closed_then = set(session.expanded)
    assert box_of_node(window, 0) == box_of_node(window, 1)
    trigger(qtbot, window, "view.undo", "view.undo")
    assert session.expanded == at_first
    assert box_of_node(window, 0) != box_of_node(window, 1), "the block is open again"
    trigger(qtbot, window, "view.redo", "view.redo")
    assert session.expanded == closed_then
    trigger(qtbot, window, "view.undo", "view.collapse-all")
    assert not window.actions_["view.redo"].isEnabled()


def test_unfolding_is_undone(qtbot: QtBot, tmp_path: Path, opened: Open) -> None:
    window = opened(write_reel(tmp_path / "deep.reel", [record(training_step(40))]))
    boxes = len(scene_of(window).view.kind)
    window.session.unfold("forward/Net/layers/1")
    settle(qtbot, window)
    assert len(scene_of(window).view.kind) > boxes
    trigger(qtbot, window, "view.undo")
    assert len(scene_of(window).view.kind) == boxes


def test_hiding_is_undone(qtbot: QtBot, step: Window) -> None:
    step.session.select(Selection.of_node(0))
    trigger(qtbot, step, "hide.selection")
    assert box_of_node(step, 0) < 0
    trigger(qtbot, step, "view.undo")
    assert box_of_node(step, 0) >= 0
    trigger(qtbot, step, "view.redo")
    assert box_of_node(step, 0) < 0
    assert not step.actions_["view.redo"].isEnabled()


def test_other_consumers_are_offered_only_right_after_a_step_to_one(qtbot: QtBot, forked: Window) -> None:
    forked.session.select(Selection.of_node(0))
    press(qtbot, forked, Qt.Key.Key_Down)
    assert forked.actions_["go.other"].isEnabled()
    for _ in range(2):
        press(qtbot, forked, Qt.Key.Key_Left)
    press(qtbot, forked, Qt.Key.Key_Right)
    assert not forked.actions_["go.other"].isEnabled()
