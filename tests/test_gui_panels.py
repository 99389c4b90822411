"""Panels and their plain models, without a window around them."""

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QPoint, Qt
from PySide6.QtGui import QColor, QHelpEvent, QTextDocument
from PySide6.QtTest import QAbstractItemModelTester
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from graphreel.analysis import search
from graphreel.graph import ROOT, GraphBuilder, NodeId, Source, ValueKind
from graphreel.gui.panels.hits import HitsModel
from graphreel.gui.panels.inspector_text import Inspector
from graphreel.gui.panels.outline_model import OutlineModel
from graphreel.gui.panels.outline_tree import OutlineTree, outline
from graphreel.gui.panels.source import SourcePanel
from graphreel.gui.panels.strip import IterationStrip
from graphreel.gui.text import count_text, duration_text
from graphreel.gui.views import Selection, Shown
from graphreel.render import DARK, LIGHT
from graphreel.tracefile import Iteration, RecordedError, Status
from tests.gui_support import OFFSCREEN_NOISE, SCRIPT, training_step

pytestmark = OFFSCREEN_NOISE

GRAPH = training_step()


def written(tree: OutlineTree) -> list[str]:
    """The tree as text, two spaces a level."""
    lines: list[str] = []
    waiting = [(ROOT + 0, -1)]
    while waiting:
        item, depth = waiting.pop()
        if depth >= 0:
            lines.append(f"{'  ' * depth}{tree.label(item)} {tree.detail(item)}")
        waiting.extend((tree.child(item, row), depth + 1) for row in reversed(range(tree.count(item))))
    return lines


def test_the_outline_lists_scopes_and_operations_as_they_ran() -> None:
    assert written(outline(GRAPH)) == [
        "forward 5",
        "  Net 4",
        "    layers   Sequential 4",
        "      0   Block 2",
        "        mm #0",
        "        relu #1",
        "      1   Block 2",
        "        mm #2",
        "        relu #3",
        "  mean #4",
        "backward 2",
        "  mm #5",
        "  mm #6",
        "optimizer 1",
        "  add_ #7",
    ]


def test_scopes_without_operations_are_left_out() -> None:
    builder = GraphBuilder()
    builder.scope("empty", builder.scope("also empty"))
    used = builder.scope("used")
    builder.node("a")
    builder.node("b", scope=used)
    assert written(outline(builder.build())) == ["a #0", "used 1", "  b #1"]
    assert written(outline(GraphBuilder().build())) == []


@pytest.mark.parametrize("blocks", [1, 4])
def test_the_outline_model_keeps_qts_rules(qapp: QApplication, blocks: int) -> None:
    model = OutlineModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    graph = training_step(blocks)
    for tree in (outline(graph), None, outline(GRAPH), outline(GraphBuilder().build())):
        model.show(tree)
        waiting = [QModelIndex()]
        while waiting:
            parent = waiting.pop()
            for row in range(model.rowCount(parent)):
                index = model.index(row, 0, parent)
                assert model.parent(index) == parent
                assert model.index_of(model.selection_at(index)) == index
                waiting.append(index)
    assert tester.model() is model


def test_the_hits_model_keeps_qts_rules(qapp: QApplication) -> None:
    model = HitsModel()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    assert tester.model() is model
    model.show(shown(), search(GRAPH, "layers"))
    assert [model.text(1, column) for column in range(5)] == [
        "relu",
        "forward/Net/layers/0",
        "8, 16",
        "1.5 µs",
        "train.py:10",
    ]
    kept = QPersistentModelIndex(model.index(0, 0))
    for column, order, nodes in (
        (0, Qt.SortOrder.AscendingOrder, [0, 2, 1, 3]),
        (1, Qt.SortOrder.DescendingOrder, [2, 3, 0, 1]),
        (2, Qt.SortOrder.AscendingOrder, [0, 1, 2, 3]),
        (3, Qt.SortOrder.DescendingOrder, [0, 1, 2, 3]),
        (4, Qt.SortOrder.DescendingOrder, [2, 3, 0, 1]),
        (-1, Qt.SortOrder.AscendingOrder, [0, 1, 2, 3]),
    ):
        model.sort(column, order)
        assert model.nodes.tolist() == nodes
        assert kept.row() == nodes.index(0)
    model.show(None, None)
    assert model.rowCount() == 0
    assert tester.model() is model


def shown(error: RecordedError | None = None, status: Status = Status.COMPLETE) -> Shown:
    iteration = Iteration(3, status, "hash", GRAPH.node_count, 9, 0, 8000, {"loss": 0.25}, error)
    nodes = GRAPH.node_count
    columns = {"start_ns": np.arange(nodes) * 1000, "duration_ns": np.full(nodes, 1500), "out_max": np.full(nodes, 0.5)}
    columns["argument.eps"] = np.full(nodes, np.nan)
    return Shown(iteration, GRAPH, columns)


def text_of(selection: Selection, of: Shown | None = None) -> list[str]:
    """What one reads in the inspector, line by line."""
    document = QTextDocument()
    document.setHtml(Inspector(of or shown(), LIGHT).describe(selection))
    return [line for line in document.toPlainText().replace("\u2028", "\n").splitlines() if line.strip()]


def test_the_inspector_describes_an_operation(qapp: QApplication) -> None:
    lines = text_of(Selection.of_node(0))
    assert lines == [
        "aten.mm.default",
        "forward",
        "scope",
        "forward/Net/layers/0",
        "number",
        "0",
        "starts at",
        "0 ns",
        "took",
        "1.5 µs",
        "out_max",
        "0.5",
        "key",
        "forward/Net/layers/0/aten.mm.default@train.py:10#1",
        "ATTRIBUTES",
        "alpha",
        "1",
        "INPUTS",
        "input",
        "float32[8, 16]",
        "x · input",
        "mat2",
        "float32[16, 16]",
        "layers.0.weight · parameter",
        "OUTPUTS",
        "0",
        "float32[8, 16]",
        "to aten.relu.default",
        "NUMBERS",
        "Not kept. Record with --keyframes 3 to have them.",
    ]


def test_the_inspector_links_backward_to_forward(qapp: QApplication) -> None:
    html = Inspector(shown(), LIGHT).describe(Selection.of_node(6))
    assert 'href="node:0"' in html
    assert text_of(Selection.of_node(6))[:2] == ["aten.mm.default", "backward"]


def test_the_inspector_describes_a_value(qapp: QApplication) -> None:
    lines = text_of(Selection.of_value(GRAPH.outputs_of(0)[0]))
    for wanted in ("float32[8, 16]", "activation", "float32", "[8, 16]", "#1, version 0", "aten.relu.default"):
        assert wanted in lines
    assert "aten.mm.default · output 0" in lines
    assert "outside the graph" in text_of(Selection.of_value(0))


def test_the_inspector_describes_a_scope(qapp: QApplication) -> None:
    lines = text_of(Selection.of_scope(GRAPH.paths.index("forward/Net/layers")))
    assert lines[:2] == ["layers", "Sequential"]
    assert "4 operations" in lines
    assert "6 µs" in lines
    assert lines[-2:] == ["0", "1"]


def test_the_inspector_shows_an_error_where_it_belongs(qapp: QApplication) -> None:
    error = RecordedError("RuntimeError", "<b>shapes</b> do not fit", "…", NodeId(2))
    failed = shown(error, Status.FAILED)
    assert "RuntimeError" in text_of(Selection.of_node(2), failed)
    assert "<b>shapes</b> do not fit" in text_of(Selection.of_node(2), failed)
    assert "RuntimeError" not in text_of(Selection.of_node(1), failed)
    assert "RuntimeError" in text_of(Selection(), failed)


def test_what_a_file_says_is_shown_and_never_taken_for_markup(qapp: QApplication) -> None:
    builder = GraphBuilder()
    name = '<img src="file:///etc/passwd"><script>'
    value = builder.value(name, [1], name=name, kind=ValueKind.INPUT)
    builder.node(name, [value], name=name, scope=builder.scope(name, type=name), attributes={name: name})
    graph = builder.build()
    iteration = Iteration(0, Status.COMPLETE, "", 1, 0, 0, 0, {name: 1.0}, RecordedError(name, name, name))
    hostile = Shown(iteration, graph, {})
    for selection in (Selection.of_node(0), Selection.of_value(0), Selection.of_scope(1), Selection()):
        html = Inspector(hostile, LIGHT).describe(selection)
        assert "<img" not in html
        assert "<script" not in html


def iterations(count: int) -> list[Iteration]:
    return [
        Iteration(
            index=2 * row,
            status=(Status.COMPLETE, Status.COMPLETE, Status.FAILED)[row % 3],
            graph="one" if row < 4 else "two",
            nodes=10,
            edges=12,
            started_ns=0,
            duration_ns=1_000_000 * (row + 1),
        )
        for row in range(count)
    ]


@pytest.fixture
def strip(qtbot: QtBot) -> IterationStrip:
    made = IterationStrip(LIGHT)
    qtbot.addWidget(made)
    made.resize(300, 120)
    made.show()
    made.show_iterations(iterations(12), 0)
    return made


def test_cells_are_as_high_as_their_iterations_took(strip: IterationStrip) -> None:
    heights = [strip.cell(row).height() for row in range(12)]
    assert heights == sorted(heights)
    assert heights[11] == pytest.approx(12 * heights[0], rel=0.2)
    assert all(strip.viewport().rect().contains(strip.cell(row).toRect()) for row in range(12))


def test_cells_have_the_colour_of_their_status_and_changes_a_mark(strip: IterationStrip) -> None:
    image = strip.viewport().grab().toImage()
    center = strip.cell(2).center().toPoint()
    assert image.pixelColor(center).name() == LIGHT.error
    assert image.pixelColor(strip.cell(0).center().toPoint()).name() == LIGHT.accent
    column = int(strip.cell(4).center().x())
    assert LIGHT.accent in {image.pixelColor(column, y).name() for y in range(16)}
    column = int(strip.cell(5).center().x())
    assert LIGHT.accent not in {image.pixelColor(column, y).name() for y in range(16)}


def test_a_tooltip_tells_of_the_iteration(qtbot: QtBot, strip: IterationStrip) -> None:
    assert strip.describe(4).splitlines() == [
        "Iteration 8 · complete",
        "10 nodes, 12 edges",
        "5 ms",
        "The graph differs from iteration 6",
    ]
    with pytest.MonkeyPatch.context() as patched:
        texts: list[str] = []
        patched.setattr(QToolTip, "showText", lambda place, text, widget: texts.append(text))
        place = strip.cell(4).center().toPoint()
        QApplication.sendEvent(strip.viewport(), QHelpEvent(QEvent.Type.ToolTip, place, QPoint()))
        assert texts == [strip.describe(4)]


def test_a_thousand_iterations_scroll_and_the_current_one_is_in_view(qtbot: QtBot, strip: IterationStrip) -> None:
    strip.show_iterations(iterations(1000), 1998)
    assert strip.horizontalScrollBar().maximum() > 0
    assert strip.viewport().rect().contains(strip.cell(999).center().toPoint())
    with qtbot.waitSignal(strip.chosen) as chosen:
        qtbot.keyClick(strip, Qt.Key.Key_PageUp)
    assert chosen.args == [2 * 989]
    strip.set_theme(DARK)
    strip.viewport().grab()


def test_the_source_panel_says_what_it_cannot_show(qtbot: QtBot) -> None:
    panel = SourcePanel(LIGHT)
    qtbot.addWidget(panel)
    panel.show()
    assert panel.placeholder.isVisible()
    assert "Select an operation" in panel.placeholder.text()
    panel.show_stack([Source("/gone.py", 3, "f")], lambda file: None)
    assert panel.placeholder.text() == "/gone.py:3\n\nThe text of this file is not in the trace."
    panel.show_stack([Source(SCRIPT, 2, "f"), Source(SCRIPT, 3, "")], lambda file: "one\ntwo = 'text'  # why\nthree")
    assert not panel.placeholder.isVisible()
    assert panel.code.textCursor().block().text() == "two = 'text'  # why"
    panel.set_theme(DARK)
    assert panel.code.extraSelections()[0].cursor.blockNumber() == 1


def test_python_is_coloured(qtbot: QtBot) -> None:
    panel = SourcePanel(LIGHT)
    qtbot.addWidget(panel)
    panel.show_stack([Source(SCRIPT, 1, "")], lambda file: "return 'a # b'  # c")
    formats = panel.code.document().firstBlock().layout().formats()
    found = {(one.start, one.length): one.format.foreground().color().name() for one in formats}
    assert found == {(0, 6): LIGHT.accent, (7, 7): LIGHT.ok, (16, 3): QColor(LIGHT.muted).name()}


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (312, "312 ns"),
        (1500, "1.5 µs"),
        (2_345_678, "2.35 ms"),
        (1_000_000_000, "1 s"),
        (10**13, "10,000 s"),
    ],
)
def test_durations_are_read_at_a_glance(nanoseconds: int, text: str) -> None:
    assert duration_text(nanoseconds) == text


def test_counts_have_their_noun() -> None:
    assert [count_text(n, "node") for n in (0, 1, 3230)] == ["0 nodes", "1 node", "3,230 nodes"]
