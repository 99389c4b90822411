"""The chips that stand for edges which are not drawn, in the scene and in the SVG."""

import re

import numpy as np

from graphreel.graph import Graph, GraphBuilder, parse
from graphreel.render import EDGE_CLASSES, Scene, picture, to_svg
from tests.pictures import all_open, nasty, training_step


def step() -> Scene:
    graph = training_step()
    return picture(graph, all_open(graph))


def star() -> Graph:
    builder = GraphBuilder()
    centre = builder.value(producer=builder.node("aten.relu.default", scope=builder.scope("middle")))
    for _ in range(21):
        builder.node("ray", [centre])
    return builder.build()


def test_a_chip_says_the_name_of_the_other_end_or_how_many_there_are() -> None:
    graph = star()
    scene = picture(graph, all_open(graph))
    assert sorted(set(scene.stub_chips.text)) == ["relu", "×21"]
    many = scene.stub_chips.text.index("×21")
    assert scene.stub_chips.end[many] == -1
    assert scene.stub_chips.titles[many].splitlines() == ["goes to", *["ray"] * 12, "and 9 more"]
    one = scene.stub_chips.text.index("relu")
    assert scene.stub_chips.titles[one] == "comes from\naten.relu.default in middle"
    assert scene.keys[int(scene.stub_chips.end[one])].startswith("middle")


def test_every_text_fits_into_its_chip() -> None:
    for graph in (training_step(), nasty(), star()):
        chips = picture(graph, all_open(graph)).stub_chips
        assert np.all(chips.x >= chips.rects[:, 0])
        assert np.all(chips.x + chips.width <= chips.rects[:, 0] + chips.rects[:, 2])


def test_a_saved_activation_has_a_chip_of_its_class() -> None:
    scene = step()
    classes = {EDGE_CLASSES[found] for found in scene.stub_chips.chip_class.tolist()}
    assert {"saved", "gradient"} <= classes


def test_a_click_on_a_chip_goes_to_the_other_end() -> None:
    drawn = to_svg(step())
    links = set(re.findall(r'href="#(box-\d+)"', drawn))
    assert links
    assert links == set(re.findall(r' id="(box-\d+)"', drawn))
    assert drawn.count("<title>comes from") == len(re.findall(r'class="chip stub enters', drawn))


def test_a_picture_without_long_edges_has_no_chips() -> None:
    scene = picture(parse("a -> b -> c"), frozenset())
    assert scene.stub_chips.text == ()
    assert 'href="#' not in to_svg(scene)
