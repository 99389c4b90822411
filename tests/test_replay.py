"""Executing an iteration again: values, verification, changes, another dtype, and whatever stands in the way."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from graphreel.graph import Graph, NodeId, ValueId, find_node, node_keys, walk
from graphreel.graph.progress import Cancelled
from graphreel.replay import (
    BadEdit,
    CannotReplay,
    Edit,
    NoKeyframe,
    RemoveNode,
    ReplaceOp,
    Replay,
    SetAttribute,
    SetDtype,
    SetValue,
    Verified,
)
from graphreel.tracefile import Trace
from graphreel.tracefile.tensors import to_numpy
from tests.replay_runs import recorded


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.drop, self.two = nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.two(self.drop(torch.relu(self.one(x))))


def program() -> None:
    model = Small()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(3):
        loss = model(torch.randn(3, 4)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trace]:
    found = recorded(tmp_path_factory.mktemp("replay") / "run.reel", program, level="values", keyframes="1:")
    yield found
    found.close()


@pytest.fixture(scope="module")
def replay(trace: Trace) -> Iterator[Replay]:
    with Replay(trace, 2, in_process=True) as found:
        yield found


def node(graph: Graph, op: str, number: int = 0) -> NodeId:
    return [each.id for each in walk(graph) if each.op == op][number]


def test_every_value_is_the_one_that_was_kept_whole(trace: Trace, replay: Replay) -> None:
    graph = trace.graph(2)
    # What `aten.empty_like` gives nobody has written yet.
    empty = {value.id for each in walk(graph) if ".empty" in each.op for value in each.outputs}
    kept = [value for value in trace.tensors(2) if len(graph.consumers_of(value)) and value not in empty]
    assert len(kept) > 50
    found = replay.values(kept)
    for value in kept:
        whole = trace.tensor(2, value)
        assert whole is not None
        np.testing.assert_array_equal(
            to_numpy(found[value].view, found[value].storages), to_numpy(whole.view, whole.storages)
        )


def test_values_come_in_any_order(trace: Trace, replay: Replay) -> None:
    graph = trace.graph(2)
    relu = graph.node(node(graph, "aten.relu.default")).outputs[0].id
    last = graph.node(NodeId(graph.node_count - 2)).outputs[0].id
    one, two, again = replay.values([last])[last], replay.values([relu])[relu], replay.values([relu, last])
    np.testing.assert_array_equal(to_numpy(one.view, one.storages), to_numpy(again[last].view, again[last].storages))
    assert (to_numpy(two.view, two.storages) >= 0).all()


def test_an_input_is_shown_as_it_came_in(trace: Trace, replay: Replay) -> None:
    graph = trace.graph(2)
    update = graph.node(node(graph, "aten.addcdiv_.default"))
    before, after = update.inputs[0].id, update.outputs[0].id
    found = replay.values([after, before])
    numbers = {value: to_numpy(found[value].view, found[value].storages) for value in (before, after)}
    assert not np.array_equal(numbers[before], numbers[after])


def test_it_is_verified_up_to_a_node(trace: Trace, replay: Replay) -> None:
    graph = trace.graph(2)
    until = node(graph, "aten.relu.default")
    part, whole = replay.run(until, verify=True), replay.run(verify=True)
    assert (part.executed, part.total, part.exact, part.verified) == (until + 1, until + 1, True, Verified.STATISTICS)
    assert whole.exact
    assert whole.executed == graph.node_count
    assert whole.compared > part.compared > 0


def test_the_programs_own_random_numbers_and_settings_are_left_alone(replay: Replay) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    replay.run()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.is_grad_enabled()


def test_a_changed_attribute_drifts_from_there_on(trace: Trace, replay: Replay) -> None:
    graph = trace.graph(2)
    scaled = node(graph, "aten.div_.Scalar")
    result = replay.run(edits=[SetAttribute(scaled, "other", 0.25)])
    assert result.drift[0].node == scaled
    assert result.drift[0].relative == pytest.approx(1.0)
    assert all(drift.node >= scaled for drift in result.drift)
    assert result.drifted_of > len(result.drift)


def test_a_changed_value_reaches_what_takes_it(trace: Trace, replay: Replay) -> None:
    graph = trace.graph(2)
    relu = graph.node(node(graph, "aten.relu.default")).outputs[0]
    second = graph.node(node(graph, "aten.addmm.default", 1))
    zeros = np.zeros((3, 8), np.float32)
    result = replay.run(edits=[SetValue(relu.id, zeros)], wanted=[relu.id, second.outputs[0].id])
    given = {value: to_numpy(tensor.view, tensor.storages) for value, tensor in result.values.items()}
    assert not given[relu.id].any()
    bias = replay.values([second.inputs[0].id])[second.inputs[0].id]
    np.testing.assert_array_equal(given[second.outputs[0].id], np.tile(to_numpy(bias.view, bias.storages), (3, 1)))


def test_an_operation_is_replaced_removed_and_computed_in_another_dtype(trace: Trace, replay: Replay) -> None:
    graph = trace.graph(2)
    relu, product = node(graph, "aten.relu.default"), node(graph, "aten.addmm.default")
    for edit, first in (
        (ReplaceOp(relu, "aten.gelu.default"), relu),
        (RemoveNode(relu), relu),
        (SetDtype(product, "float64"), product),
        (SetDtype(product, "bfloat16"), product),
    ):
        result = replay.run(edits=[edit])
        assert not result.missing, edit
        assert not result.drift or result.drift[0].node >= first
        if not isinstance(edit, SetDtype):
            assert result.drift[0].node == first, edit
    coarse, fine = (replay.run(edits=[SetDtype(product, dtype)]).drift for dtype in ("bfloat16", "float64"))
    assert coarse[0].relative > 1e-4
    assert all(drift.relative < 1e-4 for drift in fine if drift.node < graph.node_count // 2)


def test_the_whole_iteration_in_float64_drifts_little(trace: Trace, replay: Replay) -> None:
    graph = trace.graph(2)
    result = replay.run(dtype="float64", verify=True)
    assert result.exact
    assert not result.missing
    assert 0 < len(result.drift) <= result.drifted_of
    assert max(drift.relative for drift in result.drift if graph.node(drift.node).phase == 0) < 1e-5
    loss = graph.node(node(graph, "aten.mean.default")).outputs[0].id
    (wide,) = replay.run(dtype="float64", wanted=[loss]).values.values()
    assert wide.view.dtype == "float64"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (SetAttribute(NodeId(10**6), "alpha", 1), "numbered from 0"),
        (SetValue(ValueId(-3), np.zeros(1)), "numbered from 0"),
        (SetValue(ValueId(0), np.array(["no"])), "holds no numbers"),
        (SetValue(ValueId(0), np.zeros((7, 7))), "the array is \\[7, 7\\]"),
        (SetDtype(NodeId(0), "int7"), "give float64"),
        (ReplaceOp(NodeId(0), "relu; import os"), "aten.gelu.default"),
        (ReplaceOp(NodeId(4), "aten.no_such_thing.default"), "has no operator"),
        (SetAttribute(NodeId(4), "no_such_thing", 1), "no such attribute"),
        (RemoveNode(NodeId(0)), "no input"),
    ],
)
def test_a_change_that_does_not_fit_is_named(replay: Replay, edit: Edit, said: str) -> None:
    with pytest.raises(BadEdit, match=said):
        replay.run(edits=[edit])


def test_an_argument_that_does_not_fit_is_named(trace: Trace, replay: Replay) -> None:
    scaled = node(trace.graph(2), "aten.div_.Scalar")
    with pytest.raises(BadEdit, match="number is needed"):
        replay.run(edits=[SetAttribute(scaled, "other", "wide")])


def test_a_change_that_breaks_a_later_node_names_that(trace: Trace, replay: Replay) -> None:
    graph = trace.graph(2)
    transposed = node(graph, "aten.t.default")
    result = replay.run(edits=[ReplaceOp(transposed, "aten.alias.default")])
    assert result.missing
    assert graph.node(result.missing[0].node).op == "aten.addmm.default"
    assert result.missing[0].behind > 5


def test_one_operation_is_timed_alone(trace: Trace, replay: Replay) -> None:
    timing = replay.time_operation(node(trace.graph(2), "aten.addmm.default"), 20)
    assert len(timing.durations_ns) == 20
    assert 0 < timing.shortest_ns <= timing.median_ns
    # One that writes in place starts from the same numbers each time.
    assert replay.time_operation(node(trace.graph(2), "aten.addcdiv_.default"), 3).shortest_ns > 0


def test_progress_can_stop_it(replay: Replay) -> None:
    class Impatient:
        def step(self, done: int, total: int) -> None:
            if done > 3:
                raise Cancelled

    with pytest.raises(Cancelled):
        replay.run(progress=Impatient())
    assert replay.run(verify=True).exact


def test_without_a_keyframe_it_says_which_iterations_have_one(trace: Trace) -> None:
    with pytest.raises(NoKeyframe, match=r"iteration 0 has no keyframe.*one: 1, 2; record it with: .*--keyframes 0"):
        Replay(trace, 0)


def test_a_difference_is_told_with_its_node_and_numbers(tmp_path: Path) -> None:
    from graphreel.replay.torch.session import Request, Session

    trace = recorded(tmp_path / "run.reel", program, level="stats")
    graph = trace.graph(1)
    relu = graph.node(node(graph, "aten.relu.default")).outputs[0]
    session = Session(trace, 1)
    columns = {name: column.copy() for name, column in trace.value_columns(1).items()}
    columns["checksum"][relu.id] += 1
    columns["max"][relu.id] = 99.0
    session._value_columns = columns
    (difference,) = session.run(Request(verify=True)).differences
    assert (difference.node, difference.value, difference.what) == (relu.producer.id, relu.id, "numbers")
    assert difference.recorded["max"] == 99.0
    assert difference.replayed["max"] < 99.0
    assert difference.repeats
    trace.close()


def test_an_operator_of_the_users_own_is_named_or_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_operators.py").write_text(
        "import torch\n"
        "library = torch.library.Library('replay_test', 'DEF')\n"
        "library.define('twice(Tensor x) -> Tensor')\n"
        "library.impl('twice', lambda x: x * 2, 'CompositeExplicitAutograd')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    def own() -> None:
        import own_operators

        assert own_operators
        for _ in range(2):
            torch.ops.replay_test.twice(torch.randn(3)).sum()

    trace = recorded(tmp_path / "run.reel", own)
    with Replay(trace, 0, in_process=True) as refusing:
        missing = refusing.run().missing[0]
        assert "operators of replay_test are not executed again" in missing.reason
        assert missing.behind == 1
        value = trace.graph(0).node(missing.node).outputs[0].id
        with pytest.raises(CannotReplay, match=r"replay_test\.twice\.default.* cannot be executed again"):
            refusing.values([value])
    trace.close()


def test_a_node_that_raised_stays_out_of_it(tmp_path: Path) -> None:
    class Trying(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with pytest.raises(RuntimeError):
                torch.mm(x, x)
            return super().forward(x)

    def failing() -> None:
        Trying(2, 2)(torch.randn(3, 2)).sum()

    trace = recorded(tmp_path / "run.reel", failing)
    (iteration,) = trace.iterations
    with Replay(trace, iteration.index, in_process=True) as replay:
        result = replay.run(verify=True)
    assert result.exact
    assert result.executed == result.total - 1
    key = next(key for key in node_keys(trace.graph(0)) if "aten.mm" in key)
    assert trace.graph(0).node(find_node(trace.graph(0), key)).outputs == []
    trace.close()
