"""Chips in place of long edges on the canvas: hit, drawn whole, followed to the other end."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from graphreel.graph import Graph, GraphBuilder
from graphreel.gui.canvas import Camera, Canvas
from graphreel.gui.canvas.picking import other_ends, stub_at
from graphreel.gui.canvas_presenter import CanvasPresenter
from graphreel.gui.style import load_fonts
from graphreel.gui.views import What
from graphreel.gui.window import Window
from graphreel.render import LIGHT, Overlay, Scene, picture
from tests import gui_support
from tests.gui_support import OFFSCREEN_NOISE, record, settle, training_step, write_reel

pytestmark = OFFSCREEN_NOISE

window = pytest.fixture(gui_support.window)
opened = pytest.fixture(gui_support.opened)


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    load_fonts()
    made = Canvas(LIGHT)
    qtbot.addWidget(made)
    made.resize(900, 700)
    made.show()
    return made


def stub_scene() -> Scene:
    scene = picture(graph := training_step(3), range(graph.scope_count))
    assert len(scene.stub_chips.end), "the layout made no stub, so there is nothing to test"
    return scene


def test_a_stub_is_hit_and_its_edge_drawn_whole_under_the_mouse(qtbot: QtBot, canvas: Canvas) -> None:
    scene = stub_scene()
    canvas.show_scene(scene, Overlay())
    x, y, width, height = scene.placement.stubs.rects[0].tolist()
    canvas.look(Camera(1.0, x - 400, y - 300))
    place = QPoint(int(400 + width / 2), int(300 + height / 2))
    qtbot.mouseMove(canvas, QPoint(5, 5))
    before = canvas.grab().toImage()
    qtbot.mouseMove(canvas, place)
    after = canvas.grab().toImage()
    changed = [
        at for at in range(0, 900, 3) for row in range(0, 700, 7) if before.pixel(at, row) != after.pixel(at, row)
    ]
    assert changed
    with qtbot.waitSignal(canvas.stub_picked) as picked:
        qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=place)
    assert picked.args is not None
    assert picked.args[0] == 0
    qtbot.mouseMove(canvas, QPoint(5, 5))
    assert canvas.grab().toImage() == before


def test_where_a_stub_leads_is_what_its_edges_say() -> None:
    scene = stub_scene()
    stubs, view = scene.placement.stubs, scene.view
    for stub, (x, y, width, height) in enumerate(stubs.rects.tolist()):
        assert stub_at(scene, x + width / 2, y + height / 2) == stub
        for end, edge in other_ends(scene, stub):
            ends = {int(view.edge_source[edge]), int(view.edge_target[edge])}
            assert ends == {end, int(stubs.box[stub])}
        assert (scene.stub_chips.end[stub] >= 0) == (len(other_ends(scene, stub)) == 1)


def click_stub(qtbot: QtBot, window: Window, stub: int) -> None:
    scene = window.canvas.scene
    assert scene is not None
    x, y, width, height = scene.placement.stubs.rects[stub].tolist()
    window.canvas.look(Camera(1.0, x - 200, y - 200))
    place = QPoint(int(200 + width / 2), int(200 + height / 2))
    qtbot.mouseClick(window.canvas, Qt.MouseButton.LeftButton, pos=place)


def test_a_click_on_a_stub_selects_the_value_and_shows_the_other_end(
    qtbot: QtBot, tmp_path: Path, window: Window, opened: gui_support.Open
) -> None:
    opened(write_reel(tmp_path / "run.reel", [record(training_step(3))]))
    assert window.session.graph is not None
    window.session.expand(window.session.graph.paths[1:])
    settle(qtbot, window)
    scene = window.canvas.scene
    assert scene is not None
    single = np.flatnonzero(scene.stub_chips.end >= 0)
    assert len(single), "the layout made no stub with one end, so there is nothing to test"
    stub = int(single[0])
    click_stub(qtbot, window, stub)
    (end, edge), *_ = other_ends(scene, stub)
    assert window.session.selection.what is What.VALUE
    assert window.session.selection.id == scene.view.edge_value[edge]
    assert window.canvas.rect().contains(window.canvas.screen_rect(end).toRect())


def fan_out() -> Graph:
    """A chain in which every operation also takes the first value."""
    builder = GraphBuilder({"framework": "torch"})
    value = first = builder.value("float32", [4], producer=builder.node("aten.mm.default", []))
    for _ in range(30):
        value = builder.value("float32", [4], producer=builder.node("aten.relu.default", [value]))
        builder.node("aten.add.Tensor", [value, first])
    return builder.build()


# Offscreen there is no stack of windows in which a menu could come first, and no keyboard to take.
@pytest.mark.qt_log_ignore("This plugin does not support (raise|grabbing|propagateSizeHints)")
def test_a_stub_with_several_ends_lets_one_choose(
    qtbot: QtBot, tmp_path: Path, window: Window, opened: gui_support.Open
) -> None:
    opened(write_reel(tmp_path / "run.reel", [record(fan_out())]))
    scene = window.canvas.scene
    assert scene is not None
    stub = max(range(len(scene.stub_chips.end)), key=lambda stub: len(other_ends(scene, stub)))
    ends = other_ends(scene, stub)
    assert len(ends) > 20
    click_stub(qtbot, window, stub)
    links = next(one for one in window.presenters if isinstance(one, CanvasPresenter)).stub_links
    assert links.menu is not None
    choices = links.menu.actions()
    assert choices[5].text().startswith(scene.titles[ends[5][0]].splitlines()[0])
    choices[5].trigger()
    links.menu.close()
    assert window.canvas.rect().contains(window.canvas.screen_rect(ends[5][0]).toRect())
    assert window.session.selection.id == scene.view.edge_value[ends[5][1]]
