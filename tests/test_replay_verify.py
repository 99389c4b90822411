"""What verification compares, what it leaves out, and what it says then; and what another dtype does not reach."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn
from torch.nn import functional

from graphreel.cli.replay import command
from graphreel.graph import NodeId, walk
from graphreel.replay import Replay, ReplayResult, Verified, api
from graphreel.replay.torch.session import Request, Session
from graphreel.tracefile import Trace
from graphreel.tracefile.tensors import to_numpy
from tests.replay_runs import recorded


def reads_much() -> None:
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        out = model(torch.randn(5, 4))
        loss = out.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seen = (loss.item(), out.max().item(), out.min().item(), loss.item(), int(out.argmax()), bool(out.sum() > 0))
        assert len(seen) == 6
        torch.log(torch.tensor(-1.0)).item()


def own_operator() -> None:
    drawn = torch.randn(3)
    (torch.ops.replay_verify.twice(drawn) + drawn).sum().item()


def verified(trace: Trace, change: Callable[[Session], object] = lambda session: None) -> ReplayResult:
    session = Session(trace, trace.iterations[-1].index)
    change(session)
    return session.run(Request(verify=True, keep_going=True))


def told(trace: Trace, monkeypatch: pytest.MonkeyPatch, *given: str) -> tuple[int, str]:
    """What the command says, run in this process."""
    begin = api.Replay.__init__

    def begin_here(self: api.Replay, *args: Any, **more: Any) -> None:
        begin(self, *args, **more | {"in_process": True})

    monkeypatch.setattr(api.Replay, "__init__", begin_here)
    result = CliRunner().invoke(command, [str(trace.path), *given])
    return result.exit_code, result.output


def without_statistics(session: Session) -> None:
    session._value_columns = {}


def test_each_number_that_is_read_belongs_to_the_node_that_read_it(tmp_path: Path) -> None:
    trace = recorded(tmp_path / "run.reel", reads_much)
    graph, column = trace.graph(1), trace.columns(1)["item"]
    reads = [node for node in walk(graph) if node.op == "aten._local_scalar_dense.default"]
    numbers = [float(column[node.id]) for node in reads]
    assert np.isnan(np.delete(column, [node.id for node in reads])).all()
    assert len(numbers) == 7
    assert numbers[0] == numbers[3]
    assert numbers[1] > numbers[2]
    assert numbers[4] in range(15)
    assert numbers[5] in (0.0, 1.0)
    assert np.isnan(numbers[6])
    result = verified(trace, without_statistics)
    assert (result.verified, result.compared, result.comparable, result.exact) == (Verified.SCALARS, 6, 6, True)

    def spoil(session: Session) -> None:
        without_statistics(session)
        items = session._items = column.copy()
        items[reads[2].id] += 1
        items[reads[6].id] = 0.0

    assert [each.node for each in verified(trace, spoil).differences] == [reads[2].id, reads[6].id]
    trace.close()


def test_nothing_is_not_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = recorded(tmp_path / "run.reel", reads_much)

    def forget(session: Session) -> None:
        without_statistics(session)
        session._items = None

    result = verified(trace, forget)
    assert (result.verified, result.compared, result.exact) == (Verified.NOTHING, 0, False)
    assert result.executed == result.total
    here = Session.__init__

    def begin(self: Session, *args: Any) -> None:
        here(self, *args)
        forget(self)

    monkeypatch.setattr(Session, "__init__", begin)
    code, said = told(trace, monkeypatch, "--verify")
    assert code == 1
    assert "not verified: no value was recorded that could be compared" in said
    trace.close()


def test_it_says_how_many_were_compared_of_how_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = torch.library.Library("replay_verify", "DEF")
    library.define("twice(Tensor x) -> Tensor")
    library.impl("twice", lambda x: x * 2, "CompositeExplicitAutograd")
    trace = recorded(tmp_path / "run.reel", own_operator)
    result = verified(trace)
    assert (result.compared, result.comparable, result.left_out, result.exact) == (1, 5, 4, False)
    code, said = told(trace, monkeypatch, "--verify")
    assert code == 1
    assert "not verified: 1 of 5 values were compared, the same to the last bit; 4 were not compared" in said
    code, said = told(trace, monkeypatch)
    assert code == 0
    assert "verified" not in said
    trace.close()


def test_memory_that_nobody_has_written_is_counted_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def program() -> None:
        torch.empty(4).fill_(2.0).sum().item()

    trace = recorded(tmp_path / "run.reel", program)
    result = verified(trace)
    assert (result.compared, result.comparable, result.unwritten, result.exact) == (3, 4, 1, True)
    code, said = told(trace, monkeypatch, "--verify")
    assert code == 0
    assert "verified: all 3 values are the same to the last bit; left out: 1 in memory that nobody has written" in said
    trace.close()


class Attending(nn.Module):
    """What could draw random numbers, but does not, and a dropout that does."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.drop = nn.Parameter(torch.randn(1, 2, 4, 8)), nn.Dropout(0.5)

    def forward(self) -> torch.Tensor:
        attended = functional.scaled_dot_product_attention(self.weight, self.weight, self.weight)
        return self.drop(functional.rrelu(attended, training=False)).sum()


def test_what_draws_nothing_is_computed_in_the_other_dtype(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def program() -> None:
        model = Attending()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            model().backward()
            optimizer.step()

    trace = recorded(tmp_path / "run.reel", program)
    graph = trace.graph(1)
    attention = next(node for node in walk(graph) if "attention" in node.op and node.phase == 0)
    drawn = next(node.id for node in walk(graph) if "bernoulli" in node.op)
    with Replay(trace, 1) as replay:
        wanted = attention.outputs[0].id
        result = replay.run(dtype="float64", wanted=[wanted])
    assert [each.node for each in result.as_recorded] == [drawn]
    found = result.values[wanted]
    wide = to_numpy(found.view, found.storages)
    assert wide.dtype == np.float64
    # Numbers that were computed in float32 and then widened would be float32 numbers.
    assert (wide != wide.astype(np.float32)).any()
    assert NodeId(attention.id) in {each.node for each in result.drift}
    code, said = told(trace, monkeypatch, "--dtype", "float64")
    assert code == 0
    assert "executed as recorded: aten.bernoulli_.float: it draws random numbers" in said
    trace.close()


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_a_recurrent_layer_in_inference_mode_is_computed_in_the_other_dtype(tmp_path: Path, kind: type) -> None:
    layer = kind(3, 4).eval()

    def program() -> None:
        with torch.inference_mode():
            for _ in range(2):
                layer(torch.randn(5, 2, 3))

    trace = recorded(tmp_path / "run.reel", program)
    graph = trace.graph(1)
    node = next(node for node in walk(graph) if kind.__name__.lower() in node.op)
    result = Session(trace, 1).run(Request(dtype="float64", wanted=[node.outputs[0].id]))
    assert graph.node(result.as_recorded[0].node).op == "aten.randn.default"
    assert len(result.as_recorded) == 1
    found = result.values[node.outputs[0].id]
    wide = to_numpy(found.view, found.storages)
    assert (wide != wide.astype(np.float32)).any()
    trace.close()
