"""Iterations of which only PyTorch's profiler knows, made on the writer's thread.

Each is taken for one that was recorded before if both went alike in all that is known (`light_plan`). It gets that
one's graph then, with the profiler's times; of any other only the operators are told that the profiler saw.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from graphreel.capture.torch.convert import Converter
from graphreel.capture.torch.kernels import kernels_of
from graphreel.capture.torch.light_matching import Found, LightPass, Seen, Stretch, StretchReader
from graphreel.capture.torch.light_plan import UNSEEN
from graphreel.capture.torch.light_stream import Kinds, Stream
from graphreel.capture.torch.profiler import Piece
from graphreel.capture.torch.profiler_events import profile_of
from graphreel.graph import GraphBuilder, Phase
from graphreel.tracefile.extras import Finding
from graphreel.tracefile.model import IterationRecord, RecordedError


class LightReading:
    """Makes iterations of stretches, one after the other.

    Attributes:
        unlike, in_a_row: How many passes were like none that is known: of all, and since the last that was like one.
    """

    def __init__(self, converter: Converter) -> None:
        self.unlike = self.in_a_row = 0
        self._convert = converter
        self._kinds = Kinds()
        self._carried = Stream()
        self._carried_pieces: list[Piece] = []
        self._end_ns = 0

    def record(self, stretch: Stretch, index: int) -> IterationRecord:
        """The iteration with this number, of a stretch in which it is."""
        if stretch.records is None:
            stretch.records = self._read(stretch)
            stretch.pieces.clear()
        return stretch.records.pop(index)

    def _read(self, stretch: Stretch) -> dict[int, IterationRecord]:
        for known in stretch.known:
            self._kinds.seen_whole((*known.front.operators, *known.rest.operators))
        stream, self._carried = self._carried, Stream()
        if stretch.passes[0].before is not None:
            stream, self._carried_pieces, self._end_ns = Stream(), [], 0
        reader, found = self._found_in(stretch, stream, nested=False)
        unlearned = any(part.names is None for known in stretch.known for part in (known.front, known.rest))
        if unlearned and not all(isinstance(like, Found) for like, _ in found):
            reader, found = self._found_in(stretch, stream, nested=True)
        pieces = [*self._carried_pieces, *stretch.pieces]
        records: dict[int, IterationRecord] = {}
        for each, (like, seen) in zip(stretch.passes, found, strict=True):
            if isinstance(like, Found):
                self.in_a_row, record = 0, self._alike(each, like)
            else:
                self.unlike, self.in_a_row = self.unlike + 1, self.in_a_row + 1
                record = self._unlike(each, like, seen)
            records[each.index] = _with_kernels(record, pieces, self._begin_ns)
        self._carried = Stream() if stretch.last else reader.stream.after(reader.done)
        self._carried_pieces = [] if stretch.last else _of_devices(stretch.pieces)
        return records

    def _found_in(self, stretch: Stretch, carried: Stream, *, nested: bool) -> tuple[StretchReader, list[Any]]:
        """What each pass is like, or why it is like none, and the operators of such."""
        stream = Stream()
        stream.follow(carried)
        stream.follow(Stream.of(stretch.pieces, self._kinds, nested=nested))
        reader = StretchReader(stretch, stream, self._kinds, nested and len(carried.ends) == len(carried.names))
        found: list[Any] = []
        for place, each in enumerate(stretch.passes):
            like = reader.find(place)
            found.append((like, None if isinstance(like, Found) else reader.seen(each)))
        return reader, found

    def _alike(self, each: LightPass, found: Found) -> IterationRecord:
        known = found.known
        known.graph = known.graph or self._convert.graph_of(known.log)
        graph, kept = known.graph
        starts, durations = found.times
        first = int(starts[0]) if len(starts) else each.begin_ns
        self._begin_ns = begin = self._end_ns if 0 < self._end_ns <= first else min(first, each.begin_ns)
        self._end_ns = int((starts + durations).max()) if len(starts) else each.end_ns
        return IterationRecord(
            graph=graph,
            status=each.status,
            started_ns=each.started_ns + begin - each.begin_ns,
            duration_ns=self._end_ns - begin,
            columns={"start_ns": starts[kept] - begin, "duration_ns": durations[kept]},
            scalars=each.scalars,
            error=_error(each),
            findings=tuple(each.findings),
        )

    def _unlike(self, each: LightPass, why: str, seen: Seen) -> IterationRecord:
        """What is known of a pass that is like none: its operators and their times."""
        names, starts, durations = seen
        builder = GraphBuilder({"framework": "torch"})
        for name in names:
            builder.node(name.replace("::", ".", 1), phase=Phase.OTHER)
        first = int(starts[0]) if len(starts) else each.begin_ns
        self._begin_ns = begin = self._end_ns if 0 < self._end_ns <= first else min(first, each.begin_ns)
        self._end_ns = max(int((starts + durations).max()) if len(starts) else each.end_ns, begin)
        message = (
            "at level light an iteration gets the graph of one that was recorded in full; this one is like none of "
            f"those, and only its operators are known: {why}"
        )
        return IterationRecord(
            graph=builder.build(),
            status=each.status,
            started_ns=each.started_ns + begin - each.begin_ns,
            duration_ns=self._end_ns - begin,
            columns={"start_ns": starts - begin, "duration_ns": durations},
            scalars=each.scalars,
            error=_error(each),
            findings=(*each.findings, Finding("unknown-structure", message)),
        )


def _error(each: LightPass) -> RecordedError | None:
    failure = each.failure
    return None if failure is None else RecordedError(failure.type, failure.message, failure.traceback)


def _of_devices(pieces: Sequence[Piece]) -> list[Piece]:
    """The profiles in which a device takes part."""
    return [piece for piece in pieces if piece.has_device]


def _with_kernels(record: IterationRecord, pieces: Sequence[Piece], begin_ns: int) -> IterationRecord:
    """The iteration with the work of devices that its nodes launched, where there are devices."""
    pieces = _of_devices(pieces)
    if not pieces or not record.graph.node_count:
        return record
    kernels, findings = kernels_of(profile_of(pieces), record, begin_ns)
    own = kernels.node != UNSEEN
    columns = ("name", "kind", "node", "device", "stream", "start_ns", "duration_ns", "launch_ns", "nbytes")
    kernels = replace(kernels, **{column: getattr(kernels, column)[own] for column in columns})
    # Work that belongs to no node here is that of the passes beside this one.
    told = [finding for finding in findings if "belong" not in finding.message]
    return replace(record, kernels=kernels, findings=(*record.findings, *told))
