"""The SVG of a scene. The files in tests/golden are rewritten by

GRAPHREEL_REWRITE_GOLDEN=1 pytest tests/test_svg.py
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from graphreel.graph import Graph, NodeId, parse
from graphreel.layout import BoxKind
from graphreel.render import DARK, LIGHT, Overlay, Scene, Theme, picture, to_svg
from graphreel.render.overlay import NO_MARKS
from graphreel.render.xml import escaped, number
from tests.pictures import all_open, column_scene, nasty, training_step

GOLDEN = Path(__file__).parent / "golden"
SVG = "{http://www.w3.org/2000/svg}"
MARKED = Overlay(cursor=NodeId(2), failed=NodeId(9), selected=frozenset({5}), found=frozenset({6, 7}))


def _step(*, expanded: bool) -> Scene:
    graph = training_step()
    return column_scene(graph, all_open(graph) if expanded else frozenset())


def _several_edges() -> Scene:
    graph = parse("a/x -> b/y; a/x2 -> b/y; a/x -> c:Relu -> b/z")
    return column_scene(graph, frozenset())


@pytest.mark.parametrize(
    ("name", "scene", "theme", "overlay"),
    [
        ("training-step-collapsed", _step(expanded=False), LIGHT, NO_MARKS),
        ("training-step", _step(expanded=True), LIGHT, NO_MARKS),
        ("training-step-dark-marked", _step(expanded=True), DARK, MARKED),
        ("several-edges", _several_edges(), LIGHT, NO_MARKS),
        ("nothing", column_scene(parse(""), frozenset()), LIGHT, NO_MARKS),
    ],
)
def test_the_picture_is_as_it_was(name: str, scene: Scene, theme: Theme, overlay: Overlay) -> None:
    path = GOLDEN / f"{name}.svg"
    drawn = to_svg(scene, theme, overlay)
    if os.environ.get("GRAPHREEL_REWRITE_GOLDEN"):
        path.write_text(drawn, encoding="utf-8")
    assert drawn == path.read_text(encoding="utf-8")


def _tree(drawn: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawn.encode())


@pytest.mark.parametrize("graph", [training_step(), nasty(), parse("")], ids=["step", "nasty", "empty"])
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_it_is_xml_with_a_group_for_each_box_and_edge(graph: Graph, theme: Theme) -> None:
    scene = column_scene(graph, all_open(graph))
    tree = _tree(to_svg(scene, theme))
    boxes = {g.get("data-box"): g for g in tree.iter(f"{SVG}g") if (g.get("class") or "").startswith("box ")}
    assert set(boxes) == {str(box) for box in range(len(scene.keys))}
    assert [g.get("data-key") for _, g in sorted(boxes.items(), key=lambda item: int(item[0] or 0))] == [
        re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "\ufffd", key) for key in scene.keys
    ]
    edges = [g for g in tree.iter(f"{SVG}g") if (g.get("class") or "").startswith("edge ")]
    assert len(edges) == len(scene.edge_titles)
    assert all(g.find(f"{SVG}title") is not None for g in [*boxes.values(), *edges])


def test_every_text_says_how_long_it_is() -> None:
    tree = _tree(to_svg(_step(expanded=True), LIGHT, MARKED))
    texts = [text for text in tree.iter(f"{SVG}text") if text.get("class") != "sign"]
    assert len(texts) == len(_step(expanded=True).texts.text)
    assert all(float(text.get("textLength", "")) > 0 for text in texts)


def test_attributes_stand_in_order() -> None:
    for element in re.findall(r"<\w+((?: [\w-]+=\"[^\"]*\")+)/?>", to_svg(_step(expanded=True), LIGHT, MARKED)):
        names = re.findall(r" ([\w-]+)=", element)
        assert names == sorted(names)


def test_it_asks_for_nothing_from_elsewhere() -> None:
    drawn = to_svg(_step(expanded=True), embed_font=True)
    assert set(re.findall(r"https?://[^\"\s)]+", drawn)) == {"http://www.w3.org/2000/svg"}
    assert len(re.findall(r"@font-face", drawn)) == 2
    assert set(re.findall(r"url\(\"(\w+:)", drawn)) == {"data:"}


def test_all_colours_stand_in_the_style_sheet() -> None:
    drawn = to_svg(_step(expanded=True), DARK, MARKED)
    head, _, body = drawn.partition("</style>")
    assert DARK.boxes[0].fill in head
    assert not re.search(r"#[0-9a-f]{6}|style=|fill=|stroke=", body)


def test_a_mark_is_told_by_more_than_its_colour() -> None:
    drawn = to_svg(_step(expanded=True), LIGHT, MARKED)
    marks = drawn.partition('<g class="marks">')[2]
    assert marks.count('class="outline"') == 5
    assert '<path class="badge"' in marks
    assert ">!</text>" in marks
    assert re.search(r"\.found \.outline\{[^}]*stroke-dasharray", drawn)


def test_groups_stand_behind_edges_and_edges_behind_boxes() -> None:
    drawn = to_svg(_step(expanded=True))
    layers = re.findall(r'^<g class="(\w+)">$', drawn, re.MULTILINE)
    assert layers == ["groups", "edges", "chips", "headers", "boxes", "stubs", "marks"]


def test_a_collapsed_scope_shows_that_there_is_more_inside() -> None:
    scene = _step(expanded=False)
    tree = _tree(to_svg(scene))
    scopes = [g for g in tree.iter(f"{SVG}g") if (g.get("class") or "").startswith("box scope ")]
    assert len(scopes) == (scene.view.kind == BoxKind.SCOPE).sum() > 0
    assert all([path.get("class") for path in g.findall(f"{SVG}path")] == ["chevron"] for g in scopes)


_DRAW = """
import hashlib
from graphreel.render import picture, to_svg
from tests.pictures import all_open, nasty, training_step
for graph in (training_step(), nasty()):
    for expanded in (frozenset(), all_open(graph)):
        print(hashlib.sha256(to_svg(picture(graph, expanded)).encode()).hexdigest())
"""


def test_the_bytes_are_the_same_in_every_process() -> None:
    root = Path(__file__).parent.parent
    said = [
        subprocess.run(
            [sys.executable, "-c", _DRAW],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("0", "1234")
    ]
    assert said[0] == said[1]
    assert len(set(said[0].split())) == 4


def test_it_is_drawn_without_qt() -> None:
    code = "import sys; import graphreel.render; assert not [m for m in sys.modules if m.startswith('PySide6')]"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_real_layout_is_drawn_whole() -> None:
    graph = training_step()
    scene = picture(graph, all_open(graph))
    width, height = scene.placement.size
    tree = _tree(to_svg(scene))
    x, y, w, h = map(float, (tree.get("viewBox") or "").split())
    assert (x, y) == (-20, -20)
    assert (w, h) == (pytest.approx(width + 40, abs=0.01), pytest.approx(height + 40, abs=0.01))


def test_numbers_have_two_decimals_and_no_negative_zero() -> None:
    assert [number(v) for v in (-0.001, 0.0, 1.0, 1.005, -2.5, 1234567.891, 10.10)] == [
        "0", "0", "1", "1", "-2.5", "1234567.89", "10.1",
    ]  # fmt: skip


def test_what_xml_forbids_is_shown_as_a_replacement() -> None:
    assert escaped('a<b & "c"\x00\ud800\n') == "a&lt;b &amp; &quot;c&quot;\ufffd\ufffd&#10;"
