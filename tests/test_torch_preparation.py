"""What a program does before its loop is no part of its first iteration, which looks like those after it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from graphreel.capture.options import IterationRanges, Level, RecordOptions
from graphreel.capture.torch import TorchRecorder
from graphreel.graph import Graph, Phase, structure_hash, walk
from tests.replay_runs import check_exact, recorded
from tests.torch_runs import Kept, nodes, recording

PROGRAMS: dict[str, Callable[[], object]] = {}


def program(function: Callable[[], object]) -> Callable[[], object]:
    PROGRAMS[function.__name__] = function
    return function


@program
def gradients_of_each_sample() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    inputs, targets = torch.randn(16, 4), torch.randn(16, 1)

    def loss(given: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return (functional_call(model, given, (x.unsqueeze(0),)) - y).square().mean()

    for _ in range(3):
        found = vmap(grad(loss), in_dims=(None, 0, 0))(weights, inputs, targets)
        weights = {name: weight - 0.1 * found[name].mean(0) for name, weight in weights.items()}


@program
def gradients_of_a_function() -> None:
    weights = {"a": torch.randn(4, 8) * 0.1, "b": torch.zeros(8), "c": torch.empty(8, 1).uniform_(-1, 1)}
    inputs = torch.randn(32, 4)

    def loss(given: dict[str, Tensor], x: Tensor) -> Tensor:
        return (torch.tanh(x @ given["a"] + given["b"]) @ given["c"]).square().mean()

    for _ in range(3):
        found = grad(loss)(weights, inputs[torch.randint(0, 32, (8,))])
        weights = {name: weight - 0.1 * found[name] for name, weight in weights.items()}


@program
def descent_by_hand() -> None:
    weight, bias = torch.randn(4, 1, requires_grad=True), torch.zeros(1, requires_grad=True)
    inputs = torch.randn(64, 4)
    inputs = (inputs - inputs.mean(0)) / inputs.std(0)
    for _ in range(3):
        (inputs @ weight + bias).square().mean().backward()
        with torch.no_grad():
            for each in (weight, bias):
                assert each.grad is not None
                each.sub_(0.1 * each.grad)
                each.grad = None


@program
def views_of_one_memory() -> None:
    flat = torch.zeros(5)
    flat.normal_()
    weight, bias = flat[:4].view(4, 1), flat[4:]
    inputs = torch.zeros(64, 4)
    for row in range(64):
        inputs[row] = torch.randn(4)
    for _ in range(3):
        leaves = [each.detach().requires_grad_() for each in (weight, bias)]
        found = torch.autograd.grad((inputs[:32] @ leaves[0] + leaves[1]).square().mean(), leaves)
        weight.sub_(0.1 * found[0])
        bias.sub_(0.1 * found[1])


@program
def a_state_that_goes_on() -> None:
    network = nn.RNN(3, 5)
    optimizer = torch.optim.SGD(network.parameters(), 0.1)
    inputs, state = torch.randn(4, 2, 3), next(network.parameters()).new_zeros(1, 2, 5)
    for _ in range(3):
        state = state.detach()
        out, state = network(inputs, state)
        optimizer.zero_grad()
        out.square().mean().backward()
        optimizer.step()


@program
def a_batch_made_before() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    inputs, targets = torch.from_numpy(np.ones((8, 4), np.float32)), torch.randn(8, 1)
    inputs.mul_(torch.randn(4))
    for _ in range(3):
        optimizer.zero_grad()
        functional.mse_loss(model(inputs), targets).backward()
        optimizer.step()


@program
def two_networks() -> None:
    maker, judge = nn.Linear(2, 4), nn.Linear(4, 1)
    first, second = (torch.optim.SGD(each.parameters(), 0.01) for each in (judge, maker))
    real, ones = torch.randn(8, 4), torch.ones(8, 1)
    for _ in range(3):
        made = maker(torch.randn(8, 2))
        first.zero_grad()
        (functional.mse_loss(judge(real), ones) + judge(made.detach()).square().mean()).backward()
        first.step()
        second.zero_grad()
        functional.mse_loss(judge(made), ones).backward()
        second.step()


def graphs(compute: Callable[[], object]) -> list[Graph]:
    with recording() as (kept, _):
        compute()
    return [kept.graph(index) for index in sorted(kept.records)]


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_first_iteration_looks_like_those_after_it(name: str) -> None:
    first, second, third = graphs(PROGRAMS[name])
    looks = [[(node.op, node.scope.path, node.phase) for node in walk(graph)] for graph in (first, second, third)]
    assert looks[0] == looks[1] == looks[2]
    if name != "gradients_of_each_sample":
        # There a tensor may get the `id` of a wrapper of vmap's that stood for a weight and is gone, and its name.
        assert structure_hash(first) == structure_hash(second)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_first_iteration_replays_bit_for_bit(name: str, tmp_path: Path) -> None:
    assert check_exact(recorded(tmp_path / "run.reel", PROGRAMS[name])) > 3


def test_an_operation_that_begins_a_turn_is_forward_as_in_the_first() -> None:
    for graph in graphs(descent_by_hand):
        (product, *_) = nodes(graph, "aten.mm.default")
        assert product.phase is Phase.FORWARD
        assert [each.forward for each in walk(graph) if each.phase is Phase.BACKWARD].count(product) > 0


def closures() -> None:
    model = nn.Linear(4, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=2)
    inputs = torch.randn(8, 4)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = model(inputs).square().mean()
        loss.backward()
        return loss

    for _ in range(2):
        optimizer.step(closure)


def test_a_loop_of_steps_begins_with_the_first(tmp_path: Path) -> None:
    trace = recorded(tmp_path / "run.reel", closures)
    assert not nodes(trace.graph(0), "aten.randn.default")
    check_exact(trace)


def front_that_writes() -> None:
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    average = torch.ones(4)
    for _ in range(2):
        batch = torch.randn(8, 4)
        average.mul_(0.9)
        model(batch * average).sum().backward()
        optimizer.step()


def test_what_the_front_of_a_turn_writes_is_made_in_the_first(tmp_path: Path) -> None:
    trace = recorded(tmp_path / "run.reel", front_that_writes)
    assert [len(nodes(trace.graph(index), "aten.ones.default")) for index in range(2)] == [1, 0]
    check_exact(trace)


def once() -> None:
    weight = torch.randn(4, 1, requires_grad=True)
    (torch.randn(8, 4) @ weight).square().mean().backward()


def test_without_a_second_turn_what_the_first_takes_in_is_kept(tmp_path: Path) -> None:
    trace = recorded(tmp_path / "run.reel", once)
    assert len(nodes(trace.graph(0), "aten.randn.default")) == 2
    check_exact(trace)


def test_what_is_only_prepared_costs_no_keyframe() -> None:
    kept = Kept()
    recorder = TorchRecorder(kept, RecordOptions(Level.GRAPH, keyframes=IterationRanges(), keyframe_limit=100_000))
    recorder.start()
    try:
        for _ in range(40):
            (torch.randn(5_000) * 2).sum()
        descent_by_hand()
    finally:
        recorder.stop()
    keyframe = kept.records[0].keyframe
    assert keyframe is not None
    assert not keyframe.problems
    assert len(keyframe.tensors) == 3
    assert sum(storage.data.nbytes for storage in keyframe.storages) == 4 * (4 + 1 + 64 * 4)
