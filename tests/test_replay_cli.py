"""`graphreel replay` and `graphreel value`, as one types them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from graphreel.cli.replay import command as replay_command
from graphreel.cli.value import command as value_command
from graphreel.graph import node_keys
from graphreel.replay import api
from graphreel.tracefile import Trace
from tests.replay_runs import recorded


def program() -> None:
    weight = torch.nn.Parameter(torch.ones(2, 3))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    for _ in range(2):
        optimizer.zero_grad()
        (weight * torch.tensor([1.0, 2.0, float("inf")])).tanh().sum().backward()
        optimizer.step()


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    found = recorded(tmp_path_factory.mktemp("cli") / "run.reel", program, keyframes="1")
    yield found
    found.close()


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of its own is tested elsewhere; here it would only take its time."""
    begin = api.Replay.__init__

    def begin_here(self: api.Replay, *args: Any, **more: Any) -> None:
        begin(self, *args, **more | {"in_process": True})

    monkeypatch.setattr(api.Replay, "__init__", begin_here)


def run(command: Any, trace: Trace, *args: str) -> Result:
    return CliRunner().invoke(command, [str(trace.path), *args], catch_exceptions=True)


def key_of(trace: Trace, op: str) -> str:
    return next(key for key in node_keys(trace.graph(1)) if op in key)


def test_replay_tells_that_all_is_the_same(trace: Trace) -> None:
    result = run(replay_command, trace, "--verify")
    assert result.exit_code == 0
    nodes = trace.graph(1).node_count
    assert result.output.startswith(f"iteration 1: {nodes} of {nodes} nodes in ")
    assert "values are the same to the last bit" in result.output


def test_replay_tells_of_drift(trace: Trace) -> None:
    result = run(replay_command, trace, "--replace", key_of(trace, "aten.tanh.default"), "aten.sigmoid.default")
    assert "values drift; the first: " + key_of(trace, "aten.tanh.default") in result.output
    told = json.loads(run(replay_command, trace, "--dtype", "float64", "--json").output)
    assert told["executed"] == told["nodes"]
    assert told["drift"]
    assert run(replay_command, trace, "--set-dtype", key_of(trace, "aten.sum.default"), "float64").exit_code == 0


def test_replay_times_one_operation(trace: Trace) -> None:
    key = key_of(trace, "aten.tanh.default")
    assert "5 times" in run(replay_command, trace, "--time", key, "--repeats", "5").output


def test_replay_sets_removes_and_stops(trace: Trace, tmp_path: Path) -> None:
    tanh = key_of(trace, "aten.tanh.default")
    np.save(tmp_path / "zeros.npy", np.zeros((2, 3)))
    for given in (("--set-value", f"{tanh}:0", str(tmp_path / "zeros.npy")), ("--remove", tanh)):
        result = run(replay_command, trace, *given, "--until", key_of(trace, "aten.sum.default"))
        assert "2 of 3 values drift" in result.output or "values drift" in result.output, result.output
    assert run(replay_command, trace, "--set", tanh, "no_such", "1").exception is not None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--iteration", "0"), "those that have one: 1"),
        (("--iteration", "7"), "there is no iteration 7"),
        (("--until", "aten.tan"), "no node has the key"),
        (("--dtype", "int9"), "give float64"),
        (("--import", "no_such_module_anywhere"), "--import no_such_module_anywhere"),
    ],
)
def test_replay_says_what_is_wrong(trace: Trace, given: tuple[str, ...], said: str) -> None:
    result = run(replay_command, trace, *given)
    assert result.exit_code == 1
    assert said in str(result.exception)


def test_value_shows_statistics_numbers_and_a_histogram(trace: Trace, tmp_path: Path) -> None:
    key = key_of(trace, "aten.mul.Tensor")
    saved = tmp_path / "out.npy"
    result = run(value_command, trace, "--node", key, "--slice", "0,:2", "--histogram", "--save", str(saved))
    assert result.exit_code == 0, result.exception
    assert "2 elements, 0 zeros, 0 NaN, 0 infinite" in result.output
    assert "█" in result.output
    assert np.load(saved).shape == (2,)
    whole = run(value_command, trace, "--node", key, "--output", "0")
    assert "6 elements, 0 zeros, 2 NaN, 0 infinite" in whole.output
    taken = run(value_command, trace, "--node", key, "--input", "other")
    assert "3 elements" in taken.output


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--output", "3"), "has no output 3"),
        (("--input", "nothing"), "it takes: self, other"),
        (("--slice", "__import__('os')"), "write for example"),
        (("--slice", "9"), "the value is"),
    ],
)
def test_value_says_what_is_wrong(trace: Trace, given: tuple[str, ...], said: str) -> None:
    result = run(value_command, trace, "--node", key_of(trace, "aten.mul.Tensor"), *given)
    assert result.exit_code == 1
    assert said in f"{result.exception} {result.output}"
