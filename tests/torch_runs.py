"""What the tests of the PyTorch recorder share: a recording kept in memory, and models that train."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from graphreel.capture.options import RecordOptions
from graphreel.capture.torch import TorchRecorder
from graphreel.graph import Graph, Node, lint, walk
from graphreel.tracefile import IterationRecord


class Kept:
    """A writer that keeps every iteration, checked by `lint`."""

    def __init__(self) -> None:
        self.records: dict[int, IterationRecord] = {}
        self.sources: dict[str, str] = {}
        self.abandoned = False

    def put(self, record: Callable[[], IterationRecord], index: int) -> None:
        made = record()
        lint(made.graph)
        for name, column in made.columns.items():
            assert len(column) == made.graph.node_count, name
        assert index not in self.records
        self.records[index] = made

    def add_source(self, file: str, text: str) -> None:
        self.sources[file] = text

    def abandon(self) -> None:
        self.abandoned = True

    def graph(self, index: int) -> Graph:
        return self.records[index].graph


@contextmanager
def recording(level: str = "timing", iterations: str = "") -> Iterator[tuple[Kept, TorchRecorder]]:
    """Record the block into memory."""
    # What an exception of an earlier test still holds must not look like an optimizer of this one.
    gc.collect()
    kept = Kept()
    recorder = TorchRecorder(kept, RecordOptions.parse(level, iterations))
    recorder.start()
    error: BaseException | None = None
    try:
        yield kept, recorder
    except BaseException as raised:
        error = raised
        raise
    finally:
        recorder.stop(error)


class Net(nn.Module):
    """A convolution, batch norm, a list of layers, dropout, and a layer that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(2)])
        self.dropout = nn.Dropout(0.25)
        self.fc = nn.Linear(4, 4)

    def forward(self, images: Tensor) -> Tensor:
        features = functional.relu(self.norm(self.conv1(images))).mean((2, 3))
        for layer in self.layers:
            features = layer(features)
        return self.fc(self.dropout(self.fc(features)))


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    shape: tuple[int, ...],
    steps: int = 3,
    loss_of: Callable[[Tensor], Tensor] = lambda out: out.square().mean(),
) -> list[float]:
    """A plain training loop; gives the losses."""
    losses: list[float] = []
    for _ in range(steps):
        batch = torch.randn(shape)
        out = model(batch)
        loss = loss_of(out[0] if isinstance(out, tuple) else out)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def nodes(graph: Graph, op: str, scope: str | None = None) -> list[Node]:
    """The nodes of an op, in a scope if one is given."""
    return [node for node in walk(graph) if node.op == op and (scope is None or node.scope.path == scope)]


def node(graph: Graph, op: str, scope: str | None = None) -> Node:
    """The one node of an op."""
    found = nodes(graph, op, scope)
    assert len(found) == 1, [each.scope.path for each in found] or [each.op for each in walk(graph)]
    return found[0]
