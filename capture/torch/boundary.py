"""Looks at operations outside of modules, for the one that begins the next pass."""

from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from torch._C import _current_graph_task_id
from torch._C._autograd import _get_sequence_nr

from graphreel.capture.torch.dispatch import RecordMode
from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.optimizers import KnownOptimizers
from graphreel.capture.torch.taking import taking_of
from graphreel.capture.torch.turns import Position, Taking, Turns

_SCALED = "aten._amp_update_scale_.default"
"""What a GradScaler does once a turn, also where it leaves the optimizer's step out."""


class Boundary:
    """Makes positions of operations, and asks `turns` about them.

    Attributes:
        turns: Where passes end by themselves.
        optimizers: The program's optimizers.
    """

    def __init__(self, mode: RecordMode, may_cut: Callable[[], bool], cut: Callable[[Position], None]) -> None:
        self.optimizers = KnownOptimizers()
        self.turns = Turns(self._may_end_here, self.optimizers.count_unused)
        self._mode, self._table, self._stacks = mode, mode.table, mode.stacks
        self._may_cut, self._cut = may_cut, cut
        self._counted: int | None = None

    def trained(self) -> bool:
        """Whether autograd noted down anything since the pass began."""
        return _get_sequence_nr() != self._mode.base

    def autograd_number(self) -> int:
        """The first number that autograd gives, or gave, within a pass that begins now.

        The operation that begins one has had its number before anyone hears of it.
        """
        return _get_sequence_nr() if self._counted is None else self._counted

    def operation(self, info: OpInfo, frame: FrameType | None, args: Sequence[Any]) -> None:
        """An operation is about to run: perhaps it begins the next pass."""
        log, turns = self._mode.log, self.turns
        if log is None:
            return
        if _current_graph_task_id() != -1:
            if not turns.worked:
                turns.works(log.positions(), len(log.tensors))
            return
        if not turns.worked or not self._may_cut():
            return
        counts = len(log.events), len(log.tensors)
        taking = taking_of(info, args, self._table, turns.since, (turns.loose or counts)[1])
        # Within a library, many operations have the same lines of the user's, and what reads a result says more.
        exact = taking is not Taking.RESULT or (frame is not None and self._stacks.is_users(frame.f_code))
        if turns.operation(at := (info.index, self._stacks.number(frame)), taking, counts, exact=exact):
            self._counted = self._mode.base + log.events[-1][9] if log.events else None
            self._cut(at)
            self._counted = None

    def _may_end_here(self) -> bool:
        """Whether a pass without a step may be over: without gradients, or without any optimizer."""
        if not self.trained() or not self.optimizers.any_of(self._table.is_of_pass):
            return True
        log = self._mode.log
        # A GradScaler leaves the step out where gradients are not finite.
        scaled = next((info.index for info in self._mode.ops if info.name == _SCALED), None)
        return scaled is not None and log is not None and any(event[0] == scaled for event in log.events)
