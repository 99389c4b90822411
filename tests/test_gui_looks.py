"""In the real window: searching with a query, colours and their legend, what boxes say, what is hidden."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from graphreel.graph import NodeId
from graphreel.gui.canvas import Canvas
from graphreel.gui.settings import Settings
from graphreel.gui.views import Selection
from graphreel.gui.window import Window
from graphreel.layout.types import BoxKind, EdgeKind
from graphreel.render import BOX_CLASSES, LIGHT
from tests import gui_support
from tests.gui_support import OFFSCREEN_NOISE, Open, settle, trigger

pytestmark = OFFSCREEN_NOISE

window = pytest.fixture(gui_support.window)
opened = pytest.fixture(gui_support.opened)
reel = pytest.fixture(gui_support.reel)


def typed(qtbot: QtBot, window: Window, query: str) -> None:
    """Type into the find bar and wait for what it finds."""
    trigger(qtbot, window, "select.find")
    window.find_bar.field.clear()
    qtbot.keyClicks(window.find_bar.field, query)
    qtbot.waitUntil(lambda: not window.find_bar._pause.isActive())
    settle(qtbot, window)


def said(window: Window, node: int) -> list[str]:
    """What stands in a node's box, line by line."""
    scene = window.canvas.scene
    assert scene is not None
    box = int(scene.view.node_box[node])
    lines: dict[float, str] = {}
    for owner, y, text in zip(scene.texts.box.tolist(), scene.texts.y.tolist(), scene.texts.text, strict=True):
        if owner == box:
            lines[y] = f"{lines[y]} {text}" if y in lines else text
    return [lines[y] for y in sorted(lines)]


def ops(window: Window) -> list[str]:
    """The nodes that show."""
    scene = window.canvas.scene
    assert scene is not None
    view = scene.view
    return [view.graph.node(int(ref)).op.split(".")[1] for ref in view.ref[view.kind == BoxKind.NODE]]


def colours(canvas: Canvas) -> set[str]:
    canvas.finish()
    image = canvas.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    return {image.pixelColor(x, y).name() for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)}


def test_a_query_finds_sorts_and_goes_into_closed_groups(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    window.session.collapse_all()
    settle(qtbot, window)
    typed(qtbot, window, "(op:mm OR op:relu) -phase:backward time>=1us")
    bar = window.find_bar
    assert bar.model.nodes.tolist() == [0, 1, 2, 3]
    assert not bar.hint.isVisible()
    # How many of them are in each closed group stands at its corner.
    assert list(window.canvas.overlay.counts.values()) == [4]
    bar.rows.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    trigger(qtbot, window, "select.next-hit")
    assert bar.count.text() == "1 of 4"
    assert window.session.selection == Selection.of_node(int(bar.model.nodes[0]))
    assert "forward/Net/layers/1" in window.session.expanded
    trigger(qtbot, window, "select.previous-hit")
    assert bar.count.text() == "4 of 4"
    qtbot.keyClick(bar.field, Qt.Key.Key_Down)
    assert bar.count.text() == "1 of 4"


def test_what_is_wrong_with_a_query_stands_beneath_it_while_one_types(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    typed(qtbot, window, "op:relu")
    typed(qtbot, window, "op:relu time>")
    bar = window.find_bar
    assert "column 14: a number is expected, such as 5us, 1ms or 2s" in bar.hint.text()
    assert bar.hint.property("level") == "error"
    assert window.focusWidget() is bar.field
    assert not window.message.isVisible()
    # What was found before stays until something else is.
    assert bar.model.rowCount() == 2
    typed(qtbot, window, "nan>0")
    assert "nothing was recorded of 'nan' here; record with --level stats" in bar.hint.text()
    typed(qtbot, window, "relu")
    assert not bar.hint.isVisible()
    assert bar.count.text() == "2"


def test_boxes_are_coloured_with_a_legend(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    legend = window.appearance.corner.legend
    assert not legend.isVisible()
    trigger(qtbot, window, "colour.op")
    assert legend.isVisible()
    assert "mm" in legend.accessibleDescription()
    first = LIGHT.boxes[BOX_CLASSES.index("colour-0")].fill
    assert first in colours(window.canvas)
    assert window.actions_["colour.op"].isChecked()
    trigger(qtbot, window, "colour.time")
    assert "Time" in legend.accessibleDescription()
    assert "1 µs" in legend.accessibleDescription()
    assert not window.actions_["colour.op"].isChecked()
    trigger(qtbot, window, "colour.nan")
    assert "not recorded (needs --level stats)" in legend.accessibleDescription()
    assert QColor(LIGHT.boxes[BOX_CLASSES.index("colour-none")].fill).name() in colours(window.canvas)
    # Another iteration, and opening a group, keep what was chosen.
    trigger(qtbot, window, "colour.phase")
    window.session.show_iteration(2)
    settle(qtbot, window)
    assert "backward" in legend.accessibleDescription()
    trigger(qtbot, window, "colour.phase")
    assert not legend.isVisible()
    scene = window.canvas.scene
    assert scene is not None
    assert scene.legend is None


def test_the_legend_is_in_saved_pictures(qtbot: QtBot, opened: Open, reel: Path, tmp_path: Path) -> None:
    window = opened(reel)
    sizes: list[int] = []
    for name in ("plain", "coloured"):
        window.files.save(tmp_path / f"{name}.png")
        settle(qtbot, window)
        sizes.append(QImage(str(tmp_path / f"{name}.png")).height())
        window.files.save(tmp_path / f"{name}.svg")
        settle(qtbot, window)
        trigger(qtbot, window, "colour.time")
    assert sizes[1] > sizes[0] + 50
    assert '<g class="legend"' not in (tmp_path / "plain.svg").read_text()
    assert '<g class="legend"' in (tmp_path / "coloured.svg").read_text()


def test_boxes_say_what_is_chosen_and_it_is_remembered(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    window.session.reveal(NodeId(0))
    settle(qtbot, window)
    assert said(window, 0) == ["mm", "float32[8, 16]", "weight float32[16, 16]"]
    trigger(qtbot, window, "line.dtype", "line.parameters", "line.source", "line.time", "line.attributes")
    assert said(window, 0) == ["mm", "[8, 16]", "alpha 1", "train.py:10", "1 µs"]
    trigger(qtbot, window, "line.op")
    assert said(window, 0) == ["[8, 16]", "alpha 1", "train.py:10", "1 µs"]
    # A box that nothing is left for says its op.
    trigger(qtbot, window, "line.shape", "line.source", "line.time", "line.attributes")
    assert said(window, 0) == ["mm"]
    assert window.settings.lines == frozenset()
    assert Settings(window.settings._store).lines == frozenset()


def test_hidden_things_are_counted_and_come_back(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    window.session.select(Selection.of([1, 3]))
    trigger(qtbot, window, "hide.selection")
    assert "relu" not in ops(window)
    bar = window.appearance.corner.hidden
    assert bar.isVisible()
    assert bar.text.text() == "2 operations hidden"
    assert "aten.relu.default" in bar.toolTip()
    scene = window.canvas.scene
    assert scene is not None
    assert (scene.view.edge_kind == EdgeKind.THROUGH).any()
    # By key: the same are hidden in an iteration with another graph, and more of them is not.
    window.session.show_iteration(2)
    settle(qtbot, window)
    window.session.expand(["forward/Net/layers/2"])
    settle(qtbot, window)
    assert ops(window).count("relu") == 1
    bar.show_all.click()
    settle(qtbot, window)
    assert ops(window).count("relu") == 3
    assert not bar.isVisible()


def test_a_hidden_group_can_be_gone_to_again(qtbot: QtBot, opened: Open, reel: Path) -> None:
    """What is hidden may still be stepped to, selected in the outline, or be what failed."""
    window = opened(reel)
    graph = window.session.graph
    assert graph is not None
    window.session.select(Selection.of_scope(graph.paths.index("backward")))
    trigger(qtbot, window, "hide.selection")
    assert window.appearance.corner.hidden.text.text() == "2 operations hidden"
    window.session.go_to(Selection.of_node(5))
    trigger(qtbot, window, "step.to-selection")
    typed(qtbot, window, "op:mm")
    settle(qtbot, window)
    assert -1 not in window.canvas.overlay.found
    trigger(qtbot, window, "view.fit", "select.nothing")


def test_going_to_a_hit_shows_it_again(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    typed(qtbot, window, "op:relu")
    trigger(qtbot, window, "hide.found")
    assert "relu" not in ops(window)
    trigger(qtbot, window, "select.next-hit")
    assert ops(window).count("relu") == 1
    assert window.appearance.corner.hidden.text.text() == "1 operation hidden"


def test_a_fold_is_hidden_as_a_whole(qtbot: QtBot, opened: Open, tmp_path: Path) -> None:
    window = opened(gui_support.write_reel(tmp_path / "deep.reel", [gui_support.record(gui_support.training_step(30))]))
    scene = window.canvas.scene
    assert scene is not None
    fold = int((scene.view.kind == BoxKind.FOLD).nonzero()[0][0])
    inside = int((scene.view.node_box == fold).sum())
    assert inside > 20
    window.session.select(Selection.of_scope(int(scene.view.ref[fold])))
    trigger(qtbot, window, "hide.selection")
    assert window.appearance.corner.hidden.text.text() == f"{inside} operations hidden"


def test_the_find_bar_fits_a_narrow_canvas(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    typed(qtbot, window, "relu")
    assert window.find_bar.width() == 660
    window.canvas.setMaximumWidth(500)
    qtbot.waitUntil(lambda: window.canvas.width() == 500)
    assert window.find_bar.x() == 14
    assert window.find_bar.width() == 472


def test_one_thing_and_its_neighbours_alone(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    window.session.select(Selection.of_node(2))
    trigger(qtbot, window, "hide.others")
    assert ops(window) == ["relu", "mm", "relu"]
    assert "edges to them are left out" in window.appearance.corner.hidden.text.text()
    trigger(qtbot, window, "hide.one-more")
    assert ops(window) == ["mm", "relu", "mm", "relu", "mean"]
    trigger(qtbot, window, "hide.nothing")
    window.session.select(Selection.of_node(2))
    trigger(qtbot, window, "hide.but-ancestors")
    assert ops(window) == ["mm", "relu", "mm"]
    trigger(qtbot, window, "hide.nothing")
    typed(qtbot, window, "phase:optimizer OR op:mean")
    trigger(qtbot, window, "hide.but-found")
    assert ops(window) == ["mean", "add_"]
    trigger(qtbot, window, "hide.nothing", "hide.found")
    assert "add_" not in ops(window)


def test_groups_open_to_a_level(qtbot: QtBot, opened: Open, reel: Path) -> None:
    window = opened(reel)
    trigger(qtbot, window, "expand.level-1")
    assert window.session.expanded == set()
    trigger(qtbot, window, "expand.level-3")
    assert window.session.expanded == {"forward", "forward/Net", "backward", "optimizer"}
    window.canvas.setFocus()
    qtbot.keyClick(window.canvas, Qt.Key.Key_2)
    settle(qtbot, window)
    assert window.session.expanded == {"forward", "backward", "optimizer"}
