"""Inference mode hands operators that are made of others over whole; they compute what they do without a recording."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import graphreel
from graphreel.capture.sources import open_trace
from graphreel.graph import walk
from graphreel.replay.torch.session import Request, Session
from tests.torch_runs import recording

KINDS: tuple[type[nn.RNNBase], ...] = (nn.GRU, nn.LSTM, nn.RNN)


def answer(kind: type[nn.RNNBase], *, batch_first: bool, autocast: bool) -> Tensor:
    torch.manual_seed(0)
    model = kind(3, 5, num_layers=2, batch_first=batch_first).eval()
    with torch.inference_mode(), torch.autocast("cpu", enabled=autocast):
        return model(torch.randn(4, 7, 3))[0]


@pytest.mark.parametrize(("kind", "batch_first", "autocast"), [*product(KINDS, (True, False), (True, False))])
def test_a_recurrent_network_gives_the_same_bits(kind: type[nn.RNNBase], batch_first: bool, autocast: bool) -> None:
    plain = answer(kind, batch_first=batch_first, autocast=autocast)
    with recording() as (kept, _):
        recorded = answer(kind, batch_first=batch_first, autocast=autocast)
    with recording(iterations="5"):
        aside = answer(kind, batch_first=batch_first, autocast=autocast)
    for found in (recorded, aside):
        assert found.dtype is plain.dtype
        assert torch.equal(plain, found)
    assert any(node.op.startswith(f"aten.{kind.__name__.lower()}") for node in walk(kept.graph(0)))


def test_views_and_versions_are_the_same() -> None:
    linear, norm, asked = nn.Linear(3, 4), nn.BatchNorm1d(4), torch.randn(5, 2, 3)

    def seen() -> tuple[object, ...]:
        before = [buffer._version for buffer in norm.buffers()]
        with torch.inference_mode():
            norm(torch.ones(3, 4))
            view = linear.weight.reshape(3, 4)
            mapped = torch.vmap(lambda row: nn.functional.linear(row, linear.weight).reshape(-1))(asked)
        versions = [buffer._version - was for buffer, was in zip(norm.buffers(), before, strict=True)]
        return view._is_view(), view.requires_grad, versions, mapped.tolist()

    plain = seen()
    with recording():
        assert seen() == plain


class Under(TorchDispatchMode):
    """A mode of the program's own, which stands below the recorder's."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.seen.append(str(func))
        return func(*args, **(kwargs or {}))


def test_a_mode_below_sees_what_it_sees_without_a_recording() -> None:
    found: list[list[str]] = []
    for recorded in (False, True):
        with Under() as under:
            if recorded:
                with recording():
                    answer(nn.GRU, batch_first=True, autocast=False)
            else:
                answer(nn.GRU, batch_first=True, autocast=False)
        found.append(under.seen)
    assert found[0] == found[1]
    assert "aten.gru.input" in found[0]


def test_it_is_executed_again_with_the_same_bits(tmp_path: Path) -> None:
    with graphreel.record(tmp_path / "run.reel"):
        answer(nn.GRU, batch_first=True, autocast=False)
    with closing(open_trace(tmp_path / "run.reel")) as trace:
        result = Session(trace, 0).run(Request(verify=True))
    assert not result.differences
    assert result.compared
