"""Compares each operation with what an earlier pass foretells, as long as the pass under way goes as that one went."""

from collections.abc import Callable, Mapping, Sequence
from math import isnan
from types import FrameType
from typing import Any
from weakref import ref

from torch import Tensor
from torch._C import _current_autograd_node, _current_graph_task_id
from torch._C._autograd import _get_sequence_nr

from graphreel.capture.torch.log import NO_ALIAS, PassLog, RawTensor
from graphreel.capture.torch.noting import ENGINE, Noting
from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.prediction import (
    FIRST,
    NEW,
    NOTHING,
    REMEMBERED,
    SIZED,
    SIZES,
    Earlier,
    Expected,
    Gives,
    Ran,
    learned,
    sized,
)
from graphreel.capture.torch.stacks import Stacks
from graphreel.capture.torch.tensors import TensorTable, note


class Foretelling(Noting):
    """Knows which earlier pass the one under way repeats so far.

    Attributes:
        earlier: That pass; None where there is none.
        expecting: What it foretells, operation by operation.
        is_sized: Whether the one under way differs from it by sizes.
        wakes: Called when operations are to be noted down from now on.
    """

    def __init__(self, table: TensorTable, stacks: Stacks) -> None:
        super().__init__(table, stacks)
        self.earlier: Earlier | None = None
        self.expecting: list[Expected | None] = []
        self.is_sized = False
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
        self._follow(self.table.remembered[0] if log is not None and self.table.remembered else None)

    def _follow(self, earlier: Earlier | None, *, is_sized: bool = False) -> None:
        """Compare what comes with this pass from here on."""
        if earlier is not None and is_sized:
            earlier.expect_any_size()
        self.earlier, self.is_sized = earlier, is_sized
        self.expecting = [] if earlier is None else earlier.sized if is_sized else earlier.expected

    def _remember(self, log: PassLog) -> None:
        """Keep a pass that ended, for the next ones to be compared with."""
        table, earlier = self.table, self.earlier
        table.let_go_of_dead()
        if earlier is not None and not self.is_sized and len(earlier.events) == len(log.events):
            earlier.refs, earlier.addresses = table.refs, table.addresses
            if earlier in table.remembered:
                table.remembered.remove(earlier)
        else:
            shared = self._agreed if earlier is None or self.is_sized else earlier.expected[: len(log.events)]
            model = earlier if self.is_sized else None
            earlier = Earlier(log.events, log.tensors, log.scopes, log.errors, table.refs, table.addresses, shared)
            earlier.model = model
        table.remembered = [earlier, *table.remembered[: REMEMBERED - 1]]

    def foretold(  # noqa: C901, PLR0912 - one comparison; a call for each part would cost more than the part
        self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None, frame: FrameType | None
    ) -> Expected | None:
        """What is expected of an operation, if it is in everything as it is expected before it runs; else None."""
        earlier, log = self.earlier, self.noted
        if earlier is None or log is None or (expected := self.expecting[len(log.events)]) is None:
            return None
        operator, _, event, takes, _ = expected
        if operator is not func:
            return None
        count, known, plain, names, named, outer, functions, rest = takes
        _, _, _, _, stack, scope, step, autograd, number, counter, _ = event
        if len(args) != count or self.step != step or _get_sequence_nr() - self.base != counter:
            return None
        refs, resized = self.table.refs, False
        for tensor, given in zip(known, args):  # noqa: B905 - of the arguments, those that come first
            if refs[tensor]() is not given:
                return None
        if plain:
            for at, kind, value in plain:
                given = args[at]
                if given is not value and (type(given) is not kind or given != value):
                    if not (self.is_sized and type(given) is kind and kind in SIZES):
                        return None
                    resized = True
        if kwargs:
            if len(kwargs) != names:
                return None
            for name, kind, value in named:
                given = kwargs.get(name, earlier)
                if given is not value and (type(given) is not kind or given != value):
                    if not (self.is_sized and type(given) is kind and kind in SIZES):
                        return None
                    resized = True
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
        if log.autograd is not None:
            return None
        if resized and (expected := _resized(expected, args, kwargs or {})) is None:
            return None
        return expected if rest is None or self._take_rest(expected, args, kwargs, earlier, log) else None

    def _is_in_task(self, frame: FrameType | None) -> bool:
        """Whether a frame is autograd's engine, in the call that was met last; it has none on its own threads."""
        return frame is None or (frame.f_code is ENGINE and _current_graph_task_id() == self.task)

    def _take_rest(
        self,
        expected: Expected,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any] | None,
        earlier: Earlier,
        log: PassLog,
    ) -> bool:
        """Compare the arguments that only few operations have; if they are as expected, what enters is numbered."""
        entering, lists, floats = expected[3][7] or ((), (), ())
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
            if not self.table.enters_again(args[at], tensor, earlier, any_shape=self.is_sized):
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
        if kind == SIZED:
            return self._sized_came(notes, out, args)
        return out is None if kind == NOTHING else self._several_came(notes, out)

    def _sized_came(self, notes: Sequence[RawTensor | None], out: Any, args: tuple[Any, ...]) -> bool:
        """As `came` for new tensors of whichever shape."""
        if type(out) is Tensor:
            if args and out is args[0]:
                return False
            self.table.refs.append(ref(out))
            self.table.notes.append(note(out, NO_ALIAS))
            return len(notes) == 1
        if type(out) not in (tuple, list) or len(out) != len(notes):
            return False
        if any((entry is None) != (noted is None) for entry, noted in zip(out, notes, strict=True)):
            return False
        given = [entry for entry in out if entry is not None]
        if any(type(entry) is not Tensor for entry in given):
            return False
        for entry in given:
            self.table.refs.append(ref(entry))
            self.table.notes.append(note(entry, NO_ALIAS))
        return True

    def _several_came(self, notes: Sequence[RawTensor | None], out: Any) -> bool:
        if type(out) not in (tuple, list) or len(out) != len(notes):
            return False
        for entry, noted in zip(out, notes, strict=True):
            if noted is None:
                if entry is not None:
                    return False
            elif type(entry) is not Tensor or not _is_as(entry, noted):
                return False
        for entry, noted in zip(out, notes, strict=True):
            if noted is not None:
                self.table.refs.append(ref(entry))
                self.table.notes.append(noted)
        return True

    def compare(self, info: OpInfo, out: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> None:
        """Compare an operation that was noted down the long way with what an earlier pass has at its place."""
        earlier, log = self.earlier, self.noted
        if earlier is None or log is None:
            return
        at = len(log.events) - 1
        ran = Ran(info, args, kwargs or {}, out, self.first, self.chain)
        if self.is_sized:
            if not earlier.resembles(at, log):
                self._follow(None)
            elif self.expecting[at] is None:
                self.expecting[at] = sized(learned(log.events[at], log.tensors, ran))
        elif not earlier.repeats(at, log, self.first):
            self._agreed = earlier.expected[:at]
            self._turn_to_another(log)
        elif self.expecting[at] is None:
            self.expecting[at] = learned(log.events[at], log.tensors, ran)

    def _turn_to_another(self, log: PassLog) -> None:
        """Compare with another pass that began as the one under way did, or with one that did so but for sizes."""
        remembered = self.table.remembered
        others = dict.fromkeys([*remembered, *(other.model for other in remembered if other.model is not None)])
        if found := next((other for other in others if other.begins_like(log)), None):
            self._follow(found)
            return
        models = dict.fromkeys(other.model or other for other in remembered)
        self._follow(next((other for other in models if other.begins_alike(log)), None), is_sized=True)


def _resized(expected: Expected, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Expected | None:
    """What is expected of an operation whose arguments say other sizes; None for what only the long way notes down."""
    operator, info, event, takes, gives = expected
    arguments, keywords = list(event[2]), dict(event[3])
    places: list[tuple[Any, Any, Any]] = [(arguments, args, plain) for plain in takes[2]]
    places += [(keywords, kwargs, plain) for plain in takes[4]]
    for noted, taken, (at, kind, _) in places:
        if kind is list:
            if any(type(entry) is not int for entry in taken[at]):
                return None
            noted[at] = tuple(taken[at])
        elif kind in SIZES:
            if isnan(taken[at]):
                return None
            noted[at] = taken[at]
    return operator, info, (*event[:2], tuple(arguments), tuple(keywords.items()), *event[4:]), takes, gives


def _is_as(tensor: Tensor, note: RawTensor) -> bool:
    return tensor.shape == note[1] and tensor.dtype is note[0] and tensor.device == note[2]
