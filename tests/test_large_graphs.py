"""Large and awkward graphs through `graphreel export`: each becomes a picture that can be read."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from graphreel.cli.export import command
from graphreel.graph import Graph
from tests.large_graphs import LABELS, chain, crowded_scope, knotted, labelled, star, transformer_file, unrepeated
from tests.tracefile_samples import write

READABLE = 100
"""Boxes of a first picture, frames and what enters and leaves included."""
SVG = "{http://www.w3.org/2000/svg}"


def exported(file: Path, *more: str) -> ET.Element:
    """The SVG that `graphreel export` writes of a file."""
    output = file.with_suffix(".svg")
    result = CliRunner().invoke(command, [str(file), "-o", str(output), *more], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return ET.fromstring(output.read_bytes())


def boxes(svg: ET.Element, kind: str = "box") -> list[ET.Element]:
    """The boxes of a picture, or those of one kind."""
    found = [each for each in svg.iter(f"{SVG}g") if each.get("data-key") is not None]
    return [each for each in found if kind in each.get("class", "").split()]


def texts(svg: ET.Element) -> list[str]:
    return [text.text or "" for text in svg.iter(f"{SVG}text")]


def keys(svg: ET.Element, kind: str) -> list[str]:
    return [str(box.get("data-key")) for box in boxes(svg, kind)]


@pytest.mark.parametrize("nodes", [300, 3000])
def test_a_transformer_shows_its_layers_as_one_box(tmp_path: Path, nodes: int) -> None:
    svg = exported(transformer_file(tmp_path / "model.onnx", nodes))
    count = (nodes - 6) // 30
    assert len(boxes(svg)) < 20
    assert keys(svg, "fold") == ["model/layers/0"]
    assert {f"layers × {count}", f"0–{count - 1} · {count * 31} nodes".replace("3069", "3,069")} <= set(texts(svg))
    assert {"model", "model/layers", "model/embeddings", "model/norm"} <= set(keys(svg, "group"))


@pytest.mark.parametrize("nodes", [300, 3000])
def test_a_transformer_without_names_shows_the_blocks_that_repeat(tmp_path: Path, nodes: int) -> None:
    svg = exported(transformer_file(tmp_path / "model.onnx", nodes, named=False))
    assert len(boxes(svg)) < 20
    assert f"Block × {(nodes - 6) // 30}" in texts(svg)


def test_one_layer_opens_among_its_like(tmp_path: Path) -> None:
    file = transformer_file(tmp_path / "model.onnx", 300)
    opened = exported(file, "--expand", "layers.3")
    assert not boxes(opened, "fold")
    assert "model/layers/3" in keys(opened, "group")
    assert len([key for key in keys(opened, "scope") if re.fullmatch(r"model/layers/\d", key)]) == 8


def test_unfolded_layers_stand_closed_one_by_one(tmp_path: Path) -> None:
    file = transformer_file(tmp_path / "model.onnx", 300)
    unfolded = exported(file, "--unfold", "layers.*")
    assert len([key for key in keys(unfolded, "scope") if re.fullmatch(r"model/layers/\d", key)]) == 9


def test_a_marked_node_unfolds_the_layers_and_marks_its_own(tmp_path: Path) -> None:
    file = transformer_file(tmp_path / "model.onnx", 300)
    svg = exported(file, "--cursor", "model/layers/4/attn/Softmax#1")
    assert not boxes(svg, "fold")
    (marked,) = (each.get("data-box") for each in svg.iter(f"{SVG}g") if each.get("class") == "mark cursor")
    assert [box.get("data-key") for box in boxes(svg) if box.get("data-box") == marked] == ["model/layers/4"]


def test_found_blocks_can_be_opened_by_name(tmp_path: Path) -> None:
    svg = exported(transformer_file(tmp_path / "model.onnx", 300, named=False), "--expand", "Block 4")
    assert keys(svg, "group") == ["Block 4"]
    assert len(boxes(svg, "scope")) == 8


def test_data_is_exported_without_groups(tmp_path: Path) -> None:
    file = transformer_file(tmp_path / "model.onnx", 300, named=False)
    output = tmp_path / "model.json"
    assert CliRunner().invoke(command, [str(file), "-o", str(output)]).exit_code == 0
    assert "Block" not in output.read_text(encoding="utf-8")


AWKWARD: dict[str, Callable[[], Graph]] = {
    "crowded": lambda: crowded_scope(3000),
    "crowd of different ones": lambda: crowded_scope(1000, alike=False),
    "star": lambda: star(2000),
    "chain": lambda: chain(2000),
    "unrepeated": lambda: unrepeated(1500),
    "knotted": knotted,
    "labelled": labelled,
}


@pytest.mark.parametrize("name", AWKWARD)
def test_awkward_graphs_are_readable_pictures(tmp_path: Path, name: str) -> None:
    svg = exported(write(tmp_path / "graph.reel", [AWKWARD[name]()]))
    assert 1 < len(boxes(svg)) <= READABLE
    assert max(map(len, texts(svg))) < 200


def test_labels_are_cut_and_stay_well_formed(tmp_path: Path) -> None:
    svg = exported(write(tmp_path / "labels.reel", [labelled()]))
    written = texts(svg)
    assert any("…" in text and text.startswith("long xxx") for text in written)
    assert {LABELS[1], LABELS[2], LABELS[3]} <= set(written)
    assert not any(re.search(r"[\x00-\x1f\x7f\ud800-\udfff\n]", text) for text in written)
