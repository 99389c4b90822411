"""Turns what was noted down of a pass into an iteration of the graph model, on the writer's thread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphreel.capture.torch.arguments import Signature, Signatures
from graphreel.capture.torch.autograd_view import AutogradViews
from graphreel.capture.torch.columns import IntArray, argument_columns, item_column
from graphreel.capture.torch.log import (
    NO_ALIAS,
    NO_NODE,
    NO_TENSOR,
    Event,
    PassLog,
    RawEvent,
    is_number,
    same_event,
)
from graphreel.capture.torch.losses import unscaled
from graphreel.capture.torch.places import Places
from graphreel.capture.torch.preparation import aliases_in_loop, kept_events
from graphreel.capture.torch.stacks import Line
from graphreel.capture.torch.storages import Values
from graphreel.capture.torch.variants import Model, variant_of
from graphreel.capture.torch.watch import Numbering
from graphreel.graph import NONE, Graph, GraphBuilder, NodeId
from graphreel.tracefile.extras import Finding
from graphreel.tracefile.model import IterationRecord, RecordedError

_REMEMBERED = 4
"""How many different passes are kept to compare with: training and evaluation often take turns."""


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """A pass that became a graph: the event of each node, and where the numbers kept apart belong.

    `places` has, by argument name, rows of the graph and the places of their floats in `PassLog.floats`: the first, and
    how many there are in a list.
    """

    log: PassLog
    graph: Graph
    kept: IntArray
    places: Mapping[str, IntArray]
    numbering: Numbering
    model: Model


class Converter:
    """Makes iterations of passes. A pass equal to a recent one gets that one's graph.

    `lines` are the user's lines of each stack by number; it may grow while the recording goes on.
    """

    def __init__(self, lines: Sequence[tuple[Line, ...]]) -> None:
        self._lines = lines
        self._signatures = Signatures()
        self._views = AutogradViews()
        self._recent: list[_Made] = []

    def __call__(self, log: PassLog) -> IterationRecord:
        """The iteration of a pass."""
        made = self._made(log)
        kept = made.kept
        # A pass whose graph is remembered keeps its log, which must not keep what its watches hold.
        watches, log.watches = log.watches, ()
        autograd, log.autograd = log.autograd, None
        starts, ends = (np.fromiter(column, np.int64, len(column))[kept] for column in (log.starts, log.ends))
        begin = int(starts[0]) if (log.first or log.preparation) and len(kept) else log.begin_ns
        columns = {}
        if log.level is not None and log.level.has_timing:
            columns = {"start_ns": starts - begin, "duration_ns": ends - starts}
        record = IterationRecord(
            graph=made.graph,
            status=log.status,
            started_ns=log.started_ns + begin - log.begin_ns,
            duration_ns=max(log.end_ns - begin, 0),
            columns=columns | argument_columns(log, kept, made.places) | item_column(log, kept),
            scalars=self._scalars(log),
            error=_recorded_error(log, kept),
        )
        numbering = replace(made.numbering, begin_ns=begin)
        for watch in watches:
            record = watch.add_to(record, numbering)
        if autograd is not None:
            record = self._views.add_to(record, autograd, log, numbering)
        if log.findings:
            record = replace(record, findings=(*_findings(log, made.numbering), *record.findings))
        return record

    def graph_of(self, log: PassLog) -> tuple[Graph, IntArray]:
        """The graph of a pass, and the event of each of its nodes."""
        made = self._made(log)
        return made.graph, made.kept

    def _made(self, log: PassLog) -> _Made:
        for at, made in enumerate(self._recent):
            if _equal(log, made):
                self._recent.insert(0, self._recent.pop(at))
                return made
        made = self._variant(log) or GraphOfPass(log, self._lines, self._signatures).build()
        self._recent = [made, *self._recent[: _REMEMBERED - 1]]
        return made

    def _variant(self, log: PassLog) -> _Made | None:
        """A pass that became a graph by being as a recent one was but for sizes."""
        for model, made in {made.model: made for made in self._recent}.items():
            graph = variant_of(model, log, self._signatures)
            if graph is not None:
                return replace(made, log=log, graph=graph)
        return None

    def _scalars(self, log: PassLog) -> dict[str, float]:
        """Learning rates, and what the program itself read: `loss` where backward began there, else by its line.

        The second loss of a pass is `loss.2`, the second number that one line reads `item train.py:41.2`.
        """
        scalars = dict(log.scalars)
        seconds: dict[str, int] = {}
        for tensor, (number, stack) in log.items.items():
            loss = self._loss_of(log, tensor)
            if loss >= 0:
                name = "loss" if loss == 0 else f"loss.{loss + 1}"
                # Of a loss and what it was before it was scaled, the program means the latter.
                scalars[name] = scalars.get(name, number) if tensor in log.losses else number
            elif self._lines[stack]:
                file, line, _ = self._lines[stack][-1]
                name = f"item {file.rpartition('/')[2]}:{line}"
                seconds[name] = at = seconds.get(name, 0) + 1
                scalars[name if at == 1 else f"{name}.{at}"] = number
        return scalars

    def _loss_of(self, log: PassLog, tensor: int) -> int:
        """Which loss of the pass a tensor is, from 0, or -1.

        `loss.detach()`, which programs read, is one too; and so is what `scaler.scale(loss)` or `loss / 4` came from.
        """
        if tensor in log.losses:
            return log.losses.index(tensor)
        read = unscaled(log, {tensor}).get(tensor, tensor)
        losses = unscaled(log, set(log.losses))
        return next((at for at, loss in enumerate(log.losses) if read in (loss, losses.get(loss))), NO_TENSOR)


def _equal(log: PassLog, made: _Made) -> bool:
    """Whether a pass makes the same graph as one that was made already."""
    other = made.log
    whole = len(made.kept) == len(other.events)
    return (
        len(log.events) == len(other.events)
        and (whole or log.first == other.first)
        and (log.preparation, log.steps) == (other.preparation, other.steps)
        and _equal_events(log.events, other.events)
        and log.tensors == other.tensors
        and log.scopes == other.scopes
        and log.names == other.names
        and log.errors == other.errors
    )


def _equal_events(events: Sequence[RawEvent], other: Sequence[RawEvent]) -> bool:
    """Whether events are equal and their arguments are of the same types; most often they are the same objects."""
    return events == other and all(map(same_event, events, other))


def _recorded_error(log: PassLog, kept: IntArray) -> RecordedError | None:
    failure = log.failure
    if failure is None:
        return None
    rows = np.flatnonzero(kept == failure.event)
    node = NodeId(int(rows[0])) if len(rows) else None
    return RecordedError(failure.type, failure.message, failure.traceback, node)


def _findings(log: PassLog, numbering: Numbering) -> list[Finding]:
    """What the recorder noticed, with nodes for events."""
    nodes = numbering.nodes
    return [
        found if found.node is None else replace(found, node=NodeId(nodes[found.node]) if found.node in nodes else None)
        for found in log.findings
    ]


class GraphOfPass:
    """Builds the graph of one pass."""

    def __init__(self, log: PassLog, lines: Sequence[tuple[Line, ...]], signatures: Signatures) -> None:
        self._log, self._lines, self._signatures = log, lines, signatures
        self._builder = GraphBuilder({"framework": "torch"})
        self._sources: dict[int, int] = {}
        self._values = Values(self._builder, log, aliases_in_loop(log))
        self._places = Places(self._builder, log, self._source)
        self._node_of: dict[int, int] = {}
        self._made_by: dict[int, int] = {}
        self._floats: dict[str, list[tuple[int, int, int]]] = {}

    def build(self) -> _Made:
        """The graph, and what later passes that are equal need."""
        kept = kept_events(self._log)
        for index in kept:
            event = self._log.event(index)
            self._add(index, event, self._signatures(event))
        self._place_floats()
        places = {name: np.array(rows, dtype=np.int64) for name, rows in self._floats.items()}
        numbering = Numbering(self._node_of, self._values.entered, self._values.given)
        graph = self._builder.build()
        model = Model(self._log, graph, self._node_of, np.array(self._values.tensors, dtype=np.int64))
        return _Made(self._log, graph, np.array(kept, dtype=np.int64), places, numbering, model)

    def _place_floats(self) -> None:
        """Find the node and the argument of each float that was kept apart; those of dropped events are skipped."""
        count = 0
        for index, raw in enumerate(self._log.events):
            if not raw[6]:
                continue
            event = self._log.event(index)
            given = (*event.arguments, *(each for _, each in event.keywords))
            lengths = [each[1] if isinstance(each, tuple) else 1 for each in given if is_number(each)]
            for name, length in zip(self._signatures(event).hidden, lengths, strict=True):
                if index in self._node_of:
                    self._floats.setdefault(name, []).append((self._node_of[index], count, length))
                count += length

    def _source(self, stack: int) -> int:
        """The source row of a stack's innermost line."""
        found = self._sources.get(stack)
        if found is None:
            found = NONE
            for file, line, function in self._lines[stack]:
                found = self._builder.source(file, line, function, found)
            self._sources[stack] = found
        return found

    def _add(self, index: int, event: Event, signature: Signature) -> None:
        made_by = self._made_by
        above = next((made_by[tensor] for tensor in event.inputs if tensor in made_by), NO_NODE)
        scope, phase, forward = self._places.place(index, event, above)
        taken = [tensor for tensor in event.inputs if tensor != NO_TENSOR]
        failed = self._log.errors.get(index)
        attributes = signature.attributes
        if event.autograd:
            attributes = {**attributes, "autograd": event.autograd}
        if failed is not None:
            attributes = {**attributes, "error": failed}
        node = self._builder.node(
            event.op.name,
            [self._values.read(tensor) for tensor in taken],
            scope=scope,
            phase=phase,
            source=self._source(event.stack),
            forward=self._node_of.get(forward, NONE),
            input_names=signature.names,
            writes=signature.written,
            attributes=attributes,
        )
        self._node_of[index] = node
        if failed is None:
            self._give(index, event, node, taken, signature)

    def _give(self, index: int, event: Event, node: int, taken: Sequence[int], signature: Signature) -> None:
        """Add what a node gives: its outputs, then the tensors it wrote and did not give back."""
        bumped: set[int] = set()
        # A tensor of another shape is another one from here on, in the same memory.
        reshaped = event.op.reshapes and event.outputs != event.inputs[:1]
        wrote = [] if reshaped else [taken[at] for at in signature.written]
        for port, tensor in enumerate(event.outputs):
            self._made_by[tensor] = index
            if tensor in wrote:
                self._values.write(tensor, index, node, bumped)
                continue
            alias = self._alias(event, port, tensor, taken, signature.tensors)
            self._values.make(tensor, index, node, self._places.phase, alias)
        for tensor in wrote:
            if tensor not in event.outputs:
                self._values.write(tensor, index, node, bumped)

    def _alias(self, event: Event, port: int, tensor: int, taken: Sequence[int], arguments: Sequence[str]) -> int:
        """The tensor that an output is a view of, or -1."""
        if tensor in taken:
            return tensor
        if event.op.takes_storage:
            return next((taken[at] for at, name in enumerate(arguments) if name == "source"), NO_ALIAS)
        if event.op.may_copy:
            return self._log.tensors[tensor][3]
        views = event.op.view_of
        # A list of views is one return of the schema.
        viewed = views[min(port, len(views) - 1)] if views else None
        if viewed is None:
            return NO_ALIAS
        return next((taken[at] for at, name in enumerate(arguments) if name == viewed), NO_ALIAS)
