"""Small programs of many kinds replay without one bit of difference: layers, activations, losses."""

from pathlib import Path

import pytest

from graphreel.replay.torch.session import Request, Session
from tests.replay_models import activations, layers, losses, made
from tests.replay_runs import check_exact, recorded

PROGRAMS = made(layers, activations, losses)


DIFFERENT = {
    # The lengths of the sequences: C++ code writes them into memory that `aten.empty` gave, and no operation shows it.
    # What reads them counts as unwritten, up to the parameters that the optimizer writes with it.
    "loss-ctc": {"aten.add_.Tensor", "aten._local_scalar_dense.default"},
}


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in DIFFERENT])
def test_it_replays_bit_for_bit(name: str, tmp_path: Path) -> None:
    trace = recorded(tmp_path / "run.reel", PROGRAMS[name])
    assert check_exact(trace) > 3


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_differs_is_named(name: str, tmp_path: Path) -> None:
    trace = recorded(tmp_path / "run.reel", PROGRAMS[name])
    for iteration in trace.iterations:
        result = Session(trace, iteration.index).run(Request(verify=True, keep_going=True))
        graph = trace.graph(iteration.index)
        assert {graph.node(each.node).op for each in result.differences} == DIFFERENT[name]
        assert not result.missing
