"""Notes down one operation the long way: what it takes, where it stands, what it gives.

Each line here costs time in every operation that no earlier pass foretold.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch._C import _current_autograd_node, _current_graph_task_id
from torch._C._autograd import _get_sequence_nr
from torch.autograd import _make_grads
from torch.autograd.graph import _engine_run_backward
from torch.nn import Parameter

from graphreel.capture.torch.bare_storages import BareStorages
from graphreel.capture.torch.distributed import described
from graphreel.capture.torch.log import NO_ALIAS, NO_NODE, NO_TENSOR, NUMBER, TENSOR, PassLog
from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.stacks import NO_STACK, UNSEEN, Chain, Stacks
from graphreel.capture.torch.tensors import TensorTable, storage_address

if TYPE_CHECKING:
    from graphreel.capture.torch.modules import ModuleCall

_PLAIN = frozenset(
    {int, float, bool, str, complex, type(None), torch.dtype, torch.device, torch.layout, torch.memory_format}
)
_PLAIN_IN_STEP = _PLAIN - {float}
_NAN = float("nan")
"""The one that is noted down, so that it is the same object each time: no other way do two of them compare as equal."""
ENGINE = _engine_run_backward.__code__
_MAKE_GRADS = _make_grads.__code__
_NO_FORWARD = 1 << 63
"""Sequence numbers from here on belong to no operation (`AccumulateGrad` has the greatest of all)."""

Before = Callable[[OpInfo, FrameType | None, Sequence[Any]], None]


class Noting:
    """What it takes to note an operation down.

    Attributes:
        noted: Where operations are noted down; None while nothing is recorded.
        table: Which tensor is which.
        stacks: The user's lines.
        calls: The module calls under way, outermost first.
        step: Number of the optimizer's step under way, 0 for none.
        base: What autograd's counter stood at when the pass began.
        before: Asked before each operation outside of modules and optimizers while set: it may end the pass.
        chain: The way to the operation that was noted down last; None where autograd's engine ran it.
        first: How many tensors had numbers before that operation.
        task, task_stack: The call of the engine that was met last, and the stack it was called from.
    """

    def __init__(self, table: TensorTable, stacks: Stacks) -> None:
        self.noted: PassLog | None = None
        self.table, self.stacks = table, stacks
        self.calls: list[ModuleCall] = []
        self.step = 0
        self.base = 0
        self.before: Before | None = None
        self.chain: Chain | None = None
        self.first = 0
        self.task, self.task_stack = -1, NO_STACK
        self._node = (-1, "")
        self._storages = BareStorages(table)

    def ask(
        self, info: OpInfo, frame: FrameType | None, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None
    ) -> None:
        """Ask whether an operation ends the pass, if it is one that may."""
        if self.before is not None and not self.calls and not self.step:
            self.before(info, frame, (*args, *kwargs.values()) if kwargs else args)

    def take(
        self, info: OpInfo, frame: FrameType | None, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None
    ) -> tuple[Any, ...]:
        """What is known of an operation before it runs: all of a `RawEvent` but the outputs."""
        if self.before is not None and frame is not None and frame.f_code is ENGINE:
            self.ask(info, frame, args, kwargs)
        self.table.catch_up()
        self.first = len(self.table.notes)
        inputs: list[int] = []
        arguments = self._encode(args, inputs) if args else ()
        keywords = tuple(zip(kwargs, self._encode(kwargs.values(), inputs), strict=True)) if kwargs else ()
        calls = self.calls
        self.chain = UNSEEN
        node: Any = _current_autograd_node()  # None outside of backward, though its annotation says otherwise
        if node is not None:
            autograd, number = self.backward_node(node)
            stack = self._backward_stack(frame)
        elif calls:
            call = calls[-1]
            autograd, number = None, NO_NODE
            stack, self.chain = self.stacks.way(frame, call.frame, call.stack)
        else:
            autograd, number = None, NO_NODE
            stack, self.chain = self.stacks.way(frame)
            if frame is not None and frame.f_code is _MAKE_GRADS and inputs and self.noted is not None:
                autograd = ""
                self.noted.losses.append(inputs[0])
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
                encoded.append(given if given == given else _NAN)  # noqa: PLR0124 - which NaN is not
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
        if isinstance(given, torch.SymInt | torch.SymFloat | torch.SymBool):
            # As text: to ask for its number would settle it for the program as well.
            return str(given)
        if isinstance(given, torch.Generator):
            return self.table.generators.name(given)
        if isinstance(given, torch.UntypedStorage):
            number = self._storages.number(given, self.table.refs[inputs[0]]() if inputs else None)
            if number is not None:
                inputs.append(number)
                return TENSOR
        if not isinstance(given, list | tuple):
            return int(given) if isinstance(given, int) else described(given, sys._getframe())
        if any(isinstance(entry, Tensor) for entry in given):
            for entry in given:
                inputs.append(self.table.meet(entry) if isinstance(entry, Tensor) else NO_TENSOR)
            return (TENSOR,) * len(given)
        if self.step and given and self.noted is not None and all(type(entry) is float for entry in given):
            self.noted.floats.extend(given)
            return NUMBER, len(given)
        return tuple(entry if type(entry) in _PLAIN else self._encode_other(entry, inputs) for entry in given)

    def _hide(self, number: float, marker: object) -> object:
        """Keep a float of an optimizer's operation apart, since it changes from step to step."""
        if self.noted is None or not self.step:
            return number
        self.noted.floats.append(number)
        return marker

    def backward_node(self, node: Any) -> tuple[str, int]:
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
            self.chain = None
            return self.task_stack
        if frame.f_code is not ENGINE:
            stack, self.chain = self.stacks.way(frame)
            return stack
        task = _current_graph_task_id()
        if task != self.task:
            self.task, self.task_stack = task, self.stacks.number(frame)
        self.chain = None
        return self.task_stack

    def given(self, info: OpInfo, noted: tuple[Any, ...], out: Any, args: Sequence[Any]) -> tuple[int, ...]:
        """Numbers of the tensors that an operation gave."""
        if info.takes_storage and isinstance(out, Tensor):
            # It looks at other memory from here on, even where its shape is the same.
            self.table.forget(out)
        elif args and out is args[0] and isinstance(out, Tensor):
            return (self.table.reshaped(out, noted[1][0]) if info.reshapes else noted[1][0],)
        alias = self._shared(out, args, noted[1]) if info.may_copy else NO_ALIAS
        if isinstance(out, Tensor):
            return (self.table.made(out, alias),)
        if isinstance(out, list | tuple):
            return tuple(self._made_of(out, alias))
        if self.noted is not None and type(out) in (int, float, bool):
            self.noted.handed[len(self.noted.events)] = float(out)
            if info.reads_host and not self.step and type(out) is not bool:
                self.noted.items[noted[1][0]] = (float(out), noted[4])
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
