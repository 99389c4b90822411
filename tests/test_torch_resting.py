"""Between recorded iterations the recorder hears outermost calls only, and misses none."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module as module_hooks

from graphreel.graph import Graph, structure_hash
from tests.torch_runs import recording

Program = Callable[[], None]


class Pair(nn.Module):
    """Two layers, of which the second raises where a negative number comes in."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        out = self.one(x)
        if x.sum() < 0:
            raise ValueError("negative")
        result: Tensor = self.two(out)
        return result


def calls_that_raise() -> None:
    """Some calls of an inference loop raise."""
    model = Pair()
    for number in range(8):
        try:
            model(torch.full((1, 2), -1.0 if number % 3 == 1 else 1.0))
        except ValueError:
            continue


def a_hook_that_keeps_what_came_in() -> None:
    """A hook of the program's own keeps the arguments of each call."""
    model, kept = Pair(), list[Any]()
    model.register_forward_hook(lambda module, args, out: kept.append(args))
    for _ in range(8):
        model(torch.ones(1, 2))
    assert [type(args) for args in kept] == [tuple] * 8


def modules_in_turn() -> None:
    """Two outermost modules are called in turn, without gradients."""
    one, two = Pair(), nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with torch.no_grad():
        for _ in range(8):
            two(one(torch.ones(1, 2)))


class Trainer(nn.Module):
    """Trains another module within its own forward."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Pair()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)

    def forward(self, batches: int) -> None:
        for _ in range(batches):
            self.optimizer.zero_grad()
            self.model(torch.ones(1, 2)).sum().backward()
            self.optimizer.step()


@pytest.mark.parametrize("program", [calls_that_raise, a_hook_that_keeps_what_came_in, modules_in_turn])
def test_iterations_are_numbered_and_recorded_alike_whichever_are_recorded(program: Program) -> None:
    def graphs(iterations: str) -> dict[int, Graph]:
        torch.manual_seed(0)
        with recording(iterations=iterations) as (kept, _):
            program()
        return {index: record.graph for index, record in kept.records.items()}

    every, some = graphs(""), graphs("3,6")
    assert list(some) == [3, 6]
    assert {index: structure_hash(graph) for index, graph in some.items()} == {
        index: structure_hash(every[index]) for index in some
    }


def test_iterations_that_begin_while_a_module_runs_are_numbered_alike() -> None:
    operations: list[dict[int, int]] = []
    for iterations in ("", "3,6"):
        with recording(iterations=iterations) as (kept, _):
            Trainer()(8)
        operations.append({index: record.graph.node_count for index, record in kept.records.items()})
    every, some = operations
    assert some == {index: every[index] for index in (3, 6)}


def test_a_recording_that_ends_while_a_module_runs_leaves_no_hook_behind() -> None:
    class Ending(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if ending:
                running.__exit__(None, None, None)
            return x + 1

    model, ending = Ending(), False
    running = recording(iterations="100")
    running.__enter__()
    for _ in range(3):
        model(torch.ones(1))
    ending = True
    model(torch.ones(1))
    assert not module_hooks._global_forward_pre_hooks
    assert not module_hooks._global_forward_hooks
