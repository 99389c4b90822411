"""PNG and PDF from the canvas' painting, without a window."""

import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from graphreel.graph import GraphBuilder, NodeId, ScopeId
from graphreel.gui.errors import CannotSave, PictureTooLarge
from graphreel.gui.export import save_picture
from graphreel.gui.pictures import MARGIN
from graphreel.layout import default_expansion
from graphreel.render import DARK, LIGHT, Overlay, Scene, picture, to_svg
from tests.gui_support import training_step


@pytest.fixture(scope="module")
def scene() -> Scene:
    graph = training_step()
    return picture(graph, default_expansion(graph))


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_a_png_has_the_size_of_the_picture_times_the_scale(
    qapp: QApplication, scene: Scene, tmp_path: Path, scale: float
) -> None:
    path = tmp_path / "graph.png"
    save_picture(scene, path, scale=scale)
    image = QImage(str(path))
    width, height = scene.placement.size
    assert (image.width(), image.height()) == (
        round((width + 2 * MARGIN) * scale),
        round((height + 2 * MARGIN) * scale),
    )
    x, y, across, _ = scene.placement.rects[int(scene.view.node_box[0])].tolist()
    inside = image.pixelColor(int((x + across - 6 + MARGIN) * scale), int((y + 8 + MARGIN) * scale)).name()
    assert inside == LIGHT.boxes[scene.box_class[int(scene.view.node_box[0])]].fill


def test_theme_and_marks_are_in_the_picture(qapp: QApplication, scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "graph.png"
    save_picture(scene, path, DARK, Overlay(cursor=NodeId(1), failed=NodeId(3)))
    image = QImage(str(path))
    found = {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}
    assert {DARK.page, DARK.cursor, DARK.error} <= found


def test_a_pdf_is_one_page_of_the_pictures_size_with_text_as_text(
    qapp: QApplication, scene: Scene, tmp_path: Path
) -> None:
    path = tmp_path / "graph.pdf"
    save_picture(scene, path)
    data = path.read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.count(b"/Type /Page\n") == 1
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", data)
    assert box is not None
    width, height = scene.placement.size
    assert float(box[1]) == pytest.approx((width + 2 * MARGIN) * 0.75, abs=1.5)
    assert float(box[2]) == pytest.approx((height + 2 * MARGIN) * 0.75, abs=1.5)
    assert b"/FontDescriptor" in data
    pages = [zlib.decompress(match[1]) for match in re.finditer(rb"stream\n(x.*?)\nendstream", data, re.S)]
    assert any(b"Tj" in page or b"TJ" in page for page in pages)


def test_an_svg_is_renders(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "graph.SVG"
    save_picture(scene, path, DARK)
    assert path.read_text() == to_svg(scene, DARK)


def test_the_same_scene_gives_the_same_png(qapp: QApplication, scene: Scene, tmp_path: Path) -> None:
    for name in ("one.png", "two.png"):
        save_picture(scene, tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_a_picture_of_nothing_is_a_page(qapp: QApplication, tmp_path: Path) -> None:
    empty = picture(GraphBuilder().build(), frozenset[ScopeId]())
    save_picture(empty, tmp_path / "empty.png")
    save_picture(empty, tmp_path / "empty.pdf")
    assert not QImage(str(tmp_path / "empty.png")).isNull()


def test_what_cannot_be_saved_is_one_clear_line(qapp: QApplication, scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(CannotSave, match=r"graph\.bmp: \.bmp is no kind of picture; use \.png, \.pdf or \.svg"):
        save_picture(scene, tmp_path / "graph.bmp")
    for name in ("graph.png", "graph.pdf", "graph.svg"):
        with pytest.raises(CannotSave, match=r"missing.*cannot be written: .+"):
            save_picture(scene, tmp_path / "missing" / name)
    with pytest.raises(
        PictureTooLarge, match=r"at most 16384 a side\); use --scale [\d.]+ or less, or write \.svg"
    ) as too:
        save_picture(scene, tmp_path / "graph.png", scale=100)
    match = re.search(r"--scale ([\d.]+)", str(too.value))
    assert match is not None
    assert not (tmp_path / "graph.png").exists()
    save_picture(scene, tmp_path / "graph.png", scale=float(match[1]) / 8)


SAVE = """
from pathlib import Path
import sys
from graphreel.gui.export import save_picture
from graphreel.layout import default_expansion
from graphreel.render import picture
from graphreel.graph import parse
save_picture(picture(parse("a -> b/c -> d"), ()), Path(sys.argv[1]))
"""


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_it_works_without_any_display(tmp_path: Path, kind: str) -> None:
    away = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: text for name, text in os.environ.items() if name not in away}
    path = tmp_path / f"graph.{kind}"
    done = subprocess.run([sys.executable, "-c", SAVE, str(path)], env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""
    assert path.stat().st_size > 1000
