"""What an iteration may hold beside its graph and its columns: device work and findings."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from graphreel.graph import NodeId

IntColumn = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Kernels:
    """Work of devices, one row each, in order of beginning: kernels, copies and fills.

    Attributes:
        names: Distinct names; `name` holds rows of it.
        name: What ran, as a row of `names`.
        kind: 0 kernel, 1 copy, 2 fill, 3 other (a collective, a host function).
        node: The node that launched it, or -1.
        device: Number of the device; -1 for the CPU.
        stream: Number of the queue on its device; on the CPU, of the thread.
        start_ns: When it began, counted from the iteration's begin, in nanoseconds.
        duration_ns: How long it ran, in nanoseconds.
        launch_ns: When it was launched, counted likewise; -1 where unknown.
        nbytes: Bytes that a copy or fill moved; 0 for others.
    """

    names: tuple[str, ...]
    name: IntColumn
    kind: IntColumn
    node: IntColumn
    device: IntColumn
    stream: IntColumn
    start_ns: IntColumn
    duration_ns: IntColumn
    launch_ns: IntColumn
    nbytes: IntColumn


@dataclass(frozen=True, slots=True)
class Finding:
    """Something the recorder noticed: a graph break, a compilation anew, an exception that the program caught.

    Attributes:
        kind: One word or two with a hyphen: `graph-break`, `recompile`, `unseen-thread`, `caught`, `recorder-fault`.
        message: One or more lines for the user: what, why, and what to do.
        node: The node it is about, where there is one.
        file, line: The line of the user's program it is about; empty and 0 where there is none.
    """

    kind: str
    message: str
    node: NodeId | None = None
    file: str = ""
    line: int = 0
    more: dict[str, str] = field(default_factory=dict)
