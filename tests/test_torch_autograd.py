"""The autograd view: what stands in it, and what leads from it to the operations of the pass and back."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from graphreel.graph import Phase, ScopeKind, ValueKind, walk
from tests.autograd_runs import Square, operations, recorded, view_of
from tests.torch_runs import Kept, Net, node, nodes, recording, train


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(Square.apply(self.first(x)).relu())


@pytest.fixture(scope="module")
def run() -> Kept:
    with recording() as (kept, _):
        model = Model()
        train(model, torch.optim.SGD(model.parameters(), 0.1), (5, 3), steps=4)
    return kept


def test_keyframe_iterations_have_the_view_and_equal_graphs_all_the_same(run: Kept) -> None:
    # 0, 1 and 2 are walked and hooked, 3 is not: nothing of that shows in what ran.
    assert [sorted(record.views) for record in run.records.values()] == [["autograd"]] * 3 + [[]]
    assert run.graph(3) is run.graph(1) is run.graph(2)
    assert view_of(run, 1) is view_of(run, 2)
    assert "backward_ns" not in run.records[3].columns


def test_nodes_stand_in_the_order_of_backward_with_their_gradients_between_them(run: Kept) -> None:
    view = view_of(run, 1)
    assert [each.op for each in walk(view)] == [
        *("MeanBackward0", "PowBackward0", "AddmmBackward0", "AccumulateGrad", "TBackward0", "AccumulateGrad"),
        *("ReluBackward0", "SquareBackward", "AddmmBackward0", "AccumulateGrad", "TBackward0", "AccumulateGrad"),
    ]
    assert {each.phase for each in walk(view)} == {Phase.BACKWARD}
    relu = node(view, "ReluBackward0")
    assert [(value.producer and value.producer.op, value.type_text) for value in relu.inputs] == [
        ("AddmmBackward0", "float32[5, 4]")
    ]
    assert {value.kind for value in relu.inputs} == {ValueKind.GRADIENT}
    root = view.node(0).inputs[0]
    assert (root.name, root.producer, root.type_text) == ("grad_output", None, "float32[]")


def test_parameters_stand_at_what_adds_to_them(run: Kept) -> None:
    view = view_of(run, 1)
    sums = nodes(view, "AccumulateGrad")
    assert [each.name for each in sums] == ["second.bias", "second.weight", "first.bias", "first.weight"]
    taken = [each.inputs[each.input_names.index("variable")] for each in sums]
    assert [(value.name, value.kind) for value in taken] == [(each.name, ValueKind.PARAMETER) for each in sums]
    assert [value.name for each in sums for value in each.outputs] == [f"{each.name}.grad" for each in sums]
    main = run.graph(1)
    assert [main.value(each.attributes["variable"]).name for each in sums] == [each.name for each in sums]
    assert [each.scope.path for each in sums] == ["backward/Model/second"] * 2 + ["backward/Model/first"] * 2


def test_scopes_and_lines_are_those_of_the_forward_operation(run: Kept) -> None:
    view, main = view_of(run, 1), run.graph(1)
    for each in walk(view):
        for row in each.attributes.get("forward", []):
            made = main.node(row)
            assert made.phase is Phase.FORWARD
            assert each.scope.path.partition("/")[2] == made.scope.path.partition("/")[2]
    relu = node(view, "ReluBackward0")
    assert relu.scope.type == "Model"
    assert relu.source is not None
    assert (relu.source.function, relu.stack) == ("Model.forward", main.node(relu.attributes["forward"][0]).stack)


def test_links_lead_to_the_operation_that_made_a_node_and_to_those_it_ran(run: Kept) -> None:
    view, main = view_of(run, 1), run.graph(1)
    made = {each.op: [main.node(row).op for row in each.attributes.get("forward", [])] for each in walk(view)}
    assert made == {
        "MeanBackward0": ["aten.mean.default"],
        "PowBackward0": ["aten.pow.Tensor_Scalar"],
        "AddmmBackward0": ["aten.addmm.default"],
        "TBackward0": ["aten.t.default"],
        "ReluBackward0": ["aten.relu.default"],
        "SquareBackward": ["aten.mul.Tensor", "aten.clone.default"],
        "AccumulateGrad": [],
    }
    assert operations(run, node(view, "ReluBackward0"), 1)[-1] == "aten.threshold_backward.default"
    ran = [row for each in walk(view) for row in each.attributes.get("operations", [])]
    assert len(set(ran)) == len(ran)
    # All that backward ran, but for the gradient that it begins with, was run by one of the nodes.
    backward = [row for row, each in enumerate(walk(main)) if each.phase is Phase.BACKWARD]
    assert sorted(ran) == backward[1:]
    for each in walk(view):
        for row in each.attributes.get("operations", []):
            assert main.node(row).attributes["autograd"].endswith(each.op)


def test_saved_tensors_have_their_bytes_and_lead_to_the_value_they_are(run: Kept) -> None:
    view, main = view_of(run, 1), run.graph(1)
    relu = node(view, "ReluBackward0")
    (saved,) = relu.attributes["saved"]
    assert (saved["name"], saved["dtype"], saved["shape"], saved["bytes"]) == ("result", "float32", [5, 4], 80)
    value = main.value(saved["value"])
    assert value.producer == main.node(relu.attributes["forward"][0])
    second = nodes(view, "AddmmBackward0")[0]
    assert [entry["name"] for entry in second.attributes["saved"]] == ["mat1", "mat2"]
    assert second.attributes["saved_bytes"] == 4 * (5 * 4 + 4 * 2)
    assert main.value(second.attributes["saved"][0]["value"]) == value
    assert "saved" not in node(view, "MeanBackward0").attributes


def test_where_no_gradient_goes_is_told(run: Kept) -> None:
    first = nodes(view_of(run, 1), "AddmmBackward0")[1]
    assert first.attributes["stopped"] == [1]  # the batch
    assert [value.consumers[0].op for value in first.outputs] == ["AccumulateGrad", "TBackward0"]


def test_a_custom_function_has_its_own_name_forward_and_backward(run: Kept) -> None:
    main, square = run.graph(1), node(view_of(run, 1), "SquareBackward")
    assert square.attributes["function"] == "tests.autograd_runs.Square"
    assert (square.scope.path, square.scope.kind) == ("backward/Model/Square", ScopeKind.FUNCTION)
    (saved,) = square.attributes["saved"]
    assert main.value(saved["value"]).producer == nodes(main, "aten.addmm.default")[0]
    inside = [each for each in walk(main) if each.scope.name == "Square"]
    assert [(each.op, each.scope.path) for each in inside] == [
        ("aten.mul.Tensor", "forward/Model/Square"),
        ("aten.clone.default", "forward/Model/Square"),
        ("aten.mul.Tensor", "backward/Model/Square"),
        ("aten.mul.Tensor", "backward/Model/Square"),
    ]
    assert {each.scope.kind for each in inside} == {ScopeKind.FUNCTION}
    assert node(main, "aten.relu.default").scope.path == "forward/Model"


def test_times_add_up_within_the_backward(run: Kept) -> None:
    record = run.records[1]
    view = view_of(run, 1)
    times = record.view_columns["autograd"]
    assert {name: len(column) for name, column in times.items()} == dict.fromkeys(times, view.node_count)
    assert times["runs"].tolist() == [1] * view.node_count
    start, duration = times["start_ns"], times["duration_ns"]
    assert duration.min() > 0
    assert np.all(start[1:] >= (start + duration)[:-1])  # on a CPU one node runs after the other
    for row, each in enumerate(walk(view)):
        for operation in each.attributes.get("operations", []):
            assert start[row] <= record.columns["start_ns"][operation]
            ended = record.columns["start_ns"][operation] + record.columns["duration_ns"][operation]
            assert ended <= start[row] + duration[row]
    backward = record.columns["backward_ns"]
    relu = node(view, "ReluBackward0")
    assert backward[relu.attributes["forward"][0]] == duration[list(walk(view)).index(relu)]
    assert backward.sum() == sum(d for d, each in zip(duration, walk(view), strict=True) if each.op != "AccumulateGrad")


def test_level_graph_has_the_view_without_times() -> None:
    x = torch.ones(3, requires_grad=True)
    record = recorded(lambda: (x * 2).sum().backward(), "graph").records[0]
    assert [each.op for each in walk(record.views["autograd"])] == ["SumBackward0", "MulBackward0", "AccumulateGrad"]
    assert record.view_columns == {}
    assert "backward_ns" not in record.columns


def test_batch_norm_dropout_and_a_module_called_twice() -> None:
    with recording() as (kept, _):
        model = Net()
        train(model, torch.optim.SGD(model.parameters(), 0.1), (3, 1, 8, 8), steps=1)
    view = view_of(kept)
    norm = node(view, "NativeBatchNormBackward0")
    assert norm.scope.path == "backward/Net/norm"
    assert {"result1", "result2", "running_mean", "weight"} <= {entry["name"] for entry in norm.attributes["saved"]}
    assert [each.scope.path for each in nodes(view, "AddmmBackward0")[:2]] == ["backward/Net/fc:2", "backward/Net/fc"]
    weight = [each for each in nodes(view, "AccumulateGrad") if each.name == "fc.weight"]
    assert len(weight) == 1  # called twice, one sum
    assert len(weight[0].inputs) == 3
