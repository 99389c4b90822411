"""The numbers of a value in the window: from the trace, or from the iteration executed again."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PySide6.QtCore import QUrl
from pytestqt.qtbot import QtBot
from torch import nn

import graphreel
from graphreel.graph import NodeId, node_keys
from graphreel.gui.views import Numbers, Selection
from graphreel.gui.window import Window
from tests import gui_support
from tests.gui_support import OFFSCREEN_NOISE, settle, trigger

pytestmark = OFFSCREEN_NOISE
window = pytest.fixture(gui_support.window)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[torch.Tensor]]:
    """Two steps of a small model with a keyframe for the first, and what its first layer gave in each."""
    path = tmp_path_factory.mktemp("numbers") / "run.reel"
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 6), nn.Dropout(0.5), nn.Linear(6, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    gave: list[torch.Tensor] = []
    with graphreel.record(path, keyframes="0"):
        for _ in range(2):
            out = model[0](torch.randn(4, 8))
            gave.append(out.detach().clone())
            optimizer.zero_grad()
            model[2](model[1](out)).square().mean().backward()
            optimizer.step()
    return path, gave


def first_layer(window: Window) -> NodeId:
    graph = window.session.graph
    assert graph is not None
    return NodeId(next(row for row, key in enumerate(node_keys(graph)) if "aten.addmm.default" in key))


def ask(qtbot: QtBot, window: Window, value: int) -> None:
    window.inspector.anchorClicked.emit(QUrl(f"numbers:{value}"))
    settle(qtbot, window)


def read(window: Window) -> str:
    return window.inspector.toPlainText().replace("\u2028", "\n")


def test_a_value_that_was_not_kept_is_had_by_executing_the_iteration_again(
    qtbot: QtBot, window: Window, run: tuple[Path, list[torch.Tensor]]
) -> None:
    path, gave = run
    gui_support.opened(qtbot, window)(path)
    node = first_layer(window)
    window.session.select(Selection.of_node(node))
    assert "execute the iteration again and show" in read(window)
    assert window.session.graph is not None
    value = int(window.session.graph.outputs_of(node)[0])
    ask(qtbot, window, value)
    numbers = window.numbers.known()[value]
    assert isinstance(numbers, Numbers)
    assert numbers.executed
    array = gave[0].numpy()
    assert (numbers.histogram.low, numbers.histogram.high) == (array.min(), array.max())
    assert numbers.cells == tuple(tuple(f"{number:.4g}" for number in row) for row in array[:, :4].tolist())
    assert f"{array[0, 0]:.4g}" in read(window)
    assert "the first of 4 × 6" in read(window)
    picture = window.inspector.loadResource(2, QUrl(f"histogram:{value}"))
    assert picture is not None


def test_an_iteration_without_a_keyframe_says_how_to_record_one(
    qtbot: QtBot, window: Window, run: tuple[Path, list[torch.Tensor]]
) -> None:
    gui_support.opened(qtbot, window)(run[0])
    trigger(qtbot, window, "step.next-iteration")
    window.session.select(Selection.of_node(first_layer(window)))
    assert "Record with --keyframes 1 to have them" in read(window)
    graph = window.session.graph
    assert graph is not None
    ask(qtbot, window, int(graph.outputs_of(first_layer(window))[0]))
    assert "keyframe" in read(window)
    assert window.inspector.loadResource(2, QUrl("histogram:999999")) is None


def test_the_process_that_executes_ends_with_its_trace(
    qtbot: QtBot, window: Window, run: tuple[Path, list[torch.Tensor]]
) -> None:
    gui_support.opened(qtbot, window)(run[0])
    node = first_layer(window)
    graph = window.session.graph
    assert graph is not None
    ask(qtbot, window, int(graph.outputs_of(node)[0]))
    replay = window.numbers.replay
    assert replay is not None
    trigger(qtbot, window, "step.next-iteration")
    assert window.numbers.replay is None
    trigger(qtbot, window, "step.previous-iteration")
    again = window.numbers.known()
    assert any(isinstance(known, Numbers) for known in again.values()), "what was fetched stays known"
    window.session.close()
    settle(qtbot, window)
    assert window.numbers.known() == {}


def test_a_value_that_the_trace_holds_needs_no_execution(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    path = tmp_path / "run.reel"
    layer = nn.Linear(4, 4)
    with graphreel.record(path, level="values", keyframes="none"):
        out = layer(torch.ones(2, 4)).detach()
    gui_support.opened(qtbot, window)(path)
    node = first_layer(window)
    window.session.select(Selection.of_node(node))
    graph = window.session.graph
    assert graph is not None
    value = int(graph.outputs_of(node)[0])
    ask(qtbot, window, value)
    numbers = window.numbers.known()[value]
    assert isinstance(numbers, Numbers)
    assert not numbers.executed
    assert np.isclose(numbers.histogram.high, out.max().item())
