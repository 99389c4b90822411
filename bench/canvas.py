"""What a frame of the canvas costs, beside its peers on the same pictures in the same run.

Run: python bench/canvas.py [--boxes 1000 10000 100000] [--peers] [--laid-out]
Drives the real widget offscreen, 1920 × 1080, software raster: a pan, a zoom from the whole picture to one box, and a
flight across the picture at changing zoom. A frame is a camera, the events it causes and the painting of it. Peers: one
QGraphicsItem per node in a QGraphicsView, and pyqtgraph's GraphItem (pip install pyqtgraph); one that is not there is
named and left out. A large picture is a smaller one repeated side by side, or with --laid-out one layout of it all.
"""

import argparse
import math
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QApplication, QGraphicsItem, QGraphicsScene, QGraphicsView, QWidget

from graphreel.gui.canvas import Camera, Canvas
from graphreel.gui.canvas.camera import fitting
from graphreel.gui.style import load_fonts
from graphreel.layout import Placement, VisibleGraph, lay_out, visible
from graphreel.render import LIGHT, Overlay, Scene, build_scene, measure
from tests.layout_graphs import everything, training_step, transformer

WIDTH, HEIGHT = 1920, 1080
_GAP = 80.0


@dataclass(frozen=True, slots=True)
class Frames:
    """Milliseconds of each frame: processor time of the GUI thread, of the whole process, and wall time."""

    thread: list[float]
    process: list[float]
    wall: list[float]

    def told(self) -> str:
        """Mean, 95th percentile and maximum of each."""
        parts = (
            f"{name} {np.mean(ms):6.1f} {np.percentile(ms, 95):6.1f} {max(ms):7.1f}"
            for name, ms in (("thread", self.thread), ("process", self.process), ("wall", self.wall))
        )
        return "  ".join(parts)


def main() -> None:
    """Print a table for each size of picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--frames", type=int, default=90, help="frames of each movement")
    parser.add_argument("--peers", action="store_true", help="also the peers")
    parser.add_argument("--laid-out", action="store_true", help="lay the whole picture out, instead of repeating one")
    parser.add_argument("--step", action="store_true", help="training steps instead of transformers")
    options = parser.parse_args()
    application = QApplication([])
    load_fonts()
    for boxes in options.boxes:
        scene = scene_of(boxes, laid_out=options.laid_out, step=options.step)
        ours = drive_ours(scene, options.frames)
        if options.peers:
            beside(scene, ours, options.frames)
    del application


def scene_of(boxes: int, *, laid_out: bool, step: bool) -> Scene:
    """A picture of about so many boxes, everything open; says what it took to build."""
    make, each = (training_step, 71 * 1.35) if step else (transformer, 26 * 1.36)
    part = boxes if laid_out else min(boxes, 1_000)
    graph = make(max(1, round(part / each)))
    view = visible(graph, everything(graph))
    placement = lay_out(view, measure(view))
    times = max(1, round(boxes / len(view.kind)))
    view, placement = repeated(view, placement, times)
    start, wall = time.process_time(), time.perf_counter()
    measure(view)
    middle = time.process_time()
    scene = build_scene(view, placement)
    end = time.process_time()
    print(
        f"\n{len(view.kind):,} boxes, {len(view.edge_source):,} edges"
        f" ({'one layout' if times == 1 else f'{times} times one picture'})"
        f"\n  measure {middle - start:.2f} s, build_scene {end - middle:.2f} s,"
        f" wall {time.perf_counter() - wall:.2f} s, {memory()}"
    )
    return scene


def repeated(view: VisibleGraph, placement: Placement, times: int) -> tuple[VisibleGraph, Placement]:
    """The same picture so many times, in rows side by side."""
    if times == 1:
        return view, placement
    boxes, points = len(view.kind), len(placement.route_points)
    width, height = (side + _GAP for side in placement.size)
    columns = max(1, round(math.sqrt(times * height / width)))
    copies = np.arange(times)
    shift = np.stack([copies % columns * width, copies // columns * height], axis=1)
    rects = np.tile(placement.rects, (times, 1))
    rects[:, :2] += np.repeat(shift, boxes, axis=0)
    route_points = np.tile(placement.route_points, (times, 1)) + np.repeat(shift, points, axis=0)

    def again(column: Any, step: int = 0) -> Any:
        moved = np.tile(column, times) + np.repeat(copies * step, len(column)) * (np.tile(column, times) >= 0)
        return moved.astype(column.dtype)

    starts = again(placement.route_start[:-1], points)
    whole = replace(
        view,
        kind=again(view.kind),
        ref=again(view.ref),
        parent=again(view.parent, boxes),
        first=again(view.first),
        edge_source=again(view.edge_source, boxes),
        edge_target=again(view.edge_target, boxes),
        edge_value=again(view.edge_value),
        edge_count=again(view.edge_count),
        edge_kind=again(view.edge_kind),
    )
    size = columns * width, math.ceil(times / columns) * height
    start = np.append(starts, times * points).astype(placement.route_start.dtype)
    return whole, replace(placement, rects=rects, route_start=start, route_points=route_points, size=size)


def cameras(scene: Scene, frames: int) -> dict[str, Callable[[], Iterator[Camera]]]:
    """The movements: what the camera does in each frame."""
    whole = fitting((0, 0, *scene.placement.size), WIDTH, HEIGHT)
    box = scene.placement.rects[len(scene.view.kind) // 2]
    far, near = whole.zoom, 1.3

    def at(zoom: float, x: float, y: float) -> Camera:
        return Camera(zoom, x - WIDTH / 2 / zoom, y - HEIGHT / 2 / zoom)

    def pan(zoom: float) -> Iterator[Camera]:
        start = at(zoom, box[0], box[1])
        for frame in range(frames):
            yield start.panned(-frame * 31.0, -frame * 17.0)

    def zooming() -> Iterator[Camera]:
        for frame in range(frames):
            share = frame / (frames - 1)
            yield at(far * (near / far) ** share, box[0], box[1])

    def fly() -> Iterator[Camera]:
        width, height = scene.placement.size
        middle = math.sqrt(far * near)
        for frame in range(frames):
            turn = 2 * math.pi * frame / frames
            zoom = middle * (near / middle) ** math.cos(2 * turn)
            yield at(zoom, width * (0.5 + 0.3 * math.cos(turn)), height * (0.5 + 0.3 * math.sin(turn)))

    return {
        "pan, whole": lambda: pan(whole.zoom * 1.5),
        "pan, 15 %": lambda: pan(0.15),
        "pan, 40 %": lambda: pan(0.4),
        "pan, 100 %": lambda: pan(1.0),
        "zoom in": zooming,
        "fly": fly,
    }


def driven(frame: Callable[[Camera], None], views: Iterator[Camera]) -> Frames:
    """Show these cameras one after the other."""
    found = Frames([], [], [])
    for camera in views:
        thread, process, wall = time.thread_time(), time.process_time(), time.perf_counter()
        frame(camera)
        QApplication.processEvents()
        found.thread.append((time.thread_time() - thread) * 1000)
        found.process.append((time.process_time() - process) * 1000)
        found.wall.append((time.perf_counter() - wall) * 1000)
    return found


def drive_ours(scene: Scene, frames: int) -> dict[str, Frames]:
    """Our canvas."""
    canvas = Canvas(LIGHT)
    canvas.resize(WIDTH, HEIGHT)
    canvas.show()
    start = time.process_time()
    canvas.show_scene(scene, Overlay())
    print(f"  show_scene {time.process_time() - start:.3f} s")

    def frame(camera: Camera) -> None:
        canvas.look(camera)
        canvas.repaint()

    found = {}
    for name, views in cameras(scene, frames).items():
        # What stood on the screen before one moves is there in full.
        canvas.look(next(views()))
        canvas.finish()
        found[name] = driven(frame, views())
        print(f"  {name:12} graphreel       {found[name].told()}", flush=True)
    print(f"  {memory()}")
    canvas.close()
    return found


def beside(scene: Scene, ours: dict[str, Frames], frames: int) -> None:
    """The peers, with the ratio of their 95th percentile to ours."""
    for name, make in {"QGraphicsView": by_items, "GraphItem": by_pyqtgraph}.items():
        start = time.process_time()
        try:
            widget, look = make(scene)
        except ImportError:
            print(f"  {name}: not installed")
            continue
        widget.resize(WIDTH, HEIGHT)
        widget.show()
        QApplication.processEvents()
        print(f"  {name}: built in {time.process_time() - start:.1f} s")
        # A frame of a peer can take seconds.
        few = frames if len(scene.view.kind) < 5_000 else 12
        for movement, views in cameras(scene, few).items():
            found = driven(look, views())
            ratio = np.percentile(found.process, 95) / np.percentile(ours[movement].process, 95)
            print(f"  {movement:12} {name:14} {found.told()}   {ratio:.1f} ×", flush=True)
        widget.close()


class _Item(QGraphicsItem):
    """A node: a rounded rectangle and its name."""

    def __init__(self, rect: QRectF, text: str, fill: QColor) -> None:
        super().__init__()
        self.rect, self.text, self.fill = rect, text, fill

    def boundingRect(self) -> QRectF:
        return self.rect.adjusted(-1, -1, 1, 1)

    def paint(self, painter: QPainter, option: object, widget: QWidget | None = None) -> None:
        painter.setBrush(self.fill)
        painter.drawRoundedRect(self.rect, 6, 6)
        if painter.worldTransform().m11() > 0.36:
            painter.drawText(self.rect, int(Qt.AlignmentFlag.AlignCenter), self.text)


def by_items(scene: Scene) -> tuple[QWidget, Callable[[Camera], None]]:
    """One QGraphicsItem per box and per edge, as most programs with Qt do it."""
    graphics = QGraphicsScene()
    pen = QPen(QColor("#6b7684"), 1.25)
    starts, points = scene.placement.route_start, scene.placement.route_points
    texts = dict(zip(scene.texts.box.tolist(), scene.texts.text, strict=True))
    for edge in range(len(scene.view.edge_source)):
        first, last = points[starts[edge]], points[starts[edge + 1] - 1]
        graphics.addLine(*first.tolist(), *last.tolist(), pen)
    for box, rect in enumerate(scene.placement.rects.tolist()):
        paint = LIGHT.boxes[scene.box_class[box]]
        fill = QColor(paint.fill)
        fill.setAlphaF(paint.opacity)
        graphics.addItem(_Item(QRectF(*rect), texts.get(box, ""), fill))
    view = QGraphicsView(graphics)
    view.setRenderHint(QPainter.RenderHint.Antialiasing)
    for bars in (view.setHorizontalScrollBarPolicy, view.setVerticalScrollBarPolicy):
        bars(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.setTransformationAnchor(QGraphicsView.ViewportAnchor.NoAnchor)

    graphics.setParent(view)  # a view does not keep its scene

    def look(camera: Camera) -> None:
        view.resetTransform()
        view.scale(camera.zoom, camera.zoom)
        view.centerOn(QPointF(camera.x + WIDTH / 2 / camera.zoom, camera.y + HEIGHT / 2 / camera.zoom))
        view.viewport().repaint()

    return view, look


def by_pyqtgraph(scene: Scene) -> tuple[QWidget, Callable[[Camera], None]]:
    """pyqtgraph's GraphItem: squares in one scatter plot, straight edges in one path."""
    import pyqtgraph

    view = pyqtgraph.PlotWidget()
    middles = scene.placement.rects[:, :2] + scene.placement.rects[:, 2:] / 2
    edges = np.stack([scene.view.edge_source, scene.view.edge_target], axis=1)
    view.addItem(pyqtgraph.GraphItem(pos=middles, adj=edges, size=40, symbol="s", pxMode=False))
    view.hideAxis("left")
    view.hideAxis("bottom")
    view.invertY()

    def look(camera: Camera) -> None:
        across, down = WIDTH / camera.zoom, HEIGHT / camera.zoom
        view.setXRange(camera.x, camera.x + across, padding=0)
        view.setYRange(camera.y, camera.y + down, padding=0)
        view.repaint()

    return view, look


def memory() -> str:
    """The most memory that this process has held."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB at most"


if __name__ == "__main__":
    main()
