"""What there is to see of an array: its distribution, and a small part of its numbers. NumPy only."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How the finite elements of an array are spread over equally wide bins from `low` to `high`.

    A complex array counts by magnitude. `finite` and `total` are how many elements are finite, and how many there are.
    """

    counts: tuple[int, ...]
    low: float
    high: float
    finite: int
    total: int

    def bound(self, row: int) -> float:
        """Where a bin begins; bin number `len(counts)`, which is none, begins where the last ends."""
        share = row / len(self.counts)
        return self.low * (1 - share) + self.high * share

    @classmethod
    def of(cls, array: Array, bins: int = 24) -> Self:
        """Count the elements; without a finite one, there are no bins."""
        numbers = np.abs(array) if np.iscomplexobj(array) else array
        numbers = numbers.astype(np.float64, copy=False).ravel()
        finite = numbers[np.isfinite(numbers)]
        if not len(finite):
            return cls((), 0.0, 0.0, 0, numbers.size)
        low, high = float(finite.min()), float(finite.max())
        # Halved first, since the way from one end to the other may be more than a float can hold.
        width = high / 2 - low / 2
        place = (finite / 2 - low / 2) / width if width > 0 else np.zeros(len(finite))
        rows = np.minimum((place * bins).astype(np.int64), bins - 1)
        counts = np.bincount(rows, minlength=bins)
        return cls(tuple(counts.tolist()), low, high, len(finite), numbers.size)


def excerpt(array: Array, rows: int = 6, columns: int = 4) -> tuple[list[list[str]], bool]:
    """The first numbers of an array's last two dimensions, where all others are 0, as texts; and whether that is all.

    An array of no dimension is one number, one of a single dimension is one row.
    """
    at = array[(0,) * (array.ndim - 2)] if array.ndim > 2 and array.size else array
    if array.size == 0:
        return [], True
    table = np.atleast_2d(at)
    shown = table[:rows, :columns]
    return [[number_text(number) for number in row] for row in shown.tolist()], shown.size == array.size


def number_text(number: complex | float | int | bool) -> str:
    """A number as people read it: four significant digits, integers and booleans as they are."""
    if isinstance(number, bool | int):
        return str(number)
    return f"{number:.4g}"
