"""Repeated blocks in the real window: one box for all, opened, marked and folded again."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from graphreel.graph import NodeId
from graphreel.gui.views import Selection
from graphreel.gui.window import Window
from graphreel.layout import BoxKind
from graphreel.render import Scene
from tests import gui_support
from tests.gui_support import OFFSCREEN_NOISE, Open, record, settle, training_step, trigger, write_reel
from tests.large_graphs import transformer_file

pytestmark = OFFSCREEN_NOISE

window = pytest.fixture(gui_support.window)
opened = pytest.fixture(gui_support.opened)

LAYERS = "forward/Net/layers"
FIRST = f"{LAYERS}/1"
"""The first block takes a value that tells its device, so it is not quite like the others."""


@pytest.fixture
def deep(tmp_path: Path, opened: Open) -> Window:
    """A recording of 40 equal blocks, open in the window."""
    return opened(write_reel(tmp_path / "deep.reel", [record(training_step(40))]))


def scene_of(window: Window) -> Scene:
    scene = window.canvas.scene
    assert scene is not None
    return scene


def shown(window: Window, kind: BoxKind) -> list[str]:
    """The paths of the boxes of one kind."""
    scene = scene_of(window)
    return [scene.keys[box] for box in range(len(scene.view.kind)) if scene.view.kind[box] == kind]


def fold_box(window: Window) -> int:
    return scene_of(window).view.kind.tolist().index(BoxKind.FOLD)


def is_folded(window: Window) -> bool:
    return FIRST in shown(window, BoxKind.FOLD)


def double_click(qtbot: QtBot, window: Window, box: int) -> None:
    window.canvas.hold(box)
    settle(qtbot, window)
    place = window.canvas.screen_rect(box).center().toPoint()
    qtbot.mouseDClick(window.canvas, Qt.MouseButton.LeftButton, pos=place)
    settle(qtbot, window)


def scope(window: Window, path: str) -> Selection:
    graph = window.session.graph
    assert graph is not None
    return Selection.of_scope(graph.paths.index(path))


def test_equal_blocks_are_one_box_that_says_how_many(deep: Window) -> None:
    scene = scene_of(deep)
    box = fold_box(deep)
    assert shown(deep, BoxKind.FOLD) == [FIRST]
    assert f"{LAYERS}/0" in shown(deep, BoxKind.SCOPE)
    written = [text for text, owner in zip(scene.texts.text, scene.texts.box.tolist(), strict=True) if owner == box]
    assert written == ["Block × 39", "1–39 · 78 nodes"]
    assert scene.titles[box].splitlines()[0] == f"{FIRST} … {LAYERS}/39"


def test_a_double_click_shows_the_blocks_and_b_folds_them_again(qtbot: QtBot, deep: Window) -> None:
    double_click(qtbot, deep, fold_box(deep))
    assert not is_folded(deep)
    assert [path for path in shown(deep, BoxKind.SCOPE) if path.startswith(LAYERS)] == [
        f"{LAYERS}/{block}" for block in range(40)
    ]
    deep.session.select(scope(deep, f"{LAYERS}/7"))
    trigger(qtbot, deep, "view.expand")
    assert f"{LAYERS}/7" in shown(deep, BoxKind.GROUP)
    trigger(qtbot, deep, "view.collapse")
    assert f"{LAYERS}/7" in shown(deep, BoxKind.SCOPE), "the others stay as they are"
    trigger(qtbot, deep, "view.fold")
    assert is_folded(deep)
    assert deep.session.selection == scope(deep, FIRST)
    trigger(qtbot, deep, "view.fold")
    assert not is_folded(deep)


def test_folding_closes_what_is_open_in_it(qtbot: QtBot, deep: Window) -> None:
    deep.session.toggle(f"{LAYERS}/3")
    settle(qtbot, deep)
    assert f"{LAYERS}/3" in shown(deep, BoxKind.GROUP)
    deep.session.select(scope(deep, f"{LAYERS}/3"))
    trigger(qtbot, deep, "view.fold")
    assert is_folded(deep)


def test_a_selected_fold_stays_and_expand_shows_its_blocks(qtbot: QtBot, deep: Window) -> None:
    deep.session.select(scope(deep, FIRST))
    settle(qtbot, deep)
    assert is_folded(deep)
    trigger(qtbot, deep, "view.expand")
    assert FIRST in shown(deep, BoxKind.SCOPE)


@pytest.mark.parametrize("what", [f"{LAYERS}/12", 25])
def test_what_is_selected_in_a_fold_is_shown_in_its_block(qtbot: QtBot, deep: Window, what: str | int) -> None:
    selection = scope(deep, what) if isinstance(what, str) else Selection.of_node(what)
    deep.session.select(selection)
    settle(qtbot, deep)
    assert f"{LAYERS}/12" in shown(deep, BoxKind.SCOPE)


def test_the_cursor_unfolds_what_it_steps_into(qtbot: QtBot, deep: Window) -> None:
    trigger(qtbot, deep, "step.next", "step.next")
    assert is_folded(deep)
    trigger(qtbot, deep, "step.next")
    assert deep.session.cursor.node == NodeId(2)
    assert not is_folded(deep)


def test_a_hit_in_some_blocks_unfolds_them_as_long_as_it_is_looked_for(qtbot: QtBot, deep: Window) -> None:
    deep.session.search("relu")
    settle(qtbot, deep)
    assert is_folded(deep), "each block has one"
    deep.session.search("scope:layers/17")
    settle(qtbot, deep)
    assert not is_folded(deep)
    deep.session.search("")
    settle(qtbot, deep)
    assert is_folded(deep)


def test_collapse_all_folds_too(qtbot: QtBot, deep: Window) -> None:
    double_click(qtbot, deep, fold_box(deep))
    trigger(qtbot, deep, "view.collapse-all")
    deep.session.expand(["forward", "forward/Net", LAYERS])
    settle(qtbot, deep)
    assert is_folded(deep)


def test_a_flat_file_opens_in_blocks(qtbot: QtBot, tmp_path: Path, opened: Open) -> None:
    flat = opened(transformer_file(tmp_path / "flat.onnx", 3000, named=False))
    assert shown(flat, BoxKind.FOLD) == ["Block 1"]
    assert len(scene_of(flat).view.kind) < 20
    double_click(qtbot, flat, fold_box(flat))
    flat.session.toggle("Block 3")
    settle(qtbot, flat)
    assert "Block 3" in shown(flat, BoxKind.GROUP)
