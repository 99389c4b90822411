"""Trace files: what a recorded run is, and how it is written to and read from a `.reel`."""

from graphreel.tracefile.errors import (
    CannotWrite,
    DamagedTrace,
    NewerTrace,
    NotATrace,
    TraceError,
    UnknownIteration,
)
from graphreel.tracefile.model import (
    Iteration,
    IterationRecord,
    RecordedError,
    Status,
    Trace,
    TraceInfo,
    edge_count,
)
from graphreel.tracefile.reader import open_reel
from graphreel.tracefile.schema import is_reel
from graphreel.tracefile.single import SingleGraphTrace
from graphreel.tracefile.writer import TraceWriter

__all__ = [
    "CannotWrite",
    "DamagedTrace",
    "Iteration",
    "IterationRecord",
    "NewerTrace",
    "NotATrace",
    "RecordedError",
    "SingleGraphTrace",
    "Status",
    "Trace",
    "TraceError",
    "TraceInfo",
    "TraceWriter",
    "UnknownIteration",
    "edge_count",
    "is_reel",
    "open_reel",
]
