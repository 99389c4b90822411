"""Files that are cut off, scrambled or hostile: one clear line or a graph, never anything else, never a hang."""

import gc
import random
from pathlib import Path

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from graphreel.capture.errors import BrokenFile, CaptureError
from graphreel.capture.onnx.loading import load_model
from graphreel.capture.onnx.reader import read_model
from graphreel.capture.onnx.wire import LARGE_BYTES, BrokenWire, without_weights
from graphreel.capture.sources import open_trace
from graphreel.graph import Unwatched, lint

from .samples import FUNCTIONS, IF, LOOP, SCAN, onnx_text, save, weighted_mlp

SAMPLES = {"if": IF, "loop": LOOP, "scan": SCAN, "functions": FUNCTIONS}


def open_or_complain(path: Path) -> bool:
    """Whether it opened; a complaint is one line that names the file."""
    try:
        graph = read_model(load_model(path), Unwatched())
    except CaptureError as error:
        text = str(error)
        assert text.startswith(f"{path}: not a valid ONNX model: ")
        assert "\n" not in text
        return False
    lint(graph)
    return True


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_cut_off_anywhere(tmp_path: Path, name: str) -> None:
    whole = onnx_text(SAMPLES[name]).SerializeToString()
    path = tmp_path / "cut.onnx"
    opened = 0
    for length in range(1, len(whole)):
        path.write_bytes(whole[:length])
        opened += open_or_complain(path)
    assert opened < 20, "only where it is cut between two of the last parts"


def test_a_cut_off_model_says_so(tmp_path: Path) -> None:
    whole = weighted_mlp(64).SerializeToString()
    path = tmp_path / "half.onnx"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BrokenFile, match="beyond the end: the file is cut off, save or download it again"):
        open_trace(path)


@pytest.mark.parametrize("collecting", [True, False])
def test_the_garbage_collector_is_left_as_it_was(tmp_path: Path, *, collecting: bool) -> None:
    whole, broken = save(weighted_mlp(), tmp_path / "whole.onnx"), tmp_path / "broken.onnx"
    broken.write_bytes(whole.read_bytes()[:100])
    before = gc.isenabled()
    try:
        (gc.enable if collecting else gc.disable)()
        open_trace(whole)
        with pytest.raises(BrokenFile):
            open_trace(broken)
        assert gc.isenabled() is collecting
    finally:
        (gc.enable if before else gc.disable)()


def test_a_model_without_a_graph_says_so(tmp_path: Path) -> None:
    with pytest.raises(BrokenFile, match="it holds no graph"):
        open_trace(save(onnx.ModelProto(ir_version=9, producer_name="nobody"), tmp_path / "none.onnx"))


@pytest.mark.parametrize("seed", range(4))
def test_scrambled_bytes(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    wholes = [onnx_text(text).SerializeToString() for text in SAMPLES.values()]
    path = tmp_path / "scrambled.onnx"
    for _ in range(100):
        scrambled = bytearray(chance.choice(wholes))
        for _ in range(chance.randrange(1, 8)):
            scrambled[chance.randrange(len(scrambled))] = chance.randrange(256)
        path.write_bytes(scrambled)
        open_or_complain(path)


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=1, max_size=300))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.onnx"
    path.write_bytes(content)
    open_or_complain(path)


def test_bodies_nested_deeper_than_protobuf_reads(tmp_path: Path) -> None:
    # Written by hand, inside out: a graph holds a node, that an attribute, that a graph.
    def message(tag: int, body: bytes) -> bytes:
        head, length = bytearray([tag]), len(body)
        while length > 0x7F:
            head.append(length & 0x7F | 0x80)
            length >>= 7
        return bytes([*head, length]) + body

    graph = b""
    for _ in range(3000):
        graph = message(0x0A, message(0x2A, message(0x32, graph)))
    path = tmp_path / "deep.onnx"
    path.write_bytes(b"\x08\x09" + message(0x3A, graph))
    assert not open_or_complain(path)


def test_a_long_chain_of_calls_stays_closed(tmp_path: Path) -> None:
    functions = [
        f'<domain: "local", opset_import: ["" : 20, "local" : 1]> f{i} (v) => (w) {{ w = local.f{i + 1} (v) }}'
        for i in range(2000)
    ]
    model = onnx_text("g (float[2] x) => (float[2] y) { y = local.f0 (x) }\n" + "\n".join(functions))
    assert open_or_complain(save(model, tmp_path / "chain.onnx"))


def test_a_tensor_that_does_not_hold_what_it_says(tmp_path: Path) -> None:
    model = onnx_text("g (float[2] x) => (float[2] y) { y = Add(x, w) }")
    model.graph.initializer.add(name="w", data_type=1, dims=[2], raw_data=b"abc")
    model.graph.initializer.add(name="v", data_type=999, dims=[2**62, 2**62])
    assert open_or_complain(save(model, tmp_path / "lies.onnx"))


def test_texts_that_are_no_utf8_are_shown_as_bytes(tmp_path: Path) -> None:
    path = tmp_path / "latin.onnx"
    path.write_bytes(weighted_mlp().SerializeToString().replace(b"layers", b"l\xe4yer\xff"))
    graph = open_trace(path).graph(0)
    lint(graph)
    assert graph.node(0).name == "/l\\xe4yer\\xff.0/fc/MatMul"
    assert graph.node(1).inputs[0].producer == graph.node(0)


def test_weights_are_left_out_and_everything_else_stays() -> None:
    model = weighted_mlp(64)
    kept = onnx.ModelProto.FromString(without_weights(memoryview(model.SerializeToString())))
    assert [tensor.raw_data for tensor in kept.graph.initializer] == [b"", b""]
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
    assert kept == model


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES)
def test_nothing_is_left_out_of_a_model_without_weights(text: str) -> None:
    model = onnx_text(text)
    # Larger than any payload that stays, so that every message is looked into.
    for node in model.graph.node:
        for attribute in node.attribute:
            attribute.doc_string = "why " * 1000
    assert onnx.ModelProto.FromString(without_weights(memoryview(model.SerializeToString()))) == model


def test_payloads_around_the_size_that_stays() -> None:
    model = weighted_mlp()
    for size in (0, 1, 126, 127, 128, 129, 1021, 1022, 1023, 1024, 1025, 1026, 20_000):
        model.graph.initializer.add(name="w" * size, data_type=TensorProto.UINT8, dims=[size], raw_data=bytes(size))
        model.graph.node.add(op_type="Relu", doc_string="d" * size)
    kept = onnx.ModelProto.FromString(without_weights(memoryview(model.SerializeToString())))
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > LARGE_BYTES:
            tensor.ClearField("raw_data")
    assert kept == model


@pytest.mark.parametrize("content", [b"\x0b", b"\xff" * 11, b"\x02\x00", b"\x3a\x05ab", b"\x09\x00"])
def test_bytes_that_are_no_protobuf(content: bytes) -> None:
    with pytest.raises(BrokenWire, match="at byte"):
        without_weights(memoryview(content))
