"""What a trace is to its readers and writers: iterations, each with a graph and columns.

A `.reel` and a single static file (an ONNX model, say) both open as a `Trace`, so that whoever shows, compares or
exports one need not know which it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from graphreel.graph import Graph, NodeId, ValueId
from graphreel.tracefile.extras import Finding, Kernels
from graphreel.tracefile.tensors import Keyframe, RecordedTensor


class Status(StrEnum):
    """How an iteration ended."""

    COMPLETE = "complete"
    FAILED = "failed"
    """It raised; its last node is the one that failed, where a node did."""
    PARTIAL = "partial"
    """The recording ended in the middle of it."""


@dataclass(frozen=True, slots=True)
class RecordedError:
    """The exception that ended an iteration. `node` is the node that raised it, where one did."""

    type: str
    message: str
    traceback: str
    node: NodeId | None = None


@dataclass(frozen=True, slots=True, eq=False)
class IterationRecord:
    """One iteration on its way into a file.

    Attributes:
        graph: What ran.
        started_ns: When it began, in nanoseconds since the epoch.
        duration_ns: How long it took, in nanoseconds, on the recording thread's monotonic clock.
        columns: One number per node under each name. `start_ns` and `duration_ns` (int64) are the timings, `start_ns`
            counted from the iteration's begin.
        scalars: Single numbers, such as the loss or the learning rate.
        value_columns: One number per value of the graph under each name: `min`, `max`, `mean`, `std` (float64, NaN
            where there is none), `nan`, `inf`, `zeros` (int64), `checksum` (int64). `counted` (bool) says for which
            values.
        keyframe: What the iteration can be executed again from.
        tensors: Whole values that were kept, each value once.
        kernels: Work of devices.
        findings: What the recorder noticed.
        views: Other graphs of the same pass by name, such as `autograd`. Their nodes' attributes lead to this graph:
            `forward` and `operations` (lists) hold node ids.
        view_columns: One number per node of a view under each name, by view: `start_ns`, `duration_ns`, `runs` (int64).
    """

    graph: Graph
    status: Status
    started_ns: int
    duration_ns: int
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    scalars: Mapping[str, float] = field(default_factory=dict)
    error: RecordedError | None = None
    value_columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    keyframe: Keyframe | None = None
    tensors: Sequence[RecordedTensor] = ()
    kernels: Kernels | None = None
    findings: Sequence[Finding] = ()
    views: Mapping[str, Graph] = field(default_factory=dict)
    view_columns: Mapping[str, Mapping[str, npt.NDArray[Any]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Iteration:
    """One iteration as the file lists it. `graph` is the structure hash; iterations with equal graphs share it."""

    index: int
    status: Status
    graph: str
    nodes: int
    edges: int
    """Inputs of nodes that a node produced."""
    started_ns: int
    duration_ns: int
    scalars: Mapping[str, float] = field(default_factory=dict)
    error: RecordedError | None = None


@dataclass(frozen=True, slots=True)
class TraceInfo:
    """What is known of the recording as a whole.

    Attributes:
        source: What made it: `torch`, `onnx`, ….
        versions: Versions by name: `graphreel`, `python`, `torch`, ….
        command: The recorded program's command line; empty where there was none.
        settings: How it was recorded (`level`, `iterations`, …), and whatever else the source tells of itself.
        started_ns: Nanoseconds since the epoch, or 0 where unknown.
        finished: Whether the recording came to its end; False while it runs, and after a kill.
        ended: Why it ended before the recorded program did, in one line; empty where it did not.
    """

    source: str
    versions: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    started_ns: int = 0
    finished: bool = True
    ended: str = ""


class Trace(Protocol):
    """An open trace. Reading is thread-safe. Iterations are numbered as they were recorded, and may have gaps."""

    @property
    def path(self) -> Path:
        """The file it was opened from."""
        ...

    @property
    def info(self) -> TraceInfo:
        """What is known of the recording as a whole."""
        ...

    @property
    def iterations(self) -> Sequence[Iteration]:
        """The iterations that stand in the file, by index, as of the last `refresh`."""
        ...

    @property
    def running(self) -> bool:
        """Whether the recording still goes on, as of the last `refresh`; a killed one neither runs nor is finished."""
        ...

    @property
    def problems(self) -> Sequence[str]:
        """What is missing or damaged, one line each; empty for a whole file."""
        ...

    def refresh(self) -> bool:
        """Look for iterations that were added since; True if there are any, or if the recording ended."""
        ...

    def graph(self, index: int) -> Graph:
        """The graph of an iteration; raises UnknownIteration."""
        ...

    def columns(self, index: int) -> Mapping[str, npt.NDArray[Any]]:
        """The per-node columns of an iteration (see IterationRecord); raises UnknownIteration."""
        ...

    def value_columns(self, index: int) -> Mapping[str, npt.NDArray[Any]]:
        """The per-value columns of an iteration (see IterationRecord); raises UnknownIteration, and DamagedTrace."""
        ...

    @property
    def keyframes(self) -> Sequence[int]:
        """The iterations that have a keyframe, rising, as of the last `refresh`."""
        ...

    def keyframe(self, index: int) -> Keyframe | None:
        """What an iteration can be executed again from; None where it was not kept. Raises UnknownIteration.

        Raises DamagedTrace where it cannot be read as a whole.
        """
        ...

    def tensors(self, index: int) -> Sequence[ValueId]:
        """The values of an iteration that were kept whole, rising; raises UnknownIteration, and DamagedTrace."""
        ...

    def tensor(self, index: int, value: int) -> RecordedTensor | None:
        """A whole value; None where it was not kept. Raises UnknownIteration, and DamagedTrace."""
        ...

    def kernels(self, index: int) -> Kernels | None:
        """The work of devices in an iteration; None where it was not recorded.

        Raises UnknownIteration, and DamagedTrace where it cannot be read as a whole.
        """
        ...

    def findings(self, index: int) -> Sequence[Finding]:
        """What the recorder noticed in an iteration; raises UnknownIteration, and DamagedTrace."""
        ...

    def views(self, index: int) -> Sequence[str]:
        """Names of the other graphs of an iteration, such as `autograd`; raises UnknownIteration, and DamagedTrace."""
        ...

    def view(self, index: int, name: str) -> Graph | None:
        """Another graph of an iteration; None where there is none. Raises UnknownIteration, and DamagedTrace.

        It belongs to the structure: an iteration has it if any iteration with an equal graph recorded it.
        """
        ...

    def view_columns(self, index: int, name: str) -> Mapping[str, npt.NDArray[Any]]:
        """The columns of a view by its nodes (see IterationRecord); raises what `view` does.

        Empty where this iteration recorded none, or recorded another view than the one its structure has.
        """
        ...

    def source_text(self, file: str) -> str | None:
        """The text of a source file as it was when recorded; None where it was not kept."""
        ...

    def close(self) -> None:
        """Let go of the file. Closing twice is allowed."""
        ...


def edge_count(graph: Graph) -> int:
    """Inputs of nodes that a node produced."""
    return int(np.count_nonzero(graph.values.producer[graph.inputs.value] >= 0))
