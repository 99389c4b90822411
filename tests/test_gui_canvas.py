"""The canvas: where one looks, what one hits, what is painted."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QHelpEvent, QImage, QPainter, QPainterPath, QWheelEvent
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from graphreel.graph import GraphBuilder, ScopeId
from graphreel.gui.canvas import Camera, Canvas, Painting
from graphreel.gui.canvas.batches import curves
from graphreel.gui.canvas.camera import LEAST, MOST, fitting
from graphreel.gui.canvas.edge_painting import routes
from graphreel.gui.canvas.picking import box_at, edge_at
from graphreel.gui.style import load_fonts
from graphreel.layout import BoxKind, default_expansion
from graphreel.render import DARK, LIGHT, Overlay, Scene, Theme, picture
from graphreel.render.edge_types import EdgeTypes
from tests.gui_support import OFFSCREEN_NOISE, training_step

pytestmark = OFFSCREEN_NOISE

places = st.floats(-1000, 1000)


def scene_of(blocks: int = 2) -> Scene:
    graph = training_step(blocks)
    return picture(graph, default_expansion(graph))


SCENE = scene_of()


@pytest.fixture
def canvas(qtbot: QtBot) -> Canvas:
    load_fonts()
    made = Canvas(LIGHT)
    qtbot.addWidget(made)
    made.resize(900, 700)
    made.show()
    made.show_scene(SCENE, Overlay())
    made.fit()
    return made


@given(st.floats(LEAST, MOST), places, places, st.floats(0.1, 10), places, places)
def test_zooming_keeps_what_is_under_the_mouse(
    zoom: float, x: float, y: float, factor: float, at_x: float, at_y: float
) -> None:
    camera = Camera(zoom, x, y)
    before = camera.to_scene(at_x, at_y)
    after = camera.zoomed(factor, at_x, at_y)
    assert after.to_scene(at_x, at_y) == pytest.approx(before, abs=1e-6, rel=1e-6)
    assert LEAST <= after.zoom <= MOST


@given(st.floats(LEAST, MOST), places, places, places, places)
def test_scene_and_screen_are_each_others_inverse(zoom: float, x: float, y: float, at_x: float, at_y: float) -> None:
    camera = Camera(zoom, x, y)
    assert camera.to_screen(*camera.to_scene(at_x, at_y)) == pytest.approx((at_x, at_y), abs=1e-6)


@given(places, places, st.floats(1, 5000), st.floats(1, 5000))
def test_fitting_shows_the_whole_and_centres_it(x: float, y: float, width: float, height: float) -> None:
    camera = fitting((x, y, width, height), 900, 700)
    left, top = camera.to_screen(x, y)
    right, bottom = camera.to_screen(x + width, y + height)
    assert min(left, top) >= -1e-6
    assert right <= 900 + 1e-6
    assert bottom <= 700 + 1e-6
    assert left == pytest.approx(900 - right, abs=1e-6)


@given(places, places, st.floats(1, 300), st.floats(1, 300), st.floats(0.1, 2))
def test_holding_brings_into_view_and_moves_no_more_than_needed(
    x: float, y: float, width: float, height: float, zoom: float
) -> None:
    held = Camera(zoom).holding((x, y, width, height), 900, 700)
    left, top = held.to_screen(x, y)
    assert left >= 0
    assert top >= 0
    assert left + width * zoom <= 900
    assert top + height * zoom <= 700
    again = held.holding((x, y, width, height), 900, 700)
    assert (again.x, again.y) == pytest.approx((held.x, held.y))


def test_the_innermost_box_is_hit() -> None:
    for box, (x, y, width, height) in enumerate(SCENE.placement.rects.tolist()):
        if SCENE.view.kind[box] != BoxKind.GROUP:
            assert box_at(SCENE, x + width / 2, y + height / 2) == box
        else:
            assert box_at(SCENE, x + 2, y + 2) == box
    assert box_at(SCENE, -50, -50) is None


def test_an_edge_is_hit_near_its_line_and_not_far_from_it() -> None:
    def path(edge: int) -> QPainterPath:
        some = routes(SCENE.placement, np.array([edge]))
        return curves(some.route_points, some.route_start)

    for edge in np.flatnonzero(np.diff(SCENE.placement.route_start)).tolist():
        at = path(edge).pointAtPercent(0.5)
        found = edge_at(SCENE, at.x(), at.y(), 3.0)
        assert found is not None
        assert (path(found).pointAtPercent(0.5) - at).manhattanLength() < 60 or found == edge
    assert edge_at(SCENE, -500, -500, 5.0) is None


def test_only_what_meets_the_area_is_taken() -> None:
    rects = SCENE.placement.rects
    for area in ((0, 0, 100, 100), (-10, -10, -1, -1), (0, 0, *SCENE.placement.size)):
        expected = [
            box
            for box, (x, y, width, height) in enumerate(rects.tolist())
            if x <= area[2] and y <= area[3] and x + width >= area[0] and y + height >= area[1]
        ]
        found = np.concatenate([SCENE.where.groups_in(area), SCENE.where.boxes_in(area)])
        assert sorted(found.tolist()) == expected


def painted(scene: Scene, theme: Theme, overlay: Overlay, zoom: float) -> QImage:
    load_fonts()
    width, height = (max(1, round(side * zoom)) for side in scene.placement.size)
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(QColor(theme.page))
    with QPainter(image) as painter:
        painter.scale(zoom, zoom)
        Painting(scene).paint(painter, theme, overlay, QRectF(0, 0, *scene.placement.size), zoom)
    return image


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("zoom", [1.0, 2.0, 0.3, 0.1])
def test_every_box_is_painted_in_its_colour_at_every_zoom(qapp: QApplication, theme: Theme, zoom: float) -> None:
    image = painted(SCENE, theme, Overlay(), zoom)
    for box, (x, y, width, _) in enumerate(SCENE.placement.rects.tolist()):
        paint = theme.boxes[SCENE.box_class[box]]
        if SCENE.view.kind[box] != BoxKind.NODE:
            continue
        found = image.pixelColor(int((x + width - 6) * zoom), int((y + 8) * zoom)).name()
        assert found == (paint.fill if zoom >= 0.2 else paint.stroke)


def test_no_text_leaves_its_box(qapp: QApplication) -> None:
    """Where a text is painted in another colour than anything else, no such pixel stands outside of its box."""
    image = painted(SCENE, LIGHT, Overlay(), 1.0)
    for box in np.flatnonzero(SCENE.view.kind == BoxKind.NODE).tolist():
        x, y, width, height = SCENE.placement.rects[box].tolist()
        text = LIGHT.boxes[SCENE.box_class[box]].text
        inside = [
            (px, py)
            for px in range(int(x) - 30, int(x + width) + 30)
            for py in range(int(y) + 3, int(y + height) - 3)
            if 0 <= px < image.width() and image.pixelColor(px, py).name() == text
        ]
        assert inside
        assert min(px for px, _ in inside) >= x + 8
        assert max(px for px, _ in inside) <= x + width - 8


def test_text_in_another_script_is_narrowed_to_its_box(qapp: QApplication) -> None:
    builder = GraphBuilder()
    builder.node("操作の名前がとても長い" * 4)
    scene = picture(builder.build(), frozenset[ScopeId]())
    image = painted(scene, LIGHT, Overlay(), 1.0)
    assert image.pixelColor(image.width() - 1, image.height() // 2).name() in (
        LIGHT.page,
        LIGHT.boxes[scene.box_class[0]].stroke,
        LIGHT.boxes[scene.box_class[0]].fill,
    )


def test_the_edges_of_what_is_selected_are_drawn_in_the_accent_colour(qapp: QApplication) -> None:
    box = int(SCENE.view.node_box[1])
    plain = painted(SCENE, LIGHT, Overlay(), 1.0)
    chosen = painted(SCENE, LIGHT, Overlay(selected=frozenset({box})), 1.0)
    edge = SCENE.view.edge_target.tolist().index(box)
    x, y = SCENE.placement.route_points[SCENE.placement.route_start[edge]].tolist()
    around = [(int(x) + dx, int(y) + 4) for dx in range(-3, 4)]
    assert LIGHT.accent in {chosen.pixelColor(*place).name() for place in around}
    assert LIGHT.accent not in {plain.pixelColor(*place).name() for place in around}


def test_drag_pans(qtbot: QtBot, canvas: Canvas) -> None:
    before = canvas.camera
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=QPoint(300, 300))
    qtbot.mouseMove(canvas, QPoint(340, 330))
    with qtbot.assertNotEmitted(canvas.picked):
        qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(340, 330))
    assert canvas.camera == before.panned(40, 30)


def wheel(canvas: Canvas, place: QPointF, turned: QPoint, pixels: QPoint, phase: Qt.ScrollPhase) -> None:
    event = QWheelEvent(
        place,
        place,
        pixels,
        turned,
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        phase,
        False,
    )
    canvas.wheelEvent(event)


def test_the_wheel_zooms_at_the_mouse(canvas: Canvas) -> None:
    place = QPointF(200, 500)
    under = canvas.camera.to_scene(place.x(), place.y())
    before = canvas.camera.zoom
    wheel(canvas, place, QPoint(0, 120), QPoint(), Qt.ScrollPhase.NoScrollPhase)
    assert canvas.camera.zoom > before
    assert canvas.camera.to_scene(place.x(), place.y()) == pytest.approx(under)


def test_two_fingers_on_a_touchpad_pan(canvas: Canvas) -> None:
    before = canvas.camera
    wheel(canvas, QPointF(10, 10), QPoint(0, 90), QPoint(-12, 30), Qt.ScrollPhase.ScrollUpdate)
    assert canvas.camera == before.panned(-12, 30)


# Offscreen there is no stack of windows in which a tooltip could come first.
@pytest.mark.qt_log_ignore("This plugin does not support raise")
def test_the_tooltip_tells_the_box_in_full(qtbot: QtBot, canvas: Canvas) -> None:
    box = int(SCENE.view.node_box[0])
    place = canvas.screen_rect(box).center().toPoint()
    QApplication.sendEvent(canvas, QHelpEvent(QEvent.Type.ToolTip, place, canvas.mapToGlobal(place)))
    assert QToolTip.text() == SCENE.titles[box]
    QToolTip.hideText()
    qtbot.waitUntil(lambda: not QToolTip.isVisible())


def test_it_is_crisp_on_a_fine_screen(canvas: Canvas) -> None:
    """At twice the density the picture has detail that no enlarged coarse picture could have."""
    canvas.look(Camera(1.0, 0.0, 0.0))
    fine = QImage(canvas.width() * 2, canvas.height() * 2, QImage.Format.Format_RGB32)
    fine.setDevicePixelRatio(2.0)
    canvas.render(fine)
    pixels = np.frombuffer(fine.constBits(), dtype=np.uint32).reshape(fine.height(), fine.width())
    assert np.mean(pixels[:, 0::2] != pixels[:, 1::2]) > 0.01


def test_a_canvas_without_a_picture_says_so(qtbot: QtBot) -> None:
    canvas = Canvas(LIGHT)
    qtbot.addWidget(canvas)
    canvas.resize(400, 300)
    canvas.show_placeholder("Nothing here yet")
    canvas.fit()
    canvas.hold(0)
    image = canvas.grab().toImage()
    assert len({image.pixelColor(x, 150).name() for x in range(400)}) > 1


def test_near_by_an_edge_says_what_flows_along_it(qapp: QApplication) -> None:
    types = EdgeTypes(SCENE)
    everywhere = types.within((0.0, 0.0, *SCENE.placement.size))
    assert "float32[8, 16]" in everywhere.text
    boxes = SCENE.placement.rects[SCENE.view.kind != BoxKind.GROUP]
    for x, y, width, height in everywhere.rects.tolist():
        apart = (boxes[:, 0] >= x + width) | (boxes[:, 0] + boxes[:, 2] <= x)
        apart |= (boxes[:, 1] >= y + height) | (boxes[:, 1] + boxes[:, 3] <= y)
        assert apart.all()
    # A piece of the picture has the labels that the whole has there.
    left, top, width, height = everywhere.rects[0].tolist()
    part = types.within((left, top, left + width / 2, top + height / 2))
    assert everywhere.rects[0].tolist() in part.rects.tolist()


def test_types_on_edges_show_near_by_only(qapp: QApplication) -> None:
    x, y, width, height = EdgeTypes(SCENE).within((0.0, 0.0, *SCENE.placement.size)).rects[0].tolist()
    near, far = painted(SCENE, LIGHT, Overlay(), 1.5), painted(SCENE, LIGHT, Overlay(), 1.0)

    def colors(image: QImage, zoom: float) -> set[str]:
        row = int((y + height / 2) * zoom)
        return {image.pixelColor(at, row).name() for at in range(int(x * zoom), int((x + width) * zoom))}

    assert len(colors(near, 1.5)) > len(colors(far, 1.0)) + 3
