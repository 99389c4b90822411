"""Several things selected in the real window: by mouse, by what joins them, and what the inspector says of them."""

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QInputDialog
from pytestqt.qtbot import QtBot

from graphreel.gui.views import Selection, What
from graphreel.gui.window import Window
from graphreel.layout.types import BoxKind
from tests import gui_support
from tests.gui_support import OFFSCREEN_NOISE, Open, graph_of, scene_of, settle, trigger

pytestmark = OFFSCREEN_NOISE

window = pytest.fixture(gui_support.window)
opened = pytest.fixture(gui_support.opened)
step = pytest.fixture(gui_support.step)

SHIFT, CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
LEFT = Qt.MouseButton.LeftButton


def click(qtbot: QtBot, window: Window, node: int, modifier: Qt.KeyboardModifier) -> None:
    box = int(scene_of(window).view.node_box[node])
    qtbot.mouseClick(window.canvas, LEFT, modifier, window.canvas.screen_rect(box).center().toPoint())


def test_ctrl_or_shift_and_a_click_select_besides_and_no_longer(qtbot: QtBot, step: Window) -> None:
    session = step.session
    click(qtbot, step, 0, Qt.KeyboardModifier.NoModifier)
    click(qtbot, step, 1, CTRL)
    click(qtbot, step, 2, SHIFT)
    assert session.selection.every_node == {0, 1, 2}
    assert session.selection.primary == Selection.of_node(2), "what was clicked last is what single views show"
    assert step.canvas.overlay.selected == {int(scene_of(step).view.node_box[node]) for node in (0, 1, 2)}
    click(qtbot, step, 2, CTRL)
    assert session.selection.every_node == {0, 1}
    click(qtbot, step, 3, Qt.KeyboardModifier.NoModifier)
    assert session.selection == Selection.of_node(3)
    trigger(qtbot, step, "select.nothing")
    assert not session.selection


def test_a_click_beside_everything_with_ctrl_keeps_the_selection(qtbot: QtBot, step: Window) -> None:
    click(qtbot, step, 0, Qt.KeyboardModifier.NoModifier)
    qtbot.mouseClick(step.canvas, LEFT, CTRL, QPoint(2, 2))
    assert step.session.selection == Selection.of_node(0)


def test_shift_and_a_drag_select_what_stands_within(qtbot: QtBot, step: Window) -> None:
    canvas, scene = step.canvas, scene_of(step)
    rects = [canvas.screen_rect(int(scene.view.node_box[node])) for node in (0, 1)]
    around = rects[0].united(rects[1]).adjusted(-3, -3, 3, 3)
    camera = canvas.camera
    qtbot.mousePress(canvas, LEFT, SHIFT, around.topLeft().toPoint())
    qtbot.mouseMove(canvas, around.center().toPoint())
    press_and_move(canvas, around.bottomRight().toPoint())
    assert step.navigation.choosing.band.isVisible()
    qtbot.mouseRelease(canvas, LEFT, SHIFT, around.bottomRight().toPoint())
    assert step.session.selection.every_node == {0, 1}
    assert canvas.camera == camera, "the picture stays where it is"
    assert not step.navigation.choosing.band.isVisible()


def press_and_move(canvas: object, place: QPoint) -> None:
    """A move with the left button and Shift held, which qtbot's own move does not tell."""
    from PySide6.QtCore import QEvent, QPointF
    from PySide6.QtGui import QMouseEvent
    from PySide6.QtWidgets import QApplication, QWidget

    assert isinstance(canvas, QWidget)
    where = QPointF(place)
    event = QMouseEvent(QEvent.Type.MouseMove, where, canvas.mapToGlobal(where), LEFT, LEFT, SHIFT)
    QApplication.sendEvent(canvas, event)


def test_ctrl_a_selects_the_scope_and_then_the_scope_around(qtbot: QtBot, step: Window) -> None:
    graph, session = graph_of(step), step.session
    session.select(Selection.of_node(0))
    trigger(qtbot, step, "select.all")
    assert session.selection.every_node == {0, 1}, "its block"
    trigger(qtbot, step, "select.all")
    assert session.selection.every_node == {0, 1, 2, 3}, "all layers"
    session.select(Selection())
    trigger(qtbot, step, "select.all")
    assert session.selection.every_node == set(range(graph.node_count))


def test_ancestors_descendants_and_single_steps(qtbot: QtBot, step: Window) -> None:
    session = step.session
    session.select(Selection.of_node(2))
    trigger(qtbot, step, "select.ancestors")
    assert session.selection.every_node == {0, 1, 2}
    assert session.selection.primary == Selection.of_node(2)
    session.select(Selection.of_node(2))
    trigger(qtbot, step, "select.wider-down")
    assert session.selection.every_node == {2, 3}
    trigger(qtbot, step, "select.wider-up")
    assert session.selection.every_node == {1, 2, 3}
    trigger(qtbot, step, "select.descendants")
    assert session.selection.every_node == set(range(1, graph_of(step).node_count))


def test_descendants_within_so_many_steps(qtbot: QtBot, step: Window) -> None:
    step.session.select(Selection.of_node(0))
    trigger(qtbot, step, "select.descendants-near")
    dialog = step.findChild(QInputDialog, "steps")
    assert dialog is not None
    dialog.setIntValue(2)
    dialog.accept()
    settle(qtbot, step)
    assert step.session.selection.every_node == {0, 1, 2}


def test_all_paths_between_two_or_the_shortest_connection(qtbot: QtBot, step: Window) -> None:
    session, actions = step.session, step.actions_
    session.select(Selection.of_node(1))
    assert not actions["select.path"].isEnabled()
    session.select(Selection.of([1, 3]))
    trigger(qtbot, step, "select.path")
    assert session.selection.every_node == {1, 2, 3}
    assert "3 things selected" in step.inspector.toPlainText()


def test_two_that_no_path_joins_can_be_joined_against_the_edges(qtbot: QtBot, tmp_path: Path, opened: Open) -> None:
    from graphreel.graph import GraphBuilder
    from tests.gui_support import record, write_reel

    builder = GraphBuilder()
    first = builder.node("aten.ones.default", [])
    value = builder.value("float32", [4], producer=first)
    for _ in range(2):
        builder.node("aten.relu.default", [value])
    builder.node("aten.rand.default", [])
    window = opened(write_reel(tmp_path / "fork.reel", [record(builder.build())]))
    window.session.select(Selection.of([1, 2]))
    trigger(qtbot, window, "select.path")
    assert window.session.selection.every_node == {1, 2}
    assert "No path leads" in window.message.line.text()
    assert "Shift+P" in window.message.line.text()
    trigger(qtbot, window, "select.shortest")
    assert window.session.selection.every_node == {0, 1, 2}
    window.session.select(Selection.of([1, 3]))
    trigger(qtbot, window, "select.shortest")
    assert "Nothing joins" in window.message.line.text()


def test_the_inspector_sums_up_and_links(qtbot: QtBot, step: Window) -> None:
    graph = graph_of(step)
    block = graph.paths.index("forward/Net/layers/0")
    step.session.select(Selection.of([2, 4], [block]))
    text = step.inspector.toPlainText()
    assert "3 things selected" in text
    assert "operations\n4" in text.replace("\t", "\n"), "those in the scope count"
    assert "4 µs" in text
    assert "2 ×" in text
    assert "aten.mm.default" in text
    assert f"#{2}" in text


def test_several_stay_selected_in_the_next_iteration(qtbot: QtBot, step: Window) -> None:
    session = step.session
    session.select(Selection.of([0, 1, 4]))
    session.show_iteration(2)
    settle(qtbot, step)
    keys = [graph_of(step).node(node).op for node in sorted(session.selection.every_node)]
    assert keys == ["aten.mm.default", "aten.relu.default", "aten.mean.default"]
    assert session.selection.primary.what is What.NODE


def test_everything_selected_is_tinted_and_drawn(qtbot: QtBot, opened: Open, tmp_path: Path) -> None:
    from tests.gui_support import graph_of, record, scene_of, training_step, write_reel

    window = opened(write_reel(tmp_path / "many.reel", [record(training_step(200))]))
    window.session.expand(graph_of(window).paths[1:])
    settle(qtbot, window)
    before = window.canvas.grab().toImage()
    trigger(qtbot, window, "select.all")
    assert sum(kind == BoxKind.NODE for kind in scene_of(window).view.kind) > 300
    assert window.canvas.grab().toImage() != before


def test_z_shows_all_that_is_selected(qtbot: QtBot, step: Window) -> None:
    step.canvas.zoom_by(4.0)
    step.session.select(Selection.of([0, 3, 6]))
    trigger(qtbot, step, "view.selection")
    for node in (0, 3, 6):
        box = int(scene_of(step).view.node_box[node])
        assert step.canvas.rect().contains(step.canvas.screen_rect(box).toAlignedRect())
