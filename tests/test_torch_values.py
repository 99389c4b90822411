"""Whole values: which are kept, by name, module and operator, and how many of them."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from graphreel.capture.options import IterationRanges, Level, RecordOptions
from graphreel.graph import node_keys
from graphreel.tracefile import IterationRecord
from graphreel.tracefile.tensors import to_numpy
from tests.test_torch_keyframes import keyframed, rebuilt
from tests.torch_runs import Kept, Net, nodes, train

NEVER = IterationRanges(((9, 10),))


def options(*globs: str, limit: int = 16 << 20) -> RecordOptions:
    return RecordOptions(Level.VALUES, keyframes=NEVER, values=globs, values_limit=limit)


def recorded(*globs: str, limit: int = 16 << 20, steps: int = 2) -> Kept:
    torch.manual_seed(0)
    with keyframed(options(*globs, limit=limit)) as (kept, _):
        model = Net()
        train(model, torch.optim.Adam(model.parameters()), (2, 1, 8, 8), steps=steps)
    return kept


def keys_of(record: IterationRecord) -> set[str]:
    """The scopes and ops whose values are kept."""
    graph = record.graph
    found = set()
    for tensor in record.tensors:
        producer = graph.value(tensor.view.value).producer
        assert producer is not None
        found.add(node_keys(graph)[producer.id].partition("@")[0].partition("#")[0])
    return found


def names_of(record: IterationRecord) -> set[str]:
    return {record.graph.value(tensor.view.value).name for tensor in record.tensors}


def test_without_a_filter_all_are_kept_as_they_were() -> None:
    x = torch.arange(6.0)
    seen: list[Tensor] = []

    def compute() -> None:
        y = x.view(2, 3).t() * 2
        seen.append(y.clone())
        y.add_(1)
        seen.append(y.clone())
        seen.append(torch.complex(y, y).conj())

    with keyframed(options()) as (kept, recorder), recorder.iteration():
        compute()
    record = kept.records[0]
    graph = record.graph
    given = {value.id for at in range(graph.node_count) for value in graph.node(at).outputs}
    assert {tensor.view.value for tensor in record.tensors} == given
    by_value = {tensor.view.value: to_numpy(tensor.view, tensor.storages) for tensor in record.tensors}
    (made,) = nodes(graph, "aten.mul.Tensor")
    (added,) = nodes(graph, "aten.add_.Tensor")
    assert np.array_equal(by_value[made.outputs[0].id], seen[0].numpy())
    assert np.array_equal(by_value[added.outputs[0].id], seen[1].numpy())
    (conj,) = nodes(graph, "aten._conj.default")
    assert np.array_equal(by_value[conj.outputs[0].id], seen[2].resolve_conj().numpy())
    counted = record.value_columns["max"]
    for value, numbers in by_value.items():
        largest = np.abs(numbers).max() if np.iscomplexobj(numbers) else numbers.max()
        assert counted[value] == pytest.approx(largest, rel=1e-6)
    assert not record.findings


@pytest.mark.parametrize("glob", ["Net/layers/*", "Net.layers.*", "*/layers/*/aten.*"])
def test_a_filter_by_module_holds_for_forward_and_backward(glob: str) -> None:
    for record in recorded(glob).records.values():
        found = keys_of(record)
        assert found
        assert all("/layers/" in key for key in found)
        graph = record.graph
        inside = {
            value.id
            for at in range(graph.node_count)
            if "/layers/" in graph.node(at).scope.path + "/"
            for value in graph.node(at).outputs
        }
        assert {tensor.view.value for tensor in record.tensors} == inside
        assert {key.partition("/")[0] for key in found} == {"forward", "backward"}


def test_filters_by_phase_operator_and_name() -> None:
    record = recorded("backward/Net/fc*").records[1]
    assert keys_of(record)
    assert all(key.startswith("backward/Net/fc") for key in keys_of(record))
    record = recorded("aten.addmm.*").records[1]
    assert {key.rpartition("/")[2] for key in keys_of(record)} == {"aten.addmm.default"}
    record = recorded("layers.*").records[1]
    assert any("/layers/" in key for key in keys_of(record))
    # Written by the optimizer.
    assert {"layers.0.weight", "layers.1.bias"} <= names_of(record)
    assert all(name.startswith("layers.") for name in names_of(record) if name)
    assert names_of(recorded("fc.weight").records[1]) == {"fc.weight"}
    first, second = recorded("*.exp_avg").records.values()
    assert len(names_of(first)) == len(names_of(second)) == len(list(Net().parameters()))
    assert all(name.endswith(".exp_avg") for name in names_of(first) | names_of(second))
    assert names_of(recorded("conv1.bias.grad").records[0]) == {"conv1.bias.grad"}
    assert not recorded("nothing.like.this").records[0].tensors


def test_the_key_of_one_node_chooses_that_node() -> None:
    record = recorded("aten.addmm.*").records[1]
    (key,) = (key for key in node_keys(record.graph) if "layers/1" in key and "addmm" in key)
    (chosen,) = recorded(key).records[1].tensors
    expected = next(tensor for tensor in record.tensors if tensor.view.value == chosen.view.value)
    assert expected.storages[0].data.tobytes() == chosen.storages[0].data.tobytes()


def test_over_the_limit_a_finding_says_what_was_left_out() -> None:
    def compute() -> None:
        for _ in range(5):
            torch.ones(1000)
        torch.ones(10)

    with keyframed(options(limit=10_000)) as (kept, recorder), recorder.iteration():
        compute()
    record = kept.records[0]
    assert sum(storage.data.nbytes for tensor in record.tensors for storage in tensor.storages) == 8040
    (finding,) = record.findings
    assert finding.kind == "values-left-out"
    assert finding.message.startswith("3 values (12,000 bytes) were left out and 3 are kept, within 10,000 bytes")
    assert "--values-limit" in finding.message


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_other_layouts_and_huge_memory() -> None:
    dense = torch.tensor([[0.0, 2.0], [4.0, 0.0]])
    huge = torch.zeros(1000, 1000)

    def compute() -> None:
        dense.to_sparse()
        torch.quantize_per_tensor(dense, 0.5, 1, torch.quint8)
        huge[3]
        huge.expand(1000, 1000, 1000)
        torch.ones(2, device="meta") + 1

    with keyframed(options(limit=100_000)) as (kept, recorder), recorder.iteration():
        compute()
    record = kept.records[0]
    layouts = [tensor.view.layout for tensor in record.tensors]
    assert layouts[:2] == ["sparse_coo", "quantized"]
    sparse = record.tensors[0]
    parts = {name: rebuilt(part, list(sparse.storages)) for name, part in sparse.view.parts.items()}
    assert torch.equal(torch.sparse_coo_tensor(parts["indices"], parts["values"], (2, 2)).to_dense(), dense)
    row = next(tensor for tensor in record.tensors if tensor.view.shape == (1000,))
    assert sum(storage.data.nbytes for storage in row.storages) == 4000
    assert "1 values (4,000,000,000 bytes) were left out" in record.findings[0].message


def test_other_levels_keep_none() -> None:
    with keyframed(RecordOptions(Level.STATS)) as (kept, _):
        train(model := nn.Linear(2, 2), torch.optim.SGD(model.parameters(), 0.1), (3, 2), steps=2)
    assert not any(record.tensors for record in kept.records.values())
