"""Statistics, kernels, findings and views of a pass, as the window shows them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QModelIndex, QPointF, Qt
from PySide6.QtGui import QColor, QTextDocument
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from graphreel.graph import Graph, GraphBuilder, NodeId, Phase
from graphreel.gui.panels.findings import FindingsModel
from graphreel.gui.panels.inspector_text import Inspector
from graphreel.gui.panels.strip import CELL, IterationStrip
from graphreel.gui.text import bytes_text
from graphreel.gui.views import Selection, Shown, What
from graphreel.gui.window import Window
from graphreel.render import LIGHT
from graphreel.tracefile import Iteration, IterationRecord, Status
from graphreel.tracefile.extras import Finding, Kernels
from tests import gui_support
from tests.gui_support import OFFSCREEN_NOISE, record, settle, training_step, trigger, write_reel

pytestmark = OFFSCREEN_NOISE

GRAPH = training_step()


window = pytest.fixture(gui_support.window)


def statistics(**columns: list[float]) -> Mapping[str, Any]:
    """Statistics of the first output of node 0; nothing of all others."""
    value = GRAPH.outputs_of(0)[0]
    found: dict[str, Any] = {"counted": np.zeros(GRAPH.value_count, dtype=bool)}
    found["counted"][value] = True
    for name, (number,) in columns.items():
        found[name] = np.full(GRAPH.value_count, np.nan if isinstance(number, float) else 0)
        found[name][value] = number
    return found


def shown(**more: Any) -> Shown:
    iteration = Iteration(3, Status.COMPLETE, "hash", GRAPH.node_count, 9, 0, 8000)
    return replace(Shown(iteration, GRAPH, {}), **more)


def html_of(selection: Selection, of: Shown) -> str:
    return Inspector(of, LIGHT).describe(selection)


def text_of(selection: Selection, of: Shown) -> str:
    document = QTextDocument()
    document.setHtml(html_of(selection, of))
    return document.toPlainText().replace("\u2028", "\n")


def test_the_inspector_shows_statistics_where_they_were_recorded(qapp: QApplication) -> None:
    of = shown(value_columns=statistics(min=[-1.5], max=[2.25], mean=[0.125], nan=[3], zeros=[64]))
    line = "min -1.5 · max 2.25 · mean 0.125 · 3 NaN · 64 zero"
    value = int(GRAPH.outputs_of(0)[0])
    assert line in text_of(Selection.of_node(0), of)
    assert line in text_of(Selection.of_value(value), of)
    assert f'<span style="color:{LIGHT.error}"><b>3 NaN</b></span>' in html_of(Selection.of_value(value), of)
    assert "min" not in text_of(Selection.of_node(4), of)


def test_a_value_of_nothing_but_nan_has_no_smallest(qapp: QApplication) -> None:
    of = shown(value_columns=statistics(min=[float("nan")], nan=[128]))
    text = text_of(Selection.of_node(0), of)
    assert "128 NaN" in text
    assert "min" not in text


def kernels() -> Kernels:
    """Two kernels of node 0 and a copy of node 1, on a device; one that belongs to no node."""

    def column(*numbers: int) -> Any:
        return np.array(numbers, dtype=np.int64)

    return Kernels(
        names=("ampere_sgemm_128x64<float>", "Memcpy HtoD"),
        name=column(0, 0, 1, 0),
        kind=column(0, 0, 1, 0),
        node=column(0, 0, 1, -1),
        device=column(0, 0, 0, 0),
        stream=column(7, 7, 13, 7),
        start_ns=column(10, 20, 30, 40),
        duration_ns=column(5_000, 6_000, 7_000, 8_000),
        launch_ns=column(1, 2, 3, 4),
        nbytes=column(0, 0, 4096, 0),
    )


def test_the_inspector_lists_the_kernels_of_an_operation_and_adds_up_those_of_a_scope(qapp: QApplication) -> None:
    of = shown(kernels=kernels())
    first = text_of(Selection.of_node(0), of)
    assert first.count("ampere_sgemm_128x64<float>") == 2
    assert "kernel · device 0, stream 7" in first
    assert "copy · device 0, stream 13 · 4 kB" in text_of(Selection.of_node(1), of)
    assert "18 µs in 3 kernels" in text_of(Selection.of_scope(GRAPH.paths.index("forward/Net/layers/0")), of)
    assert "KERNELS" not in text_of(Selection.of_node(4), of)


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1000, "1,000 B"), (1536, "1.5 kB"), (5 << 30, "5 GB")])
def test_bytes_are_written_with_the_unit_that_suits(count: int, text: str) -> None:
    assert bytes_text(count) == text


FINDINGS = (
    Finding("graph-break", "call to print\nmove it out of the function", file="/home/me/train.py", line=12),
    Finding("caught", "aten.mm.default raised <b>OutOfMemoryError</b>", node=NodeId(2)),
)


def test_the_inspector_tells_what_was_noticed(qapp: QApplication) -> None:
    of = shown(findings=FINDINGS)
    whole = text_of(Selection(), of)
    assert "graph-break call to print" in whole
    assert "raised <b>OutOfMemoryError</b>" in whole
    assert 'href="node:2"' in html_of(Selection(), of)
    assert "OutOfMemoryError" in text_of(Selection.of_node(2), of)
    assert "NOTICED" not in text_of(Selection.of_node(1), of)


def test_the_findings_model_keeps_qts_rules_and_says_where(qapp: QApplication) -> None:
    model = FindingsModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    model.show(FINDINGS, GRAPH)
    rows = [[model.data(model.index(row, column)) for column in range(3)] for row in range(model.rowCount())]
    assert rows == [
        ["graph-break", "call to print", "train.py:12"],
        ["caught", "aten.mm.default raised <b>OutOfMemoryError</b>", "aten.mm.default #2"],
    ]
    assert model.data(model.index(0, 1), Qt.ItemDataRole.ToolTipRole) == FINDINGS[0].message
    model.show((), None)
    assert model.rowCount(QModelIndex()) == 0
    assert tester.model() is model


def with_view() -> IterationRecord:
    """A training step whose autograd graph has a node for each of its two blocks."""
    builder = GraphBuilder()
    scope = builder.scope("Net")
    for forward, ran in ((0, 6), (2, 5)):
        attributes = {"forward": forward, "operations": [ran]}
        builder.node("MmBackward0", scope=scope, phase=Phase.BACKWARD, attributes=attributes)
    return replace(record(training_step()), views={"autograd": builder.build()}, findings=FINDINGS)


def shown_graph(window: Window) -> Graph:
    assert window.session.graph is not None
    return window.session.graph


def test_the_autograd_graph_is_one_key_away_and_the_selection_comes_along(
    qtbot: QtBot, tmp_path: Path, window: Window
) -> None:
    path = write_reel(tmp_path / "run.reel", [with_view(), record(training_step(3))])
    gui_support.opened(qtbot, window)(path)
    window.session.select(Selection.of_node(5))
    trigger(qtbot, window, "view.autograd")
    assert shown_graph(window).node_count == 2
    assert window.actions_["view.autograd"].isChecked()
    assert window.session.selection == Selection(What.NODE, 1)
    trigger(qtbot, window, "view.autograd")
    assert shown_graph(window).node_count == GRAPH.node_count
    assert window.session.selection == Selection(What.NODE, 2)
    trigger(qtbot, window, "step.next-iteration")
    assert not window.actions_["view.autograd"].isEnabled()


def test_an_iteration_without_the_view_shows_its_operations(qtbot: QtBot, tmp_path: Path, window: Window) -> None:
    path = write_reel(tmp_path / "run.reel", [with_view(), record(training_step(3))])
    gui_support.opened(qtbot, window)(path)
    trigger(qtbot, window, "view.autograd", "step.next-iteration")
    assert shown_graph(window).node_count == training_step(3).node_count
    trigger(qtbot, window, "step.previous-iteration")
    assert shown_graph(window).node_count == 2


def test_findings_have_a_panel_while_there_are_any(qtbot: QtBot, tmp_path: Path, window: Window) -> None:
    path = write_reel(tmp_path / "run.reel", [with_view(), record(training_step(3))])
    gui_support.opened(qtbot, window)(path)
    assert window.findings_dock.isVisible()
    window.findings.clicked.emit(window.findings.findings.index(1, 0))
    settle(qtbot, window)
    assert window.session.selection == Selection(What.NODE, 2)
    trigger(qtbot, window, "step.next-iteration")
    assert not window.findings_dock.isVisible()


def test_the_strip_tells_which_iterations_have_a_keyframe(qtbot: QtBot) -> None:
    strip = IterationStrip(LIGHT)
    qtbot.addWidget(strip)
    two = [Iteration(index, Status.COMPLETE, "hash", 8, 9, 0, 8000) for index in range(2)]
    strip.show_iterations(two, 0, keyframes=[1])
    assert "Has a keyframe" in strip.describe(1)
    assert "Has a keyframe" not in strip.describe(0)
    strip.resize(120, 110)
    picture = strip.viewport().grab().toImage()
    foot = strip.cell(1).bottomLeft() + QPointF(CELL / 2, -5)
    other = strip.cell(0).bottomLeft() + QPointF(CELL / 2, -5)
    assert picture.pixelColor(foot.toPoint()) == QColor(LIGHT.panel)
    assert picture.pixelColor(other.toPoint()) != QColor(LIGHT.panel)
