"""What a browser makes of our SVG: drawn in headless Chromium, measured there, and compared with the scene."""

import json
import shutil
import subprocess
from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

from graphreel.graph import NodeId
from graphreel.render import DARK, LIGHT, Overlay, Scene, picture, to_svg
from tests.pictures import all_open, column_scene, nasty, training_step

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium; on Debian: apt install chromium")

_MEASURE = """
const rect = (element) => { const b = element.getBBox(); return [b.x, b.y, b.width, b.height]; };
const all = (root, selector) => Array.from(root.querySelectorAll(selector));
const owner = (element) => Number(element.parentNode.dataset.box);
const found = all(document, "svg").map((svg) => ({
  boxes: all(svg, ".box > .shape").map((shape) => [owner(shape), rect(shape)]),
  texts: all(svg, ".box > text, .header > text").map((text) => [owner(text), rect(text), text.textContent,
    getComputedStyle(text).fontSize, getComputedStyle(text).fill]),
  edges: all(svg, ".edge > .line").map((line) => {
    const length = line.getTotalLength(), first = line.getPointAtLength(0), last = line.getPointAtLength(length);
    return [Number(line.parentNode.dataset.edge), [first.x, first.y], [last.x, last.y]];
  }),
  page: rect(svg.querySelector(".page")),
  marks: all(svg, ".mark > .outline").length,
}));
document.getElementById("found").textContent = encodeURIComponent(JSON.stringify(found));
"""


@dataclass(frozen=True)
class Drawn:
    """A scene, and what the browser says of its picture."""

    scene: Scene
    found: dict[str, Any]


def _scenes() -> dict[str, Scene]:
    step, bad = training_step(), nasty()
    return {
        "step": picture(step, all_open(step)),
        "collapsed": picture(step, frozenset()),
        "nasty": column_scene(bad, all_open(bad)),
        "nasty-collapsed": picture(bad, frozenset()),
    }


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Drawn]:
    """All pictures on one page, measured in one run of the browser: starting it takes seconds."""
    assert CHROMIUM is not None
    folder = tmp_path_factory.mktemp("browser")
    scenes = _scenes()
    themes = [LIGHT, DARK, LIGHT, DARK]
    overlay = Overlay(cursor=NodeId(0), selected=frozenset({1}))
    pictures = [
        to_svg(scene, theme, overlay).partition("?>")[2] for scene, theme in zip(scenes.values(), themes, strict=True)
    ]
    page = folder / "page.html"
    script = f'<pre id="found"></pre><script>{_MEASURE}</script>'
    page.write_text(f'<!DOCTYPE html><meta charset="utf-8"><body>{"".join(pictures)}{script}', encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    done = subprocess.run([CHROMIUM, *flags, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    text = done.stdout.partition('<pre id="found">')[2].partition("</pre>")[0]
    assert text, f"the page's script did not run: {done.stdout[-500:]}{done.stderr[-2000:]}"
    measured = json.loads(unquote(text))
    return {name: Drawn(scene, one) for (name, scene), one in zip(scenes.items(), measured, strict=True)}


@pytest.fixture(params=["step", "collapsed", "nasty", "nasty-collapsed"])
def one(request: pytest.FixtureRequest, drawn: dict[str, Drawn]) -> Drawn:
    return drawn[request.param]


def test_every_box_stands_where_the_scene_says(one: Drawn) -> None:
    assert sorted(box for box, _ in one.found["boxes"]) == list(range(len(one.scene.keys)))
    for box, rect in one.found["boxes"]:
        assert rect == pytest.approx(one.scene.placement.rects[box].tolist(), abs=0.5), one.scene.keys[box]


def test_every_edge_runs_from_end_to_end(one: Drawn) -> None:
    placement = one.scene.placement
    assert [edge for edge, *_ in one.found["edges"]] == np.flatnonzero(np.diff(placement.route_start)).tolist()
    for edge, first, last in one.found["edges"]:
        route = placement.route_points[placement.route_start[edge] : placement.route_start[edge + 1]]
        assert first == pytest.approx(route[0].tolist(), abs=0.5)
        assert last == pytest.approx(route[-1].tolist(), abs=0.5)


def test_every_text_stays_in_its_box(one: Drawn) -> None:
    assert len(one.found["texts"]) == len(one.scene.texts.text)
    for box, (x, y, width, height), text, *_ in one.found["texts"]:
        left, top, across, down = one.scene.placement.rects[box].tolist()
        assert left - 0.5 <= x, text
        assert x + width <= left + across + 0.5, text
        assert top - 0.5 <= y, text
        assert y + height <= top + down + 0.5, text


def test_texts_are_as_wide_as_the_scene_says(one: Drawn) -> None:
    texts = one.scene.texts
    wanted: defaultdict[int, list[float]] = defaultdict(list)
    for box, width in zip(texts.box.tolist(), texts.width.tolist(), strict=True):
        wanted[box].append(width)
    for box, (_, _, width, _), text, *_ in one.found["texts"]:
        said = wanted[box].pop(0)
        # Browsers disagree with everybody about what of an unknown script can be stretched; it must fit, above.
        if text.isascii() and len(text) > 1:
            assert width == pytest.approx(said, abs=1.0), text


def test_texts_have_their_size_and_two_colours(drawn: dict[str, Drawn]) -> None:
    found = drawn["step"].found["texts"]
    assert {size for *_, size, _ in found} == {"13px", "12.5px", "11.5px", "11px"}
    muted = tuple(bytes.fromhex(LIGHT.muted[1:]))
    colours = {colour for *_, size, colour in found if size == "11px"}
    assert f"rgb{muted}" in colours
    assert len(colours) > 1


def test_the_page_holds_everything(one: Drawn) -> None:
    x, y, width, height = one.found["page"]
    rects = one.scene.placement.rects
    assert np.all(rects[:, :2] >= [x, y])
    assert np.all(rects[:, :2] + rects[:, 2:] <= [x + width, y + height])
    assert one.found["marks"] == 2
