"""The same for optimizers, the examples, and what else PyTorch has; what cannot be exact is named, with the reason."""

import runpy
import sys
from pathlib import Path

import pytest

from graphreel import examples
from graphreel.replay.torch.session import Request, Session
from tests.replay_features import features
from tests.replay_models import made, optimizers
from tests.replay_runs import check_exact, recorded

PROGRAMS = made(optimizers, features)

DIFFERENT = {
    # LAPACK's own result changes in its last bit with where its work space happens to lie.
    "least-squares": "aten.linalg_lstsq.default",
}
"""Programs with a node that does not give the same twice."""

MISSING = {
    # A model that is never called: nothing tells its making from the pass, and of what was made before only a module's
    # call, a backward or a step lets the keyframe know that it is wanted.
    "per-sample-gradients": "aten.uniform_.default",
}
"""Programs with a node in their first pass whose input is not in the keyframe."""


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in DIFFERENT.keys() | MISSING.keys()])
def test_it_replays_bit_for_bit(name: str, tmp_path: Path) -> None:
    trace = recorded(tmp_path / "run.reel", PROGRAMS[name])
    assert check_exact(trace) > 3


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_may_differ_is_no_more_than_the_node_that_is_known(name: str, tmp_path: Path) -> None:
    trace = recorded(tmp_path / "run.reel", PROGRAMS[name])
    for iteration in trace.iterations:
        result = Session(trace, iteration.index).run(Request(verify=True, keep_going=True))
        graph = trace.graph(iteration.index)
        assert {graph.node(each.node).op for each in result.differences} <= {DIFFERENT[name]}
        assert not result.missing


@pytest.mark.parametrize("name", MISSING)
def test_what_cannot_be_executed_is_named(name: str, tmp_path: Path) -> None:
    trace = recorded(tmp_path / "run.reel", PROGRAMS[name])
    first, *others = [Session(trace, each.index).run(Request(verify=True)) for each in trace.iterations]
    assert {trace.graph(0).node(each.node).op for each in first.missing} == {MISSING[name]}
    assert all("is not in the keyframe" in each.reason for each in first.missing)
    assert others
    assert all(each.exact for each in others)


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_an_example_replays_bit_for_bit(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--steps", "2"])
    path = str(examples.path(name))
    trace = recorded(tmp_path / "run.reel", lambda: runpy.run_path(path, run_name="__main__"))
    assert check_exact(trace) > 100
