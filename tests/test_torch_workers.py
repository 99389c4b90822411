"""What comes from the workers of a DataLoader, and as bare memory: what enters a pass, and what is a node."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from graphreel.graph import NONE, Graph, ValueKind
from graphreel.replay.torch.session import Request, Session
from graphreel.tracefile import Trace
from graphreel.tracefile.tensors import to_numpy
from tests.replay_runs import check_exact, recorded


def numbers(trace: Trace, index: int, value: int) -> Tensor:
    """What a keyframe has of a value that entered."""
    keyframe = trace.keyframe(index)
    assert keyframe is not None
    view = next(view for view in keyframe.tensors if view.value == value)
    return torch.from_numpy(to_numpy(view, keyframe.storages).copy())


def ops(graph: Graph) -> list[str]:
    return [graph.node(number).op for number in range(graph.node_count)]


@pytest.mark.parametrize("device", ["", "cpu"])
def test_a_batch_from_a_worker_enters_whenever_it_arrives(tmp_path: Path, device: str) -> None:
    data = TensorDataset(torch.arange(48.0).view(16, 3), torch.arange(16) % 2)
    model, batches = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5), nn.Linear(4, 2)), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def program() -> None:
        for images, labels in DataLoader(data, batch_size=2, num_workers=2, prefetch_factor=3):
            batches.append(images.clone())
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()

    before = torch.get_default_device() if device else None
    try:
        if device:
            torch.set_default_device(device)
        trace = recorded(tmp_path / "run.reel", program)
    finally:
        if before is not None:
            torch.set_default_device(None)
    assert len(trace.iterations) == len(batches) == 8
    # The first one also begins the loader.
    assert len({each.graph for each in trace.iterations[1:]}) == 1
    for at, batch in enumerate(batches):
        graph = trace.graph(at)
        assert not [op for op in ops(graph) if ".set_." in op or (op == "aten.empty.memory_format" and at)]
        product = graph.node(ops(graph).index("aten.addmm.default"))
        images = product.inputs[product.input_names.index("mat1")]
        assert (images.producer, images.kind, images.dtype) == (None, ValueKind.INPUT, "float32")
        assert torch.equal(numbers(trace, at, images.id), batch)
    assert check_exact(trace) > 100
    trace.close()


def test_memory_that_a_program_sets_is_an_input_of_the_node_that_sets_it(tmp_path: Path) -> None:
    outside = torch.arange(4.0)

    def program() -> None:
        made = torch.ones(4).mul_(2)
        one = torch.empty(0).set_(outside.untyped_storage())
        two = torch.zeros(4).set_(made.untyped_storage(), 0, (4,), (1,))
        two.add_(one)
        (made * 3).sum()

    trace = recorded(tmp_path / "run.reel", program)
    graph = trace.graph(0)
    whole, part = (graph.node(number) for number in range(graph.node_count) if ".set_." in ops(graph)[number])
    assert whole.input_names == part.input_names == ["self", "source"]
    assert whole.inputs[1].producer is None
    assert torch.equal(numbers(trace, 0, whole.inputs[1].id), torch.arange(4.0))
    # What the pass has made itself is followed through its memory: the addition writes what the product takes.
    taken = graph.node(ops(graph).index("aten.mul.Tensor")).inputs[0].producer
    assert taken is not None
    assert taken.op == "aten.add_.Tensor"
    assert graph.values.storage[part.outputs[0].id] == graph.values.storage[part.inputs[1].id]
    assert graph.values.producer[part.inputs[1].id] != NONE
    assert check_exact(trace) > 8
    wide = Session(trace, 0).run(Request(dtype="float64"))
    assert not wide.missing
    assert not wide.drift
    trace.close()
