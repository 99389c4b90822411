"""PyTorch models that the tests of static PyTorch save and open again."""

import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch._higher_order_ops.while_loop import while_loop


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.norm = nn.LayerNorm(8)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x + self.fc(x).relu())


class Mlp(nn.Module):
    """Two layers of a list, the first called twice, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(8, 3)
        self.register_buffer("scale", torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        x = self.layers[0](x)
        return self.head(x) * self.scale


class Cnn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        self.head = nn.Linear(36, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).flatten(1))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.qkv = nn.Linear(8, 24)
        self.out = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.norm(x)).chunk(3, dim=-1)
        return x + self.out(nn.functional.scaled_dot_product_attention(q, k, v))


class Rnn(nn.Module):
    """A loop over the length with a branch inside, and a branch that calls a method of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(8, 8)
        self.out = nn.Linear(8, 2)

    def forward(self, xs: Tensor, short: bool) -> Tensor:
        h = torch.zeros(xs.size(1), 8)
        for i in range(xs.size(0)):
            h = torch.tanh(self.step(xs[i]) + h)
            if h.sum() > 100:
                h = h * 0.5
        if short:  # noqa: SIM108 - the statement is what is tested
            y = self.out(h)
        else:
            y = self.longer(h)
        return y

    def longer(self, h: Tensor) -> Tensor:
        return torch.relu(self.out(h))


class Control(nn.Module):
    """A branch and a loop that torch.export keeps, and an operation with two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(8, 8)
        self.b = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        y = torch.cond(x.sum() > 0, lambda x: self.a(x).relu(), lambda x: self.b(x).tanh() + 1, (x,))
        _, z = while_loop(lambda i, z: i < 3, lambda i, z: (i + 1, z * 2), (torch.tensor(0), y))
        values, indices = torch.topk(z, 2)
        return {"values": values, "indices": indices}


class Counter(nn.Module):
    """Counts its calls in a buffer, in place, and takes a number that export bakes in."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(3))

    def forward(self, x: Tensor, factor: int = 2) -> Tensor:
        self.count.add_(1)
        left, right = x.split(2, 1)
        return torch.cat([left, right], 1).relu_() * factor + self.count[0]


EXPORTED: dict[str, Callable[[], tuple[nn.Module, tuple[Any, ...]]]] = {
    "mlp": lambda: (Mlp(), (torch.randn(4, 8),)),
    "cnn": lambda: (Cnn(), (torch.randn(2, 3, 8, 8),)),
    "attention": lambda: (Attention(), (torch.randn(2, 5, 8),)),
    "control": lambda: (Control(), (torch.randn(4, 8),)),
    "counter": lambda: (Counter(), (torch.randn(4, 4), 3)),
}
TRACED = ("mlp", "cnn", "attention")


def exported(name: str) -> torch.export.ExportedProgram:
    model, inputs = EXPORTED[name]()
    shapes = {"x": {0: torch.export.Dim("batch")}} if name == "mlp" else None
    # torch.export warns of its own parts that are deprecated, which is none of ours.
    with warnings.catch_warnings(action="ignore"):
        return torch.export.export(model.eval(), inputs, dynamic_shapes=shapes)


def save_exported(program: torch.export.ExportedProgram, path: Path) -> Path:
    with warnings.catch_warnings(action="ignore"):
        torch.export.save(program, str(path))
    return path


def scripted(model: nn.Module) -> torch.jit.ScriptModule:
    with warnings.catch_warnings(action="ignore"):
        return torch.jit.script(model.eval())


def traced(name: str) -> torch.jit.ScriptModule:
    model, inputs = EXPORTED[name]()
    with warnings.catch_warnings(action="ignore"):
        return torch.jit.trace(model.eval(), inputs)


def save_script(module: torch.jit.ScriptModule, path: Path) -> Path:
    with warnings.catch_warnings(action="ignore"):
        torch.jit.save(module, str(path))
    return path


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None], target: Path) -> Path:
    """A copy of an archive with entries changed, or left out where `change` gives None."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as copy:
        for name in source.namelist():
            content = change(name, source.read(name))
            if content is not None:
                copy.writestr(name, content)
    return target
