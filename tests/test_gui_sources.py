"""The window on what users really open: a model file, and a training run that the demo records meanwhile."""

import importlib.util
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from graphreel.gui.demo import DemoRecorder
from graphreel.gui.window import Window
from tests import gui_support
from tests.gui_support import Open, settle, trigger

pytestmark = gui_support.OFFSCREEN_NOISE
window = pytest.fixture(gui_support.window)
opened = pytest.fixture(gui_support.opened)


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    """A small model, saved by onnx itself."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed; pip install 'graphreel[onnx]'")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("MatMul", ["x", "weight"], ["hidden"], name="fc"),
        helper.make_node("Relu", ["hidden"], ["y"], name="act"),
    ]
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info("x", floats, ["batch", 4])],
        [helper.make_tensor_value_info("y", floats, ["batch", 2])],
        [helper.make_tensor("weight", floats, [4, 2], [0.5] * 8)],
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph), path)
    return path


def test_a_model_file_opens_like_a_recording(qtbot: QtBot, opened: Open, onnx_file: Path) -> None:
    window = opened(onnx_file)
    assert window.windowTitle() == "model.onnx – Graphreel"
    assert len(window.strip.iterations) == 1
    trigger(qtbot, window, "step.next", "step.next")
    assert window.session.cursor.node == 1
    assert "Relu" in window.inspector.toPlainText()
    assert "does not say which line" in window.source.placeholder.text()
    assert not window.message.isVisible()


needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed; pip install 'graphreel[torch]'"
)


@needs_torch
def test_the_demo_is_recorded_and_opened(qtbot: QtBot, window: Window, tmp_path: Path) -> None:
    path = tmp_path / "demo.reel"
    lines: list[str | None] = []
    window.demo.progressed.connect(lines.append)
    window.demo.start(path)
    assert window.welcome.progress.isVisible()
    assert window.welcome.demo_button.text() == "Stop recording"
    qtbot.waitUntil(lambda: window.session.scene is not None, timeout=240_000)
    settle(qtbot, window)
    assert not window.message.isVisible(), window.message.line.text()
    assert window.session.trace is not None
    assert window.session.trace.path == path
    assert len(window.strip.iterations) > 2
    assert lines[-1] is None
    assert any("loss" in line for line in lines if line)
    graph = window.session.graph
    assert graph is not None
    assert {"forward", "backward", "optimizer"} <= set(graph.paths)
    trigger(qtbot, window, "step.last", "step.reveal")
    assert window.source.code.isVisible()
    assert "transformer.py" in window.source.callers.currentText()


@needs_torch
def test_the_demo_can_be_stopped(qtbot: QtBot, window: Window) -> None:
    window.welcome.demo_button.click()
    assert window.demo.running
    window.welcome.demo_button.click()
    assert not window.demo.running
    assert not window.welcome.progress.isVisible()
    assert not window.message.isVisible()
    assert window.welcome.demo_button.text() == "Record the demo"


def test_a_demo_that_fails_says_why(qtbot: QtBot, tmp_path: Path) -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed; pip install 'graphreel[torch]'")
    recorder = DemoRecorder()
    with qtbot.waitSignal(recorder.failed, timeout=60_000) as failed:
        recorder.start(tmp_path / "missing" / "demo.reel")
    assert "the demo could not be recorded (exit code " in str(failed.args[0])
    assert "missing" in str(failed.args[0])


def test_without_torch_the_demo_names_the_extra(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, window: Window) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    window.welcome.demo_button.click()
    assert window.message.isVisible()
    assert "pip install 'graphreel[torch]'" in window.message.line.text()
