"""What an operation takes of the pass under way, which tells whether it belongs to it."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.tensors import TensorTable
from graphreel.capture.torch.turns import Taking


def taking_of(info: OpInfo, args: Sequence[Any], table: TensorTable, since: int, until: int) -> Taking:
    """What an operation takes. Results are tensors numbered from `since` on: those before are the pass's data.

    Tensors from `until` on do not count, for they may belong to the next pass.
    """
    taking = Taking.STATE if info.written else Taking.NOTHING
    for tensor in _tensors(args):
        if table.is_state(tensor):
            taking = Taking.STATE
        elif since <= (number := table.number_of(tensor)) < until and number not in table.outside:
            return Taking.RESULT
    return taking


def _tensors(args: Sequence[Any]) -> Iterator[Tensor]:
    for given in args:
        if isinstance(given, Tensor):
            yield given
        elif isinstance(given, list | tuple):
            yield from _tensors(given)
