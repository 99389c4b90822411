"""Knows which memory no node has written yet, whose bits mean nothing and are not compared."""

import torch
from torch import Tensor

from graphreel.graph import Access
from graphreel.replay.plan import Plan, Step
from graphreel.replay.torch.calls import operator_of
from graphreel.replay.torch.execution import Execution, Outcome
from graphreel.replay.torch.operators import EMPTY, full_name, makes_views
from graphreel.replay.torch.refused import Refused

PARTLY = {
    "aten::_embedding_bag": (1, 2, 3),
    "aten::_embedding_bag_forward_only": (1, 2, 3),
    "aten::mkldnn_rnn_layer": (3,),
    "aten::_cudnn_rnn": (3, 4),
}
"""Outputs that an operator may leave unwritten, by port: work space, and indices that its mode does not need."""


class Unwritten:
    """Storages with bytes that nobody has written, while an execution goes on."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._written: dict[int, Tensor] = {}

    def after(self, execution: Execution, outcome: Outcome) -> None:
        """Take note of what a node gave and wrote."""
        step = outcome.step
        try:
            operator = operator_of(execution.running.calls.of(step.node))
        except Refused:
            return
        if operator is None or not outcome.ran:
            return
        for value in execution.changed_before(step.node):
            # What the keyframe has of it was written beside the operations.
            self._written.pop(self._plan.storage[value], None)
        name = full_name(operator)
        if name in EMPTY:
            self._add(execution, step.outputs)
        elif name in PARTLY:
            self._add(execution, [value for port, value in enumerate(step.outputs) if port in PARTLY[name]])
        if self._written:
            self._spread(execution, step, views=makes_views(operator))

    def has(self, execution: Execution, value: int) -> bool:
        """Whether some bytes of a value were never written."""
        written = self._written.get(self._plan.storage[value])
        tensor = execution.live.get(value)
        if written is None or tensor is None or tensor.layout is not torch.strided:
            return False
        return not bool(_seen(written, tensor).all())

    def _add(self, execution: Execution, values: "tuple[int, ...] | list[int]") -> None:
        for value in values:
            tensor = execution.live.get(value)
            if tensor is not None and tensor.layout is torch.strided and tensor.device.type != "meta":
                nbytes = tensor.untyped_storage().nbytes()
                self._written[self._plan.storage[value]] = torch.zeros(nbytes, dtype=torch.bool)

    def _spread(self, execution: Execution, step: Step, *, views: bool) -> None:
        """What a node writes is written now; what it makes of unwritten memory counts as unwritten."""
        plan, graph = self._plan, self._plan.graph
        first = int(graph.inputs.start[step.node])
        reads_unwritten = False
        written: set[int] = set()
        for at, value in enumerate(step.inputs):
            if graph.inputs.access[first + at] == Access.WRITE:
                written.add(plan.storage[value])
                self._write(execution, value)
            elif not views and self.has(execution, value):
                reads_unwritten = True
        if reads_unwritten:
            self._add(execution, [value for value in step.outputs if plan.storage[value] not in written])

    def _write(self, execution: Execution, value: int) -> None:
        storage = self._plan.storage[value]
        seen, tensor = self._written.get(storage), execution.live.get(value)
        if seen is None or tensor is None:
            return
        whole = tensor.is_contiguous() and tensor.numel() * tensor.itemsize == len(seen)
        if whole or len(seen) != tensor.untyped_storage().nbytes():
            del self._written[storage]
            return
        _seen(seen, tensor).fill_(True)
        if bool(seen.all()):
            del self._written[storage]


def _seen(written: Tensor, tensor: Tensor) -> Tensor:
    """The same view as a tensor's, at one flag a byte of its memory."""
    size = tensor.itemsize
    shape, stride = (*tensor.shape, size), (*(step * size for step in tensor.stride()), 1)
    return written.as_strided(shape, stride, tensor.storage_offset() * size)
