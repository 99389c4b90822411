"""Models that torch exports, by either exporter: module scopes, source lines, and the same operations and edges."""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from graphreel.capture.onnx.functions import all_nodes
from graphreel.capture.onnx.loading import load_model
from graphreel.capture.onnx.reader import read_model
from graphreel.capture.sources import open_trace
from graphreel.graph import (
    Graph,
    ScopeKind,
    Unwatched,
    ValueKind,
    from_json,
    lint,
    scope_hashes,
    structure_hash,
    to_json,
    walk,
)

from .samples import onnx_text, save


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.fc(x).relu())


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


@pytest.fixture(scope="module", params=["dynamo", "torchscript"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / f"{request.param}.onnx"
    model, inputs = Net().eval(), (torch.randn(2, 8),)
    # The exporters warn of their own parts that are deprecated, which is none of ours.
    with warnings.catch_warnings(action="ignore"):
        if request.param == "dynamo":
            torch.onnx.export(model, inputs, dynamo=True, verbose=False).save(str(path))
        else:
            torch.onnx.export(
                model, inputs, str(path), dynamo=False, dynamic_axes={"x": {0: "batch"}}, input_names=["x"]
            )
    return path


def read(path: Path) -> Graph:
    graph = open_trace(path).graph(0)
    lint(graph)
    return graph


def test_operations_and_edges_are_those_of_the_model(exported: Path) -> None:
    graph, model = read(exported), onnx.load(exported)
    assert Counter(node.op for node in walk(graph)) == Counter(node.op_type for node in all_nodes(model.graph.node))
    producer = {name: (node.op_type, node.name) for node in model.graph.node for name in node.output}
    told = Counter((producer.get(name), node.name) for node in model.graph.node for name in node.input if name)
    read_edges = Counter(
        (value.producer and (value.producer.op, value.producer.name), node.name)
        for node in walk(graph)
        for value in node.inputs
    )
    assert read_edges == told


def test_modules_become_scopes(exported: Path) -> None:
    graph = read(exported)
    top = "Net/" if "dynamo" in exported.name else ""
    assert {f"{top}layers/0/fc", f"{top}layers/1/norm", f"{top}head"} <= set(graph.paths)
    kinds = {graph.scope(scope).kind for scope in range(1, graph.scope_count)}
    assert kinds == {ScopeKind.MODULE}
    if top:
        types = {scope.path: scope.type for scope in map(graph.scope, range(graph.scope_count))}
        assert types["Net"] == "Net"
        assert types["Net/layers/0"] == "Block"
        assert types["Net/layers/0/fc"] == "Linear"


def test_repeated_blocks_have_one_hash(exported: Path) -> None:
    graph = read(exported)
    if "torchscript" in exported.name:
        pytest.skip("the old exporter folds equal weights of the two blocks into one, so they do differ")
    hashes = dict(zip(graph.paths, scope_hashes(graph).tolist(), strict=True))
    assert hashes["Net/layers/0"] == hashes["Net/layers/1"]
    assert hashes["Net/layers/0/fc"] != hashes["Net/head"]


def test_stack_traces_become_source_lines(exported: Path) -> None:
    if "torchscript" in exported.name:
        pytest.skip("the old exporter writes no stack traces")
    graph = read(exported)
    relu = next(node for node in walk(graph) if node.op == "Relu")
    assert relu.source is not None
    assert relu.source.file == __file__
    assert relu.source.function == "forward"
    text = Path(__file__).read_text().splitlines()
    assert "relu()" in text[relu.source.line - 1]
    assert "layer(x)" in text[relu.stack[1].line - 1]


def test_parameters_are_told_from_constants(exported: Path) -> None:
    graph = read(exported)
    kinds = {value.name: value.kind for value in map(graph.value, range(graph.value_count))}
    assert kinds["head.bias"] is ValueKind.PARAMETER
    assert kinds["x"] is ValueKind.INPUT


def test_exported_models_go_through_json(exported: Path) -> None:
    graph = read(exported)
    assert structure_hash(from_json(to_json(graph))) == structure_hash(graph)


def test_weights_cost_no_memory(tmp_path: Path) -> None:
    model = onnx_text("g (float[2, 5000] x) => (float[2, 5000] y) { y = MatMul(x, w) }")
    model.graph.initializer.append(numpy_helper.from_array(np.ones((5000, 5000), np.float32), "w"))
    path = save(model, tmp_path / "heavy.onnx")
    del model
    read_model(load_model(path), Unwatched())
    process = psutil.Process()
    before = process.memory_info().rss
    loaded = load_model(path)
    graph = read_model(loaded, Unwatched())
    grown = process.memory_info().rss - before
    assert path.stat().st_size > 100_000_000
    assert graph.node(0).inputs[1].type_text == "float32[5000, 5000]"
    assert loaded.ByteSize() < 1000
    assert grown < 10_000_000


def test_branches_of_a_traced_cond(tmp_path: Path) -> None:
    class Choice(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cond(x.sum() > 0, lambda y: y.relu(), lambda y: -y, (x,))

    path = tmp_path / "cond.onnx"
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(Choice().eval(), (torch.randn(4),), dynamo=True, verbose=False).save(str(path))
    graph = read(path)
    branches = [scope for scope in map(graph.scope, range(graph.scope_count)) if scope.kind is ScopeKind.BRANCH]
    assert [scope.owner and scope.owner.op for scope in branches] == ["If", "If"]
    assert {"Relu", "Neg"} <= {node.op for node in walk(graph) if "_branch" in node.scope.path}


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)
        self.out = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).chunk(3, -1)
        return self.out((query @ key.mT).softmax(-1) @ value)


def test_a_node_that_the_exporter_added_stands_between_its_neighbours(tmp_path: Path) -> None:
    path = tmp_path / "attention.onnx"
    model = nn.Sequential(Attention(), Attention()).eval()
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(model, (torch.randn(2, 4, 8),), dynamo=True, verbose=False).save(str(path))
    told = {node.name for node in onnx.load(path).graph.node if node.metadata_props}
    added = [node for node in walk(read(path)) if node.name not in told]
    assert [node.op for node in added] == ["Split", "Split"]
    assert [node.scope.path for node in added] == ["Sequential/0", "Sequential/1"]
