"""Keeps what a pass can be executed again from: what enters it, as it is at that moment, and random generators.

A tensor that changes where no operation shows it (`.data =`, another thread, C++ code) is noticed by the memory it
looks at and by PyTorch's own count of writes, and kept once more. What does not even count is out of reach: NumPy that
writes an array which shares a tensor's memory, C++ code that writes by a bare pointer, any write within inference mode
beside an operation. But memory that `torch.empty` gave and no operation has written is kept when an operation reads it:
so C++ code and NumPy most often hand numbers over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from graphreel.capture.torch.bare_storages import with_tensors
from graphreel.capture.torch.errors import CannotKeep
from graphreel.capture.torch.keyframes_collect import Collected, Kept
from graphreel.capture.torch.keyframes_early import Early
from graphreel.capture.torch.keyframes_environment import environment
from graphreel.capture.torch.keyframes_layouts import RowOf, view_of
from graphreel.capture.torch.keyframes_memory import Memory
from graphreel.capture.torch.keyframes_random import RandomStates
from graphreel.capture.torch.keyframes_writes import State, States, Written, memory_of, tensors_given, tensors_in
from graphreel.capture.torch.log import PassLog
from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.quiet import NoFunctions, NoHistory, NoModes
from graphreel.capture.torch.tensors import TensorTable
from graphreel.capture.torch.watch import Call, Numbering, Silent
from graphreel.tracefile.extras import Finding
from graphreel.tracefile.model import IterationRecord
from graphreel.tracefile.tensors import TensorView

_TOO_LARGE = "what the program did before the pass began is larger than --keyframe-limit"

Taken = tuple[int, int]
"""An event, and the place of a tensor among those that it takes."""


class KeyframeWatch(Silent):
    """Keeps the keyframe of one pass, up to so many bytes.

    The first pass of a program may begin with its preparations, of which most fall away in the end (see
    `preparation`). Until it is clear that the pass has begun, parameters are not kept, since they are still being
    filled; whenever a model is made, all that was kept so far is let go; and when the pass begins, a member of a module
    is kept when it is next taken, however it came to be what it is. What operations make until then is kept when it is
    taken, as if it came from outside, and is so if the loop turns out to begin after they ran.
    """

    def __init__(self, limit: int, log: PassLog, table: TensorTable) -> None:
        self._limit, self._log, self._table = limit, log, table
        self._memory = Memory()
        self._states = States(table)
        self._random = RandomStates(table.generators)
        self._written = Written()
        self._entries: dict[int, list[tuple[int, Kept]]] = {}
        self._changes: list[tuple[Taken, Kept, bool]] = []
        self._environment: dict[str, Any] = {}
        self._early, self._preparation, self._lost_early = log.first, log.preparation, False
        self._begin = 0
        self._early_ones = Early(self._memory)
        self._beside: set[int] = set()

    @property
    def keeps(self) -> bool:
        """Whether there is still to be a keyframe."""
        return self._memory.keeps

    def before(self, call: Call) -> None:
        """Keep what is new among the tensors that an operation takes, and what changed unseen."""
        event, info, args, kwargs, inputs = call
        with NoFunctions(), NoModes(), NoHistory():
            if self._early:
                self._look_whether_it_began()
            self._environment = self._environment or environment()
            self._states.settle()
            writes = bool(info.written or info.hidden_writes)
            position = 0
            given = with_tensors(args) if info.takes_storage else args
            for number, tensor in zip(inputs, tensors_in([*given, *kwargs.values()] if kwargs else given), strict=True):
                if tensor is not None:
                    self._look((event, position), number, tensor, writes=writes)
                    state = self._states.all[number]
                    reads = (state.blank or state.early) and self._reads(info, tensor, args, kwargs)
                    if state.blank and reads and not tensor.is_meta:
                        self._states.accept(state)
                        self._note_change((event, position), tensor)
                    if state.early and not (self._early and isinstance(tensor, Parameter)):
                        self._keep_early(event, number, tensor, waits=not reads and writes, looks=not reads)
                    position += 1
            self._random.before(event, info, args, kwargs)
        if self._is_over():
            self._let_go()

    def after(self, call: Call, out: Any, outputs: tuple[int, ...]) -> None:
        """Know what an operation made and wrote."""
        event, info, args, kwargs, _ = call
        for number, tensor in zip(outputs, tensors_given(out), strict=True):
            if number not in self._states.all:
                state = self._states.add(number, tensor, made=True, settled=info.fresh)
                state.early = self._early
                if info.blank or any(info.view_of):
                    state.blank = info.blank or self._states.is_blank(state)
        if not info.takes_storage:
            for tensor in self._written.tensors(info, args, kwargs):
                self._states.wrote(self._table.numbers.get(id(tensor), -1))
                if self._early:
                    self._early_ones.wrote(tensor)
        self._random.after(event, info)

    def ended(self) -> None:
        """Bring what lies on devices into plain memory."""
        with NoFunctions(), NoModes(), NoHistory():
            self._memory.read()
        self._states.forget()

    def add_to(self, record: IterationRecord, numbering: Numbering) -> IterationRecord:
        """The iteration with its keyframe; with a finding instead where it was too large."""
        if not self._memory.keeps:
            return replace(record, findings=(*record.findings, self._too_large()))
        collected = Collected(record.graph, self._memory, numbering)
        made = {number for _, number in numbering.given if number not in numbering.entered}
        for number, value in numbering.entered.items():
            kept = self._chosen(number, collected)
            if number in self._beside and self._log.tensors[number][3] in made and isinstance(kept, TensorView):
                kept = replace(kept, storage=-1, layout="base")
            collected.add(value, kept)
        for (event, position), view, in_place in self._changes:
            collected.change(event, position, self._there(view), in_place=in_place)
        keyframe = collected.keyframe(self._random.found, self._environment)
        return replace(record, keyframe=keyframe)

    def _look_whether_it_began(self) -> None:
        log = self._log
        if log.preparation != self._preparation:
            self._preparation = log.preparation
            self._forget_early()
            self._states.forget()
        if len(log.scopes) > 1 or len(log.steps) > 1 or torch._C._current_autograd_node() is not None:
            self._early, self._begin = False, len(self._memory)
            self._keep_waiting()
        # Whichever of the preparations are kept in the end, the first to draw needs its state.
        self._random.forget(let_go=False)

    def _keep_waiting(self) -> None:
        for number, event in self._early_ones.take_waiting():
            state = self._states.all.get(number)
            tensor = None if state is None else self._states.live(state)
            kept = "it is gone, as it was before the pass began" if tensor is None else self._view(number, tensor)
            self._entries.setdefault(number, []).append((event, kept))

    def _forget_early(self) -> None:
        self._early_ones.forget()
        self._memory.forget(let_go=True)
        self._random.forget(let_go=True)
        self._entries.clear()
        self._changes.clear()

    def _look(self, taken: Taken, number: int, tensor: Tensor, *, writes: bool) -> None:
        """Compare a tensor with what is known of it. Before it is written, also whatever shares its memory."""
        state = self._states.all.get(number)
        if state is None or (state.early and not self._early and self._is_member(tensor)):
            self._enter(taken[0], number, tensor, since=0 if state is None else self._begin)
        elif self._states.moved(state, tensor):
            self._states.move(number, tensor)
            self._changes.append((taken, self._view(number, tensor), False))
        elif self._is_changed(state, tensor, writes=writes):
            self._states.accept(state)
            if state.memory:
                self._note_change(taken, tensor)
            else:
                self._changes.append((taken, self._view(number, tensor), False))

    def _note_change(self, taken: Taken, tensor: Tensor) -> None:
        """The memory of a tensor was written where nothing showed it."""
        self._changes.append((taken, self._kept(tensor, self._memory.again), True))
        if self._early:
            self._early_ones.wrote(tensor)

    def _keep_early(self, event: int, number: int, tensor: Tensor, *, waits: bool, looks: bool) -> None:
        """Keep what was met before the pass began as it is now, unless it is kept and has not been written since."""
        state, kept = self._states.all[number], number in self._entries
        row = self._memory.find(tensor.untyped_storage()) if state.memory else None
        if kept and (row is not None or not state.memory):
            self._early_ones.used(-1 if row is None else row)
        elif self._early and (waits or (looks and kept)):
            self._early_ones.waits(tensor, number, event)
        else:
            before = len(self._memory)
            self._entries.setdefault(number, []).append((event, self._view(number, tensor)))
            if self._early and state.made:
                self._early_ones.copied(before)

    def _reads(self, info: OpInfo, tensor: Tensor, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> bool:
        """Whether an operation looks at the numbers of a tensor that it takes; what it writes, it most often fills."""
        if info.blank or (any(info.view_of) and not info.written):
            return False
        return not any(each is tensor for each in self._written.tensors(info, args, kwargs))

    def _is_changed(self, state: State, tensor: Tensor, *, writes: bool) -> bool:
        sharing = self._states.sharing(state) if writes else ((state, tensor),)
        return any(each.version != other._version for each, other in sharing if not other.is_inference())

    def _is_member(self, tensor: Tensor) -> bool:
        return isinstance(tensor, Parameter) or id(tensor) in self._table.members

    def _enter(self, event: int, number: int, tensor: Tensor, since: int) -> None:
        state = self._states.add(number, tensor, made=False)
        state.early = self._early
        if not (self._early and isinstance(tensor, Parameter)):
            kept = self._view(number, tensor, since)
            self._early_ones.needed(kept)
            self._entries.setdefault(number, []).append((event, kept))

    def _view(self, number: int, tensor: Tensor, since: int = 0) -> Kept:
        """A tensor with its memory, unless that is known to be the memory of a tensor that an operation made."""
        return self._kept(tensor, lambda part: -1 if self._is_made(number, part) else self._memory.row_of(part, since))

    def _is_made(self, number: int, tensor: Tensor) -> bool:
        base = self._states.all.get(self._log.tensors[number][3])
        if base is None or not base.made or base.memory != memory_of(tensor):
            return False
        if base.early:
            # Whether that operation becomes a node turns out in the end.
            self._beside.add(number)
            return False
        return self._memory.find(tensor.untyped_storage()) is None

    def _kept(self, tensor: Tensor, row_of: RowOf) -> Kept:
        try:
            return view_of(tensor, row_of)
        except CannotKeep as error:
            return str(error)

    def _chosen(self, number: int, collected: Collected) -> Kept:
        """Of what a tensor was each time it was kept: what it was for the first event that became a node."""
        entries = self._entries.get(number, [])
        if self._lost_early or len(entries) > 1:
            first = collected.first_event(number, self._log)
            if entries and self._lost_early and first < entries[0][0]:
                return _TOO_LARGE
            later = [entry for entry in entries if entry[0] > first]
            entries = [entry for entry in entries if entry[0] <= first] or later
            if later and self._early_ones.is_gone(entries[-1][1]):
                entries = later
        return self._there(entries[-1][1]) if entries else "it was made while the program prepared its run"

    def _there(self, kept: Kept) -> Kept:
        return _TOO_LARGE if self._early_ones.is_gone(kept) else kept

    def _is_over(self) -> bool:
        return self._memory.keeps and self._memory.nbytes + self._random.nbytes > self._limit

    def _let_go(self) -> None:
        """Too large: do without what operations made before; then begin anew without the preparations; or stop."""
        self._early_ones.let_go(self._limit - self._random.nbytes, again=self._early)
        if not self._is_over():
            return
        if self._early:
            self._lost_early = True
            self._forget_early()
            self._states.forget()
            return
        self._memory.stop()
        self._random.forget(let_go=True)
        self._entries.clear()
        self._changes.clear()

    def _too_large(self) -> Finding:
        nbytes = self._memory.nbytes
        mega = -(-nbytes // (1 << 20))
        message = (
            f"no keyframe: what enters this iteration takes {nbytes:,} bytes, and the limit is {self._limit:,}; "
            f"record with --keyframe-limit {mega}M or more"
        )
        return Finding("keyframe-too-large", message)
