"""What a recorded training step looks like: the graph that a user sees."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphreel.graph import Access, Phase, ScopeKind, ValueKind, structure_hash, walk
from graphreel.tracefile import Status
from tests.torch_runs import Kept, Net, node, nodes, recording, train

HERE = str(Path(__file__).absolute())
RUNS = str(Path(__file__).absolute().with_name("torch_runs.py"))


@pytest.fixture(scope="module")
def run() -> Kept:
    """Three steps of a small convolutional network with AdamW."""
    torch.manual_seed(0)
    with recording() as (kept, _):
        model = Net()
        train(model, torch.optim.AdamW(model.parameters()), (3, 1, 8, 8))
    return kept


def test_each_step_is_an_iteration_with_its_loss(run: Kept) -> None:
    assert list(run.records) == [0, 1, 2]
    for record in run.records.values():
        assert record.status is Status.COMPLETE
        assert record.scalars["lr"] == 1e-3
        assert 0 < record.scalars["loss"] < 10
        assert record.error is None


def test_equal_steps_share_their_graph(run: Kept) -> None:
    # The first step makes the optimizer's state, so it differs.
    assert structure_hash(run.graph(1)) == structure_hash(run.graph(2))
    assert run.graph(1) is run.graph(2)
    assert run.graph(0).node_count > run.graph(1).node_count


def test_preparation_is_not_part_of_the_first_iteration(run: Kept) -> None:
    drawn = [each.op for each in walk(run.graph(0)) if each.phase is Phase.OTHER and "uniform" in each.op]
    assert drawn == []
    assert nodes(run.graph(0), "aten.randn.default") != []


def test_module_scopes_follow_the_calls(run: Kept) -> None:
    graph = run.graph(1)
    conv = node(graph, "aten.convolution.default")
    assert conv.scope.path == "forward/Net/conv1"
    assert [value.name for value in conv.inputs][1:] == ["conv1.weight", "conv1.bias"]
    assert conv.input_names == ["input", "weight", "bias"]
    assert (conv.scope.type, conv.scope.kind) == ("Conv2d", ScopeKind.MODULE)
    assert conv.attributes["stride"] == [1, 1]
    paths = [each.scope.path for each in nodes(graph, "aten.addmm.default") if each.phase is Phase.FORWARD]
    assert paths == [
        "forward/Net/layers/0",
        "forward/Net/layers/1",
        "forward/Net/fc",
        "forward/Net/fc:2",
    ]
    types = {scope.path: scope.type for scope in map(graph.scope, range(graph.scope_count))}
    assert types["forward/Net/layers"] == "ModuleList"
    assert types["optimizer/AdamW.step"] == "AdamW"


def test_backward_mirrors_forward_and_links_to_it(run: Kept) -> None:
    graph = run.graph(1)
    backward = node(graph, "aten.convolution_backward.default")
    assert backward.phase is Phase.BACKWARD
    assert backward.scope.path == "backward/Net/conv1"
    assert backward.forward == node(graph, "aten.convolution.default")
    assert backward.attributes["autograd"] == "ConvolutionBackward0"
    for each in walk(graph):
        if each.forward is not None:
            assert each.forward.scope.path.replace("forward", "backward", 1) == each.scope.path
            assert each.forward.phase is Phase.FORWARD
    assert {each.scope.path for each in walk(graph) if each.phase is Phase.BACKWARD} >= {
        "backward/Net/layers/0",
        "backward/Net/fc",
        "backward/Net/fc:2",
        "backward/Net/dropout",
    }


def test_gradients_parameters_and_states_have_their_names_and_kinds(run: Kept) -> None:
    graph = run.graph(1)
    values = {value.name: value for value in map(graph.value, range(graph.value_count)) if value.name}
    assert values["conv1.weight"].kind is ValueKind.PARAMETER
    assert values["norm.running_mean"].kind is ValueKind.BUFFER
    assert values["conv1.weight.grad"].kind is ValueKind.GRADIENT
    assert values["conv1.weight.exp_avg"].kind is ValueKind.OPTIMIZER_STATE
    assert values["conv1.weight.grad"].producer is not None
    assert values["conv1.weight.grad"].producer.scope.path == "backward/Net/conv1"


def test_the_optimizer_writes_the_parameter_in_place(run: Kept) -> None:
    graph = run.graph(1)
    updates = [each for each in nodes(graph, "aten.addcdiv_.default") if each.inputs[0].name == "conv1.weight"]
    assert len(updates) == 1
    update = updates[0]
    assert update.scope.path == "optimizer/AdamW.step"
    assert update.accesses == [Access.WRITE, Access.READ, Access.READ]
    before, after = update.inputs[0], update.outputs[0]
    assert (after.storage, after.version) == (before.storage, before.version + 1)
    assert after.name == "conv1.weight"
    entering = next(value for value in map(graph.value, range(graph.value_count)) if value.storage == before.storage)
    assert entering.producer is None
    assert entering.version == 0


def test_batch_norm_writes_its_running_statistics(run: Kept) -> None:
    norm = node(run.graph(1), "aten.native_batch_norm.default")
    written = [v.name for v, access in zip(norm.inputs, norm.accesses, strict=True) if access is Access.WRITE]
    assert written == ["norm.running_mean", "norm.running_var"]
    assert [value.name for value in norm.outputs][-2:] == written


def test_source_lines_are_the_users_own(run: Kept) -> None:
    text = Path(RUNS).read_text()
    assert run.sources[RUNS] == text
    lines = text.splitlines()
    for graph in (run.graph(0), run.graph(1)):
        conv, backward = node(graph, "aten.convolution.default"), node(graph, "aten.convolution_backward.default")
        assert [line.file for line in conv.stack][:3] == [RUNS, RUNS, HERE]
        assert "self.conv1(images)" in lines[conv.stack[0].line - 1]
        assert conv.stack[0].function == "Net.forward"
        assert "out = model(batch)" in lines[conv.stack[1].line - 1]
        assert backward.source is not None
        assert "loss.backward()" in lines[backward.source.line - 1]
        update = nodes(graph, "aten.addcdiv_.default")[0]
        assert update.source is not None
        assert "optimizer.step()" in lines[update.source.line - 1]


def test_shapes_dtypes_and_devices(run: Kept) -> None:
    conv = node(run.graph(1), "aten.convolution.default")
    assert [value.type_text for value in conv.inputs] == ["float32[3, 1, 8, 8]", "float32[4, 1, 3, 3]", "float32[4]"]
    assert conv.outputs[0].type_text == "float32[3, 4, 6, 6]"
    assert conv.outputs[0].device == "cpu"


def test_timings_lie_within_the_iteration_in_order(run: Kept) -> None:
    for record in run.records.values():
        starts, durations = record.columns["start_ns"], record.columns["duration_ns"]
        assert (durations > 0).all()
        assert (starts[1:] >= starts[:-1] + durations[:-1]).all()
        assert starts[0] >= 0
        assert starts[-1] + durations[-1] <= record.duration_ns


def test_the_optimizers_changing_numbers_are_columns(run: Kept) -> None:
    graph = run.graph(1)
    update = nodes(graph, "aten.addcdiv_.default")[0]
    step_sizes = [run.records[index].columns["argument.value"][update.id] for index in (1, 2)]
    assert step_sizes[0] < 0
    assert step_sizes[0] != step_sizes[1]


def test_level_graph_has_no_timings() -> None:
    with recording(level="graph") as (kept, _):
        model = nn.Linear(2, 2)
        train(model, torch.optim.SGD(model.parameters(), lr=0.1), (1, 2), steps=1)
    assert "start_ns" not in kept.records[0].columns


def test_views_share_storage_and_name_their_base() -> None:
    with recording() as (kept, recorder), recorder.iteration():
        whole = torch.zeros(4, 2)
        row = whole[1]
        whole.add_(1)
        row.mul_(3)
        (whole + 0).sum()
        torch.split(whole, 2)
    graph = kept.graph(0)
    made = node(graph, "aten.zeros.default").outputs[0]
    view = node(graph, "aten.select.int").outputs[0]
    assert view.base == made
    assert view.storage == made.storage
    add, mul = node(graph, "aten.add_.Tensor"), node(graph, "aten.mul_.Tensor")
    # The view read after the write comes from the write, and so does the whole after the view's.
    assert mul.inputs[0].producer == add
    assert mul.inputs[0].shape == (2,)
    assert mul.inputs[0].version == 1
    reader = node(graph, "aten.add.Tensor")
    assert reader.inputs[0].producer == mul
    assert reader.inputs[0].shape == (4, 2)
    assert reader.inputs[0].version == 2
    halves = node(graph, "aten.split.Tensor").outputs
    assert [half.storage for half in halves] == [made.storage, made.storage]


def test_out_arguments_and_foreach_write_what_they_are_given() -> None:
    with recording() as (kept, recorder), recorder.iteration():
        a, b, out = torch.ones(2), torch.ones(2), torch.empty(2)
        torch.add(a, b, out=out)
        torch._foreach_add_([a, b], 1.0)
        out * a
    graph = kept.graph(0)
    add = node(graph, "aten.add.out")
    assert add.input_names == ["self", "other", "out"]
    assert add.accesses[2] is Access.WRITE
    foreach = node(graph, "aten._foreach_add_.Scalar")
    assert foreach.input_names == ["self[0]", "self[1]"]
    assert foreach.attributes == {"scalar": 1.0}
    product = node(graph, "aten.mul.Tensor")
    assert [value.producer for value in product.inputs] == [add, foreach]


def test_a_dead_tensors_id_is_not_mistaken_for_another() -> None:
    with recording() as (kept, recorder), recorder.iteration():
        for _ in range(50):
            torch.ones(3).neg()
    graph = kept.graph(0)
    producers = [each.inputs[0].producer for each in nodes(graph, "aten.neg.default")]
    assert producers == nodes(graph, "aten.ones.default")


def test_reading_a_number_is_a_node_and_a_scalar() -> None:
    with recording() as (kept, recorder), recorder.iteration():
        mean = torch.tensor([1.0, 3.0]).mean()
        assert mean.item() == 2.0
    assert node(kept.graph(0), "aten._local_scalar_dense.default").inputs[0].type_text == "float32[]"
    assert [name.split(":")[0] for name in kept.records[0].scalars] == ["item test_torch_graph.py"]
    assert list(kept.records[0].scalars.values()) == [2.0]


def test_arguments_that_are_not_finite_or_not_plain() -> None:
    with recording() as (kept, recorder), recorder.iteration():
        x = torch.full((2,), float("nan"))
        torch.clamp(x, max=float("inf"))
        x.to(torch.float64)
        torch.rand(2, generator=torch.Generator())
    graph = kept.graph(0)
    assert str(node(graph, "aten.full.default").attributes["fill_value"]) == "nan"
    assert node(graph, "aten.clamp.default").attributes["max"] == float("inf")
    assert node(graph, "aten._to_copy.default").attributes["dtype"] == "float64"
    assert node(graph, "aten.rand.generator").attributes["generator"] == "generator:1"


def test_a_custom_function_is_linked_by_its_own_name() -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(ctx: object, grad: Tensor) -> Tensor:
            return grad * 2

    with recording() as (kept, recorder), recorder.iteration():
        x = torch.ones(2, requires_grad=True)
        Double.apply(x).sum().backward()
    graph = kept.graph(0)
    forward = next(each for each in nodes(graph, "aten.mul.Tensor") if each.phase is Phase.FORWARD)
    backward = next(each for each in nodes(graph, "aten.mul.Tensor") if each.phase is Phase.BACKWARD)
    assert backward.attributes["autograd"] == "DoubleBackward"
    assert backward.forward == forward
    assert backward.source is not None
    assert backward.source.function.endswith("Double.backward")


def test_tied_weights_are_one_value() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(5, 3)
            self.head = nn.Linear(3, 5, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.embed(x))

    with recording() as (kept, recorder):
        model = Tied()
        with recorder.iteration():
            functional.cross_entropy(model(torch.tensor([1, 2])), torch.tensor([2, 3])).backward()
    graph = kept.graph(0)
    embed, weight = node(graph, "aten.embedding.default"), nodes(graph, "aten.t.default", "forward/Tied/head")[0]
    assert embed.inputs[0] == weight.inputs[0]
    assert embed.inputs[0].name == "embed.weight"
