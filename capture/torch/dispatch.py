"""The hot path: what happens at each operation of the user's program.

Each line here costs time in every operation. What can wait for the writer's thread waits for `convert`.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import perf_counter_ns
from types import FrameType
from typing import TYPE_CHECKING, Any
from weakref import ref

import torch
from torch import Tensor
from torch._C import _current_autograd_node, _current_graph_task_id
from torch._C._autograd import _get_sequence_nr
from torch.autograd import _make_grads
from torch.autograd.graph import _engine_run_backward
from torch.nn import Parameter
from torch.utils._python_dispatch import TorchDispatchMode

from graphreel.capture.torch.compiler import keep_compiler_out
from graphreel.capture.torch.distributed import described
from graphreel.capture.torch.failures import text_of
from graphreel.capture.torch.log import NO_ALIAS, NO_NODE, NO_TENSOR, NUMBER, TENSOR, PassLog
from graphreel.capture.torch.ops import OpInfo, op_info
from graphreel.capture.torch.stacks import NO_STACK, Stacks
from graphreel.capture.torch.tensors import TensorTable, computes_inside, storage_address

if TYPE_CHECKING:
    from graphreel.capture.torch.modules import ModuleCall
    from graphreel.capture.torch.watch import Watch

_PLAIN = frozenset(
    {int, float, bool, str, complex, type(None), torch.dtype, torch.device, torch.layout, torch.memory_format}
)
_PLAIN_IN_STEP = _PLAIN - {float}
_ENGINE = _engine_run_backward.__code__
_MAKE_GRADS = _make_grads.__code__
_NO_FORWARD = 1 << 63
"""Sequence numbers from here on belong to no operation (`AccumulateGrad` has the greatest of all)."""


class RecordMode(TorchDispatchMode):
    """Notes down every operation while it has a log.

    Attributes:
        log: Where operations are noted down; None while nothing is recorded.
        table: Which tensor is which.
        stacks: The user's lines.
        calls: The module calls under way, outermost first.
        step: Number of the optimizer's step under way, 0 for none.
        base: What autograd's counter stood at when the pass began.
        ops: The operators met so far; events name them by their place.
        before: Asked before each operation outside of modules while set: it may end the pass.
        watch: Looks at the tensors of the pass under way; None for most passes.
        fault: Told of an error of the recorder's own.
        failed: `id` of the last exception that an operation raised, and the operation; (0, -1) for none.
    """

    # WORKAROUND: without this, torch.cond and its kind raise under any mode
    # (HigherOrderOperator.dispatch in torch/_ops.py).
    supports_higher_order_operators = True

    def __init__(self, table: TensorTable, stacks: Stacks, fault: Callable[[Exception], None]) -> None:
        super().__init__()
        self.log: PassLog | None = None
        self.table, self.stacks, self.fault = table, stacks, fault
        self.calls: list[ModuleCall] = []
        self.step = 0
        self.base = 0
        self.before: Callable[[OpInfo, FrameType | None, Sequence[Any]], None] | None = None
        self.watch: Watch | None = None
        self.failed = (0, NO_NODE)
        self.ops: list[OpInfo] = []
        self._ops: dict[int, OpInfo] = {}
        self._task, self._task_stack = -1, NO_STACK
        self._node = (-1, "")

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # WORKAROUND: else TorchDispatchMode wraps the handler in another Python function, for every operation.
        return False

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        """Let compiled functions run as compiled; under any other mode PyTorch runs them operation by operation."""
        return True

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation and note it down. What it gives and raises is what it would without us."""
        if types and any(map(computes_inside, types)):
            # Let the tensor's own class go first: what it runs inside comes back here with the tensors it holds.
            return NotImplemented
        info = self._ops.get(id(func)) or self._learn(func)
        if self.log is None or info.skipped:
            return info.call(*args, **kwargs) if kwargs else info.call(*args)
        noted: tuple[Any, ...] | None = None
        try:
            noted = self._take(info, sys._getframe().f_back, args, kwargs)
            if self.watch is not None:
                self.watch.before(len(self.log.events), info, args, kwargs, noted[1])
        except Exception as fault:  # noqa: BLE001 - the program must not notice a fault of ours
            self.fault(fault)
        begin = perf_counter_ns()
        try:
            out = info.call(*args, **kwargs) if kwargs else info.call(*args)
        except BaseException as error:
            self._note_failure(noted, begin, perf_counter_ns(), error)
            raise
        end = perf_counter_ns()
        if noted is not None and (log := self.log) is not None:
            try:
                if type(out) is Tensor and info.fresh and not out.is_nested:
                    notes = log.tensors
                    self.table.known[key := id(out)] = ref(out)
                    self.table.numbers[key] = len(notes)
                    outputs: tuple[int, ...] = (len(notes),)
                    notes.append((out.dtype, tuple(out.shape), out.device, NO_ALIAS))
                else:
                    outputs = self._given(info, noted, out, args)
                log.starts.append(begin)
                log.ends.append(end)
                log.events.append((*noted, outputs))
                if self.watch is not None:
                    self.watch.after(len(log.events) - 1, info, args, kwargs, out, noted[1], outputs)
            except Exception as fault:  # noqa: BLE001 - the same
                self.fault(fault)
        return out

    def introduce(self, info: OpInfo) -> None:
        """Make known what is no operator, but is handed to this mode as one by those who call it."""
        self._ops[id(info.func)] = info
        self.ops.append(info)

    def _learn(self, func: Any) -> OpInfo:
        try:
            info = op_info(func, len(self.ops))
        except Exception as fault:  # noqa: BLE001 - the same
            self.fault(fault)
            info = OpInfo(index=len(self.ops), func=func, name=str(func), call=func)
        self.introduce(info)
        return info

    def _take(
        self, info: OpInfo, frame: FrameType | None, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None
    ) -> tuple[Any, ...]:
        """What is known of an operation before it runs: all of a `RawEvent` but the outputs."""
        if self.before is not None and not self.calls:
            self.before(info, frame, (*args, *kwargs.values()) if kwargs else args)
        inputs: list[int] = []
        arguments = self._encode(args, inputs) if args else ()
        keywords = tuple(zip(kwargs, self._encode(kwargs.values(), inputs), strict=True)) if kwargs else ()
        calls = self.calls
        node: Any = _current_autograd_node()  # None outside of backward, though its annotation says otherwise
        if node is not None:
            autograd, number = self._backward_node(node)
            stack = self._backward_stack(frame)
        elif calls:
            call = calls[-1]
            autograd, number, stack = None, NO_NODE, self.stacks.number(frame, call.frame, call.stack)
        else:
            autograd, number, stack = None, NO_NODE, self.stacks.number(frame)
            if frame is not None and frame.f_code is _MAKE_GRADS and inputs and self.log is not None:
                autograd = ""
                self.log.losses.append(inputs[0])
            elif _current_graph_task_id() != -1:
                autograd = ""  # what is to run when the nodes are through, such as FSDP's last reduction
        scope = calls[-1].scope if calls else 0
        counter = _get_sequence_nr() - self.base
        return info.index, tuple(inputs), arguments, keywords, stack, scope, self.step, autograd, number, counter

    def _encode(self, args: Iterable[Any], inputs: list[int]) -> tuple[object, ...]:
        """The arguments with TENSOR for each tensor, whose number goes to `inputs`."""
        table = self.table
        known, numbers = table.known, table.numbers
        plain = _PLAIN_IN_STEP if self.step else _PLAIN
        encoded: list[object] = []
        for given in args:
            kind = type(given)
            if kind is Tensor or kind is Parameter:
                number = numbers.get(key := id(given))
                if number is not None and known[key]() is given:
                    inputs.append(number)
                else:
                    inputs.append(table.meet(given))
                encoded.append(TENSOR)
            elif kind in plain:
                encoded.append(given)
            else:
                encoded.append(self._encode_other(given, inputs))
        return tuple(encoded)

    def _encode_other(self, given: Any, inputs: list[int]) -> object:
        """Lists as tuples, those of tensors as tuples of TENSOR; what is no data by the name of its type."""
        if isinstance(given, Tensor):
            inputs.append(self.table.meet(given))
            return TENSOR
        if isinstance(given, float):
            return self._hide(given, NUMBER)
        if isinstance(given, torch.Generator):
            return self.table.generators.name(given)
        if not isinstance(given, list | tuple):
            return int(given) if isinstance(given, int) else described(given, sys._getframe())
        if any(isinstance(entry, Tensor) for entry in given):
            for entry in given:
                inputs.append(self.table.meet(entry) if isinstance(entry, Tensor) else NO_TENSOR)
            return (TENSOR,) * len(given)
        if self.step and given and type(given[0]) is float and given.count(given[0]) == len(given):
            return self._hide(given[0], (NUMBER, len(given)))
        return tuple(entry if type(entry) in _PLAIN else self._encode_other(entry, inputs) for entry in given)

    def _hide(self, number: float, marker: object) -> object:
        """Keep a float of an optimizer's operation apart, since it changes from step to step."""
        if self.log is None or not self.step:
            return number
        self.log.floats.append(number)
        return marker

    def _backward_node(self, node: Any) -> tuple[str, int]:
        """Name and number of the autograd node that runs; several operations in a row have the same."""
        number = node._sequence_nr()
        if number >= _NO_FORWARD:
            return node.name(), NO_NODE
        if number != self._node[0]:
            self._node = (number, node.name())
        return self._node[1], number - self.base

    def _backward_stack(self, frame: FrameType | None) -> int:
        """The stack of an operation of backward: the same for all that one call of the engine runs itself."""
        if frame is None:
            # The engine's own thread, as it has for each GPU, knows nothing of the caller.
            return self._task_stack
        if frame.f_code is not _ENGINE:
            return self.stacks.number(frame)
        task = _current_graph_task_id()
        if task != self._task:
            self._task, self._task_stack = task, self.stacks.number(frame)
        return self._task_stack

    def _given(self, info: OpInfo, noted: tuple[Any, ...], out: Any, args: Sequence[Any]) -> tuple[int, ...]:
        """Numbers of the tensors that an operation gave."""
        if args and out is args[0] and isinstance(out, Tensor):
            return (self.table.reshaped(out, noted[1][0]) if info.reshapes else noted[1][0],)
        alias = self._shared(out, args, noted[1]) if info.may_copy else NO_ALIAS
        if isinstance(out, Tensor):
            return (self.table.made(out, alias),)
        if isinstance(out, list | tuple):
            return tuple(self._made_of(out, alias))
        if info.reads_host and not self.step and type(out) in (int, float) and self.log is not None:
            self.log.items[noted[1][0]] = (float(out), noted[4])
        return ()

    def _made_of(self, out: Sequence[Any], alias: int) -> list[int]:
        found: list[int] = []
        for entry in out:
            if isinstance(entry, Tensor):
                found.append(self.table.made(entry, alias))
            elif isinstance(entry, list | tuple):
                found += self._made_of(entry, alias)
        return found

    def _shared(self, out: Any, args: Sequence[Any], inputs: Sequence[int]) -> int:
        """The first argument, if an output lives in its memory."""
        first = out[0] if isinstance(out, list | tuple) and out else out
        if not args or not isinstance(args[0], Tensor) or not isinstance(first, Tensor):
            return NO_ALIAS
        address = storage_address(first)
        return inputs[0] if address and address == storage_address(args[0]) else NO_ALIAS

    def _note_failure(self, noted: tuple[Any, ...] | None, begin: int, end: int, error: BaseException) -> None:
        """Note down an operation that raised: it stands with its inputs and without outputs."""
        log = self.log
        if log is None or noted is None:
            return
        try:
            event = len(log.events)
            log.errors[event] = f"{type(error).__name__}: {text_of(error)}"
            log.starts.append(begin)
            log.ends.append(end)
            log.events.append((*noted, ()))
            # Only its id: the exception holds frames, and they hold tensors.
            self.failed = (id(error), event)
        except Exception as fault:  # noqa: BLE001 - the error that counts is the program's
            self.fault(fault)


keep_compiler_out(RecordMode.__torch_dispatch__.__code__, below=True)
