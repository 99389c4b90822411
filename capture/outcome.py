"""What came of a recording's options: those that chose nothing are told, a line for each, when it ends.

It stands between the recorder and the file, and sees what goes by. Nothing here knows a framework.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from graphreel.capture.filters import Filter
from graphreel.capture.options import IterationRanges, Level, RecordOptions
from graphreel.capture.sizes import size_text
from graphreel.graph import NONE, Graph, node_keys
from graphreel.tracefile.extras import Finding
from graphreel.tracefile.model import IterationRecord

if TYPE_CHECKING:
    from graphreel.capture.torch.handing import Writer

TOO_LARGE, LEFT_OUT = "keyframe-too-large", "values-left-out"
"""Findings that tell of a keyframe, and of whole values, for which there was no room."""


@dataclass(slots=True)
class _Seen:
    """What went by so far."""

    iterations: int = 0
    first: int = -1
    last: int = -1
    keyframes: int = 0
    too_large: Finding | None = None
    with_values: int = 0
    values: int = 0
    left_out: bool = False


class Outcome:
    """Hands on what it is given, and notes down which options chose something.

    Iterations go by on the writer's thread; ask for `unmet` when the writer is closed.
    """

    def __init__(self, writer: "Writer", options: RecordOptions) -> None:
        self._writer, self._options = writer, options
        self._process = os.getpid()
        self._seen = _Seen()
        self._unmatched = {glob: Filter((glob,)) for glob in options.values}

    def put(self, record: Callable[[], IterationRecord], index: int) -> None:
        """As the writer's."""
        self._writer.put(partial(self._look, record, index), index)

    def add_source(self, file: str, text: str) -> None:
        """As the writer's."""
        self._writer.add_source(file, text)

    def abandon(self) -> None:
        """As the writer's."""
        self._writer.abandon()

    def unmet(self, met: int) -> list[str]:
        """A line for each option that chose nothing, of a program that had so many iterations, recorded or not."""
        if os.getpid() != self._process:
            return []
        if not self._seen.iterations:
            return [f"nothing was recorded: {none_came(self._options.iterations, met)}"] if met else []
        return [*self._unmet_keyframes(), *self._unmet_values()]

    def _look(self, make: Callable[[], IterationRecord], index: int) -> IterationRecord:
        record, seen, options = make(), self._seen, self._options
        seen.iterations += 1
        seen.first, seen.last = (index if seen.first < 0 else seen.first), index
        seen.keyframes += record.keyframe is not None
        seen.too_large = seen.too_large or _found(record.findings, TOO_LARGE)
        if options.level_at(index) is Level.VALUES:
            seen.with_values += 1
            seen.values += len(record.tensors)
            left_out = _found(record.findings, LEFT_OUT) is not None
            seen.left_out |= left_out
            if self._unmatched:
                kept = None if left_out else {int(tensor.view.value) for tensor in record.tensors}
                self._match(record.graph, kept)
        return record

    def _match(self, graph: Graph, values: set[int] | None) -> None:
        """Strike out the globs that match some of these values, or of all values where it is not known which."""
        texts = list(_texts(graph, range(graph.value_count) if values is None else values))
        for glob, matcher in list(self._unmatched.items()):
            if any(matcher.takes(*each) for each in texts):
                del self._unmatched[glob]

    def _unmet_keyframes(self) -> Iterator[str]:
        seen, chosen = self._seen, self._options.keyframes
        outside = _outside(chosen, self._options.iterations) if chosen else None
        if outside is not None and outside.ranges:
            yield f"--keyframes {outside}: not among --iterations {self._options.iterations}, so nothing was kept of it"
        if seen.keyframes:
            return
        if seen.too_large is not None:
            limit = size_text(self._options.keyframe_limit)
            yield f"--keyframe-limit {limit}: no iteration can be executed again: {seen.too_large.message}"
        elif chosen and chosen.ranges and chosen != outside:
            yield f"--keyframes {chosen}: none of these came, so no iteration can be executed again; {self._span()}"

    def _unmet_values(self) -> Iterator[str]:
        seen = self._seen
        if self._options.values and not seen.with_values:
            shown = ", ".join(map(repr, self._options.values))
            yield f"--values {shown}: no iteration that keeps values came, so none was kept; {self._span()}"
        elif self._unmatched:
            shown = ", ".join(map(repr, self._unmatched))
            yield (
                f"--values {shown}: matched no key of a node and no name of a value, so it kept nothing; write for "
                "example 'layers.*', 'aten.addmm.*' or '*.weight'; all keys: graphreel info FILE --keys"
            )
        elif seen.left_out and not seen.values:
            limit = size_text(self._options.values_limit)
            yield f"--values-limit {limit}: no whole value was kept, since each is larger; raise the limit"

    def _span(self) -> str:
        """Which iterations were recorded."""
        seen = self._seen
        if seen.iterations == 1:
            return f"the one that was recorded is {seen.last}"
        return f"the {seen.iterations} that were recorded are numbered {seen.first} to {seen.last}"


def none_came(iterations: IterationRanges, met: int, what: str = "program") -> str:
    """Why nothing was recorded of a program, or a script, that had so many iterations."""
    ran = "the 1 iteration" if met == 1 else f"none of the {met} iterations"
    return f"{ran} that the {what} had is {'not ' if met == 1 else ''}in --iterations {iterations}"


def _found(findings: Iterable[Finding], kind: str) -> Finding | None:
    return next((finding for finding in findings if finding.kind == kind), None)


def _texts(graph: Graph, values: Iterable[int]) -> Iterator[tuple[str, ...]]:
    """What values are chosen by: the key and the scope of the node that gave each, and its name."""
    keys = node_keys(graph)
    for value in values:
        node = int(graph.values.producer[value])
        if node != NONE:
            yield keys[node], graph.paths[graph.nodes.scope[node]], graph.strings[graph.values.name[value]]


def _outside(chosen: IterationRanges, iterations: IterationRanges) -> IterationRanges:
    """The ranges of those chosen that hold none of the iterations."""
    return IterationRanges.of(part for part in chosen.ranges if not any(_meet(part, own) for own in iterations.ranges))


def _meet(one: tuple[int, int | None], other: tuple[int, int | None]) -> bool:
    return (other[1] is None or one[0] < other[1]) and (one[1] is None or other[0] < one[1])
