"""Turns what was noted down of a pass into an iteration of the graph model, on the writer's thread."""

from collections.abc import Sequence

import numpy as np

from graphreel.capture.options import Level
from graphreel.capture.torch.arguments import (
    attributes_of,
    hidden_arguments,
    input_names,
    is_training,
    tensor_arguments,
)
from graphreel.capture.torch.log import NO_ALIAS, NO_NODE, NO_TENSOR, Event, PassLog
from graphreel.capture.torch.places import Places
from graphreel.capture.torch.preparation import kept_events
from graphreel.capture.torch.stacks import Line
from graphreel.capture.torch.storages import Values
from graphreel.graph import NONE, Graph, GraphBuilder
from graphreel.tracefile.model import IterationRecord, RecordedError

_REMEMBERED = 4
"""How many different passes are kept to compare with: training and evaluation often take turns."""


class Converter:
    """Makes iterations of passes. A pass equal to a recent one gets that one's graph.

    `lines` are the user's lines of each stack by number; it may grow while the recording goes on.
    """

    def __init__(self, lines: Sequence[tuple[Line, ...]], level: Level) -> None:
        self._lines = lines
        self._level = level
        self._recent: list[tuple[PassLog, Graph, list[int]]] = []

    def __call__(self, log: PassLog) -> IterationRecord:
        """The iteration of a pass."""
        graph, kept = self._graph(log)
        begin = log.starts[kept[0]] if log.first and kept else log.begin_ns
        columns = {}
        if self._level is Level.TIMING:
            starts = np.array([log.starts[event] for event in kept], dtype=np.int64)
            ends = np.array([log.ends[event] for event in kept], dtype=np.int64)
            columns = {"start_ns": starts - begin, "duration_ns": ends - starts}
        columns |= _argument_columns(log, kept)
        return IterationRecord(
            graph=graph,
            status=log.status,
            started_ns=log.started_ns + begin - log.begin_ns,
            duration_ns=max(log.end_ns - begin, 0),
            columns=columns,
            scalars=self._scalars(log),
            error=_recorded_error(log, kept),
        )

    def _graph(self, log: PassLog) -> tuple[Graph, list[int]]:
        for at, (other, graph, kept) in enumerate(self._recent):
            if _equal(log, other):
                self._recent.insert(0, self._recent.pop(at))
                return graph, kept
        made = GraphOfPass(log, self._lines).build()
        self._recent = [(log, *made), *self._recent[: _REMEMBERED - 1]]
        return made

    def _scalars(self, log: PassLog) -> dict[str, float]:
        """Learning rates, and what the program itself read: `loss` where backward began there, else by its line."""
        scalars = dict(log.scalars)
        for tensor, (number, stack) in log.items.items():
            if tensor == log.loss or self._is_view_of_loss(log, tensor):
                scalars["loss"] = number
            elif self._lines[stack]:
                file, line, _ = self._lines[stack][-1]
                scalars[f"item {file.rpartition('/')[2]}:{line}"] = number
        return scalars

    def _is_view_of_loss(self, log: PassLog, tensor: int) -> bool:
        """Whether a tensor is `loss.detach()`, which programs read as well."""
        return any(
            tensor in event[4] and event[0].name == "aten.detach.default" and event[1] == (log.loss,)
            for event in reversed(log.events)
        )


def _equal(log: PassLog, other: PassLog) -> bool:
    """Whether two passes make the same graph."""
    return (
        len(log.events) == len(other.events)
        and (log.preparation, log.first, log.steps) == (other.preparation, other.first, other.steps)
        and log.events == other.events
        and log.tensors == other.tensors
        and log.scopes == other.scopes
        and log.names == other.names
        and log.errors == other.errors
    )


def _recorded_error(log: PassLog, kept: Sequence[int]) -> RecordedError | None:
    failure = log.failure
    if failure is None:
        return None
    node = kept.index(failure.event) if failure.event in kept else None
    return RecordedError(failure.type, failure.message, failure.traceback, node)


def _argument_columns(log: PassLog, kept: Sequence[int]) -> dict[str, np.ndarray]:
    """The floats of the optimizer's operations, which change from step to step: `argument.value`, `argument.lr`, …."""
    columns: dict[str, np.ndarray] = {}
    floats = iter(log.floats)
    rows = {event: row for row, event in enumerate(kept)}
    for index, raw in enumerate(log.events):
        if not raw[7]:
            continue
        for name in hidden_arguments(Event(*raw)):
            number = next(floats, np.nan)
            if index in rows:
                column = columns.setdefault(f"argument.{name}", np.full(len(kept), np.nan))
                column[rows[index]] = number
    return columns


class GraphOfPass:
    """Builds the graph of one pass."""

    def __init__(self, log: PassLog, lines: Sequence[tuple[Line, ...]]) -> None:
        self._log, self._lines = log, lines
        self._builder = GraphBuilder({"framework": "torch"})
        self._sources: dict[int, int] = {}
        self._values = Values(self._builder, log)
        self._places = Places(self._builder, log, self._source)
        self._node_of: dict[int, int] = {}
        self._made_by: dict[int, int] = {}

    def build(self) -> tuple[Graph, list[int]]:
        """The graph, and the event of each of its nodes."""
        kept = kept_events(self._log)
        for index in kept:
            self._add(index, Event(*self._log.events[index]))
        return self._builder.build(), kept

    def _source(self, stack: int) -> int:
        """The source row of a stack's innermost line."""
        found = self._sources.get(stack)
        if found is None:
            found = NONE
            for file, line, function in self._lines[stack]:
                found = self._builder.source(file, line, function, found)
            self._sources[stack] = found
        return found

    def _add(self, index: int, event: Event) -> None:
        above = next((self._made_by[tensor] for tensor in event.inputs if tensor in self._made_by), NO_NODE)
        scope, phase, forward = self._places.place(index, event, above)
        taken = [tensor for tensor in event.inputs if tensor != NO_TENSOR]
        values = [self._values.read(tensor) for tensor in taken]
        arguments = tensor_arguments(event)
        written = [at for at, argument in enumerate(arguments) if argument in event.op.written]
        if event.op.hidden and is_training(event):
            written += [at for at, argument in enumerate(arguments) if argument in event.op.hidden]
        attributes = attributes_of(event)
        if index in self._log.errors:
            attributes["error"] = self._log.errors[index]
        node = self._builder.node(
            event.op.name,
            values,
            scope=scope,
            phase=phase,
            source=self._source(event.stack),
            forward=self._node_of.get(forward, NONE),
            input_names=input_names(arguments),
            writes=written,
            attributes=attributes,
        )
        self._node_of[index] = node
        if index not in self._log.errors:
            self._give(index, event, node, taken, arguments, [taken[at] for at in written])

    def _give(
        self,
        index: int,
        event: Event,
        node: int,
        taken: Sequence[int],
        arguments: Sequence[str],
        wrote: Sequence[int],
    ) -> None:
        """Add what a node gives: its outputs, then the tensors it wrote and did not give back."""
        bumped: set[int] = set()
        for port, tensor in enumerate(event.outputs):
            self._made_by[tensor] = index
            if tensor in wrote:
                self._values.write(tensor, node, bumped)
                continue
            alias = self._alias(event, port, tensor, taken, arguments)
            self._values.make(tensor, node, self._places.phase, alias)
        for tensor in wrote:
            if tensor not in event.outputs:
                self._values.write(tensor, node, bumped)

    def _alias(self, event: Event, port: int, tensor: int, taken: Sequence[int], arguments: Sequence[str]) -> int:
        """The tensor that an output is a view of, or -1."""
        if tensor in taken:
            return tensor
        if event.op.may_copy:
            return self._log.tensors[tensor][3]
        views = event.op.view_of
        # A list of views is one return of the schema.
        viewed = views[min(port, len(views) - 1)] if views else None
        return next((taken[at] for at, name in enumerate(arguments) if name == viewed), NO_ALIAS)
