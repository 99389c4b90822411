"""Compares each operation with what an earlier pass foretells, as long as the pass under way goes as that one went."""

from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any
from weakref import ref

from torch import Tensor
from torch._C import _current_autograd_node, _current_graph_task_id
from torch._C._autograd import _get_sequence_nr

from graphreel.capture.torch.log import PassLog, RawTensor
from graphreel.capture.torch.noting import ENGINE, Noting
from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.prediction import FIRST, NEW, NOTHING, REMEMBERED, Earlier, Expected, Gives, Rest
from graphreel.capture.torch.stacks import Stacks
from graphreel.capture.torch.tensors import TensorTable


class Foretelling(Noting):
    """Knows which earlier pass the one under way repeats so far.

    Attributes:
        earlier: That pass; None where there is none.
        wakes: Called when operations are to be noted down from now on.
    """

    def __init__(self, table: TensorTable, stacks: Stacks) -> None:
        super().__init__(table, stacks)
        self.earlier: Earlier | None = None
        self.wakes: Callable[[], None] | None = None
        self._agreed: list[Expected | None] = []

    @property
    def log(self) -> PassLog | None:
        """Where operations are noted down; None while nothing is recorded. A log that is taken away is remembered."""
        return self.noted

    @log.setter
    def log(self, log: PassLog | None) -> None:
        if self.noted is not None and self.noted.events:
            self._remember(self.noted)
        self.noted, self._agreed = log, []
        if log is not None and self.wakes is not None:
            self.wakes()
        self.earlier = self.table.remembered[0] if log is not None and self.table.remembered else None

    def _remember(self, log: PassLog) -> None:
        """Keep a pass that ended, for the next ones to be compared with."""
        table, earlier = self.table, self.earlier
        if earlier is not None and len(earlier.events) == len(log.events):
            earlier.refs, earlier.addresses = table.refs, table.addresses
            table.remembered.remove(earlier)
        else:
            shared = self._agreed if earlier is None else earlier.expected[: len(log.events)]
            earlier = Earlier(log.events, log.tensors, log.scopes, log.errors, table.refs, table.addresses, shared)
        table.remembered = [earlier, *table.remembered[: REMEMBERED - 1]]

    def foretold(  # noqa: C901, PLR0912 - one comparison; a call for each part would cost more than the part
        self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None, frame: FrameType | None
    ) -> Expected | None:
        """What is expected of an operation, if it is in everything as it is expected before it runs; else None."""
        earlier, log = self.earlier, self.noted
        if earlier is None or log is None or (expected := earlier.expected[len(log.events)]) is None:
            return None
        operator, _, event, takes, _ = expected
        if operator is not func:
            return None
        count, known, plain, names, named, outer, functions, rest = takes
        _, _, _, _, stack, scope, step, autograd, number, counter, _ = event
        if len(args) != count or self.step != step or _get_sequence_nr() - self.base != counter:
            return None
        refs = self.table.refs
        for tensor, given in zip(known, args):  # noqa: B905 - of the arguments, those that come first
            if refs[tensor]() is not given:
                return None
        if plain:
            for at, kind, value in plain:
                given = args[at]
                if given is not value and (type(given) is not kind or given != value):
                    return None
        if kwargs:
            if len(kwargs) != names:
                return None
            for name, kind, value in named:
                given = kwargs.get(name, earlier)
                if given is not value and (type(given) is not kind or given != value):
                    return None
        elif names:
            return None
        node: Any = _current_autograd_node()
        if autograd is not None:
            if node is None or self.backward_node(node) != (autograd, number):
                return None
        elif node is not None:
            return None
        calls, until = self.calls, None
        if calls:
            call = calls[-1]
            if call.scope != scope:
                return None
            if node is None:
                if call.stack != outer:
                    return None
                until = call.frame
        elif scope:
            return None
        if functions is None:
            if stack != self.task_stack or not self._is_in_task(frame):
                return None
        else:
            for code, place in functions:
                if frame is None or frame.f_code is not code or (place >= 0 and frame.f_lasti != place):
                    return None
                frame = frame.f_back
            if frame is not until:
                return None
        if log.autograd is not None or (rest is not None and not self._take_rest(rest, args, kwargs, earlier, log)):
            return None
        return expected

    def _is_in_task(self, frame: FrameType | None) -> bool:
        """Whether a frame is autograd's engine, in the call that was met last; it has none on its own threads."""
        return frame is None or (frame.f_code is ENGINE and _current_graph_task_id() == self.task)

    def _take_rest(
        self,
        rest: Rest,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any] | None,
        earlier: Earlier,
        log: PassLog,
    ) -> bool:
        """Compare the arguments that only few operations have; if they are as expected, what enters is numbered."""
        entering, lists, floats = rest
        refs = self.table.refs
        for at, tensors in lists:
            given = args[at]
            if type(given) is not list or len(given) != len(tensors):
                return False
            for tensor, entry in zip(tensors, given, strict=True):
                if refs[tensor]() is not entry:
                    return False
        found: list[Any] = [args[at] if type(at) is int else (kwargs or {}).get(at) for at in floats]
        for each in found:
            if type(each) is not float:
                return False
        for at, tensor in entering:
            if not self.table.enters_again(args[at], tensor, earlier):
                return False
        log.floats += found
        return True

    def came(self, gives: Gives, out: Any, args: tuple[Any, ...]) -> bool:
        """Whether an operation gave what was expected; if so, its new tensors get their numbers."""
        kind, notes, follows = gives
        if kind == FIRST:
            return out is args[0]
        if kind == NEW:
            note = notes[0]
            if type(out) is not Tensor or (args and out is args[0]):
                return False
            if note is None or not (follows or _is_as(out, note)):
                return False
            self.table.refs.append(ref(out))
            self.table.notes.append(note)
            return True
        return out is None if kind == NOTHING else self._several_came(notes, out)

    def _several_came(self, notes: Sequence[RawTensor | None], out: Any) -> bool:
        if type(out) not in (tuple, list) or len(out) != len(notes):
            return False
        for entry, note in zip(out, notes, strict=True):
            if note is None:
                if entry is not None:
                    return False
            elif type(entry) is not Tensor or not _is_as(entry, note):
                return False
        for entry, note in zip(out, notes, strict=True):
            if note is not None:
                self.table.refs.append(ref(entry))
                self.table.notes.append(note)
        return True

    def compare(self, info: OpInfo, out: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> None:
        """Compare an operation that was noted down the long way with what an earlier pass has at its place."""
        earlier, log = self.earlier, self.noted
        if earlier is None or log is None:
            return
        at = len(log.events) - 1
        if earlier.repeats(at, log, self.first):
            if earlier.expected[at] is None:
                earlier.learn(at, info, args, kwargs, out, self.first, self.chain)
            return
        self._agreed = earlier.expected[:at]
        self.earlier = next((other for other in self.table.remembered if other.begins_like(log)), None)


def _is_as(tensor: Tensor, note: RawTensor) -> bool:
    return tensor.shape == note[1] and tensor.dtype is note[0] and tensor.device == note[2]
