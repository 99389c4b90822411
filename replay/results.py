"""What an execution tells: values, differences from what was recorded, drift from the unchanged iteration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from graphreel.graph import NodeId, ValueId
from graphreel.tracefile.tensors import RecordedTensor


class Verified(StrEnum):
    """With what the replayed numbers were compared."""

    STATISTICS = "statistics"
    """With what was recorded of each value, the checksum of all its bits first of all."""
    SCALARS = "scalars"
    """Only with the numbers that the program itself read, such as the loss: no statistics were recorded."""
    NOTHING = "nothing"
    """With nothing: it was not asked for, or nothing could be compared."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that came out otherwise than recorded.

    Attributes:
        node: The node that gave it.
        value: The value; -1 where it is a number that went to the program.
        what: What differs: `numbers`, `bits`, `shape`, `dtype`, `item`.
        recorded, replayed: The numbers of both, by name: `min`, `mean`, `checksum`, ….
        repeats: Whether the operation gave the same once more from the same inputs; if not, the operation itself is
            not deterministic, or gives memory that nobody has written.
    """

    node: NodeId
    value: ValueId
    what: str
    recorded: Mapping[str, float | int | str]
    replayed: Mapping[str, float | int | str]
    repeats: bool = True


@dataclass(frozen=True, slots=True)
class Missing:
    """A node that could not be executed again, why, and how many nodes need what it would have given."""

    node: NodeId
    reason: str
    behind: int = 0


@dataclass(frozen=True, slots=True)
class AsRecorded:
    """A node that was executed as recorded though another dtype or device was asked for, and why."""

    node: NodeId
    reason: str


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a value is from that of the unchanged iteration.

    Attributes:
        absolute: The largest difference of two elements.
        relative: The same, over the largest element of the unchanged value; infinite where that is zero, or where
            one of the two is NaN.
    """

    node: NodeId
    value: ValueId
    absolute: float
    relative: float


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """An execution that came to its end.

    Attributes:
        executed: How many nodes were executed.
        total: How many there are up to the node that was asked for.
        verified: With what the numbers were compared.
        compared: How many values were compared, and numbers that the program read.
        comparable: How many of both were recorded of the nodes up to the one that was asked for.
        unwritten: How many values were not compared since they lie in memory that nobody has written.
        differences: What differed, in order of execution; where the first ends the execution, there is one.
        missing: What could not be executed.
        values: The values that were asked for.
        drift: For every value that an edit, another dtype or another device changed, in order of execution; of values
            that stayed the same to the last bit there is none.
        drifted_of: How many values were compared for it.
        as_recorded: The nodes that the other dtype or device did not reach, in order of execution.
        notes: What else is to be known, one line each.
        duration_ns: How long the nodes took, with all that was done around them.
    """

    executed: int
    total: int
    verified: Verified = Verified.NOTHING
    compared: int = 0
    comparable: int = 0
    unwritten: int = 0
    differences: Sequence[Difference] = ()
    missing: Sequence[Missing] = ()
    values: Mapping[ValueId, RecordedTensor] = field(default_factory=dict)
    drift: Sequence[Drift] = ()
    drifted_of: int = 0
    as_recorded: Sequence[AsRecorded] = ()
    notes: Sequence[str] = ()
    duration_ns: int = 0

    @property
    def exact(self) -> bool:
        """Whether every node was executed, and all that was recorded was compared and is the same to the last bit.

        False where nothing was compared.
        """
        return not self.differences and not self.missing and self.compared > 0 and not self.left_out

    @property
    def left_out(self) -> int:
        """How many values that could have been compared were not: behind what stopped the execution, or missing."""
        return max(self.comparable - self.compared - self.unwritten, 0)


@dataclass(frozen=True, slots=True)
class Timing:
    """One operation alone, executed many times: nanoseconds of each, in order."""

    node: NodeId
    device: str
    durations_ns: tuple[int, ...]

    @property
    def shortest_ns(self) -> int:
        """The shortest."""
        return min(self.durations_ns)

    @property
    def median_ns(self) -> int:
        """The one in the middle."""
        return sorted(self.durations_ns)[len(self.durations_ns) // 2]
