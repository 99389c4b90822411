"""The canvas with large pictures: what it looks at, and what it shows in pieces."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from graphreel.graph import GraphBuilder, ScopeId
from graphreel.gui.canvas import Camera, Canvas, Painting
from graphreel.gui.canvas.drawing import area_of
from graphreel.gui.canvas.far_names import FarNames
from graphreel.gui.canvas.tiles import SIDE, Look, Tiles
from graphreel.gui.style import load_fonts
from graphreel.layout import Placement, visible
from graphreel.render import DARK, LIGHT, Overlay, Scene, Theme, build_scene, measure, picture
from graphreel.render.spatial import SpatialIndex
from tests.gui_support import OFFSCREEN_NOISE, training_step

pytestmark = OFFSCREEN_NOISE

ACROSS = 320


def grid_scene(boxes: int) -> Scene:
    """So many boxes in rows, each with an edge to the next below; placed by hand, since this is about painting."""
    builder = GraphBuilder()
    for index in range(boxes):
        value = builder.value("float32", [8, index % 7 + 1])
        builder.node(("aten.mm.default", "aten.relu.default")[index % 2], [value])
    graph = builder.build()
    view = visible(graph, frozenset[ScopeId]())
    sizes = measure(view)
    places = np.stack([np.arange(boxes) % ACROSS * 180.0, np.arange(boxes) // ACROSS * 110.0], axis=1)
    size = float(places[:, 0].max()) + 180.0, float(places[:, 1].max()) + 110.0
    none = np.zeros(1, dtype=np.int32)
    placement = Placement(np.concatenate([places, sizes], axis=1), none, np.zeros((0, 2)), size)
    return build_scene(view, placement)


LARGE = grid_scene(100_000)
MIDDLE = grid_scene(600)

spans = st.tuples(*[st.floats(-1000, 1000)] * 2, *[st.floats(0, 400)] * 2)


@given(st.lists(spans, max_size=40), spans)
def test_the_index_finds_what_meets_an_area_and_nothing_else(
    rects: list[tuple[float, ...]], area: tuple[float, ...]
) -> None:
    bounds = np.array([(x, y, x + width, y + height) for x, y, width, height in rects]).reshape(-1, 4)
    left, top, right, bottom = area[0], area[1], area[0] + area[2], area[1] + area[3]
    expected = [
        row
        for row, its in enumerate(bounds.tolist())
        if its[0] <= right and its[2] >= left and its[1] <= bottom and its[3] >= top
    ]
    index = SpatialIndex(bounds)
    assert index.within((left, top, right, bottom)).tolist() == expected
    assert index.count((left, top, right, bottom)) >= len(expected)


def test_what_is_small_can_be_passed_over() -> None:
    index = SpatialIndex(np.array([[0, 0, 10, 10], [0, 0, 900, 5], [50, 50, 70, 60]], dtype=np.float64))
    assert index.within((0, 0, 100, 100), least=100.0).tolist() == [1]


def test_painting_a_small_area_of_a_large_picture_looks_at_few_boxes(qapp: QApplication) -> None:
    load_fonts()
    image = QImage(1000, 800, QImage.Format.Format_RGB32)
    with QPainter(image) as painter:
        painter.translate(-20_000, -15_000)
        Painting(LARGE).paint(painter, LIGHT, Overlay(), QRectF(20_000, 15_000, 1000, 800), 1.0)
    shown = len(LARGE.where.boxes_in((20_000, 15_000, 21_000, 15_800)))
    assert 0 < shown < 80
    assert LARGE.where.of_nodes.visited < 4 * shown


def test_texts_of_a_large_picture_are_kept_once() -> None:
    """What a hundred thousand boxes say is a few different texts; the full texts are made when they are read."""
    assert len(LARGE.texts.text) >= 2 * len(LARGE.view.kind)
    assert len({id(text) for text in LARGE.texts.text}) < 40
    assert LARGE.titles[99_999].splitlines()[0] == "aten.relu.default"
    assert LARGE.titles[-1] == LARGE.titles[99_999]


def pixels(image: QImage) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint32]]":
    return np.frombuffer(image.constBits(), dtype=np.uint32).reshape(image.height(), image.width()).copy()


def shown(tiles: Tiles, look: Look, theme: Theme) -> QImage:
    image = QImage(round(look.width), round(look.height), QImage.Format.Format_RGB32)
    image.fill(QColor(theme.page))
    with QPainter(image) as painter:
        tiles.show(painter, look)
    return image


@pytest.mark.parametrize("zoom", [0.1, 0.3, 0.45, 1.0, 1.37])
def test_pieces_together_are_the_picture(qapp: QApplication, zoom: float) -> None:
    load_fonts()
    look = Look.of(Camera(zoom, 333.0, 77.0), 900, 700, 1.0, moving=False)
    tiles = Tiles(Painting(MIDDLE), LIGHT)
    tiles.want(look)
    while tiles.pending:
        tiles.work(50.0)
    whole = QImage(900, 700, QImage.Format.Format_RGB32)
    whole.fill(QColor(LIGHT.page))
    with QPainter(whole) as painter:
        painter.translate(-look.left, -look.top)
        painter.scale(zoom, zoom)
        area = (333.0 - 20, 77.0 - 20, 333.0 + 900 / zoom + 20, 77.0 + 700 / zoom + 20)
        for _ in Painting(MIDDLE).steps(painter, LIGHT, area, zoom, fast=True):
            pass
    assert np.mean(pixels(shown(tiles, look, LIGHT)) != pixels(whole)) < 0.002


def test_until_a_piece_is_painted_another_zoom_shows_in_its_place(qapp: QApplication) -> None:
    load_fonts()
    near, far = (Look.of(Camera(zoom, 0.0, 0.0), 900, 700, 1.0, moving=False) for zoom in (0.5, 0.3))
    tiles = Tiles(Painting(MIDDLE), LIGHT)
    empty = shown(tiles, near, LIGHT)
    assert len(np.unique(pixels(empty))) == 1
    tiles.want(far)
    while tiles.pending:
        tiles.work(50.0)
    instead = shown(tiles, near, LIGHT)
    assert len(np.unique(pixels(instead))) > 10
    box = MIDDLE.placement.rects[3] * 0.5
    fill = QColor(LIGHT.boxes[MIDDLE.box_class[3]].fill)
    found = instead.pixelColor(int(box[0] + box[2] - 6), int(box[1] + box[3] / 2))
    assert max(abs(found.red() - fill.red()), abs(found.blue() - fill.blue())) < 24
    assert tiles.pending


def test_pieces_are_forgotten_when_there_are_too_many(qapp: QApplication) -> None:
    load_fonts()
    tiles = Tiles(Painting(LARGE), LIGHT, most_bytes=12 * SIDE * SIDE * 4)
    for step in range(6):
        tiles.want(Look.of(Camera(1.0, 3000.0 * step, 0.0), 900, 700, 1.0, moving=False))
        while tiles.pending:
            tiles.work(50.0)
    assert tiles.painted > 30
    assert tiles.kept <= 12


def test_panning_paints_only_what_comes_into_view(qapp: QApplication) -> None:
    load_fonts()
    tiles = Tiles(Painting(LARGE), LIGHT)
    camera = Camera(0.5, 20_000.0, 9_000.0)

    def panned(camera: Camera) -> int:
        before = tiles.painted
        tiles.want(Look.of(camera, 900, 700, 1.0, moving=False))
        while tiles.pending:
            tiles.work(50.0)
        return tiles.painted - before

    first = panned(camera)
    assert panned(camera.panned(-40.0, 0.0)) <= first / 2
    assert panned(camera) == 0


def test_looking_elsewhere_in_the_middle_of_a_piece_leaves_it(qapp: QApplication) -> None:
    load_fonts()
    tiles = Tiles(Painting(LARGE), LIGHT)
    tiles.want(Look.of(Camera(0.4, 0.0, 0.0), 900, 700, 1.0, moving=False))
    tiles.work(0.001)
    tiles.want(Look.of(Camera(0.2, -90_000.0, -90_000.0), 900, 700, 1.0, moving=True))
    while tiles.pending:
        tiles.work(50.0)
    assert tiles.painted == tiles.kept


@pytest.fixture
def canvas(qtbot: QtBot) -> Iterator[Canvas]:
    load_fonts()
    made = Canvas(LIGHT)
    qtbot.addWidget(made)
    made.resize(900, 700)
    made.show()
    made.show_scene(MIDDLE, Overlay())
    made.look(Camera(0.7, 100.0, 100.0))
    yield made
    made.hide()


def test_a_large_picture_gets_sharp_by_itself(qtbot: QtBot, canvas: Canvas) -> None:
    qtbot.waitUntil(lambda: canvas.is_sharp and not canvas.grab().isNull() and canvas.is_sharp, timeout=20_000)
    sharp = pixels(canvas.grab().toImage())
    canvas.finish()
    assert np.array_equal(sharp, pixels(canvas.grab().toImage()))


def test_another_theme_repaints_every_piece(qtbot: QtBot, canvas: Canvas) -> None:
    canvas.finish()
    before = canvas.grab().toImage()
    canvas.set_theme(DARK)
    canvas.finish()
    after = canvas.grab().toImage()
    box = canvas.screen_rect(ACROSS + 3)
    place = box.center().toPoint()
    place.setX(int(box.right()) - 6)
    assert before.pixelColor(place).name() == LIGHT.boxes[MIDDLE.box_class[ACROSS + 3]].fill
    assert after.pixelColor(place).name() == DARK.boxes[MIDDLE.box_class[ACROSS + 3]].fill


def test_a_hidden_canvas_leaves_its_work(qtbot: QtBot) -> None:
    made = Canvas(LIGHT)
    qtbot.addWidget(made)
    made.resize(900, 700)
    made.show()
    made.show_scene(grid_scene(20_000), Overlay(found=frozenset(range(0, 20_000, 3))))
    made.fit()
    made.repaint()
    made.hide()
    made.show()
    qtbot.waitUntil(lambda: made.is_sharp, timeout=30_000)
    colors = {made.grab().toImage().pixelColor(x, 350).name() for x in range(200, 700)}
    assert len(colors) > 3


def test_far_away_large_groups_are_named(qapp: QApplication) -> None:
    load_fonts()
    graph = training_step(8)
    painting = Painting(picture(graph, range(graph.scope_count)))
    image = QImage(900, 700, QImage.Format.Format_RGB32)

    def names(zoom: float, x: float = 0.0, y: float = 0.0) -> list[str]:
        look = Look.of(Camera(zoom, x, y), 900, 700, 1.0, moving=False)
        with QPainter(image) as painter:
            return FarNames(painting, LIGHT).paint(painter, look, area_of(look))

    assert {"forward", "backward"} <= set(names(0.35))
    assert names(1.0) == [], "near by the picture's own texts can be read"
    groups = painting.scene.where.frames.tolist()
    forward = next(box for box in groups if painting.scene.keys[box] == "forward")
    _, top, _, height = painting.scene.placement.rects[forward].tolist()
    assert "forward" in names(0.3, 0.0, top + height / 2), "its name stays while one is inside of it"
