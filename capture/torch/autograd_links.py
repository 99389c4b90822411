"""Which operations each autograd node stands for: the one that made it, and those that it ran in backward."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.capture.torch.autograd_notes import AutogradNotes, NodeNote
from graphreel.capture.torch.log import NO_NODE, NO_TENSOR, PassLog
from graphreel.capture.torch.places import maker_of
from graphreel.capture.torch.watch import Numbering
from graphreel.graph import Graph

IntArray: TypeAlias = npt.NDArray[np.int64]

_ACCUMULATES = "AccumulateGrad"


@dataclass(frozen=True, slots=True)
class Times:
    """When each autograd node first began to run, how long it ran in all, and how often; zeros where it did not run.

    Nanoseconds; the start is counted from the iteration's begin.
    """

    start_ns: IntArray
    duration_ns: IntArray
    runs: IntArray

    @classmethod
    def of(cls, notes: AutogradNotes, begin_ns: int) -> Self:
        """Add up all runs of each node. `begin_ns` is what the monotonic clock stood at when the iteration began."""
        count = len(notes.nodes)
        start, duration, runs = (np.zeros(count, np.int64) for _ in range(3))
        for place, begin, end, _, _ in runs_of(notes):
            if not runs[place]:
                start[place] = begin - begin_ns
            duration[place] += end - begin
            runs[place] += 1
        return cls(start, duration, runs)


def runs_of(notes: AutogradNotes) -> Iterator[tuple[int, int, int, int, int]]:
    """Each run of a node, in order of begin: the node, when it began and ended, and the events before each.

    One that raised ended when its backward did.
    """
    ends: dict[int, list[tuple[int, int]]] = {}
    for place, at, event in reversed(notes.ends):
        ends.setdefault(place, []).append((at, event))
    calls = sorted((call.end_ns, call.end_event) for call in notes.calls)
    for place, begin, before in notes.begins:
        left = ends.get(place)
        if left:
            end, after = left.pop()
        else:
            end, after = calls[min(bisect_left(calls, (begin, 0)), len(calls) - 1)]
        yield place, begin, end, before, after


class Links:
    """Links of the autograd nodes of one pass, by their places in the notes.

    Attributes:
        forward: The nodes of the main graph that made each: one operation, or all of a custom `autograd.Function`.
        operations: The nodes of the main graph that each ran in backward.
    """

    def __init__(self, notes: AutogradNotes, log: PassLog, numbering: Numbering, main: Graph) -> None:
        self._notes, self._log, self._numbering, self._main = notes, log, numbering, main
        self._values: dict[int, list[tuple[int, int]]] = {}
        for (event, tensor), value in numbering.given.items():
            self._values.setdefault(tensor, []).append((event, value))
        made_by = _made_by(log)
        self._made = [self._events(note, made_by) for note in notes.nodes]
        self.forward = [[numbering.nodes[event] for event in events] for events in self._made]
        self.operations: list[list[int]] = [[] for _ in notes.nodes]
        for event, place in enumerate(self._owners()):
            if place >= 0 and event in numbering.nodes:
                self.operations[place].append(numbering.nodes[event])

    def value_at(self, tensor: int, call: int) -> int | None:
        """The value of the main graph that a tensor was when a call of backward began; None where it was none."""
        if tensor == NO_TENSOR:
            return None
        before = self._notes.calls[call].begin_event
        found = self._numbering.entered.get(tensor)
        for event, value in self._values.get(tensor, ()):
            if event < before:
                found = value
        return found

    def saved_value(self, place: int, tensor: int) -> int | None:
        """The value of the main graph that a node saved: what its operation gave or took, before any other."""
        found = self.value_at(tensor, self._notes.nodes[place].call)
        if found is None:
            return None
        main = self._main.values
        for event in self._made[place]:
            row = self._log.events[event]
            taken = [number for number in row[1] if number != NO_TENSOR]
            for given in (self._numbering.given.get((event, number)) for number in row[10]):
                # It saves its own result by another tensor in the same memory.
                if given is not None and main.storage[given] == main.storage[found] and tensor not in taken:
                    return given
            if tensor in taken:
                return int(self._main.inputs_of(self._numbering.nodes[event])[taken.index(tensor)])
        return found

    def _events(self, note: NodeNote, made_by: dict[int, int]) -> list[int]:
        """The events that made a node, as far as they became nodes of the main graph."""
        event = NO_NODE if note.number is None else made_by.get(note.number, NO_NODE)
        event = maker_of(self._log, note.op, event)
        if event == NO_NODE:
            return []
        events: Sequence[int] = (event,)
        scope = self._function_scope(event, note.function.rpartition(".")[2]) if note.function else 0
        if scope:
            events = [
                at for at in range(event, len(self._log.events)) if self._is_within(self._log.events[at][5], scope)
            ]
        return [at for at in events if at in self._numbering.nodes]

    def _function_scope(self, event: int, name: str) -> int:
        """The call of a custom function that an event ran in, or 0."""
        scope = self._log.events[event][5]
        while scope and not (self._log.scopes[scope].is_function and self._log.scopes[scope].names == (name,)):
            scope = self._log.scopes[scope].parent
        return scope

    def _is_within(self, scope: int, outer: int) -> bool:
        while scope > outer:  # a call's number is greater than that of the call around it
            scope = self._log.scopes[scope].parent
        return scope == outer

    def _owners(self) -> list[int]:
        """The autograd node that ran each event, or -1."""
        log, notes = self._log, self._notes
        ran = np.full(len(log.events), -1, dtype=np.int64)
        accumulated: list[tuple[int, int]] = []
        for place, _, _, before, after in runs_of(notes):
            ran[before:after] = place  # what runs within another begins later, so the inner one stays
            if notes.nodes[place].op == _ACCUMULATES:
                accumulated.append((before, place))
        owners: list[int] = ran.tolist()
        numbers = _unique_numbers(notes)
        for event, raw in enumerate(log.events):
            name, number = raw[7], raw[8]
            if not name:
                continue
            if number != NO_NODE and number in numbers:
                owners[event] = numbers[number]
            elif owners[event] < 0 and name.endswith(_ACCUMULATES):
                # A hook on the parameter itself, which runs before its node does.
                at = bisect_left(accumulated, (event, -1))
                owners[event] = accumulated[at][1] if at < len(accumulated) else -1
        return owners


def _made_by(log: PassLog) -> dict[int, int]:
    """For each of autograd's sequence numbers the event that made the node with this number."""
    found: dict[int, int] = {}
    counter = 0
    for event, raw in enumerate(log.events):
        for number in range(counter, raw[9]):
            found[number] = event
        counter = max(counter, raw[9])
    return found


def _unique_numbers(notes: AutogradNotes) -> dict[int, int]:
    """The node with each sequence number, unless there are several: each thread counts for itself."""
    found: dict[int, int] = {}
    several: set[int] = set()
    for place, note in enumerate(notes.nodes):
        if note.number is not None and found.setdefault(note.number, place) != place:
            several.add(note.number)
    return {number: place for number, place in found.items() if number not in several}
