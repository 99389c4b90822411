"""Where an operation stands: module scopes and their names over passes, what a checkpoint runs again, whose lines."""

import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from graphreel.graph import Graph, Phase, ScopeKind, node_keys
from tests.torch_runs import Net, nodes, recording


def scopes(graph: Graph) -> list[str]:
    """Paths of all scopes, in order."""
    return [graph.scope(scope).path for scope in range(1, graph.scope_count)]


def forwards(graph: Graph) -> list[str]:
    """Paths of the scopes right under the forward phases."""
    return [path for path in scopes(graph) if path.count("/") == 1 and path.startswith("forward")]


def test_networks_of_one_class_keep_their_names_whoever_is_called_first() -> None:
    with recording() as (kept, _):
        one, two = nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 3), nn.ReLU())
        optimizer = torch.optim.SGD([*one.parameters(), *two.parameters()], lr=0.1)
        for turn in range(4):
            batch = torch.ones(1, 2)
            parts: list[Callable[[], Tensor]] = [lambda x=batch: one(x).sum(), lambda x=batch: two(x).sum()]
            (parts[turn % 2]() + parts[1 - turn % 2]()).backward()
            optimizer.step()
            optimizer.zero_grad()
    assert [sorted(forwards(kept.graph(index))) for index in range(4)] == [
        ["forward/Sequential", "forward/Sequential#2"]
    ] * 4
    for index in range(4):
        assert not nodes(kept.graph(index), "aten.relu.default", "forward/Sequential/1")
        assert len(nodes(kept.graph(index), "aten.relu.default", "forward/Sequential#2/1")) == 1


def test_calls_of_one_network_are_counted() -> None:
    with recording() as (kept, recorder), recorder.iteration():
        net = nn.Linear(2, 2)
        other = nn.Linear(2, 2)
        net(other(net(torch.ones(1, 2))))
    assert forwards(kept.graph(0)) == ["forward/Linear", "forward/Linear#2", "forward/Linear:2"]


def test_a_network_that_is_made_anew_takes_the_name_of_the_one_that_is_gone() -> None:
    with recording() as (kept, recorder):
        for _ in range(3):
            with recorder.iteration():
                nn.Linear(2, 2)(torch.ones(1, 2))
    assert [forwards(kept.graph(index)) for index in range(3)] == [["forward/Linear"]] * 3


class Shared(nn.Module):
    """One layer by two names, layers in a list and in a dictionary, and one that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.tied = self.first
        self.many = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
        self.named = nn.ModuleDict({"left": nn.Linear(2, 2), "right": nn.Linear(2, 2)})

    def forward(self, x: Tensor) -> Tensor:
        x = self.tied(self.first(x))
        for layer in self.many:
            x = layer(x)
        return self.named["left"](x) + self.named["right"](x)


def test_layers_in_lists_and_dictionaries_and_one_by_two_names() -> None:
    with recording() as (kept, _):
        Shared()(torch.ones(1, 2)).sum().backward()
    graph = kept.graph(0)
    within = [path.removeprefix("forward/Shared/") for path in scopes(graph) if path.startswith("forward/Shared/")]
    assert within == ["first", "first:2", "many", "many/0", "many/1", "named", "named/left", "named/right"]
    backward = {path.removeprefix("backward/Shared/") for path in scopes(graph) if path.startswith("backward/Shared/")}
    assert backward == set(within)
    types = {graph.scope(scope).path: graph.scope(scope).type for scope in range(1, graph.scope_count)}
    assert (types["forward/Shared/many"], types["forward/Shared/named"]) == ("ModuleList", "ModuleDict")
    assert types["forward/Shared/many/0"] == "Linear"


@pytest.mark.filterwarnings("ignore:.*DataParallel.*:FutureWarning")
def test_data_parallel_without_devices_runs_plainly() -> None:
    model = nn.Linear(2, 2)
    plain = model(torch.ones(1, 2))
    with recording() as (kept, _):
        assert torch.equal(nn.DataParallel(model)(torch.ones(1, 2)), plain)
    assert len(nodes(kept.graph(0), "aten.addmm.default", "forward/DataParallel/module")) == 1


class Deep(nn.Module):
    """Blocks, each of which is run again in backward."""

    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.reentrant = reentrant
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(2, 2), nn.Tanh()) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=self.reentrant)
        return checkpoint(self.squares, x, use_reentrant=self.reentrant)

    def squares(self, x: Tensor) -> Tensor:
        return x.square().exp()


@pytest.mark.parametrize("reentrant", [False, True])
def test_what_a_checkpoint_runs_again_stands_apart(reentrant: bool) -> None:
    with recording() as (kept, _):
        model = Deep(reentrant)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(3):
            model(torch.ones(1, 2, requires_grad=True)).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert len(kept.records) == 3
    assert node_keys(kept.graph(1)) == node_keys(kept.graph(2))
    graph = kept.graph(2)
    assert not [path for path in scopes(graph) if ":2" in path]
    for block in range(2):
        first, again = nodes(graph, "aten.tanh.default")[block], nodes(graph, "aten.tanh.default")[3 - block]
        assert (first.scope.path, first.phase) == (f"forward/Deep/blocks/{block}/1", Phase.FORWARD)
        assert (again.scope.path, again.phase) == (f"backward/recompute/Deep/blocks/{block}/1", Phase.BACKWARD)
        (derived,) = nodes(graph, "aten.tanh_backward.default", f"backward/Deep/blocks/{block}/1")
        assert derived.forward is not None
        assert derived.forward.id == (again.id if reentrant else first.id)
    again = nodes(graph, "aten.exp.default")[1]
    assert (again.scope.path, again.phase) == ("backward/recompute", Phase.BACKWARD)
    assert {path for path in scopes(graph) if path.startswith("optimizer")} == {"optimizer", "optimizer/SGD.step"}


@pytest.mark.parametrize("reentrant", [False, True])
def test_a_checkpoint_computes_the_same_when_it_is_recorded(reentrant: bool) -> None:
    def gradients() -> list[Tensor | None]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(2, 8), nn.Dropout(), nn.Linear(8, 1))
        checkpoint(model, torch.ones(3, 2, requires_grad=True), use_reentrant=reentrant).sum().backward()
        return [each.grad for each in model.parameters()]

    plain = gradients()
    with recording():
        recorded = gradients()
    # One that was made while recording works afterwards too.
    with recording() as (_, recorder):
        model = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
        loss = checkpoint(model, torch.ones(1, 2, requires_grad=True), use_reentrant=reentrant).sum()
    loss.backward()
    assert not recorder.alive
    assert model[0].weight.grad is not None
    for one, other in zip(plain, recorded, strict=True):
        assert one is not None
        assert other is not None
        assert torch.equal(one, other)


def test_a_checkpoint_within_a_function_of_the_users_is_a_function_scope() -> None:
    with recording() as (kept, _):
        checkpoint(lambda x: (x * 2).sin(), torch.ones(2, requires_grad=True), use_reentrant=False).sum().backward()
    graph = kept.graph(0)
    found = next(graph.scope(scope) for scope in range(graph.scope_count) if graph.scope(scope).name == "recompute")
    assert (found.kind, found.type, found.path) == (ScopeKind.FUNCTION, "torch.utils.checkpoint", "backward/recompute")


def test_stacks_are_the_users_own_and_their_text_is_kept() -> None:
    with recording() as (kept, _):
        Net()(torch.ones(1, 1, 8, 8)).sum().backward()
    graph = kept.graph(0)
    for at in graph.nodes.source.tolist():
        stack = graph.stack(at)
        assert stack
        for source in stack:
            assert source.file in kept.sources
            # The program itself counts as the user's wherever it lies; here that is pytest.
            if source.file != getattr(sys.modules["__main__"], "__file__", ""):
                assert "site-packages" not in source.file
                assert "/capture/" not in source.file
