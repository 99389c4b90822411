"""What the tests of the autograd view share."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from graphreel.graph import Graph, Node
from tests.torch_runs import Kept, recording


class Square(torch.autograd.Function):
    """Its forward has two operations, its backward two of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x * x).clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return 2 * x * grad


def view_of(kept: Kept, index: int = 0) -> Graph:
    return kept.records[index].views["autograd"]


def recorded(program: Callable[[], object], level: str = "timing") -> Kept:
    """One iteration of a program that needs no module."""
    with recording(level) as (kept, recorder), recorder.iteration():
        program()
    return kept


def operations(kept: Kept, of: Node, index: int = 0) -> list[str]:
    """The operations that an autograd node ran."""
    return [kept.graph(index).node(row).op for row in of.attributes.get("operations", [])]
