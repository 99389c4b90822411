"""What PyTorch's profiler found, as the columns of a `Profile`, on the monotonic clock."""

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.capture.kineto.columns import UNKNOWN, Category, IntColumn, Profile, category_of
from graphreel.capture.torch.profiler import Piece

Flags: TypeAlias = npt.NDArray[np.bool_]


def profile_of(pieces: Sequence[Piece]) -> Profile:
    """The events of all pieces, in order.

    Asking the profiler for its events costs about 4 µs each; writing and reading its JSON costs three times as much.
    """
    parts = [_Part(piece) for piece in pieces]
    names = _Table()
    threads = _Table()
    name = names.rows([each for part in parts for each in part.name])
    thread = threads.rows([each for part in parts for each in part.thread])
    columns: dict[str, Any] = {
        column: np.concatenate([getattr(part, column) for part in parts] or [np.empty(0, dtype=np.int64)])
        for column in ("category", "start_ns", "duration_ns", "external", "correlation", "device", "stream", "nbytes")
    }
    return Profile(
        names=tuple(names.all),
        name=name,
        threads=tuple(threads.all),
        thread=thread,
        sequence=np.full(len(name), UNKNOWN, dtype=np.int64),
        flows=np.empty((0, 4), dtype=np.int64),
        **columns,
    )


class _Table:
    """Distinct texts by row."""

    def __init__(self) -> None:
        self.all: dict[str, int] = {}

    def rows(self, texts: Sequence[str]) -> IntColumn:
        """The row of each text; new ones are added."""
        known = self.all
        for text in texts:
            if text not in known:
                known[text] = len(known)
        return np.array([known[text] for text in texts], dtype=np.int64)


class _Part:
    """The columns of one piece. Each question to an event costs half a microsecond, so the host's are asked little."""

    def __init__(self, piece: Piece) -> None:
        events = piece.results.events()
        self.name = [event.name() for event in events]
        self.category = _categories(events)
        # Both clocks are read at begin and end; the time of day may have been slewed in between.
        start, end = piece.clock_ns
        self.start_ns = _column([event.start_ns() for event in events]) - (start + end) // 2
        self.duration_ns = np.maximum(_column([event.duration_ns() for event in events]), 0)
        queue = [event.device_resource_id() for event in events]
        texts = {number: str(number) for number in set(queue)}
        self.thread = [texts[number] for number in queue]
        self.nbytes = np.zeros(len(events), dtype=np.int64)
        nothing = self.external = self.correlation = self.device = self.stream = self.nbytes + UNKNOWN
        on_host = np.isin(self.category, (Category.OPERATION, Category.ANNOTATION, Category.OTHER))
        if not on_host.all():
            self._add_ids(events, on_host, _column(queue), nothing)

    def _add_ids(self, events: Sequence[Any], on_host: Flags, queue: IntColumn, nothing: IntColumn) -> None:
        on_device = np.isin(self.category, (Category.KERNEL, Category.COPY, Category.FILL))
        own = _column([event.correlation_id() for event in events])
        linked = _column([event.linked_correlation_id() for event in events])
        self.external, self.correlation = np.where(on_host, own, linked), np.where(on_host, nothing, own)
        place = _column([event.device_index() for event in events])
        self.device, self.stream = np.where(on_device, place, nothing), np.where(on_device, queue, nothing)
        # A stream's number may be that of a thread; the "device" of a thread is its process.
        self.thread = [f"{device}/{at}" for device, at in zip(place.tolist(), queue.tolist(), strict=True)]
        for row in np.flatnonzero(np.isin(self.category, (Category.COPY, Category.FILL))).tolist():
            self.nbytes[row] = _bytes(events[row])


def _column(values: Sequence[int]) -> IntColumn:
    return np.array(values, dtype=np.int64)


def _categories(events: Sequence[Any]) -> IntColumn:
    if not events or not hasattr(events[0], "activity_type"):
        return _column([_guessed_category(event) for event in events])
    texts = [event.activity_type() for event in events]
    known = {text: int(category_of(text)) for text in set(texts)}
    return _column([known[text] for text in texts])


def _guessed_category(event: Any) -> Category:
    """By where an event ran and what it is called, in a PyTorch that cannot be asked."""
    name = event.name()
    if event.device_type().name == "CPU":
        return Category.RUNTIME if name.startswith(("cuda", "cuLaunch", "hip")) else Category.OPERATION
    if name.startswith("Memcpy"):
        return Category.COPY
    return Category.FILL if name.startswith("Memset") else Category.KERNEL


def _bytes(event: Any) -> int:
    """Bytes that a copy or a fill moved, where the profiler tells."""
    try:
        text = event.metadata_json()
        found = json.loads(text if text.lstrip().startswith("{") else f"{{{text}}}").get("bytes", 0)
        return max(int(found), 0)
    except (AttributeError, TypeError, ValueError):
        return 0
