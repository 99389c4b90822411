"""What recording costs: microseconds added to each ATen operation, beside no recording and its peers, in one run.

Run: python bench/capture.py [--repeats 7] [--case gpt]
Each way runs the same training steps in turn, round after round, so that a busy machine is busy for all of them.
Figures are processor time of the whole process, with the writer's thread and the profiler's, not time on the clock.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

import graphreel

Step = Callable[[], object]
STEPS = 20
"""Training steps per measurement, beside the first after the start, where the graph is new."""
SETTLE_S = 0.5
"""What the writer's thread gets to finish with the new graph before repeated steps are measured."""


class Bare(TorchDispatchMode):
    """The least that any recorder by dispatch costs."""

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation."""
        return func(*args, **(kwargs or {}))


class Counting(Bare):
    """Counts operations."""

    count = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation and count it."""
        self.count += 1
        return func(*args, **(kwargs or {}))


class Layer(nn.Module):
    """A transformer layer of plain operations."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Attention and feed-forward with residuals."""
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        weights = torch.softmax(q @ k.transpose(1, 2) / q.shape[-1] ** 0.5, dim=-1)
        x = x + self.proj(weights @ v)
        return x + self.down(functional.gelu(self.up(self.norm2(x))))


def training_step(model: nn.Module, inputs: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """Forward, backward, optimizer."""
    optimizer.zero_grad()
    found = model(inputs)
    (found[0] if isinstance(found, tuple) else found).square().mean().backward()
    optimizer.step()


def gpt() -> Step:
    """A GPT-like step of some thousand small operations."""
    model = nn.Sequential(*(Layer(32) for _ in range(16)))
    return partial(training_step, model, torch.randn(2, 16, 32), torch.optim.AdamW(model.parameters()))


def mlp() -> Step:
    """200 linear layers."""
    model = nn.Sequential(*(nn.Sequential(nn.Linear(16, 16), nn.ReLU()) for _ in range(200)))
    return partial(training_step, model, torch.randn(8, 16), torch.optim.SGD(model.parameters(), lr=0.01))


class CellLoop(nn.Module):
    """An LSTM cell in a Python loop."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        """The last state of a sequence `(time, batch, 16)`."""
        state = None
        for part in x:
            state = self.cell(part, state)
        assert state is not None
        return state[0]


def lstm() -> Step:
    """An LSTM cell looping over 60 time steps."""
    model = CellLoop()
    return partial(training_step, model, torch.randn(60, 4, 16), torch.optim.Adam(model.parameters()))


CASES: dict[str, Callable[[], Step]] = {"gpt": gpt, "mlp": mlp, "lstm": lstm}


def profiled() -> AbstractContextManager[object]:
    """PyTorch's own profiler, which does part of its work when it stops."""
    return torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])


@contextlib.contextmanager
def recorded(level: str = "timing", iterations: str = "") -> Iterator[None]:
    """Ourselves, writing a real trace."""
    with (
        tempfile.TemporaryDirectory() as folder,
        graphreel.record(Path(folder) / "bench.reel", level=level, iterations=iterations),
    ):
        yield


WAYS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "nothing": contextlib.nullcontext,
    "bare TorchDispatchMode": Bare,
    "torch.profiler": profiled,
    "graphreel, level graph": partial(recorded, "graph"),
    "graphreel, level timing": recorded,
    "graphreel, level kernels": partial(recorded, "kernels"),
    "graphreel, between recorded iterations": partial(recorded, "timing", "1000:"),
}


def measure(step: Step, way: Callable[[], AbstractContextManager[object]]) -> tuple[float, float, float]:
    """Processor seconds of the first step, of a later one (mean), and of starting and stopping."""
    begin = time.process_time()
    with way():
        started = time.process_time()
        step()
        time.sleep(SETTLE_S)
        first = time.process_time()
        for _ in range(STEPS):
            step()
        later = time.process_time()
    end = time.process_time()
    return first - started, (later - first) / STEPS, (started - begin) + (end - later)


def run(name: str, repeats: int) -> None:
    """Measure one case and print its table."""
    step = CASES[name]()
    for _ in range(3):
        step()
    with Counting() as counter:
        step()
    operations = counter.count
    taken: dict[str, list[tuple[float, float, float]]] = {way: [] for way in WAYS}
    for _ in range(repeats):
        for way, make in WAYS.items():
            taken[way].append(measure(step, make))
    medians = {way: [statistics.median(column) for column in zip(*rows, strict=True)] for way, rows in taken.items()}
    nothing = medians["nothing"]
    bare = medians["bare TorchDispatchMode"][1] - nothing[1]
    print(f"\n{name}: {operations} operations, {nothing[1] * 1e3:.1f} ms a step without recording, median of {repeats}")
    print(f"{'':40}{'a new step':>12}{'a repeated one':>16}{'× bare':>8}{'start + stop':>14}")
    for way, (first, later, around) in medians.items():
        added_first = (first - nothing[0]) / operations * 1e6
        added = (later - nothing[1]) / operations * 1e6
        ratio = (later - nothing[1]) / bare if bare > 0 else float("nan")
        print(f"{way:40}{added_first:9.2f} µs{added:13.2f} µs{ratio:8.2f}{around * 1e3:11.1f} ms")


def main() -> None:
    """Run all cases, or the one asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--case", choices=sorted(CASES))
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}; microseconds added to each operation")
    for name in [options.case] if options.case else CASES:
        run(name, options.repeats)


if __name__ == "__main__":
    main()
