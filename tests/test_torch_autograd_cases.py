"""The autograd view in each way that gradients are asked for, changed, stopped or computed again."""

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from graphreel.graph import Phase, walk
from tests.autograd_runs import operations, recorded, view_of
from tests.torch_runs import node, nodes, recording


def test_a_chain_of_ten_thousand_operations() -> None:
    def program() -> None:
        y = torch.ones(2, requires_grad=True)
        for _ in range(10_000):
            y = y + 1
        y.sum().backward()

    view = view_of(recorded(program))
    assert view.node_count == 10_002


def test_double_backward_shows_both_and_what_the_first_one_made() -> None:
    def program() -> None:
        x = torch.ones(3, requires_grad=True)
        (gradient,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
        gradient.square().sum().backward()

    kept = recorded(program)
    view, main = view_of(kept), kept.graph(0)
    first = [each.op for each in walk(view) if each.scope.path == "backward"]
    second = [each for each in walk(view) if each.scope.path == "backward:2"]
    assert first == ["SumBackward0", "PowBackward0", "AccumulateGrad"]
    assert [each.op for each in second] == [
        *("SumBackward0", "PowBackward0", "MulBackward0", "MulBackward1", "PowBackward0")
    ]
    # The operation that made the last one was run by the first backward.
    made = main.node(second[-1].attributes["forward"][0])
    assert made.phase is Phase.BACKWARD
    power = next(each for each in walk(view) if each.op == "PowBackward0")
    assert made in [main.node(row) for row in power.attributes["operations"]]


def test_the_gradient_of_one_tensor_runs_only_what_leads_there() -> None:
    def program() -> None:
        w = torch.ones(3, requires_grad=True)
        hidden = torch.ones(3, requires_grad=True) * w
        torch.autograd.grad((hidden.exp() * w).sum(), [hidden])

    kept = recorded(program)
    view = view_of(kept)
    assert [each.op for each in walk(view) if each.attributes.get("ran", True)] == [
        *("SumBackward0", "MulBackward0", "ExpBackward0")
    ]
    left = [each for each in walk(view) if not each.attributes.get("ran", True)]
    assert sorted(each.op for each in left) == ["AccumulateGrad", "AccumulateGrad", "MulBackward0"]
    assert not [each for each in left if "operations" in each.attributes]
    assert kept.records[0].view_columns["autograd"]["runs"].tolist() == [1, 1, 1, 0, 0, 0]


def test_a_retained_graph_that_runs_twice_stands_once_and_counts_both() -> None:
    def program() -> None:
        loss = torch.ones(3, requires_grad=True).exp().sum()
        loss.backward(retain_graph=True)
        loss.backward()

    kept = recorded(program)
    view = view_of(kept)
    assert [each.op for each in walk(view)] == ["SumBackward0", "ExpBackward0", "AccumulateGrad"]
    assert kept.records[0].view_columns["autograd"]["runs"].tolist() == [2, 2, 2]
    once = ["aten.detach.default", "aten.mul.Tensor"]
    assert operations(kept, node(view, "ExpBackward0")) == once * 2
    assert operations(kept, node(view, "AccumulateGrad")) == ["aten.detach.default", "aten.add_.Tensor"]


def test_gradients_that_several_backwards_add_up() -> None:
    def program() -> None:
        model = nn.Linear(2, 1)
        for _ in range(2):
            model(torch.ones(1, 2)).sum().backward()

    kept = recorded(program)
    view = view_of(kept)
    assert [each.scope.path for each in nodes(view, "AddmmBackward0")] == ["backward/Linear", "backward:2/Linear"]
    weight = next(each for each in nodes(view, "AccumulateGrad") if each.name == "weight")
    assert [value.producer and value.producer.op for value in weight.inputs] == ["TBackward0", "TBackward0", None]


def test_leaves_that_follow_one_another_are_not_taken_for_one() -> None:
    def program() -> None:
        for _ in range(3):  # the next one gets the memory, and the id, of the one before
            torch.ones(3, requires_grad=True).exp().sum().backward()

    sums = nodes(view_of(recorded(program)), "AccumulateGrad")
    assert [each.scope.path for each in sums] == ["backward", "backward:2", "backward:3"]


def test_hooks_are_counted_and_what_they_run_stands_at_their_node() -> None:
    def program() -> None:
        model = nn.Linear(3, 3)
        model.weight.register_post_accumulate_grad_hook(lambda parameter: None)
        model.bias.register_hook(lambda grad: grad.exp())
        hidden = model(torch.ones(2, 3)).relu()
        hidden.register_hook(lambda grad: grad.sin())
        assert hidden.grad_fn is not None
        hidden.grad_fn.register_prehook(lambda grads: (grads[0].cos(),))
        hidden.grad_fn.register_hook(lambda given, taken: (given[0].tan(),))
        hidden.sum().backward()

    kept = recorded(program)
    view = view_of(kept)
    relu = node(view, "ReluBackward0")
    assert [relu.attributes[name] for name in ("prehooks", "hooks", "tensor_hooks")] == [1, 1, 1]
    ran = operations(kept, relu)
    assert [ran[0], ran[1], ran[-1]] == ["aten.sin.default", "aten.cos.default", "aten.tan.default"]
    bias = next(each for each in nodes(view, "AccumulateGrad") if each.name == "bias")
    assert bias.attributes["tensor_hooks"] == 1
    assert operations(kept, bias)[0] == "aten.exp.default"
    assert node(kept.graph(0), "aten.exp.default").scope.path == "backward/Linear"


def test_hooks_of_modules_and_after_a_sum() -> None:
    def program() -> None:
        model = nn.Linear(3, 3)
        model.register_full_backward_hook(lambda module, given, taken: (given[0].sin(),))
        model.weight.register_post_accumulate_grad_hook(scaled)
        model(torch.ones(2, 3, requires_grad=True)).sum().backward()

    def scaled(parameter: Tensor) -> None:
        assert parameter.grad is not None
        parameter.grad.mul_(0.5)

    kept = recorded(program)
    view, main = view_of(kept), kept.graph(0)
    around = nodes(view, "BackwardHookFunctionBackward")
    assert [each.attributes["hooks"] for each in around] == [1, 1]
    assert operations(kept, around[1]) == ["aten.sin.default"]
    weight = next(each for each in nodes(view, "AccumulateGrad") if each.name == "weight")
    assert operations(kept, weight)[-1] == "aten.mul_.Tensor"
    assert node(main, "aten.sin.default").scope.path == node(main, "aten.mul_.Tensor").scope.path == "backward/Linear"


def test_without_gradients_there_is_no_view() -> None:
    def program() -> None:
        x = torch.ones(3, requires_grad=True)
        with torch.no_grad():
            x * 2
        with torch.inference_mode():
            x * 2
        nn.Linear(3, 3).eval()(x)

    assert recorded(program).records[0].views == {}


def test_a_detached_path_stops() -> None:
    def program() -> None:
        hidden = torch.ones(3, requires_grad=True).exp()
        (hidden * hidden.detach()).sum().backward()

    assert node(view_of(recorded(program)), "MulBackward0").attributes["stopped"] == [1]


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpoint_is_not_unpacked_for_looking_at_it(reentrant: bool) -> None:
    def program() -> None:
        model = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
        checkpoint(model, torch.ones(1, 2, requires_grad=True), use_reentrant=reentrant).sum().backward()

    kept = recorded(program)
    view, main = view_of(kept), kept.graph(0)
    assert len(nodes(main, "aten.tanh.default")) == 2  # forward, and once more in backward
    tanh = node(view, "TanhBackward0")
    again = nodes(main, "aten.tanh.default")[1]
    if reentrant:
        # The inner backward goes over what was computed again, and is part of the outer one.
        outer = node(view, "CheckpointFunctionBackward")
        assert again.op in operations(kept, outer)
        assert [main.node(row) for row in tanh.attributes["forward"]] == [again]
        assert tanh.scope.path.startswith("backward/")
    else:
        assert tanh.attributes["saved"] == [{"name": "result", "packed": True}]
        assert again.op in operations(kept, tanh)


def test_a_write_through_a_view_is_linked_to_its_own_operation() -> None:
    def program() -> None:
        y = torch.ones(4, requires_grad=True) * 1
        y[1:].mul_(2)
        y.square().sum().backward()

    kept = recorded(program)
    view, main = view_of(kept), kept.graph(0)
    copy = node(view, "CopySlices")
    written = node(main, "aten.mul_.Tensor")
    assert [main.node(row) for row in copy.attributes["forward"]] == [written]
    assert {main.node(row).forward for row in copy.attributes["operations"]} == {written}
    (saved,) = node(view, "PowBackward0").attributes["saved"]
    assert (main.value(saved["value"]).producer, saved["version"]) == (written, 1)


def test_functional_transforms_are_seen_too() -> None:
    def program() -> None:
        torch.func.grad(lambda x: (x**2).sum())(torch.ones(3))
        torch.vmap(torch.func.grad(lambda x: x.exp().sum()))(torch.ones(2, 3))

    view = view_of(recorded(program))
    assert [each.op for each in walk(view) if each.attributes.get("ran", True)] == [
        *("SumBackward0", "PowBackward0", "SumBackward0", "ExpBackward0")
    ]


def test_a_backward_that_raises_leaves_what_it_ran() -> None:
    def program() -> None:
        x = torch.ones(3, requires_grad=True).exp()
        x.register_hook(raises)
        (x * 2).sum().backward()

    def raises(grad: Tensor) -> None:
        raise ValueError("no gradient today")

    with pytest.raises(ValueError, match="no gradient today"), recording() as (kept, recorder), recorder.iteration():
        program()
    view = view_of(kept)
    assert [(each.op, each.attributes.get("ran", True)) for each in walk(view)] == [
        ("SumBackward0", True),
        ("MulBackward0", True),
        ("ExpBackward0", False),
        ("AccumulateGrad", False),
    ]
    assert kept.records[0].view_columns["autograd"]["duration_ns"].tolist()[2:] == [0, 0]
