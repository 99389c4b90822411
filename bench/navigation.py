"""What it costs to find one's way in a large picture: hover, walk, minimap, breadcrumbs, ancestors and descendants.

Run: python bench/navigation.py [--nodes 100000]
Opens a generated ONNX transformer in the real window, offscreen, with every scope open, and prints processor time in
milliseconds: that of the GUI thread, or, where the work is a job off it, that of the job.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PySide6.QtCore import QPointF, QSettings
from PySide6.QtWidgets import QApplication

from graphreel.analysis.reach import Way, between, flow, reached
from graphreel.gui.canvas.glow import Lit
from graphreel.gui.canvas.miniature import miniature
from graphreel.gui.canvas.neighbours import neighbours_of
from graphreel.gui.settings import Settings
from graphreel.gui.views import Selection
from graphreel.gui.window import Window
from graphreel.render import LIGHT
from tests.large_graphs import transformer_file

PATIENCE_S = 300


def settle(application: QApplication, window: Window) -> None:
    """Let the window work until no job runs."""
    deadline, quiet = time.monotonic() + PATIENCE_S, 0
    while quiet < 10 and time.monotonic() < deadline:
        application.processEvents()
        time.sleep(0.01)
        quiet = 0 if window.jobs.running else quiet + 1
    window.canvas.finish()


def told(what: str, work: Callable[[int], object], times: int = 20) -> None:
    """Print what one run of `work` costs: the median, and the most."""
    spent = []
    for run in range(times):
        start = time.thread_time()
        work(run)
        spent.append((time.thread_time() - start) * 1000)
    print(f"{what:52}  median {np.median(spent):8.2f}  most {max(spent):8.2f}")


def main() -> None:
    """Open a large picture and print a line for each thing one does in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=100_000)
    nodes = parser.parse_args().nodes
    application = QApplication([sys.argv[0]])
    application.setStyle("Fusion")
    with tempfile.TemporaryDirectory() as folder:
        store = QSettings(str(Path(folder) / "settings.ini"), QSettings.Format.IniFormat)
        window = Window(Settings(store), LIGHT)
        window.resize(1920, 1080)
        window.show()
        window.open(transformer_file(Path(folder) / "model.onnx", nodes))
        settle(application, window)
        graph = window.session.graph
        assert graph is not None
        window.session.arrange(graph.paths, graph.paths)
        settle(application, window)
        measure(application, window)
        window.close()


def measure(application: QApplication, window: Window) -> None:
    """Print what things cost in the picture that is shown."""
    canvas, scene, graph = window.canvas, window.canvas.scene, window.session.graph
    hovering, walks = window.navigation.hovering, window.navigation.walks
    assert scene is not None
    assert graph is not None
    print(f"{graph.node_count:,} nodes, {len(scene.view.kind):,} boxes, {len(scene.view.edge_source):,} edges")
    random = np.random.default_rng(0)
    some = random.integers(0, graph.node_count, 200).tolist()
    told("job: sort the edges by box", lambda run: neighbours_of(scene), 5)
    told("job: draw the minimap", lambda run: miniature(scene, LIGHT, 220, 300), 5)
    neighbours = hovering.sorted_edges()
    assert neighbours is not None
    canvas.fit_box(int(scene.view.node_box[some[0]]))
    canvas.finish()
    places = [
        QPointF(x, y)
        for x, y in zip(random.integers(0, canvas.width(), 200), random.integers(0, 900, 200), strict=True)
    ]
    told("what is under the mouse", lambda run: hovering._thing_at(scene, places[run]), 200)
    boxes = scene.view.node_box[some].tolist()
    told("light up a box's neighbours", lambda run: Lit.of_box(neighbours, boxes[run]), 200)
    told("a frame without light", lambda run: canvas.repaint())
    hovering.glow.show_lit(scene, Lit.of_box(neighbours, boxes[0]))
    told("a frame with light", lambda run: canvas.repaint())
    hovering.glow.show_lit(None, None)
    window.session.select(Selection.of_node(some[0]))
    told("a step to a consumer", lambda run: walks.down(), 50)
    told("select an operation, everywhere", lambda run: window.session.select(Selection.of_node(some[run])), 50)
    told("of that the breadcrumbs", lambda run: window.navigation.crumbs._follow(), 20)
    told("job: edges by node, once a graph", lambda run: flow(graph), 1)
    told("job: descendants of the first", lambda run: reached(graph, [0], Way.DOWN), 3)
    told("job: all paths from first to last", lambda run: between(graph, [0], [graph.node_count - 1]), 3)
    window.session.select(Selection())
    told("select all", lambda run: window.navigation.selects.all(), 1)
    told("a frame with all selected", lambda run: canvas.repaint(), 5)
    canvas.fit()
    canvas.finish()
    told("a frame of the whole picture with all selected", lambda run: canvas.repaint(), 5)


if __name__ == "__main__":
    main()
