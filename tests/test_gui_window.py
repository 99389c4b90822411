"""The real window, offscreen, on real recordings: what a user does, and what they then see."""

import contextlib
import dataclasses
import os
import time
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QImage
from pytestqt.qtbot import QtBot

from graphreel.graph import GraphBuilder, NodeId
from graphreel.gui.views import Selection, What
from graphreel.gui.window import Window
from graphreel.layout import BoxKind
from graphreel.render import DARK, LIGHT
from graphreel.tracefile import CannotWrite, RecordedError, Status, TraceInfo, TraceWriter
from tests import gui_support
from tests.gui_support import OFFSCREEN_NOISE, SCRIPT, Open, record, settle, training_step, trigger, write_reel

pytestmark = OFFSCREEN_NOISE

reel = pytest.fixture(gui_support.reel)
window = pytest.fixture(gui_support.window)
opened = pytest.fixture(gui_support.opened)


def box_of(window: Window, path: str) -> int:
    """The box of a scope on the canvas."""
    scene = window.canvas.scene
    assert scene is not None
    return next(
        box
        for box, key in enumerate(scene.keys)
        if key == path and scene.view.kind[box] in (BoxKind.SCOPE, BoxKind.GROUP)
    )


def colors(window: Window) -> set[str]:
    """The colours on the canvas."""
    image = window.canvas.grab().toImage()
    return {image.pixelColor(x, y).name() for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)}


def test_without_a_file_it_welcomes(window: Window) -> None:
    assert window.pages.currentWidget() is window.welcome
    assert not any(dock.isVisible() for dock in window.docks)
    assert window.windowTitle() == "Graphreel"
    assert not window.actions_["step.next"].isEnabled()
    assert window.actions_["file.open"].isEnabled()


def test_welcomes_without_empty_panels_also_after_a_trace_was_open(qtbot: QtBot, opened: Open, reel: Path) -> None:
    first = opened(reel)
    first.close()
    second = Window(first.settings, LIGHT)
    qtbot.addWidget(second)
    second.show()
    assert second.pages.currentWidget() is second.welcome
    assert not any(dock.isVisible() for dock in second.docks)
    assert not second.tools.isVisible()
    second.close()


def test_opens_a_recording(opened: Open, reel: Path) -> None:
    window = opened(reel)
    assert window.windowTitle() == "run.reel – Graphreel"
    assert window.pages.currentWidget() is window.canvas
    assert all(dock.isVisible() for dock in window.docks)
    assert [iteration.index for iteration in window.strip.iterations] == [0, 1, 2, 3]
    assert window.strip.current == 0
    assert window.canvas.scene is not None
    assert window.model.rowCount() == 3
    assert "Iteration 0" in window.inspector.toPlainText()
    assert LIGHT.boxes[0].fill in colors(window)
    assert window.settings.recent == [reel.resolve()]


def test_steps_through_the_operations(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    assert window.session.cursor.node is None
    for expected in (0, 1, 2):
        qtbot.keyClick(window, Qt.Key.Key_F10)
        settle(qtbot, window)
        assert window.session.cursor.node == expected
    assert window.canvas.overlay.cursor == 2
    assert "operation #2 of 8: aten.mm.default in forward/Net/layers/1" in window.place.text()
    assert LIGHT.cursor in colors(window)
    assert "aten.mm.default" in window.inspector.toPlainText()
    assert window.model.selection_at(window.outline.currentIndex()) == Selection.of_node(2)
    assert window.source.callers.currentText().split() == ["train.py:11", "forward"]
    assert window.source.code.line == 11
    qtbot.keyClick(window, Qt.Key.Key_F10, Qt.KeyboardModifier.ShiftModifier)
    assert window.session.cursor.node == 1
    trigger(qtbot, window, "step.last")
    assert window.session.cursor.node == 7
    assert not window.actions_["step.next"].isEnabled()
    trigger(qtbot, window, "step.first")
    assert window.session.cursor.node == 0
    assert not window.actions_["step.previous"].isEnabled()


def test_a_collapsed_scope_is_marked_where_the_cursor_is_and_f11_opens_it(
    qtbot: QtBot, opened: Open, reel: Path
) -> None:
    window = opened(reel)
    window.session.expand([], also_collapse=set(window.session.expanded))
    settle(qtbot, window)
    trigger(qtbot, window, "step.next")
    scene = window.canvas.scene
    assert scene is not None
    assert scene.view.kind[scene.view.node_box[0]] == BoxKind.SCOPE
    qtbot.keyClick(window, Qt.Key.Key_F11)
    settle(qtbot, window)
    scene = window.canvas.scene
    assert scene is not None
    assert scene.view.kind[scene.view.node_box[0]] == BoxKind.NODE
    rect = window.canvas.screen_rect(int(scene.view.node_box[0]))
    assert window.canvas.rect().contains(rect.center().toPoint())


def test_groups_open_while_stepping_where_one_wants_it(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    window.session.expand([], also_collapse=set(window.session.expanded))
    settle(qtbot, window)
    trigger(qtbot, window, "step.follow", "step.next")
    assert window.actions_["step.follow"].isChecked()
    assert {"forward", "forward/Net", "forward/Net/layers", "forward/Net/layers/0"} <= window.session.expanded


def test_a_double_click_closes_a_group_and_another_opens_it_again_under_the_mouse(
    qtbot: QtBot, opened: Open, reel: Path
) -> None:
    window = opened(reel)
    canvas, path = window.canvas, "forward/Net/layers/0"
    assert path in window.session.expanded
    place = canvas.screen_rect(box_of(window, path)).center().toPoint()
    place.setY(int(canvas.screen_rect(box_of(window, path)).top()) + 4)
    for expanded in (False, True):
        canvas.mouse_place = lambda place=place: QPointF(place)  # type: ignore[method-assign] # offscreen has no mouse
        qtbot.mouseDClick(canvas, Qt.MouseButton.LeftButton, pos=place)
        settle(qtbot, window)
        assert (path in window.session.expanded) is expanded
        assert canvas.screen_rect(box_of(window, path)).contains(QPointF(place))


def test_a_click_on_the_chevron_closes_the_group(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    box = box_of(window, "forward/Net/layers/0")
    place = window.canvas.chevron_rect(box).center().toPoint()
    qtbot.mouseClick(window.canvas, Qt.MouseButton.LeftButton, pos=place)
    settle(qtbot, window)
    assert "forward/Net/layers/0" not in window.session.expanded


def test_groups_open_and_close_by_keyboard(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    shown = window.session.shown
    assert shown is not None
    layer = shown.graph.paths.index("forward/Net/layers/0")
    window.session.select(Selection.of_scope(layer))
    trigger(qtbot, window, "view.collapse")
    assert "forward/Net/layers/0" not in window.session.expanded
    trigger(qtbot, window, "view.expand")
    assert "forward/Net/layers/0" in window.session.expanded
    trigger(qtbot, window, "view.collapse-all")
    assert window.session.expanded == {"forward", "backward", "optimizer"}


def test_expansion_and_place_survive_the_iteration(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    window.session.expand([], also_collapse=["forward/Net/layers/0"])
    window.session.go_to(Selection.of_node(2))
    settle(qtbot, window)
    trigger(qtbot, window, "step.to-selection")
    before = set(window.session.expanded)
    trigger(qtbot, window, "step.next-iteration", "step.next-iteration")
    shown = window.session.shown
    assert shown is not None
    assert shown.iteration.index == 2
    assert window.session.expanded == before
    assert window.session.cursor.iteration == 2
    # The same operation by its key: in the larger model it still is the third.
    assert window.session.cursor.node == 2
    assert window.session.selection == Selection.of_node(2)
    assert window.strip.current == 2
    assert window.strip.structure_changed(2)
    assert not window.strip.structure_changed(1)


def test_the_strip_answers_to_mouse_and_arrow_keys(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    strip = window.strip
    qtbot.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=strip.cell(2).center().toPoint())
    settle(qtbot, window)
    assert strip.current == 2
    for key, expected in ((Qt.Key.Key_Right, 3), (Qt.Key.Key_Right, 3), (Qt.Key.Key_Home, 0), (Qt.Key.Key_Left, 0)):
        qtbot.keyClick(strip, key)
        settle(qtbot, window)
        assert strip.current == expected


def test_a_click_selects_everywhere_and_on_the_page_nothing(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    scene = window.canvas.scene
    assert scene is not None
    place = window.canvas.screen_rect(int(scene.view.node_box[1])).center().toPoint()
    qtbot.mouseClick(window.canvas, Qt.MouseButton.LeftButton, pos=place)
    assert window.session.selection == Selection.of_node(1)
    assert window.canvas.overlay.selected == {int(scene.view.node_box[1])}
    assert "aten.relu.default" in window.inspector.toPlainText()
    assert window.model.selection_at(window.outline.currentIndex()) == Selection.of_node(1)
    qtbot.mouseClick(window.canvas, Qt.MouseButton.LeftButton, pos=window.canvas.rect().bottomLeft())
    assert window.session.selection == Selection()
    assert not window.outline.currentIndex().isValid()


def test_a_click_on_an_edge_selects_its_value(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    scene = window.canvas.scene
    assert scene is not None
    box = int(scene.view.node_box[0])
    edge = scene.view.edge_source.tolist().index(box)
    start = scene.placement.route_start[edge]
    x, y = window.canvas.camera.to_screen(*(scene.placement.route_points[start] + [0, 4]).tolist())
    qtbot.mouseClick(window.canvas, Qt.MouseButton.LeftButton, pos=QPointF(x, y).toPoint())
    assert window.session.selection.what is What.VALUE
    assert "made by" in window.inspector.toPlainText()
    assert window.session.selection.id == scene.view.edge_value[edge]


def test_links_of_the_inspector_lead_on(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    window.session.select(Selection.of_node(1))
    window.inspector.anchorClicked.emit(QUrl("node:0"))
    settle(qtbot, window)
    assert window.session.selection == Selection.of_node(0)
    window.inspector.anchorClicked.emit(QUrl("value:0"))
    assert window.session.selection == Selection.of_value(0)
    window.inspector.anchorClicked.emit(QUrl("scope:2"))
    assert window.session.selection == Selection.of_scope(2)


def test_the_outline_selects_and_opens(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    window.session.expand([], also_collapse=set(window.session.expanded))
    settle(qtbot, window)
    index = window.model.index_of(Selection.of_node(0))
    window.outline.setCurrentIndex(index)
    assert window.session.selection == Selection.of_node(0)
    window.outline.doubleClicked.emit(index)
    settle(qtbot, window)
    assert "forward/Net/layers/0" in window.session.expanded
    backward = window.model.index(1, 0)
    window.outline.doubleClicked.emit(backward)
    settle(qtbot, window)
    assert "backward" in window.session.expanded


def test_search_marks_and_walks(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    trigger(qtbot, window, "select.find")
    bar = window.find_bar
    assert bar.isVisible()
    qtbot.keyClicks(bar.field, "relu")
    qtbot.waitUntil(lambda: bar.model.rowCount() == 2)
    assert bar.count.text() == "2"
    assert len(window.canvas.overlay.found) == 2
    assert LIGHT.found in colors(window)
    for expected in (1, 3, 1):
        qtbot.keyClick(bar.field, Qt.Key.Key_Return)
        assert window.session.selection == Selection.of_node(expected)
    qtbot.keyClick(bar.field, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert window.session.selection == Selection.of_node(3)
    bar.field.clear()
    qtbot.keyClicks(bar.field, "nothing-like-it")
    qtbot.waitUntil(lambda: bar.count.text() == "nothing")
    qtbot.keyClick(bar.field, Qt.Key.Key_Escape)
    assert not bar.isVisible()
    assert window.session.hits is None
    assert not window.canvas.overlay.found


def test_the_search_follows_into_the_next_iteration(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    window.session.search("relu")
    settle(qtbot, window)
    window.session.show_iteration(2)
    settle(qtbot, window)
    assert window.session.hits is not None
    assert len(window.session.hits) == 3
    assert window.find_bar.model.rowCount() == 3


def test_the_theme_switches_while_it_runs_and_is_remembered(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    assert LIGHT.page in colors(window)
    trigger(qtbot, window, "view.theme")
    assert window.theme is DARK
    assert DARK.page in colors(window)
    assert LIGHT.page not in colors(window)
    assert window.settings.theme == "dark"
    image = window.grab().toImage()
    assert image.pixelColor(5, 5).name() == DARK.panel
    trigger(qtbot, window, "view.theme")
    assert window.settings.theme == "light"


def test_a_file_that_is_no_trace_is_one_line_and_leaves_what_is_open(
    qtbot: QtBot, opened: Open, reel: Path, tmp_path: Path
) -> None:
    window = opened(reel)
    text = tmp_path / "notes.txt"
    text.write_text("dear diary")
    window.open(text)
    settle(qtbot, window)
    assert window.message.isVisible()
    assert "notes.txt" in window.message.line.text()
    assert "Traceback" not in window.message.line.text()
    assert "bug" not in window.message.line.text()
    assert window.session.trace is not None
    assert window.session.trace.path == reel
    window.message.dismiss.click()
    assert not window.message.isVisible()


def test_a_bug_is_worded_as_one_with_its_traceback_in_the_details(window: Window) -> None:
    try:
        raise ZeroDivisionError("division by zero")
    except ZeroDivisionError as error:
        window.session.failed.emit(error)
    assert window.message.line.text() == "bug in Graphreel, please report: ZeroDivisionError: division by zero"
    window.message.more.click()
    assert window.message.details.isVisible()
    assert "Traceback" in window.message.details.toPlainText()


def test_a_failed_iteration_shows_first_with_its_failing_operation(opened: Open, tmp_path: Path) -> None:
    graph = training_step()
    error = RecordedError("RuntimeError", "shapes do not fit", "Traceback: …", NodeId(3))
    failing = record(graph, Status.FAILED, error)
    window = opened(write_reel(tmp_path / "crash.reel", [record(graph), failing]))
    shown = window.session.shown
    assert shown is not None
    assert shown.iteration.index == 1
    assert window.session.selection == Selection.of_node(3)
    assert window.canvas.overlay.failed == 3
    assert "Iteration 1 failed: RuntimeError: shapes do not fit" in window.message.line.text()
    assert "shapes do not fit" in window.inspector.toPlainText()
    assert LIGHT.error in colors(window)


def test_a_recording_without_iterations_says_so(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    window.open(write_reel(tmp_path / "empty.reel", []))
    qtbot.waitUntil(lambda: window.session.trace is not None)
    settle(qtbot, window)
    assert "holds no iteration" in window.canvas.placeholder
    assert "no iteration" in window.strip.placeholder
    assert not window.actions_["step.next"].isEnabled()
    window.grab()


def test_an_iteration_without_operations_says_so(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    window.open(write_reel(tmp_path / "nothing.reel", [record(GraphBuilder().build())]))
    qtbot.waitUntil(lambda: window.session.scene is not None)
    settle(qtbot, window)
    assert window.canvas.scene is None
    assert window.canvas.placeholder == "Iteration 0 ran no operation."
    for name in ("view.fit", "step.next", "step.previous"):
        assert not window.actions_[name].isEnabled()
    window.grab()


def test_a_recording_is_followed_while_it_is_written(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    path, graph = tmp_path / "live.reel", training_step()
    writer = TraceWriter(path, TraceInfo("torch", finished=False))
    writer.put(record(graph), 0)
    qtbot.waitUntil(path.exists)
    time.sleep(0.3)
    window.open(path)
    qtbot.waitUntil(lambda: window.session.shown is not None)
    assert "still recording" in window.place.text()
    writer.put(record(graph), 1)
    writer.put(record(training_step(3)), 2)
    qtbot.waitUntil(lambda: len(window.strip.iterations) == 3, timeout=10_000)
    assert window.strip.current == 0
    writer.close()
    qtbot.waitUntil(lambda: "still recording" not in window.place.text(), timeout=10_000)


def test_a_file_deleted_while_it_is_followed_is_one_line(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    path = tmp_path / "live.reel"
    writer = TraceWriter(path, TraceInfo("torch", finished=False))
    writer.put(record(training_step()), 0)
    time.sleep(0.3)
    window.open(path)
    qtbot.waitUntil(lambda: window.session.shown is not None)
    settle(qtbot, window)
    for file in tmp_path.glob("live.reel*"):
        os.unlink(file)
    qtbot.waitUntil(window.message.isVisible, timeout=10_000)
    assert "live.reel" in window.message.line.text()
    # Its file is gone from under it, which the writer may or may not notice.
    with contextlib.suppress(CannotWrite):
        writer.close()


def test_a_job_is_cancelled_with_escape(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)

    def slow(progress: object) -> None:
        while True:
            progress.step(1, 4)  # type: ignore[attr-defined] # a Progress
            time.sleep(0.005)

    window.jobs.run("layout", slow, then=lambda _: pytest.fail("it was cancelled"), title="Laying out the graph")
    qtbot.waitUntil(window.job_status.isVisible)
    assert window.job_status.title.text() == "Laying out the graph…"
    assert window.job_status.bar.maximum() == 4
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not window.job_status.isVisible())


def test_a_dropped_file_is_opened(qtbot: QtBot, window: Window, reel: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(reel))])
    event = QDropEvent(
        QPointF(10, 10), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    window.dropEvent(event)
    qtbot.waitUntil(lambda: window.session.trace is not None)
    settle(qtbot, window)


def test_closing_leads_back_to_the_welcome_page_with_the_file_among_the_recent(
    qtbot: QtBot, opened: Open, reel: Path
) -> None:
    window = opened(reel)
    trigger(qtbot, window, "file.close")
    assert window.pages.currentWidget() is window.welcome
    assert window.windowTitle() == "Graphreel"
    assert window.welcome.recent.count() == 1
    window.welcome.recent.itemClicked.emit(window.welcome.recent.item(0))
    qtbot.waitUntil(lambda: window.session.trace is not None)
    settle(qtbot, window)


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_the_picture_is_exported_as_it_is_shown(
    qtbot: QtBot, opened: Open, reel: Path, tmp_path: Path, kind: str
) -> None:
    window = opened(reel)
    path = tmp_path / f"graph.{kind}"
    window.files.save(path)
    settle(qtbot, window)
    qtbot.waitUntil(window.message.isVisible)
    assert window.message.line.text() == f"Saved {path}"
    assert path.stat().st_size > 2000


def test_an_export_that_fails_is_one_line(qtbot: QtBot, opened: Open, reel: Path, tmp_path: Path) -> None:
    window = opened(reel)
    window.files.save(tmp_path / "missing" / "graph.png")
    settle(qtbot, window)
    qtbot.waitUntil(window.message.isVisible)
    assert "cannot be written" in window.message.line.text()


def test_it_remembers_where_it_stood(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    window.resize(790, 700)  # the offscreen screen has 800 × 800 pixels
    window.docks[1].hide()
    window.close()
    assert not window.settings.geometry.isEmpty()
    again = Window(window.settings, LIGHT)
    try:
        assert (again.width(), again.height()) == (window.width(), window.height())
    finally:
        again.close()
        again.deleteLater()


def test_the_palette_finds_and_runs_a_command(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    trigger(qtbot, window, "help.palette")
    palette = window.palette_
    assert palette.isVisible()
    qtbot.keyClicks(palette.field, "dark")
    assert palette.rows.count() == 1
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert not palette.isVisible()
    assert window.theme is DARK


def test_the_source_of_a_caller_can_be_looked_at(opened: Open, reel: Path) -> None:
    window = opened(reel)
    window.session.select(Selection.of_node(0))
    assert window.source.callers.count() == 2
    window.source.callers.setCurrentIndex(1)
    window.source.callers.activated.emit(1)
    assert window.source.code.line == 30
    assert "the text of line 30" in window.source.code.toPlainText()
    assert window.source.callers.toolTip() == SCRIPT


def test_every_pixel_of_the_window_is_in_the_theme(opened: Open, reel: Path) -> None:
    """Qt's own greys would show where the style sheet forgot something."""
    window = opened(reel)
    for theme in (LIGHT, DARK):
        window.set_theme(theme)
        image: QImage = window.grab().toImage()
        found = {image.pixelColor(x, y).name() for x in range(0, image.width(), 7) for y in range(0, image.height(), 7)}
        assert theme.panel in found
        assert "#efefef" not in found
        assert "#f0f0f0" not in found


def test_settings_forget_files_that_are_gone(window: Window, tmp_path: Path) -> None:
    settings = window.settings
    for number in range(12):
        (tmp_path / f"{number}.reel").touch()
        settings.add_recent(tmp_path / f"{number}.reel")
    assert [path.name for path in settings.recent] == [f"{number}.reel" for number in range(11, 1, -1)]
    (tmp_path / "11.reel").unlink()
    assert settings.recent[0].name == "10.reel"


def test_selection_is_a_plain_value() -> None:
    assert Selection.of_node(3) == Selection(What.NODE, 3)
    assert not Selection()
    with pytest.raises(dataclasses.FrozenInstanceError):
        Selection().id = 4  # type: ignore[misc] # that is the point
