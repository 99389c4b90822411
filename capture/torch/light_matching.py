"""Which recorded pass each pass is like that only PyTorch's profiler saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.capture.torch.light_plan import UNSEEN, Difference, Known, Part, first_operator
from graphreel.capture.torch.light_stream import Kind, Kinds, Stream
from graphreel.capture.torch.log import FailureNote, PassLog
from graphreel.capture.torch.profiler import Piece
from graphreel.tracefile.extras import Finding
from graphreel.tracefile.model import IterationRecord, Status

Times: TypeAlias = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""When each operation began, and how long it took."""
Seen: TypeAlias = tuple[list[str], npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Names of operators, when each began and how long it took."""
_OTHER_CALLS = "modules were called, or optimizers stepped, otherwise or with other shapes than in any of those"


@dataclass(slots=True, eq=False)
class LightPass:
    """A pass of which the profiler knows, or the profiler and one or two logs.

    Attributes:
        index: The iteration's number.
        begin_ns, started_ns: When it began, on the monotonic clock and since the epoch.
        before: What was noted down of it before its first module call; None where the profiler saw that.
        rest: What was noted down from that call on; None where the profiler saw that.
        calls: As in `Known`.
        end_ns: When it was seen to have ended.
        broken: Why the profiler did not see all of it; empty where it did.
    """

    index: int
    begin_ns: int
    started_ns: int
    before: PassLog | None = None
    rest: PassLog | None = None
    calls: Sequence[object] = ()
    end_ns: int = 0
    status: Status = Status.COMPLETE
    failure: FailureNote | None = None
    scalars: Mapping[str, float] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    broken: str = ""


@dataclass(slots=True, eq=False)
class Stretch:
    """Some passes in a row with the profiles that were taken meanwhile.

    Attributes:
        known: The recorded passes that they are compared with.
        last: Whether no pass follows that the profiler sees.
        ended: Whether the program ends with it, so that what runs after it belongs to no pass.
    """

    known: Sequence[Known]
    passes: list[LightPass] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    last: bool = False
    ended: bool = False
    records: dict[int, IterationRecord] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The known pass that one is like, and the times of its operations."""

    known: Known
    times: Times


class StretchReader:
    """Finds the passes of a stretch in its events, in order.

    Attributes:
        stream: The events.
        done: The place up to which events belong to passes that were found, or lie before the next.
    """

    def __init__(self, stretch: Stretch, stream: Stream, kinds: Kinds, nested: bool) -> None:
        self.done = 0
        self._stretch, self.stream, self._kinds, self._nested = stretch, stream, kinds, nested
        self._marks = stream.marks()
        self._from = self._to = 0

    def find(self, place: int) -> Found | str:
        """Which known pass one is like, and its times; or why it is like none."""
        each = self._stretch.passes[place]
        self._from = self.done
        marks = len(self._stretch.passes) - (self._stretch.passes[-1].rest is not None)
        if len(self._marks) < marks:
            self.done = self._to = len(self.stream.names)
            return each.broken or "the profiler did not see all of it"
        mark = self._marks[place] if place < marks else len(self.stream.names)
        end = self._marks[place + 1] if place + 1 < len(self._marks) else len(self.stream.names)
        found = self._like_any(each, mark, end)
        if isinstance(found, Found):
            return found
        # What runs before the next pass's first module call may be either's.
        self._to = end
        next_front = self._front_before(end, self._following(place))
        self.done = self._to = end if next_front is None else max(next_front, self._from)
        return each.broken or found

    def seen(self, each: LightPass) -> Seen:
        """The operators of the pass that was asked for last, and their times."""
        stream = self.stream
        rows = [at for at in range(self._from, self._to) if self._kinds[stream.names[at]] is Kind.OPERATOR]
        names = [stream.names[at] for at in rows]
        starts, durations = [stream.start_ns[at] for at in rows], [stream.duration_ns[at] for at in rows]
        for log, at in ((each.before, 0), (each.rest, len(rows))):
            if log is not None:
                names[at:at] = [log.ops[raw[0]].name.rpartition(".")[0] for raw in log.events]
                starts[at:at] = log.starts
                durations[at:at] = [end - start for start, end in zip(log.starts, log.ends, strict=True)]
        return names, np.array(starts, dtype=np.int64), np.array(durations, dtype=np.int64)

    def _following(self, place: int) -> Sequence[Known]:
        """What the pass after one may be like, by its calls."""
        passes = self._stretch.passes
        calls = passes[place + 1].calls if place + 1 < len(passes) else ()
        # One that did not come to its end may be like any.
        return [known for known in self._stretch.known if known.calls == calls] or self._stretch.known

    def _like_any(self, each: LightPass, mark: int, end: int) -> Found | str:
        alike = [known for known in self._stretch.known if known.calls == each.calls]
        if each.status is not Status.COMPLETE:
            return "it did not come to its end"
        differs: list[Difference] = []
        for known in alike:
            found = self._like(each, known, mark, end)
            if not isinstance(found, Difference):
                return Found(known, found)
            differs.append(found)
        return str(max(differs, key=lambda each: each.at)) if differs else _OTHER_CALLS

    def _like(self, each: LightPass, known: Known, mark: int, end: int) -> Times | Difference:
        """The times of a pass if it is like this one."""
        before, first = self._front(each, known, mark)
        if isinstance(before, Difference):
            return before
        if each.rest is not None:
            differs = _rest_differs(each.rest, known, len(known.front.operators))
            after, last = differs or _noted(each.rest), end
        else:
            after, last = self._rest(known, mark + 1, end)
        if isinstance(after, Difference):
            return after
        extra = first_operator(self.stream, self._kinds, self._from, first)
        if extra is not None:
            return Difference(0, self.stream.names[extra], "")
        if each.rest is None and not (self._stretch.ended and end == len(self.stream.names)):
            place = self._stretch.passes.index(each)
            following = self._front_before(end, self._following(place), last)
            if following is None:
                extra = first_operator(self.stream, self._kinds, last, end)
                return Difference(len(known.log.events), self.stream.names[extra] if extra is not None else "", "")
            last = following
        self.done = last
        return _joined(before, after)

    def _front(self, each: LightPass, known: Known, mark: int) -> tuple[Times | Difference, int]:
        """The times of what ran before the first module call, and where that begins among the events."""
        part = known.front
        if each.before is not None:
            count = len(each.before.events)
            if each.before.events != known.log.events[: len(part.operators)] or count != len(part.operators):
                at = next((at for at, raw in enumerate(each.before.events) if raw != known.log.events[at]), count)
                found = each.before.ops[each.before.events[at][0]].name if at < count else ""
                return Difference(at, found, part.operators[at] if at < len(part.operators) else ""), mark
            return _noted(each.before), mark
        if part.names is None:
            differs = self._learn(part, self._from, mark, whole=True)
            if differs is not None:
                return differs, mark
        names = part.names or []
        first = mark - len(names)
        if first < self._from or self.stream.names[first:mark] != names:
            return part.difference(self.stream.names[max(first, self._from) : mark]), mark
        return self._times(part, first), first

    def _rest(self, known: Known, first: int, end: int) -> tuple[Times | Difference, int]:
        """The times of what ran from the first module call on, and where that ends among the events."""
        part = known.rest
        if part.names is None:
            differs = self._learn(part, first, end, whole=False)
            if differs is not None:
                return Difference(len(known.front.operators) + differs.at, differs.found, differs.expected), end
        names = part.names or []
        last = first + len(names)
        if last > end or self.stream.names[first:last] != names:
            differs = part.difference(self.stream.names[first : min(last, end)])
            return Difference(len(known.front.operators) + differs.at, differs.found, differs.expected), end
        return self._times(part, first), last

    def _front_before(self, end: int, known: Sequence[Known], begin: int | None = None) -> int | None:
        """Where the front of the next pass begins, if one of these has it just before `end`; None if none has.

        With `begin`, no operator may stand between there and the front.
        """
        lowest = self._from if begin is None else begin
        fronts = [each.front for each in known]
        for front in sorted(fronts, key=lambda part: len(part.names or ()), reverse=True):
            if front.names is None and begin is not None:
                self._learn(front, begin, end, whole=True)
            if front.names is None:
                continue
            first = end - len(front.names)
            if first < lowest or self.stream.names[first:end] != front.names:
                continue
            if begin is None or first_operator(self.stream, self._kinds, begin, first) is None:
                return first
        return None

    def _learn(self, part: Part, first: int, last: int, *, whole: bool) -> Difference | None:
        if not self._nested:
            return Difference(0, "", "")
        return part.learn(self.stream, self._kinds, first, last, whole=whole)

    def _times(self, part: Part, first: int) -> Times:
        """When each operation began and how long it took; one that was not seen takes no time where it stands."""
        places = np.array(part.places, dtype=np.int64)
        seen = places != UNSEEN
        rows = slice(first, first + len(part.names or ()))
        starts = np.array(self.stream.start_ns[rows] or [0], dtype=np.int64)[np.where(seen, places, 0)]
        durations = np.array(self.stream.duration_ns[rows] or [0], dtype=np.int64)[np.where(seen, places, 0)]
        durations[~seen] = 0
        for at in np.flatnonzero(~seen).tolist():
            starts[at] = starts[at - 1] + durations[at - 1] if at else starts[seen][0] if seen.any() else 0
        return starts, durations


def _noted(log: PassLog) -> Times:
    """The times of operations that were noted down."""
    starts = np.array(log.starts, dtype=np.int64)
    return starts, np.array(log.ends, dtype=np.int64) - starts


def _rest_differs(log: PassLog, known: Known, first: int) -> Difference | None:
    """Where operations that were noted down are not those of a known pass from operation `first` on."""
    own, others = ([(log.ops[raw[0]].name, *raw[6:8]) for raw in events] for events in (log.events, known.log.events))
    if own == others[first:]:
        return None
    pairs = zip_longest(own, others[first:], fillvalue=("",))
    at, (one, two) = next((at, pair) for at, pair in enumerate(pairs) if pair[0] != pair[1])
    return Difference(first + at, str(one[0]), str(two[0]))


def _joined(before: Times, after: Times) -> Times:
    return np.concatenate([before[0], after[0]]), np.concatenate([before[1], after[1]])
