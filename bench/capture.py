"""What recording costs: microseconds added to each ATen operation, beside no recording and its peers, in one run.

Run: python bench/capture.py [--rounds 5] [--case gpt]
Each way runs the same training steps in turn, round after round, so that a busy machine is busy for all of them; the
figures are lower quartiles of steps, and medians for new steps. They are processor time of the whole process, with the
writer's thread and the profiler's, not time on the clock. New steps differ from all before them by the size of their
batch. TorchLens, which records forward only and keeps every tensor, takes part where it is installed
(`pip install torchlens graphviz`).
"""

import argparse
import contextlib
import importlib
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

import graphreel

REPEATED, NEW, WARM = 8, 4, 6
"""Steps in a round: such as repeat the one before, such as are new, and steps before them that do not count, in which
a recorder comes to know the program."""
SETTLE_S = 0.3
"""What the writer's thread gets to finish with the graphs of the steps before those that are measured."""


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


@dataclass(frozen=True)
class Case:
    """A model that is trained: `batch` makes a batch of a size."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    batch: Callable[[int], Tensor]
    size: int

    def step(self, size: int) -> None:
        """Forward, backward, optimizer."""
        self.optimizer.zero_grad()
        self.model(self.batch(size)).square().mean().backward()
        self.optimizer.step()


def gpt() -> Case:
    """A GPT-like step of some thousand small operations."""
    model = nn.Sequential(*(Layer(32) for _ in range(16)))
    return Case(model, torch.optim.AdamW(model.parameters()), lambda size: torch.ones(size, 16, 32), 2)


def mlp() -> Case:
    """200 linear layers."""
    model = nn.Sequential(*(nn.Sequential(nn.Linear(16, 16), nn.ReLU()) for _ in range(200)))
    return Case(model, torch.optim.SGD(model.parameters(), lr=0.01), lambda size: torch.ones(size, 16), 8)


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


def lstm() -> Case:
    """An LSTM cell looping over 60 time steps."""
    model = CellLoop()
    return Case(model, torch.optim.Adam(model.parameters()), lambda size: torch.ones(60, size, 16), 4)


class Bottleneck(nn.Module):
    """Three convolutions with batch norm, and what they are added to."""

    def __init__(self, inner: int, given: int, stride: int) -> None:
        super().__init__()
        widths = ((given, inner, 1, 1), (inner, inner, 3, stride), (inner, 4 * inner, 1, 1))
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, size, step, padding=size // 2, bias=False) for before, after, size, step in widths
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(after) for _, after, _, _ in widths)
        self.short: nn.Module = nn.Identity()
        if stride > 1 or given != 4 * inner:
            self.short = nn.Sequential(nn.Conv2d(given, 4 * inner, 1, stride, bias=False), nn.BatchNorm2d(4 * inner))

    def forward(self, x: Tensor) -> Tensor:
        """The sum, rectified."""
        out = x
        for at, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            out = norm(conv(out))
            out = functional.relu(out) if at < len(self.convs) - 1 else out
        return functional.relu(out + self.short(x))


def resnet() -> Case:
    """The layers of ResNet-50, an eighth as wide, on small images."""
    layers: list[nn.Module] = [nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()]
    given = 8
    for stage, depth in enumerate((3, 4, 6, 3)):
        for place in range(depth):
            inner = 8 << stage
            layers.append(Bottleneck(inner, given, 2 if stage and not place else 1))
            given = 4 * inner
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(given, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return Case(model, optimizer, lambda size: torch.ones(size, 3, 16, 16), 2)


CASES: dict[str, Callable[[], Case]] = {"gpt": gpt, "mlp": mlp, "resnet": resnet, "lstm": lstm}


def profiled() -> AbstractContextManager[object]:
    """PyTorch's own profiler, which does part of its work when it stops."""
    return torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU])


@contextlib.contextmanager
def hooked() -> Iterator[None]:
    """Hooks of all modules that do nothing."""
    hooks = [register_module_forward_pre_hook(lambda *_: None), register_module_forward_hook(lambda *_: None)]
    yield
    for hook in hooks:
        hook.remove()


@contextlib.contextmanager
def recorded(level: str = "timing", iterations: str = "") -> Iterator[None]:
    """Ourselves, writing a real trace without keyframes."""
    with (
        tempfile.TemporaryDirectory() as folder,
        graphreel.record(Path(folder) / "bench.reel", level=level, iterations=iterations, keyframes="1000000"),
    ):
        yield


BARE = "bare TorchDispatchMode"
TIMING = "graphreel, level timing"
WAYS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "nothing": contextlib.nullcontext,
    "module hooks": hooked,
    BARE: Bare,
    "torch.profiler": profiled,
    "graphreel, level graph": partial(recorded, "graph"),
    TIMING: recorded,
    "graphreel, level light": partial(recorded, "light"),
    "graphreel, level kernels": partial(recorded, "kernels"),
    "graphreel, level stats": partial(recorded, "stats"),
    "graphreel, between recorded iterations": partial(recorded, "timing", "1000:"),
}

Times = dict[str, list[float]]


def measure(case: Case, way: Callable[[], AbstractContextManager[object]], round_: int, times: Times) -> None:
    """Add processor seconds of repeated steps, of new ones, and of starting and stopping."""

    steps = [("", case.size)] * WARM
    steps += [("new", case.size + 1 + NEW * round_ + number) for number in range(NEW)]
    steps += [("", case.size)] * 3 + [("repeated", case.size)] * REPEATED
    begin = time.process_time()
    with way():
        around = time.process_time() - begin
        for at, (what, size) in enumerate(steps):
            if at in (WARM, WARM + NEW):
                time.sleep(SETTLE_S)
            # All from one line, since the lines of the program are part of what is recorded.
            begin = time.process_time()
            case.step(size)
            if what:
                times[what].append(time.process_time() - begin)
        begin = time.process_time()
    times["around"].append(around + time.process_time() - begin)


def torchlens_cost(case: Case) -> float | None:
    """Microseconds that TorchLens adds to an operation of forward; None where it is not installed."""
    try:
        trace: Any = importlib.import_module("torchlens").trace
    except ImportError:
        return None
    batch = case.batch(case.size)
    with Counting() as counter:
        case.model(batch)
    seconds: dict[str, list[float]] = {"plain": [], "lens": []}
    for _ in range(3):
        for name, forward in (("plain", case.model), ("lens", partial(trace, case.model))):
            begin = time.process_time()
            forward(batch)
            seconds[name].append(time.process_time() - begin)
    return (min(seconds["lens"]) - min(seconds["plain"])) / counter.count * 1e6


def run(name: str, rounds: int) -> None:
    """Measure one case and print its table."""
    case = CASES[name]()
    for size in (*range(case.size, case.size + 1 + NEW * rounds), case.size):
        # What PyTorch itself prepares for a size once is no cost of whoever comes first.
        case.step(size)
    with Counting() as counter:
        case.step(case.size)
    operations = counter.count
    taken: dict[str, Times] = {way: {"repeated": [], "new": [], "around": []} for way in WAYS}
    for round_ in range(rounds):
        for way, make in WAYS.items():
            measure(case, make, round_, taken[way])
    low = {
        way: {what: statistics.quantiles(each, n=4)[0] for what, each in times.items()} for way, times in taken.items()
    }
    plain = low["nothing"]["repeated"]
    print(f"\n{name}: {operations} operations, {plain * 1e3:.1f} ms a step without recording, {rounds} rounds")
    print(f"{'':40}{'repeated':>14}{'× bare':>8}{'new':>14}{'× bare':>8}{'start + stop':>15}")
    cost: dict[str, dict[str, float]] = {}
    for way, times in taken.items():
        # New steps differ from each other, so each is compared with that of the same size.
        new = statistics.median(map(float.__sub__, times["new"], taken["nothing"]["new"]))
        added_s = {"repeated": low[way]["repeated"] - plain, "new": new}
        cost[way] = {what: each / operations * 1e6 for what, each in added_s.items()}
    for way, added in cost.items():
        columns = "".join(f"{each:11.2f} µs{each / cost[BARE][what]:8.2f}" for what, each in added.items())
        print(f"{way:40}{columns}{low[way]['around'] * 1e3:12.1f} ms")
    lens = torchlens_cost(case)
    told = "not installed" if lens is None else f"{lens:.0f} µs, {lens / cost[TIMING]['repeated']:.0f} × level timing"
    print(f"{'TorchLens, forward only':40}  {told}")
    between = cost["graphreel, between recorded iterations"]["repeated"] * operations / 1e6
    print(f"between recorded iterations: {between / plain:.1%} of the step")


def main() -> None:
    """Run all cases, or the one asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--case", choices=sorted(CASES))
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}; microseconds added to each operation")
    for name in [options.case] if options.case else CASES:
        run(name, options.rounds)


if __name__ == "__main__":
    main()
