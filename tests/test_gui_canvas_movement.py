"""What moves on the canvas: flings, zooms that catch up, pictures that change. Time is told, not taken."""

import math

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from graphreel.graph import ScopeId
from graphreel.gui.canvas import Camera, Canvas
from graphreel.gui.canvas.changing import DURATION_MS, Fading, earlier
from graphreel.gui.canvas.gliding import Glide, Trail
from graphreel.gui.style import load_fonts
from graphreel.layout import BoxKind
from graphreel.render import LIGHT, Overlay, Scene, picture
from tests.gui_support import OFFSCREEN_NOISE, training_step

pytestmark = OFFSCREEN_NOISE

GRAPH = training_step(2)


def scene(*paths: str) -> Scene:
    return picture(GRAPH, [ScopeId(GRAPH.paths.index(path)) for path in paths])


CLOSED = scene("forward", "forward/Net")
OPEN = scene("forward", "forward/Net", "forward/Net/layers")


def box_of(one: Scene, key: str) -> int:
    return next(box for box, its in enumerate(one.keys) if its == key)


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    load_fonts()
    made = Canvas(LIGHT)
    made.animated = True
    qtbot.addWidget(made)
    made.resize(900, 700)
    made.show()
    made.show_scene(CLOSED, Overlay())
    made.look(Camera(1.0, -100.0, -50.0))
    made.finish()
    return made


def test_a_fling_slows_down_and_ends() -> None:
    glide, camera = Glide(), Camera()
    glide.fling((2.0, -1.0))
    ways = []
    while glide.is_moving:
        later = glide.advance(camera, 16.0)
        ways.append(camera.x - later.x)
        camera = later
    assert ways == sorted(ways, reverse=True)
    assert 100 < -camera.x < 2000
    assert camera.y == pytest.approx(-camera.x / 2)


def test_a_slow_drag_does_not_fling() -> None:
    glide = Glide()
    glide.fling((0.1, 0.1))
    assert not glide.is_moving


def test_a_fling_is_as_fast_as_the_end_of_the_drag() -> None:
    trail = Trail()
    for at in range(10):
        trail.add(at * 10.0, at * 20.0, 0.0)
    assert trail.speed(90.0) == pytest.approx((2.0, 0.0))
    assert trail.speed(500.0) == (0.0, 0.0), "the mouse rested before it was let go"


def test_a_zoom_in_steps_is_the_zoom_and_keeps_its_place() -> None:
    glide, camera = Glide(), Camera(0.5, 10.0, 20.0)
    under = camera.to_scene(300.0, 200.0)
    glide.zoom(1.5, (300.0, 200.0))
    camera = glide.advance(camera, 16.0)
    assert 0.5 < camera.zoom < 0.75
    glide.zoom(1.2, (300.0, 200.0))
    while glide.is_moving:
        camera = glide.advance(camera, 16.0)
    assert camera.zoom == pytest.approx(0.9)
    assert camera.to_scene(300.0, 200.0) == pytest.approx(under)


def wheel(canvas: Canvas) -> None:
    place = QPointF(200, 500)
    none, up = QPoint(), QPoint(0, 120)
    buttons, keys = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    canvas.wheelEvent(QWheelEvent(place, place, none, up, buttons, keys, Qt.ScrollPhase.NoScrollPhase, False))


def test_the_wheel_glides_where_movement_is_wanted(qtbot: QtBot, canvas: Canvas) -> None:
    wheel(canvas)
    assert canvas.camera.zoom == 1.0
    qtbot.waitUntil(lambda: canvas.is_sharp)
    gliding = canvas.camera
    assert gliding.zoom == pytest.approx(1.0016**120)
    canvas.animated = False
    canvas.look(Camera(1.0, -100.0, -50.0))
    wheel(canvas)
    assert canvas.camera.zoom == pytest.approx(gliding.zoom)
    assert (canvas.camera.x, canvas.camera.y) == pytest.approx((gliding.x, gliding.y))


def test_whoever_takes_hold_of_the_picture_stops_it(qtbot: QtBot, canvas: Canvas) -> None:
    canvas.fling((3.0, 0.0))
    qtbot.waitUntil(lambda: canvas.camera.x != -100.0)
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(300, 300))
    held = canvas.camera
    qtbot.wait(60)
    assert canvas.camera == held
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(300, 300))


def pixels(image: QImage) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint32]]":
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    return np.frombuffer(image.constBits(), dtype=np.uint32).reshape(image.height(), image.width()).copy()


def test_a_box_that_stays_moves_from_where_it_was(qtbot: QtBot, canvas: Canvas) -> None:
    """The loss stands below the layers; when they open it goes down."""
    loss = next(box for box, key in enumerate(OPEN.keys) if "mean" in key)
    old = next(box for box, key in enumerate(CLOSED.keys) if "mean" in key)
    fill = LIGHT.boxes[OPEN.box_class[loss]].fill
    height = [one.placement.rects[box, 1] for one, box in ((CLOSED, old), (OPEN, loss))]
    assert height[1] > height[0] + 60
    canvas.show_scene(OPEN, Overlay())

    def top() -> int:
        found = (pixels(canvas.grab().toImage()) & 0xFFFFFF) == int(fill[1:], 16)
        return int(found.any(axis=1).argmax())

    tops = [top()]
    while not canvas.is_sharp:
        canvas.movement.advance(DURATION_MS / 6)
        tops.append(top())
    assert tops == sorted(tops)
    assert len(set(tops)) >= 4
    assert tops[0] == pytest.approx(height[0] + 50, abs=12)
    assert tops[-1] == pytest.approx(height[1] + 50, abs=12)


def test_after_the_change_the_picture_is_as_if_there_had_been_none(qtbot: QtBot, canvas: Canvas) -> None:
    canvas.show_scene(OPEN, Overlay())
    canvas.grab()
    canvas.finish()
    moved = pixels(canvas.grab().toImage())
    canvas.animated = False
    canvas.show_scene(CLOSED, Overlay())
    canvas.show_scene(OPEN, Overlay())
    canvas.finish()
    assert np.array_equal(moved, pixels(canvas.grab().toImage()))


def test_without_animation_the_next_picture_is_there_at_once(qtbot: QtBot, canvas: Canvas) -> None:
    canvas.animated = False
    canvas.show_scene(OPEN, Overlay())
    at_once = pixels(canvas.grab().toImage())
    canvas.finish()
    assert np.array_equal(at_once, pixels(canvas.grab().toImage()))


def test_a_scope_is_known_again_open_and_closed_and_in_another_iteration() -> None:
    layers = box_of(OPEN, "forward/Net/layers")
    rows = np.arange(len(OPEN.view.kind))
    found = earlier(CLOSED, OPEN, rows)
    assert OPEN.view.kind[layers] == BoxKind.GROUP
    assert CLOSED.keys[found[layers]] == "forward/Net/layers"
    another = picture(training_step(2), [ScopeId(1)])
    again = earlier(another, CLOSED, np.arange(len(CLOSED.view.kind)))
    known = {CLOSED.keys[row]: another.keys[old] for row, old in enumerate(again.tolist()) if old >= 0}
    assert known
    assert all(key == other for key, other in known.items())


def test_a_picture_that_fades_waits_for_the_next() -> None:
    fading = Fading(QImage(8, 8, QImage.Format.Format_RGB32))
    assert fading.advance(200.0, ready=False)
    assert fading.advance(100.0, ready=True)
    assert not fading.advance(DURATION_MS, ready=True)
    late = Fading(QImage(8, 8, QImage.Format.Format_RGB32))
    waited = 0.0
    while late.advance(50.0, ready=False):
        waited += 50.0
        assert waited < 1000.0, "a picture that never gets ready must show all the same"


def test_the_change_goes_on_under_a_moving_camera(qtbot: QtBot, canvas: Canvas) -> None:
    canvas.show_scene(OPEN, Overlay())
    canvas.repaint()
    canvas.look(canvas.camera.panned(30.0, 10.0))
    canvas.movement.advance(DURATION_MS / 2)
    QApplication.processEvents()
    canvas.finish()
    assert canvas.is_sharp
    assert math.isclose(canvas.camera.x, -130.0)
