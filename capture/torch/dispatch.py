"""The hot path: what happens at each operation of the user's program.

Each line here costs time in every operation. What can wait for the writer's thread waits for `convert`. An operation
that an earlier pass foretells is only compared with what stood at its place then (`prediction`); any other is noted
down the long way (`noting`).
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter_ns
from types import FrameType
from typing import TYPE_CHECKING, Any
from weakref import ref

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from graphreel.capture.torch.bare_storages import is_rebuilding
from graphreel.capture.torch.compiler import keep_compiler_out
from graphreel.capture.torch.composite import run
from graphreel.capture.torch.failures import text_of
from graphreel.capture.torch.foretelling import Foretelling
from graphreel.capture.torch.log import NO_ALIAS, NO_NODE
from graphreel.capture.torch.noting import ENGINE
from graphreel.capture.torch.ops import OpInfo, op_info
from graphreel.capture.torch.spared import Spared
from graphreel.capture.torch.stacks import Stacks
from graphreel.capture.torch.subclasses import computes_inside
from graphreel.capture.torch.tensors import TensorTable
from graphreel.capture.torch.watch import Call

if TYPE_CHECKING:
    from graphreel.capture.torch.prediction import Expected
    from graphreel.capture.torch.watch import Watch


class RecordMode(Foretelling, TorchDispatchMode):
    """Notes down every operation while it has a log.

    Attributes:
        ops: The operators met so far; events name them by their place.
        watch: Looks at the tensors of the pass under way; None for most passes.
        fault: Told of an error of the recorder's own.
        failed: `id` of the last exception that an operation raised, and the operation; (0, -1) for none.
    """

    # WORKAROUND: without this, torch.cond and its kind raise under any mode
    # (HigherOrderOperator.dispatch in torch/_ops.py).
    supports_higher_order_operators = True

    def __init__(self, table: TensorTable, stacks: Stacks, fault: Callable[[Exception], None]) -> None:
        Foretelling.__init__(self, table, stacks)
        TorchDispatchMode.__init__(self)
        self.fault = fault
        self.watch: Watch | None = None
        self.failed = (0, NO_NODE)
        self.ops: list[OpInfo] = []
        self._ops: dict[int, OpInfo] = {}

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
        if self.noted is None:
            return run(func, args, kwargs)
        info: OpInfo | None = None
        noted: tuple[Any, ...] | None = None
        expected: Expected | None = None
        try:
            frame = sys._getframe().f_back
            if not (self.calls or self.step) and self.before is not None:
                info = self._ask(func, frame, args, kwargs)
            watch = self.watch  # which the question may have replaced
            if (watch is None or watch.follows) and (expected := self.foretold(func, args, kwargs, frame)) is not None:
                info, noted = expected[1], expected[2]
            else:
                info = info or self._ops.get(id(func)) or self._learn(func)
                noted = self._take(info, frame, args, kwargs)
        except Exception as fault:  # noqa: BLE001 - the program must not notice a fault of ours
            self.fault(fault)
        call = func if info is None else info.call
        begin = perf_counter_ns()
        try:
            out = call(*args, **kwargs) if kwargs else call(*args)
        except BaseException as error:
            self._note_failure(noted, begin, perf_counter_ns(), error)
            raise
        end = perf_counter_ns()
        log = self.noted
        if noted is not None and log is not None:
            try:
                log.starts.append(begin)
                log.ends.append(end)
                if expected is not None and self.came(expected[4], out, args):
                    log.events.append(event := expected[2])
                    if self.watch is not None:
                        self.watch.after(Call(len(log.events) - 1, expected[1], args, kwargs, event[1]), out, event[10])
                else:
                    self._note(info, noted[:10], out, args, kwargs)
            except Exception as fault:  # noqa: BLE001 - the same
                self.fault(fault)
        return out

    def _ask(
        self, func: Any, frame: FrameType | None, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None
    ) -> OpInfo | None:
        """Ask whether an operation that stands outside of modules ends the pass; within the engine `take` asks."""
        if frame is not None and frame.f_code is ENGINE:
            return None
        info = self._ops.get(id(func)) or self._learn(func)
        if not (info.skipped or (info.rebuilds and is_rebuilding(frame))):
            self.ask(info, frame, args, kwargs)
        return info

    def _take(
        self, info: OpInfo, frame: FrameType | None, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None
    ) -> tuple[Any, ...] | None:
        """What is noted down of an operation before it runs; None for one that is not noted down."""
        if info.skipped or (info.rebuilds and is_rebuilding(frame)):
            return None
        noted = self.take(info, frame, args, kwargs)
        if self.watch is not None and self.noted is not None:
            self.watch.before(Call(len(self.noted.events), info, args, kwargs, noted[1]))
        return noted

    def _note(
        self,
        info: OpInfo | None,
        noted: tuple[Any, ...],
        out: Any,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any] | None,
    ) -> None:
        """Note down an operation that ran and that nothing foretold."""
        log, table = self.noted, self.table
        if log is None or info is None:
            return
        if type(out) is Tensor and info.fresh and not out.is_nested:
            number = len(log.tensors)
            table.refs.append(reference := ref(out))
            table.known[key := id(out)] = reference
            table.numbers[key] = number
            table.caught_up = number + 1
            log.tensors.append((out.dtype, tuple(out.shape), out.device, NO_ALIAS))
            outputs: tuple[int, ...] = (number,)
        else:
            outputs = self.given(info, noted, out, args)
        log.events.append((*noted, outputs))
        if self.earlier is not None:
            self.compare(info, out, args, kwargs)
        if self.watch is not None:
            self.watch.after(Call(len(log.events) - 1, info, args, kwargs, noted[1]), out, outputs)

    def introduce(self, info: OpInfo) -> None:
        """Make known what is no operator, but is handed to this mode as one by those who call it."""
        self._ops[id(info.func)] = info
        self.ops.append(info)

    def _learn(self, func: Any) -> OpInfo:
        info = OpInfo(index=len(self.ops), func=func, name=str(func), call=func)
        with Spared(self.fault):
            info = op_info(func, len(self.ops))
        self.introduce(info)
        return info

    def _note_failure(self, noted: tuple[Any, ...] | None, begin: int, end: int, error: BaseException) -> None:
        """Note down an operation that raised: it stands with its inputs and without outputs."""
        log = self.noted
        if log is None or noted is None:
            return
        with Spared(self.fault):  # the error that counts is the program's
            event = len(log.events)
            log.errors[event] = f"{type(error).__name__}: {text_of(error)}"
            log.starts.append(begin)
            log.ends.append(end)
            log.events.append((*noted[:10], ()))
            # Only its id: the exception holds frames, and they hold tensors.
            self.failed = (id(error), event)


keep_compiler_out(RecordMode.__torch_dispatch__.__code__, below=True)
