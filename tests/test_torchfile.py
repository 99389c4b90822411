"""Static PyTorch: TorchScript files, torch.export programs and FX modules become the graphs that their makers meant."""

import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from graphreel.capture.sources import open_trace
from graphreel.capture.torchfile import graph_of
from graphreel.capture.torchfile.memory import NoStaticModule
from graphreel.graph import Access, Graph, Node, ScopeId, ScopeKind, ValueKind, lint, structure_hash, walk
from graphreel.render import picture, to_svg

from .torchfile_models import (
    EXPORTED,
    TRACED,
    Block,
    Mlp,
    Rnn,
    exported,
    save_exported,
    save_script,
    scripted,
    traced,
)


def opened(path: Path) -> Graph:
    trace = open_trace(path)
    graph = trace.graph(0)
    lint(graph)
    trace.close()
    return graph


def nodes(graph: Graph, op: str) -> list[Node]:
    return [node for node in walk(graph) if node.op == op]


def scopes(graph: Graph) -> dict[str, str]:
    return {scope.path: scope.type for scope in map(graph.scope, range(1, graph.scope_count))}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("saved")
    files = {f"{name}.pt2": save_exported(exported(name), folder / f"{name}.pt2") for name in EXPORTED}
    files |= {f"{name}.pt": save_script(traced(name), folder / f"{name}.pt") for name in TRACED}
    files["rnn.pt"] = save_script(scripted(Rnn()), folder / "rnn.pt")
    return files


ALL = [*(f"{name}.pt2" for name in EXPORTED), *(f"{name}.pt" for name in TRACED), "rnn.pt"]


@pytest.mark.parametrize("name", ALL)
def test_opening_twice_gives_the_same_graph(saved: dict[str, Path], name: str) -> None:
    assert structure_hash(opened(saved[name])) == structure_hash(opened(saved[name]))


@pytest.mark.parametrize("name", ALL)
def test_it_can_be_drawn_with_everything_open(saved: dict[str, Path], name: str) -> None:
    graph = opened(saved[name])
    drawn = to_svg(picture(graph, [ScopeId(scope) for scope in range(1, graph.scope_count)]))
    assert drawn.count('data-key="') >= graph.node_count


@pytest.mark.parametrize("name", EXPORTED)
def test_a_file_gives_the_graph_of_the_program_in_memory(tmp_path: Path, name: str) -> None:
    program = exported(name)
    before = str(program.graph)
    assert structure_hash(graph_of(program)) == structure_hash(opened(save_exported(program, tmp_path / "m.pt2")))
    assert str(program.graph) == before


@pytest.mark.parametrize("name", EXPORTED)
def test_operations_are_those_of_the_exported_program(name: str) -> None:
    program = exported(name)
    expected: Counter[str] = Counter()
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            calls = (node for node in module.graph.nodes if node.op == "call_function")
            expected.update(str(call.target) for call in calls if "getitem" not in str(call.target))
    found = Counter(node.op.replace("higher_order.", "") for node in walk(graph_of(program)))
    assert found == expected


class Contexts(torch.nn.Module):
    """Regions without gradient and with another precision, and a size that is computed with."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
        with torch.no_grad():
            y = x.relu()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            y = y @ y.T
        return y, x.shape[0] * 2


def test_regions_and_sizes_of_an_exported_program(tmp_path: Path) -> None:
    with warnings.catch_warnings(action="ignore"):
        program = torch.export.export(
            Contexts(), (torch.randn(3, 4),), dynamic_shapes={"x": {0: torch.export.Dim("b")}}
        )
    graph = opened(save_exported(program, tmp_path / "contexts.pt2"))
    assert structure_hash(graph) == structure_hash(graph_of(program))
    (size,) = nodes(graph, "operator.mul")
    assert (size.input_names, dict(size.attributes), size.outputs[0].dtype) == (["a"], {"b": 2}, "int")
    (relu,) = nodes(graph, "aten.relu.default")
    assert relu.scope.kind is ScopeKind.FUNCTION
    assert relu.scope.owner is not None
    assert relu.scope.owner.op == "higher_order.wrap_with_set_grad_enabled"


@pytest.mark.parametrize("name", TRACED)
def test_operations_are_those_of_the_traced_module(name: str) -> None:
    module = traced(name)
    inlined = module.inlined_graph
    skipped = {"prim::Constant", "prim::GetAttr"}
    expected = Counter(node.kind() for node in inlined.nodes() if node.kind() not in skipped)
    found = Counter("::".join(node.op.split(".")[:2]) for node in walk(graph_of(module)))
    expected.pop("prim::ListConstruct", None)
    found.pop("prim::ListConstruct", None)
    assert found == expected


def test_modules_are_scopes_named_as_the_recorder_names_them(saved: dict[str, Path]) -> None:
    for name in ("mlp.pt2", "mlp.pt"):
        found = scopes(opened(saved[name]))
        assert found["Mlp"] == "Mlp"
        assert found["Mlp/layers/0"] == found["Mlp/layers/0:2"] == "Block"
        assert found["Mlp/layers/0:2/fc"] == found["Mlp/head"] == "Linear"
        assert found["Mlp/layers"] == ""


def test_parameters_buffers_inputs_and_outputs_are_told_apart(saved: dict[str, Path]) -> None:
    for name in ("mlp.pt2", "mlp.pt"):
        graph = opened(saved[name])
        kinds = {value.name: value for value in map(graph.value, range(graph.value_count)) if value.producer is None}
        assert kinds["layers.1.norm.weight"].kind is ValueKind.PARAMETER
        assert (kinds["head.weight"].dtype, kinds["head.weight"].shape) == ("float32", (3, 8))
        assert kinds["scale"].kind is ValueKind.BUFFER
        assert kinds["x"].kind is ValueKind.INPUT
        (output,) = [graph.value(int(value)) for value in graph.outputs]
        assert output.producer is not None
        assert output.producer.op == "aten.mul.Tensor"


def test_shapes_have_symbols_and_their_range(saved: dict[str, Path]) -> None:
    graph = opened(saved["mlp.pt2"])
    (add, *_) = nodes(graph, "aten.add.Tensor")
    symbol, size = add.outputs[0].shape or ()
    assert isinstance(symbol, str)
    assert size == 8
    assert graph.meta[f"symbol {symbol}"].endswith(" to ∞")


def test_lines_are_the_users_and_come_with_their_text(saved: dict[str, Path]) -> None:
    for name in ("mlp.pt2", "mlp.pt", "rnn.pt"):
        trace = open_trace(saved[name])
        node = nodes(trace.graph(0), "aten.mul.Tensor" if "mlp" in name else "aten.mul.Scalar")[0]
        assert node.source is not None
        assert node.source.file.endswith("torchfile_models.py")
        line = Path(node.source.file).read_text().splitlines()[node.source.line - 1]
        assert " * " in line
        told = (trace.source_text(node.source.file) or "").splitlines()
        # A traced module tells the lines of its stack by number only.
        assert name == "mlp.pt" or told[node.source.line - 1].strip() == line.strip()
        trace.close()


def test_the_code_of_the_file_itself_can_be_read(saved: dict[str, Path]) -> None:
    trace = open_trace(saved["rnn.pt"])
    texts = [file for file in ("code/__torch__/tests/torchfile_models.py",) if trace.source_text(file)]
    assert texts
    trace.close()


def test_a_scripted_loop_and_branches_are_bodies_of_their_nodes(saved: dict[str, Path]) -> None:
    graph = opened(saved["rnn.pt"])
    found = {scope.path: scope for scope in map(graph.scope, range(1, graph.scope_count))}
    body = found["Rnn/Loop.body"]
    assert body.kind is ScopeKind.LOOP_BODY
    assert body.owner is not None
    assert body.owner.op == "prim::Loop"
    assert found["Rnn/Loop.body/If.then"].kind is ScopeKind.BRANCH
    assert found["Rnn/If.else/longer"].kind is ScopeKind.FUNCTION
    assert found["Rnn/If.else/longer/out"].type == "Linear"
    assert {node.scope.path for node in nodes(graph, "aten.linear.default")} == {
        "Rnn/Loop.body/step", "Rnn/If.then/out", "Rnn/If.else/longer/out",
    }  # fmt: skip
    (state,) = dict(body.attributes)["carried"].values()
    assert state.startswith("h")


def crossings(graph: Graph) -> list[tuple[str, str, int]]:
    """Scope, name of what enters or leaves, and the direction."""
    rows = zip(graph.boundaries.scope, graph.boundaries.inner, graph.boundaries.direction, strict=True)
    return [(graph.scope(int(scope)).path, graph.value(int(inner)).name, int(way)) for scope, inner, way in rows]


def test_what_enters_and_leaves_bodies_is_said(saved: dict[str, Path]) -> None:
    scripted_rows = crossings(opened(saved["rnn.pt"]))
    assert ("Rnn/Loop.body", "xs", 0) in scripted_rows
    assert ("Rnn/Loop.body", "step.weight", 0) in scripted_rows
    assert sum(1 for scope, _, way in scripted_rows if (scope, way) == ("Rnn/Loop.body", 1)) == 1
    rows = crossings(opened(saved["control.pt2"]))
    assert ("Control/cond.true", "relu", 1) in rows
    assert ("Control/cond.false", "add", 1) in rows
    assert sum(1 for scope, _, way in rows if scope == "Control/while_loop.body" and way == 1) == 2
    assert not [row for row in rows if row[0] == "Control/while_loop.cond" and row[2] == 1], (
        "a test's result is no output"
    )


def test_exported_control_flow_has_its_bodies(saved: dict[str, Path]) -> None:
    graph = opened(saved["control.pt2"])
    kinds = {scope.path: scope.kind for scope in map(graph.scope, range(1, graph.scope_count))}
    assert kinds["Control/cond.true"] is kinds["Control/cond.false"] is ScopeKind.BRANCH
    assert kinds["Control/while_loop.body"] is ScopeKind.LOOP_BODY
    (cond,) = nodes(graph, "higher_order.cond")
    assert [value.name for value in cond.inputs][:2] == ["gt", "x"]
    (topk,) = nodes(graph, "aten.topk.default")
    assert [value.dtype for value in topk.outputs] == ["float32", "int64"]
    assert dict(topk.attributes) == {"k": 2}


def test_what_is_written_in_place_is_a_new_version(saved: dict[str, Path]) -> None:
    graph = opened(saved["counter.pt2"])
    (add,) = nodes(graph, "aten.add_.Tensor")
    assert add.accesses == [Access.WRITE]
    before, after = add.inputs[0], add.outputs[0]
    assert (after.storage, after.version, after.previous) == (before.storage, 1, before)
    (select,) = nodes(graph, "aten.select.int")
    assert [value.id for value in select.inputs] == [after.id], "later operations read the new version"
    cnn = opened(saved["cnn.pt"])
    (relu,) = nodes(cnn, "aten.relu_.default")
    assert relu.outputs[0].storage == relu.inputs[0].storage != -1


def test_a_number_that_was_baked_in_is_a_constant(saved: dict[str, Path]) -> None:
    graph = opened(saved["counter.pt2"])
    (factor,) = [v for v in map(graph.value, range(graph.value_count)) if v.name == "factor"]
    assert factor.kind is ValueKind.CONSTANT
    assert dict(factor.attributes) == {"value": 3}


def test_fx_modules_from_symbolic_tracing() -> None:
    module = torch.fx.symbolic_trace(Mlp())
    graph = graph_of(module)
    lint(graph)
    assert Counter(node.op for node in walk(graph)) == {
        "Linear": 4, "LayerNorm": 3, "Tensor.relu": 3, "operator.add": 3, "operator.mul": 1,
    }  # fmt: skip
    assert scopes(graph)["Mlp/layers/0:2"] == "Block"
    (head,) = [node for node in nodes(graph, "Linear") if node.scope.path == "Mlp/head"]
    assert [value.name for value in head.inputs][1:] == ["head.weight", "head.bias"]


def test_an_fx_graph_keeps_a_tuple_that_is_not_only_taken_apart() -> None:
    def both(x: torch.Tensor) -> Any:
        pair = torch.split(x, 2)
        return pair[0] + pair[1], pair

    graph = graph_of(torch.fx.symbolic_trace(both))
    lint(graph)
    assert [node.op for node in walk(graph)][1:] == ["operator.getitem", "operator.getitem", "operator.add"]


def test_a_decomposed_program_is_read_like_any_other() -> None:
    with warnings.catch_warnings(action="ignore"):
        program = exported("attention").run_decompositions()
    graph = graph_of(program)
    lint(graph)
    assert nodes(graph, "aten.addmm.default")


def test_a_frozen_module_shows_its_weights_as_constants(tmp_path: Path) -> None:
    with warnings.catch_warnings(action="ignore"):
        frozen = torch.jit.freeze(scripted(Block()))
    graph = opened(save_script(frozen, tmp_path / "frozen.pt"))
    (linear,) = nodes(graph, "aten.linear.default")
    assert [(value.kind, value.shape) for value in linear.inputs][1:] == [
        (ValueKind.CONSTANT, (8, 8)), (ValueKind.CONSTANT, (8,)),
    ]  # fmt: skip


def test_a_function_that_script_calls_is_a_scope(tmp_path: Path) -> None:
    graph = opened(save_script(scripted(torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Dropout())), tmp_path / "f.pt"))
    assert {"Sequential/0/relu", "Sequential/1/dropout"} <= set(scopes(graph))


def test_a_module_without_a_graph_says_what_would_have_one() -> None:
    with pytest.raises(NoStaticModule, match=r"a Linear has no graph of its own; give a torch\.jit\.ScriptModule"):
        graph_of(torch.nn.Linear(1, 1))


def test_reading_a_large_program_costs_no_weights(tmp_path: Path) -> None:
    import psutil

    big = torch.nn.Sequential(*[torch.nn.Linear(2048, 2048) for _ in range(8)])
    path = save_script(scripted(big), tmp_path / "big.pt")
    del big
    before = psutil.Process().memory_info().rss
    graph = opened(path)
    assert graph.node_count == 8
    assert path.stat().st_size > 100 * 2**20
    assert psutil.Process().memory_info().rss - before < 60 * 2**20
