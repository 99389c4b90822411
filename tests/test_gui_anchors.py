"""What the user looks at stays where it is when the picture changes: by mouse, by keyboard, by fold and iteration."""

from pathlib import Path

import pytest
from PySide6.QtCore import QPointF, QRectF, Qt
from pytestqt.qtbot import QtBot

from graphreel.gui.marks import box_of
from graphreel.gui.views import Selection
from graphreel.gui.window import Window
from graphreel.layout.types import BoxKind
from tests import gui_support
from tests.gui_support import (
    OFFSCREEN_NOISE,
    Open,
    graph_of,
    record,
    scene_of,
    settle,
    training_step,
    trigger,
    write_reel,
)

pytestmark = OFFSCREEN_NOISE

window = pytest.fixture(gui_support.window)
opened = pytest.fixture(gui_support.opened)

LAYERS = "forward/Net/layers"


@pytest.fixture
def deep(tmp_path: Path, opened: Open, qtbot: QtBot) -> Window:
    """Two iterations with 40 equal blocks that show one by one, and one with 41."""
    records = [record(training_step(40)), record(training_step(40)), record(training_step(41))]
    window = opened(write_reel(tmp_path / "deep.reel", records))
    window.session.unfold(f"{LAYERS}/1")
    settle(qtbot, window)
    return window


def scope(window: Window, path: str) -> Selection:
    return Selection.of_scope(graph_of(window).paths.index(path))


def rect_of(window: Window, path: str) -> QRectF:
    """Where the box of a scope stands in the widget."""
    box = box_of(scene_of(window).view, scope(window, path))
    assert box is not None
    return window.canvas.screen_rect(box)


def look_at(window: Window, path: str, zoom: float = 1.0) -> None:
    canvas = window.canvas
    rect = rect_of(window, path)
    canvas.look(canvas.camera.panned(canvas.width() / 2 - rect.center().x(), canvas.height() / 2 - rect.center().y()))
    canvas.zoom_by(zoom / canvas.camera.zoom)


def close(one: QPointF, other: QPointF) -> bool:
    return (one - other).manhattanLength() < 1.0


def test_a_scope_that_opens_by_keyboard_stays_at_its_corner(qtbot: QtBot, deep: Window) -> None:
    path = f"{LAYERS}/20"
    look_at(deep, path)
    deep.session.select(scope(deep, path))
    before = rect_of(deep, path).topLeft()
    trigger(qtbot, deep, "view.expand")
    assert close(rect_of(deep, path).topLeft(), before)
    deep.canvas.setFocus()
    qtbot.keyClick(deep.canvas, Qt.Key.Key_Return)
    settle(qtbot, deep)
    assert path not in deep.session.expanded
    assert close(rect_of(deep, path).topLeft(), before)


def test_a_large_scope_that_closes_by_keyboard_is_still_in_view(qtbot: QtBot, deep: Window) -> None:
    look_at(deep, f"{LAYERS}/20", zoom=2.0)
    deep.session.select(scope(deep, LAYERS))
    assert not deep.canvas.rect().contains(rect_of(deep, LAYERS).topLeft().toPoint())
    trigger(qtbot, deep, "view.collapse")
    assert deep.canvas.rect().contains(rect_of(deep, LAYERS).center().toPoint())


def test_what_is_in_the_middle_stays_where_something_else_opens(qtbot: QtBot, deep: Window) -> None:
    path = f"{LAYERS}/30"
    look_at(deep, path)
    deep.session.select(Selection())
    before = rect_of(deep, path).topLeft()
    deep.session.expand([f"{LAYERS}/{index}" for index in range(2, 12)])
    settle(qtbot, deep)
    assert close(rect_of(deep, path).topLeft(), before)
    trigger(qtbot, deep, "view.undo")
    assert close(rect_of(deep, path).topLeft(), before)


def test_a_fold_comes_to_where_its_scopes_were(qtbot: QtBot, deep: Window) -> None:
    path = f"{LAYERS}/30"
    look_at(deep, path)
    deep.session.select(scope(deep, path))
    trigger(qtbot, deep, "view.fold")
    scene = scene_of(deep)
    fold = scene.view.kind.tolist().index(BoxKind.FOLD)
    assert deep.canvas.rect().intersects(deep.canvas.screen_rect(fold).toAlignedRect())


def test_a_fold_that_opens_keeps_its_place(qtbot: QtBot, deep: Window) -> None:
    deep.session.fold(graph_of(deep).scope(graph_of(deep).paths.index(f"{LAYERS}/1")).id)
    settle(qtbot, deep)
    look_at(deep, f"{LAYERS}/1")
    before = rect_of(deep, f"{LAYERS}/1").topLeft()
    deep.session.select(scope(deep, f"{LAYERS}/1"))
    trigger(qtbot, deep, "view.fold")
    assert close(rect_of(deep, f"{LAYERS}/1").topLeft(), before)


def test_the_next_iteration_stands_where_this_one_stood(qtbot: QtBot, deep: Window) -> None:
    path = f"{LAYERS}/25"
    look_at(deep, path)
    deep.session.select(scope(deep, path))
    before = rect_of(deep, path).topLeft()
    deep.session.show_iteration(2)
    settle(qtbot, deep)
    assert graph_of(deep).node_count != training_step(40).node_count
    assert close(rect_of(deep, path).topLeft(), before)
    deep.session.select(Selection())
    deep.session.show_iteration(0)
    settle(qtbot, deep)
    assert close(rect_of(deep, path).topLeft(), before), "without a selection, what is in the middle"


def test_what_is_in_the_middle_stays_where_something_else_is_hidden(qtbot: QtBot, deep: Window) -> None:
    path = f"{LAYERS}/25"
    look_at(deep, path)
    deep.session.select(scope(deep, f"{LAYERS}/3"))
    before = rect_of(deep, path).topLeft()
    trigger(qtbot, deep, "hide.selection")
    assert close(rect_of(deep, path).topLeft(), before)


def test_a_click_keeps_the_scope_under_the_mouse(qtbot: QtBot, deep: Window) -> None:
    path = f"{LAYERS}/20"
    look_at(deep, path)
    box = box_of(scene_of(deep).view, scope(deep, path))
    assert box is not None
    place = deep.canvas.chevron_rect(box).center()
    qtbot.mouseClick(deep.canvas, Qt.MouseButton.LeftButton, pos=place.toPoint())
    settle(qtbot, deep)
    assert path in deep.session.expanded
    assert rect_of(deep, path).contains(place)
