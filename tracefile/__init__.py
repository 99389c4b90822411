"""Trace files: what a recorded run is, and how it is written to and read from a `.reel`."""

from graphreel.tracefile.errors import (
    CannotShow,
    CannotWrite,
    DamagedTrace,
    NewerTrace,
    NotATrace,
    ReachedLimit,
    TraceError,
    UnknownIteration,
)
from graphreel.tracefile.extras import Finding, Kernels
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
from graphreel.tracefile.tensors import (
    Change,
    GeneratorState,
    Keyframe,
    RecordedTensor,
    Storage,
    TensorView,
    check_view,
    to_numpy,
)
from graphreel.tracefile.writer import TraceWriter

__all__ = [
    "CannotShow",
    "CannotWrite",
    "Change",
    "DamagedTrace",
    "Finding",
    "GeneratorState",
    "Iteration",
    "IterationRecord",
    "Kernels",
    "Keyframe",
    "NewerTrace",
    "NotATrace",
    "ReachedLimit",
    "RecordedError",
    "RecordedTensor",
    "SingleGraphTrace",
    "Status",
    "Storage",
    "TensorView",
    "Trace",
    "TraceError",
    "TraceInfo",
    "TraceWriter",
    "UnknownIteration",
    "check_view",
    "edge_count",
    "is_reel",
    "open_reel",
    "to_numpy",
]
