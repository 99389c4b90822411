"""A training step built by hand, recordings of it, and the real window to open them in.

What a test module wants as fixtures it makes so: `window = pytest.fixture(gui_support.window)`.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QSettings
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from graphreel.graph import Graph, GraphBuilder, NodeId, Phase, ScopeKind, ValueKind
from graphreel.gui.settings import Settings
from graphreel.gui.window import Window
from graphreel.render import LIGHT, Scene
from graphreel.tracefile import IterationRecord, RecordedError, Status, TraceInfo, TraceWriter

SCRIPT = "/home/me/train.py"
SCRIPT_TEXT = "\n".join(f"step_{line} = {line}  # the text of line {line}" for line in range(1, 41))

# The offscreen platform says this whenever a window gets a least size; no user ever sees it.
OFFSCREEN_NOISE = pytest.mark.qt_log_ignore("This plugin does not support propagateSizeHints")


def training_step(blocks: int = 2) -> Graph:
    """Forward, backward and optimizer of a model with so many blocks."""
    builder = GraphBuilder({"framework": "torch"})
    forward = builder.scope("forward", kind=ScopeKind.PHASE)
    net = builder.scope("Net", forward, type="Net")
    layers = builder.scope("layers", net, type="Sequential")
    main = builder.source(SCRIPT, 30, "<module>")
    value = builder.value("float32", [8, 16], name="x", kind=ValueKind.INPUT, device="cpu")
    first: list[NodeId] = []
    for index in range(blocks):
        block = builder.scope(str(index), layers, type="Block")
        line = builder.source(SCRIPT, 10 + index, "forward", main)
        weight = builder.value("float32", [16, 16], name=f"layers.{index}.weight", kind=ValueKind.PARAMETER)
        names = ["input", "mat2"]
        mm = builder.node(
            "aten.mm.default", [value, weight], scope=block, source=line, input_names=names, attributes={"alpha": 1}
        )
        first.append(mm)
        hidden = builder.value("float32", [8, 16], producer=mm, storage=index + 1)
        relu = builder.node("aten.relu.default", [hidden], scope=block, source=line)
        value = builder.value("float32", [8, 16], producer=relu)
    loss = builder.node("aten.mean.default", [value], scope=forward, source=main)
    gradient = builder.value("float32", [], producer=loss)
    builder.output(gradient)
    backward = builder.scope("backward", kind=ScopeKind.PHASE)
    for index in reversed(range(blocks)):
        node = builder.node(
            "aten.mm.default", [gradient], scope=backward, phase=Phase.BACKWARD, source=main, forward=first[index]
        )
        gradient = builder.value("float32", [16, 16], producer=node, kind=ValueKind.GRADIENT)
    optimizer = builder.scope("optimizer", kind=ScopeKind.PHASE)
    builder.node("aten.add_.Tensor", [gradient], scope=optimizer, phase=Phase.OPTIMIZER, source=main)
    return builder.build()


def record(graph: Graph, status: Status = Status.COMPLETE, error: RecordedError | None = None) -> IterationRecord:
    """One iteration of this graph, in which each node took 1,000 ns."""
    start = np.arange(graph.node_count, dtype=np.int64) * 1000
    columns = {"start_ns": start, "duration_ns": np.full(graph.node_count, 1000, dtype=np.int64)}
    return IterationRecord(
        graph, status, 1_700_000_000_000_000_000, 1000 * graph.node_count, columns, {"loss": 0.5}, error
    )


def write_reel(path: Path, records: Sequence[IterationRecord]) -> Path:
    """A finished recording of these iterations."""
    writer = TraceWriter(path, TraceInfo("torch", versions={"torch": "2.13"}, command=["train.py"]))
    writer.add_source(SCRIPT, SCRIPT_TEXT)
    for index, one in enumerate(records):
        writer.put(one, index)
    writer.close()
    return path


def reel(tmp_path: Path) -> Path:
    """Four iterations; from the third on the model has one block more."""
    small, large = training_step(2), training_step(3)
    return write_reel(tmp_path / "run.reel", [record(small), record(small), record(large), record(large)])


def window(qtbot: QtBot, tmp_path: Path) -> Iterator[Window]:
    """The real window with settings of its own; afterwards neither threads nor windows may be left."""
    settings = Settings(QSettings(str(tmp_path / "settings.ini"), QSettings.Format.IniFormat))
    made = Window(settings, LIGHT)
    made.resize(1400, 900)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.close()
    made.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("graphreel-job-")]
    assert not [widget for widget in QApplication.topLevelWidgets() if widget.isVisible()]


Open = Callable[[Path], Window]


def opened(qtbot: QtBot, window: Window) -> Open:
    """Opens a file in the window and waits until its picture is drawn."""

    def open_file(path: Path) -> Window:
        window.open(path)
        qtbot.waitUntil(lambda: window.session.trace is not None and window.session.trace.path == path)
        settle(qtbot, window)
        return window

    return open_file


def step(tmp_path: Path, opened: Open, qtbot: QtBot) -> Window:
    """A training step of two blocks in the window, all of them open, and all of it in view."""
    window = opened(reel(tmp_path))
    window.session.expand(graph_of(window).paths[1:])
    settle(qtbot, window)
    window.canvas.fit()
    return window


def graph_of(window: Window) -> Graph:
    """The graph on screen."""
    graph = window.session.graph
    assert graph is not None
    return graph


def scene_of(window: Window) -> Scene:
    """The picture on the canvas."""
    scene = window.canvas.scene
    assert scene is not None
    return scene


def settle(qtbot: QtBot, window: Window) -> None:
    """Wait until nothing runs any more."""
    qtbot.waitUntil(lambda: not window.jobs.running, timeout=20_000)
    QCoreApplication.processEvents()


def trigger(qtbot: QtBot, window: Window, *names: str) -> None:
    """Do actions by their names, as menu and shortcut do, and wait for what they start."""
    for name in names:
        assert window.actions_[name].isEnabled(), f"{name} cannot be done now"
        window.actions_[name].trigger()
        settle(qtbot, window)
