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


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in DIFFERENT])
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


@pytest.mark.parametrize("name", examples.EXAMPLES)
def test_an_example_replays_bit_for_bit(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--steps", "2"])
    path = str(examples.path(name))
    trace = recorded(tmp_path / "run.reel", lambda: runpy.run_path(path, run_name="__main__"))
    assert check_exact(trace) > 100
