"""A profile as columns: what ran on the host's threads and on the devices' streams, one row an event.

It does not know where the events came from: a JSON file and a profile that was just taken make the same columns.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

IntColumn: TypeAlias = npt.NDArray[np.int64]

UNKNOWN = -1
"""An id, a device, a stream or a row that is not known."""


class Category(IntEnum):
    """What kind of event it is."""

    OPERATION = 0
    """An operator of the framework, on a host thread."""
    ANNOTATION = 1
    """A range that the program named (`record_function`), on a host thread."""
    RUNTIME = 2
    """A call into the device's runtime or driver, on a host thread: `cudaLaunchKernel`, `hipMemcpyWithStream`."""
    KERNEL = 3
    COPY = 4
    FILL = 5
    OTHER = 6
    """Python functions, the profiler's own overhead, ranges drawn over streams, and what is new since."""

    @property
    def on_device(self) -> bool:
        """Whether it is work of a device."""
        return self in (Category.KERNEL, Category.COPY, Category.FILL)


_CATEGORIES = {
    "cpu_op": Category.OPERATION,
    "user_annotation": Category.ANNOTATION,
    "cuda_runtime": Category.RUNTIME,
    "cuda_driver": Category.RUNTIME,
    "xpu_runtime": Category.RUNTIME,
    "xpu_driver": Category.RUNTIME,
    "mtia_runtime": Category.RUNTIME,
    "privateuse1_runtime": Category.RUNTIME,
    "privateuse1_driver": Category.RUNTIME,
    "kernel": Category.KERNEL,
    "concurrent_kernel": Category.KERNEL,
    "mtia_ccp_events": Category.KERNEL,
    "gpu_memcpy": Category.COPY,
    "gpu_memset": Category.FILL,
    # PyTorch 1.8 and 1.9 wrote these.
    "operator": Category.OPERATION,
    "runtime": Category.RUNTIME,
    "memcpy": Category.COPY,
    "memset": Category.FILL,
}


def category_of(text: str) -> Category:
    """The category that the profiler's own word stands for; OTHER for one that is not known."""
    return _CATEGORIES.get(text.lower(), Category.OTHER)


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Events as columns, one row each, in the order they were written.

    Attributes:
        names: Distinct names; `name` holds rows of it.
        name: What ran, as a row of `names`.
        category: A `Category`.
        start_ns: When it began, in nanoseconds on the profile's own clock.
        duration_ns: How long it took, never negative.
        threads: Distinct threads and streams, as the profile names them; `thread` holds rows of it.
        thread: Where it ran.
        external: The id that an operation and all that it launched share ("External id"), or -1.
        correlation: The id that a launch and its work on the device share, or -1.
        device: Number of the device, or -1.
        stream: Number of the stream on the device, or -1.
        nbytes: Bytes that a copy or a fill moved, 0 where unknown.
        sequence: Autograd's sequence number, or -1.
        flows: Arrows from a forward operation to its backward one, as rows of id, begin or end (1, 0), thread, time.
        problems: What was left out or changed on reading, one line each.
    """

    names: tuple[str, ...]
    name: IntColumn
    category: IntColumn
    start_ns: IntColumn
    duration_ns: IntColumn
    threads: tuple[str, ...]
    thread: IntColumn
    external: IntColumn
    correlation: IntColumn
    device: IntColumn
    stream: IntColumn
    nbytes: IntColumn
    sequence: IntColumn
    flows: npt.NDArray[np.int64]
    problems: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.name)

    @property
    def end_ns(self) -> IntColumn:
        """When each event ended."""
        return self.start_ns + self.duration_ns

    def rows(self, *categories: Category) -> IntColumn:
        """The rows of these categories, in order of beginning."""
        found = np.flatnonzero(np.isin(self.category, categories))
        return found[np.argsort(self.start_ns[found], kind="stable")]


_COLUMNS = (
    "name",
    "category",
    "start_ns",
    "duration_ns",
    "thread",
    "external",
    "correlation",
    "device",
    "stream",
    "nbytes",
    "sequence",
)


def _empty_columns() -> dict[str, "array[int]"]:
    return {column: array("q") for column in _COLUMNS}


@dataclass(slots=True)
class ProfileBuilder:
    """Collects events. It holds 88 bytes an event and each name once."""

    _names: dict[str, int] = field(default_factory=dict)
    _threads: dict[str, int] = field(default_factory=dict)
    _columns: dict[str, "array[int]"] = field(default_factory=_empty_columns)
    _flows: "array[int]" = field(default_factory=lambda: array("q"))
    _negative: int = 0

    def add(
        self,
        name: str,
        category: Category,
        start_ns: int,
        duration_ns: int,
        thread: str,
        *,
        external: int = UNKNOWN,
        correlation: int = UNKNOWN,
        device: int = UNKNOWN,
        stream: int = UNKNOWN,
        nbytes: int = 0,
        sequence: int = UNKNOWN,
    ) -> None:
        """Add an event. A negative duration, which the profiler gives what it saw no end of, becomes 0.

        Raises OverflowError for a number that no 64 bits hold; nothing is added then.
        """
        if duration_ns < 0:
            self._negative += 1
            duration_ns = 0
        row = array("q", (start_ns, duration_ns, external, correlation, device, stream, nbytes, sequence))
        named = self._names.setdefault(name, len(self._names))
        placed = self._threads.setdefault(thread, len(self._threads))
        values = (named, category, row[0], row[1], placed, *row[2:])
        for column, value in zip(self._columns.values(), values, strict=True):
            column.append(value)

    def add_flow(self, number: int, begins: bool, thread: str, start_ns: int) -> None:
        """Add one end of an arrow from a forward operation to its backward one. Raises OverflowError as `add`."""
        self._flows += array("q", (number, begins, self._threads.setdefault(thread, len(self._threads)), start_ns))

    def build(self, problems: Sequence[str] = ()) -> Profile:
        """The profile of all that was added."""
        said = list(problems)
        if self._negative:
            said.append(f"{self._negative} events have a negative duration; it is taken for 0")
        columns = {column: np.array(values, dtype=np.int64) for column, values in self._columns.items()}
        flows = np.array(self._flows, dtype=np.int64).reshape(-1, 4)
        return Profile(
            names=tuple(self._names), threads=tuple(self._threads), flows=flows, problems=tuple(said), **columns
        )
