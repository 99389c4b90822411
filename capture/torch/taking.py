"""What an operation takes of the pass under way, which tells whether it belongs to it."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.tensors import TensorTable
from graphreel.capture.torch.turns import Taking


def taking_of(info: OpInfo, args: Sequence[Any], table: TensorTable, until: int) -> Taking:
    """What an operation takes. Tensors with numbers from `until` on may belong to the next pass and do not count."""
    taking = Taking.STATE if info.written else Taking.NOTHING
    for tensor in _tensors(args):
        if table.is_state(tensor):
            taking = Taking.STATE
        elif 0 <= (number := table.number_of(tensor)) < until and number not in table.outside:
            return Taking.RESULT
    return taking


def _tensors(args: Sequence[Any]) -> Iterator[Tensor]:
    for given in args:
        if isinstance(given, Tensor):
            yield given
        elif isinstance(given, list | tuple):
            yield from _tensors(given)
