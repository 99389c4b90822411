"""What to record of a run: how much of each node, which iterations, and what beside them."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from graphreel.capture.errors import CaptureError
from graphreel.capture.sizes import parse_size, size_text


class Level(StrEnum):
    """How much is kept of each node."""

    GRAPH = "graph"
    """Structure and sources."""
    TIMING = "timing"
    """The same, and when each node ran and for how long."""
    LIGHT = "light"
    """As `timing`, but of an iteration that goes as an earlier one did only PyTorch's profiler hears."""
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
    def level(cls, given: str, option: str = "--level") -> Self:
        """Name the levels there are."""
        levels = " or ".join(level.value for level in Level)
        return cls(f"{option} {given!r}: there is no such level; give {levels}")

    @classmethod
    def iterations(cls, given: str, part: str, what: str) -> Self:
        """Show the part that is wrong and a text that would be right."""
        example = "write for example 0:3,100,500: (the end is left out), each with a level if need be: 0:3=stats"
        return cls(f"--iterations {given!r}: {part!r} {what}; {example}")

    @classmethod
    def keyframes(cls, given: str, part: str, what: str) -> Self:
        """The same, for keyframes."""
        return cls(f"--keyframes {given!r}: {part!r} {what}; write for example 0,100: (the end is left out), or none")

    @classmethod
    def size(cls, option: str, given: object) -> Self:
        """Show how sizes are written."""
        return cls(f"{option} {str(given)!r}: this is no size; write for example 64MB, 1.5GiB or 500000 (bytes)")

    @classmethod
    def empty_glob(cls, given: Sequence[str]) -> Self:
        """Show how values are chosen."""
        shown = ", ".join(map(repr, given))
        return cls(f"--values {shown}: an empty name matches nothing; write for example 'layers.*' or '*.weight'")

    @classmethod
    def values_without_level(cls) -> Self:
        """Values are chosen of iterations that keep some."""
        return cls("--values: no iteration keeps values; add --level values, or a level to --iterations: 0:3=values")


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
        return cls.of(_parse_range(text, part) for part in parts)

    @classmethod
    def parse_keyframes(cls, text: str) -> Self | None:
        """Read the same of keyframes, where `none` means none, and an empty text leaves the choice open: None."""
        if text.strip().lower() == "none":
            return cls(())
        parts = [part.strip() for part in text.split(",")]
        return cls.of(_parse_range(text, part, BadOption.keyframes) for part in parts) if text.strip() else None

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int | None]]) -> Self:
        """Put ranges in order and together."""
        return cls(_merged(list(ranges)))

    def __contains__(self, index: int) -> bool:
        at = bisect_right(self.ranges, index, key=lambda bounds: bounds[0]) - 1
        if at < 0:
            return False
        end = self.ranges[at][1]
        return end is None or index < end

    def __str__(self) -> str:
        return ",".join(_range_text(start, end) for start, end in self.ranges) or "none"


@dataclass(frozen=True, slots=True)
class LevelRange:
    """Iterations that have a level of their own; `end` None means no end."""

    start: int
    end: int | None
    level: Level

    def __contains__(self, index: int) -> bool:
        return self.start <= index and (self.end is None or index < self.end)

    def __str__(self) -> str:
        return f"{_range_text(self.start, self.end)}={self.level.value}"


def _parse_levels(text: str) -> tuple[IterationRanges, tuple[LevelRange, ...]]:
    """Read `0:3=stats,100=values,500:`: which iterations, and those of them that have a level of their own."""
    ranges: list[tuple[int, int | None]] = []
    levels: list[LevelRange] = []
    for part in text.split(",") if text.strip() else [":"]:
        bounds, given, level = part.partition("=")
        ranges.append(_parse_range(text, bounds.strip()))
        if given:
            levels.append(LevelRange(*ranges[-1], _parse_level(level.strip(), f"--iterations {text!r}:")))
    return IterationRanges.of(ranges), tuple(levels)


def _parse_level(text: str, option: str = "--level") -> Level:
    if text not in [known.value for known in Level]:
        raise BadOption.level(text, option)
    return Level(text)


def _parse_size(given: str | int, option: str) -> int:
    size = parse_size(given)
    if size is None:
        raise BadOption.size(option, given)
    return size


def _parse_range(
    text: str, part: str, wrong: Callable[[str, str, str], BadOption] = BadOption.iterations
) -> tuple[int, int | None]:
    bounds = part.split(":")
    if not all(bound.strip() == "" or bound.strip().isdecimal() for bound in bounds) or len(bounds) > 2 or not part:
        raise wrong(text, part, "is neither a number nor a range of numbers")
    start = int(bounds[0]) if bounds[0].strip() else 0
    if len(bounds) == 1:
        return start, start + 1
    end = int(bounds[1]) if bounds[1].strip() else None
    if end is not None and end <= start:
        raise wrong(text, part, "holds no iteration")
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
    """Which iterations get a keyframe; None means the first that is recorded, and each that is a power of two."""
    keyframe_limit: int = 64 << 20
    """Bytes of a keyframe; one that would be larger is not kept, and says so."""
    values: tuple[str, ...] = ()
    """Globs over keys of nodes and names of values: what level `values` keeps whole. Empty means all."""
    values_limit: int = 16 << 20
    """Bytes of whole values that one iteration keeps."""
    operations_limit: int = 1_000_000
    """Operations that an iteration may have; one that would be longer is ended there, or it would fill the memory."""
    levels: tuple[LevelRange, ...] = ()
    """Iterations that have a level of their own; of two for one iteration the later counts."""
    limit: int | None = None
    """Bytes that the file may have; None means any number."""

    def level_at(self, index: int) -> Level | None:
        """How much is kept of an iteration; None where it is not recorded."""
        if index not in self.iterations:
            return None
        return next((own.level for own in reversed(self.levels) if index in own), self.level)

    def has_keyframe(self, index: int) -> bool:
        """Whether an iteration gets a keyframe."""
        if index not in self.iterations:
            return False
        if self.keyframes is not None:
            return index in self.keyframes
        return index & (index - 1) == 0 or index == self.iterations.ranges[0][0]

    def has_autograd(self, index: int) -> bool:
        """Whether the autograd graph of an iteration is walked, and its nodes timed.

        A view belongs to the structure, so that iterations with an equal graph have it too.
        """
        return self.has_keyframe(index)

    def settings(self) -> Mapping[str, str]:
        """All options, as they are written on the command line; those that mean nothing here are left out."""
        keeps_values = Level.VALUES in (self.level, *(own.level for own in self.levels))
        found = {
            "level": self.level.value,
            "iterations": self._iterations_text(),
            "keyframes": "first and powers of two" if self.keyframes is None else str(self.keyframes),
            "keyframe-limit": size_text(self.keyframe_limit),
            "values": " ".join(self.values or ("*",)) if keeps_values else "",
            "values-limit": size_text(self.values_limit) if keeps_values else "",
            "limit": "" if self.limit is None else size_text(self.limit),
        }
        return {name: text for name, text in found.items() if text}

    def _iterations_text(self) -> str:
        """The iterations, then those that have a level of their own once more, with it."""
        return ",".join((str(self.iterations), *map(str, self.levels)))

    @classmethod
    def parse(
        cls,
        level: str = "timing",
        iterations: str = "",
        *,
        keyframes: str = "",
        keyframe_limit: str | int = 64 << 20,
        values: str | Sequence[str] = (),
        values_limit: str | int = 16 << 20,
        limit: str | int | None = None,
    ) -> Self:
        """Read all as they are written on the command line; raises BadOption."""
        chosen = _parse_level(level)
        ranges, levels = _parse_levels(iterations)
        globs = (values,) if isinstance(values, str) else tuple(values)
        if not all(glob.strip() for glob in globs):
            raise BadOption.empty_glob(globs)
        if globs and Level.VALUES not in (chosen, *(own.level for own in levels)):
            raise BadOption.values_without_level()
        return cls(
            chosen,
            ranges,
            keyframes=IterationRanges.parse_keyframes(keyframes),
            keyframe_limit=_parse_size(keyframe_limit, "--keyframe-limit"),
            values=globs,
            values_limit=_parse_size(values_limit, "--values-limit"),
            levels=levels,
            limit=None if limit is None else _parse_size(limit, "--limit"),
        )
