"""The same for optimizers, and for whatever else PyTorch has; what cannot be exact is named here, with the reason."""

from pathlib import Path

import pytest

from tests.replay_features import features
from tests.replay_models import made, optimizers
from tests.replay_runs import check_exact, recorded

PROGRAMS = made(optimizers, features)

NOT_EXACT = {
    # LAPACK's own result changes in its last bit with where its work space happens to lie.
    "least-squares": "aten.linalg_lstsq.default",
}


@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in NOT_EXACT])
def test_it_replays_bit_for_bit(name: str, tmp_path: Path) -> None:
    trace = recorded(tmp_path / "run.reel", PROGRAMS[name])
    assert check_exact(trace) > 4
