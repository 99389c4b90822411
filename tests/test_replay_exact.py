"""Small programs of many kinds replay without one bit of difference: layers, activations, losses."""

from pathlib import Path

import pytest

from tests.replay_models import activations, layers, losses, made
from tests.replay_runs import check_exact, recorded

PROGRAMS = made(layers, activations, losses)


@pytest.mark.parametrize("name", PROGRAMS)
def test_it_replays_bit_for_bit(name: str, tmp_path: Path) -> None:
    trace = recorded(tmp_path / "run.reel", PROGRAMS[name])
    assert check_exact(trace) > 3
