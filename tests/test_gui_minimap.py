"""The minimap and the breadcrumbs of the real window: what they show, and where a click on them leads."""

from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from graphreel.gui.canvas.miniature import miniature
from graphreel.gui.panels.crumbs import Crumb, CrumbBar
from graphreel.gui.settings import Settings
from graphreel.gui.views import Selection
from graphreel.gui.window import Window
from graphreel.render import DARK, LIGHT
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
step = pytest.fixture(gui_support.step)

LEFT, NO_MODIFIER = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


def send(widget: QWidget, kind: QEvent.Type, place: QPointF) -> None:
    event = QMouseEvent(kind, place, widget.mapToGlobal(place), LEFT, LEFT, NO_MODIFIER)
    QApplication.sendEvent(widget, event)


def middle_of(window: Window) -> tuple[float, float]:
    """The picture's point in the middle of the canvas."""
    return window.canvas.camera.to_scene(window.canvas.width() / 2, window.canvas.height() / 2)


def test_the_minimap_shows_where_not_everything_does(qtbot: QtBot, step: Window) -> None:
    small = step.navigation.minimap.map
    step.canvas.fit()
    assert not small.isVisible(), "all is visible anyway"
    step.canvas.zoom_by(3.0)
    assert small.isVisible()
    assert step.canvas.rect().contains(small.geometry())
    trigger(qtbot, step, "view.minimap")
    assert not small.isVisible()
    assert not step.settings.minimap
    step.canvas.zoom_by(1.1)
    assert not small.isVisible()
    trigger(qtbot, step, "view.minimap")
    assert small.isVisible()


def test_a_click_goes_there_and_the_frame_can_be_dragged(qtbot: QtBot, step: Window) -> None:
    canvas, small = step.canvas, step.navigation.minimap.map
    canvas.fit()
    canvas.zoom_by(4.0)
    assert small.miniature is not None
    scale = small.miniature.scale / small.devicePixelRatioF()
    corner = QPointF(8.0, 8.0)
    qtbot.mouseClick(small, LEFT, NO_MODIFIER, corner.toPoint())
    assert middle_of(step) == pytest.approx(((8 - 6) / scale, (8 - 6) / scale), abs=2 / scale)
    before, zoom = middle_of(step), canvas.camera.zoom
    place = small.frame.center() + QPointF(1, 1)
    send(small, QEvent.Type.MouseButtonPress, place)
    assert middle_of(step) == pytest.approx(before), "what is caught stays where it is"
    send(small, QEvent.Type.MouseMove, place + QPointF(10, 5))
    send(small, QEvent.Type.MouseButtonRelease, place + QPointF(10, 5))
    assert middle_of(step) == pytest.approx((before[0] + 10 / scale, before[1] + 5 / scale))
    assert canvas.camera.zoom == zoom
    send(small, QEvent.Type.MouseMove, place)
    assert middle_of(step) != before, "once let go, the frame stays"


def test_the_frame_is_the_part_that_shows(step: Window) -> None:
    canvas, small = step.canvas, step.navigation.minimap.map
    canvas.fit()
    canvas.zoom_by(2.5)
    assert small.miniature is not None
    frame, scale = small.frame, small.miniature.scale / small.devicePixelRatioF()
    seen = canvas.camera.area(canvas.width(), canvas.height())
    assert frame.center().x() - 6 == pytest.approx((seen[0] + seen[2] / 2) * scale, abs=1.5)
    assert frame.height() == pytest.approx(seen[3] * scale, abs=1.5)


def test_the_small_picture_has_the_colours_of_the_theme(qtbot: QtBot, step: Window) -> None:
    small = step.navigation.minimap.map
    assert small.miniature is not None
    assert small.miniature.theme is LIGHT
    step.canvas.zoom_by(3.0)
    step.set_theme(DARK)
    qtbot.waitUntil(lambda: small.miniature is not None and small.miniature.theme is DARK)
    settle(qtbot, step)


def test_boxes_are_where_they_are_in_the_picture(step: Window) -> None:
    scene = scene_of(step)
    made = miniature(scene, LIGHT, 220, 190)
    page = [int(LIGHT.page[at : at + 2], 16) for at in (1, 3, 5)]
    assert max(made.pixels.shape[0] / 190, made.pixels.shape[1] / 220) == pytest.approx(1.0, abs=0.01)
    for box, paint in ((int(scene.view.node_box[node]), LIGHT.boxes) for node in (0, 3, 5)):
        x, y, width, height = scene.placement.rects[box].tolist()
        pixel = made.pixels[int((y + height / 2) * made.scale), int((x + width / 2) * made.scale)].tolist()
        stroke = paint[scene.box_class[box]].stroke
        assert pixel == [int(stroke[at : at + 2], 16) for at in (1, 3, 5)]
        assert pixel != page


def texts(window: Window) -> list[str]:
    return [text for text in window.navigation.crumbs.bar.visible_texts if text != "›"]


def part(window: Window, text: str) -> QToolButton:
    buttons = window.navigation.crumbs.bar.findChildren(QToolButton)
    return next(button for button in buttons if button.text() == text and button.isVisible())


def test_breadcrumbs_lead_to_what_is_selected(qtbot: QtBot, step: Window) -> None:
    step.session.select(Selection.of_node(0))
    assert texts(step) == ["Graph", "forward", "Net", "layers", "0", "mm"]
    qtbot.mouseClick(part(step, "layers"), LEFT)
    graph = graph_of(step)
    assert step.session.selection == Selection.of_scope(graph.paths.index("forward/Net/layers"))
    assert texts(step) == ["Graph", "forward", "Net", "layers"]
    box = scene_of(step).keys[:].index("forward/Net/layers")
    seen = step.canvas.screen_rect(box)
    assert step.canvas.rect().contains(seen.toAlignedRect()), "and it is all in view"
    qtbot.mouseClick(part(step, "Graph"), LEFT)
    assert not step.session.selection


def test_without_a_selection_they_say_what_is_in_the_middle(qtbot: QtBot, step: Window) -> None:
    step.session.select(Selection())
    scene = scene_of(step)
    for node, scope in ((0, "0"), (2, "1")):
        step.canvas.fit_box(int(scene.view.node_box[node]))
        qtbot.waitUntil(lambda scope=scope: texts(step)[-1:] == [scope])


def test_a_menu_offers_what_stands_beside_and_opens_what_hides_it(qtbot: QtBot, tmp_path: Path, opened: Open) -> None:
    window = opened(write_reel(tmp_path / "deep.reel", [record(training_step(40))]))
    graph, bar = graph_of(window), window.navigation.crumbs.bar
    window.session.select(Selection.of_scope(graph.paths.index("forward/Net/layers")))
    behind = [button for button in bar.findChildren(QToolButton, "behind") if button.isVisible()]
    menu = behind[-1].menu()
    menu.aboutToShow.emit()
    entries = [entry.text() for entry in menu.actions()]
    assert entries == [str(index) for index in range(40)]
    menu.actions()[17].trigger()
    settle(qtbot, window)
    chosen = graph.paths.index("forward/Net/layers/17")
    assert window.session.selection == Selection.of_scope(chosen)
    scene = scene_of(window)
    box = next(row for row in range(len(scene.view.kind)) if scene.keys[row] == "forward/Net/layers/17")
    assert window.canvas.rect().contains(window.canvas.screen_rect(box).toAlignedRect())


def test_the_menu_of_two_thousand_is_short(qtbot: QtBot) -> None:
    names = [(f"child_{row}", Selection.of_scope(row + 1)) for row in range(100)]
    bar = CrumbBar(lambda scope: (names, 2000))
    qtbot.addWidget(bar)
    bar.show_crumbs([Crumb("Graph", "", Selection.of_scope(0), 0)])
    menu = bar.findChildren(QToolButton, "behind")[0].menu()
    menu.aboutToShow.emit()
    assert len(menu.actions()) == 101
    assert menu.actions()[-1].text() == "and 1,900 more"


def test_parts_in_the_middle_give_way_where_there_is_little_room(qtbot: QtBot, step: Window) -> None:
    bar = step.navigation.crumbs.bar
    step.session.select(Selection.of_node(0))
    bar.resize(230, bar.height())
    found = texts(step)
    assert found[:2] == ["Graph", "…"]
    assert found[-1] == "mm"
    assert len(found) < 6
    more = part(step, "…").menu()
    assert [entry.text() for entry in more.actions()] == ["forward", "Net", "layers", "0"][: 6 - len(found) + 1]
    more.actions()[0].trigger()
    assert step.session.selection == Selection.of_scope(graph_of(step).paths.index("forward"))


def test_the_keyboard_reaches_the_breadcrumbs(qtbot: QtBot, step: Window) -> None:
    step.session.select(Selection.of_node(0))
    trigger(qtbot, step, "go.crumbs")
    assert part(step, "mm").hasFocus()
    qtbot.keyClick(part(step, "mm"), Qt.Key.Key_Tab, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(part(step, "0"), Qt.Key.Key_Space)
    assert texts(step)[-1] in ("0", "mm")


def test_the_choice_to_have_no_minimap_is_remembered(step: Window, qtbot: QtBot) -> None:
    trigger(qtbot, step, "view.minimap")
    assert not Settings(step.settings._store).minimap
