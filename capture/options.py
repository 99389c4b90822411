"""What to record of a run: how much of each node, and which iterations."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from graphreel.capture.errors import CaptureError


class Level(StrEnum):
    """How much is kept of each node."""

    GRAPH = "graph"
    """Structure and sources."""
    TIMING = "timing"
    """The same, and when each node ran and for how long."""
    KERNELS = "kernels"
    """The same, and the work of devices: kernels, copies and their streams, as PyTorch's profiler sees them."""
    STATS = "stats"
    """As `timing`, and statistics of every value that a node gave."""
    VALUES = "values"
    """As `stats`, and whole values, as far as they pass the filter."""

    @property
    def has_timing(self) -> bool:
        """Whether timings are kept."""
        return self is not Level.GRAPH

    @property
    def has_statistics(self) -> bool:
        """Whether statistics of values are kept."""
        return self in (Level.STATS, Level.VALUES)


class BadOption(CaptureError):
    """A recording option that cannot be understood."""

    @classmethod
    def level(cls, given: str) -> Self:
        """Name the levels there are."""
        levels = " or ".join(level.value for level in Level)
        return cls(f"--level {given!r}: there is no such level; give {levels}")

    @classmethod
    def iterations(cls, given: str, part: str, what: str) -> Self:
        """Show the part that is wrong and a text that would be right."""
        return cls(f"--iterations {given!r}: {part!r} {what}; write for example 0:3,100,500: (the end is left out)")


@dataclass(frozen=True, slots=True)
class IterationRanges:
    """Which iterations to record: half-open ranges, sorted and apart. `None` as the end of the last means no end."""

    ranges: tuple[tuple[int, int | None], ...] = ((0, None),)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `0:3,100,500:`: iterations 0, 1, 2, 100, and all from 500 on. An empty text means all.

        Raises BadOption, showing the part that is wrong.
        """
        parts = [part.strip() for part in text.split(",")] if text.strip() else [":"]
        return cls(_merged([_parse_range(text, part) for part in parts]))

    def __contains__(self, index: int) -> bool:
        at = bisect_right(self.ranges, index, key=lambda bounds: bounds[0]) - 1
        if at < 0:
            return False
        end = self.ranges[at][1]
        return end is None or index < end

    def __str__(self) -> str:
        return ",".join(_range_text(start, end) for start, end in self.ranges)


def _parse_range(text: str, part: str) -> tuple[int, int | None]:
    bounds = part.split(":")
    if not all(bound.strip() == "" or bound.strip().isdecimal() for bound in bounds) or len(bounds) > 2 or not part:
        raise BadOption.iterations(text, part, "is neither a number nor a range of numbers")
    start = int(bounds[0]) if bounds[0].strip() else 0
    if len(bounds) == 1:
        return start, start + 1
    end = int(bounds[1]) if bounds[1].strip() else None
    if end is not None and end <= start:
        raise BadOption.iterations(text, part, "holds no iteration")
    return start, end


def _merged(ranges: Sequence[tuple[int, int | None]]) -> tuple[tuple[int, int | None], ...]:
    merged: list[tuple[int, int | None]] = []
    for start, end in sorted(ranges, key=lambda bounds: bounds[0]):
        if not merged:
            merged.append((start, end))
            continue
        first, last = merged[-1]
        if last is None:
            break
        if start <= last:
            merged[-1] = (first, None if end is None else max(last, end))
        else:
            merged.append((start, end))
    return tuple(merged)


def _range_text(start: int, end: int | None) -> str:
    if end is None:
        return f"{start}:"
    return str(start) if end == start + 1 else f"{start}:{end}"


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What to record of a run."""

    level: Level = Level.TIMING
    iterations: IterationRanges = field(default_factory=IterationRanges)
    keyframes: IterationRanges | None = None
    """Which iterations get a keyframe; None means the first and then each that is a power of two."""
    keyframe_limit: int = 64 << 20
    """Bytes of a keyframe; one that would be larger is not kept, and says so."""
    values: tuple[str, ...] = ()
    """Globs over keys of nodes and names of values: what level `values` keeps whole. Empty means all."""
    values_limit: int = 16 << 20
    """Bytes of whole values that one iteration keeps."""
    operations_limit: int = 1_000_000
    """Operations that an iteration may have; one that would be longer is ended there, or it would fill the memory."""

    def level_at(self, index: int) -> Level | None:
        """How much is kept of an iteration; None where it is not recorded."""
        return self.level if index in self.iterations else None

    def has_keyframe(self, index: int) -> bool:
        """Whether an iteration gets a keyframe."""
        if self.keyframes is not None:
            return index in self.keyframes
        return index & (index - 1) == 0

    def has_autograd(self, index: int) -> bool:
        """Whether the autograd graph of an iteration is walked, and its nodes timed."""
        level = self.level_at(index)
        return self.has_keyframe(index) or (level is not None and level.has_statistics)

    @classmethod
    def parse(cls, level: str = "timing", iterations: str = "") -> Self:
        """Read both as they are written on the command line; raises BadOption."""
        if level not in [known.value for known in Level]:
            raise BadOption.level(level)
        return cls(Level(level), IterationRanges.parse(iterations))
