"""Looking at the autograd graph never changes what backward computes, raises or keeps in memory."""

import gc
import threading
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import graphreel.capture.torch.autograd
from graphreel.capture.options import IterationRanges, RecordOptions
from graphreel.capture.torch import TorchRecorder, strip_own_frames
from graphreel.graph import walk
from tests.autograd_runs import Square, recorded, view_of
from tests.torch_runs import Kept, Net, recording, train


@contextmanager
def walked() -> Iterator[Kept]:
    """Record the block, and look at every backward in it."""
    kept = Kept()
    recorder = TorchRecorder(kept, RecordOptions(keyframes=IterationRanges()))
    recorder.start()
    try:
        yield kept
    finally:
        recorder.stop()


def double_backward() -> list[Tensor]:
    x = torch.randn(4, 3, requires_grad=True)
    (gradient,) = torch.autograd.grad(x.pow(3).sigmoid().sum(), x, create_graph=True)
    gradient.square().sum().backward()
    assert x.grad is not None
    return [x.grad]


def checkpoints() -> list[Tensor]:
    found: list[Tensor] = []
    for reentrant in (True, False):
        model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Tanh())
        x = torch.randn(2, 3, requires_grad=True)
        checkpoint(model, x, use_reentrant=reentrant).sum().backward()
        found += [parameter.grad for parameter in (x, *model.parameters()) if parameter.grad is not None]
    return found


def hooks() -> list[Tensor]:
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    model[0].register_full_backward_hook(lambda module, given, taken: (given[0] * 2,))
    model[2].register_full_backward_pre_hook(lambda module, taken: (taken[0] + 1,))
    model[0].weight.register_hook(lambda grad: grad.clamp(-1, 1))
    x = torch.randn(5, 3, requires_grad=True)
    hidden = Square.apply(model(x))
    hidden.grad_fn.register_prehook(lambda taken: (taken[0] * 0.5,))
    hidden.grad_fn.register_hook(lambda given, taken: (given[0] * 3,))
    hidden.sum().backward()
    return [parameter.grad for parameter in (x, *model.parameters()) if parameter.grad is not None]


def shared_and_in_place() -> list[Tensor]:
    w, x = torch.randn(3, 3, requires_grad=True), torch.randn(3, 3, requires_grad=True)
    y = x @ w
    y[1:].mul_(w[0])
    y = y + y.t() + w
    y.sum().backward(retain_graph=True)
    y.square().sum().backward()
    torch.autograd.backward([y.detach().requires_grad_()], [torch.ones(3, 3)])
    assert w.grad is not None
    assert x.grad is not None
    return [w.grad, x.grad]


def transforms() -> list[Tensor]:
    def loss(w: Tensor, x: Tensor) -> Tensor:
        return (x @ w).sin().sum()

    w, x = torch.randn(3), torch.randn(4, 3)
    batched = torch.autograd.grad(Square.apply(w.requires_grad_()), w, torch.eye(3), is_grads_batched=True)
    return [
        torch.vmap(torch.func.grad(loss), (None, 0))(w.detach(), x),
        torch.func.jacrev(loss)(w.detach(), x),
        *batched,
    ]


def training() -> list[Tensor]:
    model = Net()
    train(model, torch.optim.Adam(model.parameters()), (3, 1, 8, 8), steps=4)
    return [parameter.detach() for parameter in model.parameters()]


@pytest.mark.parametrize(
    "program",
    [double_backward, checkpoints, hooks, shared_and_in_place, transforms, training],
    ids=lambda p: p.__name__,
)
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # PyTorch's own, in its forward mode
def test_gradients_and_random_state_are_bit_equal(program: Callable[[], list[Tensor]]) -> None:
    torch.manual_seed(3)
    plain, state = program(), torch.get_rng_state()
    torch.manual_seed(3)
    with walked() as kept:
        found = program()
    assert all("autograd" in record.views for record in kept.records.values())
    assert not [finding for record in kept.records.values() for finding in record.findings]
    assert len(found) == len(plain) > 0
    for one, other in zip(found, plain, strict=True):
        assert torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_hooks_of_saved_tensors_are_called_as_often_as_without_us() -> None:
    def program() -> list[str]:
        called: list[str] = []

        def pack(tensor: Tensor) -> tuple[str, Tensor]:
            called.append("pack")
            return "packed", tensor

        def unpack(packed: tuple[str, Tensor]) -> Tensor:
            called.append("unpack")
            return packed[1]

        with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
            y = Square.apply(torch.ones(3, requires_grad=True).exp()) * 2
        y.sum().backward()
        return called

    plain = program()
    with walked() as kept:
        assert program() == plain
    saved = [entry for each in walk(view_of(kept)) for entry in each.attributes.get("saved", [])]
    assert [entry for entry in saved if entry.get("packed")] == [
        {"name": "tensors[0]", "packed": True},
        {"name": "result", "packed": True},
    ]


def test_a_graph_dies_with_the_loss_and_keeps_no_hook_of_ours() -> None:
    with walked() as kept:
        hidden = torch.ones(1000, requires_grad=True).exp()
        loss = hidden.sin().sum()
        loss.backward(retain_graph=True)
        node = loss.grad_fn
        assert node is not None
        for register in (node.register_hook, node.register_prehook):
            handle: Any = register(lambda *given: None)
            assert len(handle.hooks_dict_ref()) == 1
        loss.backward()
        dead = [weakref.ref(hidden), weakref.ref(loss)]
        del hidden, loss, node, handle, register
        gc.collect()
        assert [reference() for reference in dead] == [None, None]
    assert "autograd" in kept.records[0].views


def test_what_a_custom_function_keeps_is_let_go() -> None:
    class Held:
        pass

    class Keeps(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.held = Held()
            alive.append(weakref.ref(ctx.held))
            return x * 2

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            return grad * 2

    alive: list[Any] = []
    with walked():
        y = Keeps.apply(torch.ones(2, requires_grad=True)).sum()
        y.backward()
        del y
        gc.collect()
        assert alive[0]() is None


def second_backward() -> None:
    loss = torch.ones(3, requires_grad=True).exp().sum()
    loss.backward()
    loss.backward()


def changed_in_between() -> None:
    hidden = torch.ones(3, requires_grad=True).exp()
    loss = hidden.sum()
    hidden.mul_(2)
    (loss + hidden.sin().sum()).backward()
    hidden = torch.ones(3, requires_grad=True).exp()
    loss = hidden.square().sum()
    hidden.mul_(2)
    loss.backward()


def no_scalar() -> None:
    torch.ones(3, requires_grad=True).exp().backward()


def no_gradient() -> None:
    torch.ones(()).backward()


def hook_that_raises() -> None:
    hidden = torch.ones(3, requires_grad=True).exp()
    hidden.register_hook(lambda grad: 1 // 0)
    hidden.sum().backward()


def forward_that_raises() -> None:
    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            raise KeyError("no forward today")

    Bad.apply(torch.ones(3))


@pytest.mark.parametrize(
    "program",
    [second_backward, changed_in_between, no_scalar, no_gradient, hook_that_raises, forward_that_raises],
    ids=lambda p: p.__name__,
)
def test_the_same_exceptions_with_the_same_tracebacks(program: Callable[[], None]) -> None:
    def caught() -> tuple[type, str, list[tuple[str, str]]]:
        with pytest.raises((RuntimeError, ZeroDivisionError, KeyError)) as raised:
            program()
        strip_own_frames(raised.value)
        frames = traceback.extract_tb(raised.value.__traceback__)
        return raised.type, str(raised.value), [(frame.filename, frame.name) for frame in frames]

    plain = caught()
    with walked():
        assert caught() == plain


def test_a_graph_that_is_freed_and_one_of_another_pass_are_walked_all_the_same() -> None:
    with recording() as (kept, recorder):
        with recorder.iteration():
            loss = torch.ones(3, requires_grad=True).exp().sum()
            loss.backward(retain_graph=True)
        with recorder.iteration():
            loss.backward()
            with pytest.raises(RuntimeError, match="second time"):
                loss.backward()
    view = view_of(kept, 1)
    assert [each.op for each in walk(view)] == ["SumBackward0", "ExpBackward0", "AccumulateGrad"]
    assert not [each for each in walk(view) if "forward" in each.attributes]  # it stands in the pass before
    assert [len(each.attributes["operations"]) for each in walk(view)] == [2, 2, 1]


def test_a_backward_in_another_thread_is_left_alone() -> None:
    def program() -> None:
        x = torch.ones(3, requires_grad=True)
        thread = threading.Thread(target=lambda: (x * 2).sum().backward())
        thread.start()
        thread.join()
        assert x.grad is not None
        x.exp().sum().backward()

    view = view_of(recorded(program))
    assert [each.op for each in walk(view)] == ["SumBackward0", "ExpBackward0", "AccumulateGrad"]


def test_a_fault_of_ours_costs_the_view_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(outputs: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(graphreel.capture.torch.autograd, "_reachable", broken)
    x = torch.ones(3, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        record = recorded(lambda: x.exp().sum().backward()).records[0]
    assert x.grad is not None
    assert (record.views, [finding.kind for finding in record.findings]) == ({}, ["recorder-fault"])
    assert "ZeroDivisionError: a fault" in record.findings[0].message
    assert record.graph.node_count > 3


# What we build on in PyTorch: these fail when it changes.


def test_every_backward_goes_through_the_function_that_is_wrapped() -> None:
    run, base = torch.autograd._engine_run_backward, torch.autograd.function._SingleLevelFunction
    apply = Square.apply

    def program() -> None:
        x = torch.ones(3, requires_grad=True)
        x.exp().sum().backward()
        torch.autograd.backward(x.sin().sum())
        torch.autograd.grad(x.cos().sum(), x)
        torch.autograd.grad(apply(x).sum(), [x])

    view = view_of(recorded(program))
    assert [each.op for each in walk(view) if each.attributes.get("ran", True) and "forward" in each.attributes] == [
        *("SumBackward0", "ExpBackward0", "SumBackward0", "SinBackward0"),
        *("SumBackward0", "CosBackward0", "SumBackward0", "SquareBackward"),
    ]
    assert next(each for each in walk(view) if each.op == "SquareBackward").scope.name == "Square"
    assert torch.autograd._engine_run_backward is run is torch.autograd.graph._engine_run_backward
    assert "apply" not in vars(base)


def test_saved_tensors_can_be_looked_at_as_they_lie_there() -> None:
    x = torch.ones(3, requires_grad=True)
    saved: Any = x.square().grad_fn
    assert saved._raw_saved_self.data is x
    assert saved._raw_saved_self.unpack_hook is None
    square = Square.apply(x).grad_fn  # a SavedTensor lies within its node, which has to live
    assert [each.data is x for each in square._raw_saved_tensors] == [True]
    assert torch._C._autograd._get_sequence_nr() > saved._sequence_nr() >= 0
    assert saved._input_metadata[0].shape == [3]
    assert not saved._input_metadata[0].is_nested_tensor
