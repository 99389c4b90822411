"""Finds rectangles that overlap, on whole columns, by the cells of a grid that they share."""

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.graph import Progress, Unwatched
from graphreel.layout.types import FloatColumn

_Rows: TypeAlias = npt.NDArray[np.int64]

_SMALLEST_CELL = 64.0
_MOST_ENTRIES = 400_000
_ENTRIES_AT_ONCE = 100_000


def overlapping(one: FloatColumn, other: FloatColumn, progress: Progress = Unwatched()) -> tuple[_Rows, _Rows]:
    """Rows i, j where rectangle i of the one and j of the other overlap, each pair once.

    Rectangles are left, top, right, bottom, shape (rectangles, 4). A line is a rectangle without width; touching
    counts. O((cells covered) log (cells covered)).
    """
    if len(one) == 0 or len(other) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    cell = _cell_size(np.concatenate((one, other)))
    row, key = _cells(one, cell)
    other_row, other_key = _cells(other, cell)
    order = np.argsort(other_key, kind="stable")
    other_row, other_key = other_row[order], other_key[order]
    found: list[_Rows] = []
    for start in range(0, len(row), _ENTRIES_AT_ONCE):
        progress.step(0, 0)
        some = slice(start, start + _ENTRIES_AT_ONCE)
        first = np.searchsorted(other_key, key[some], side="left")
        counts = np.searchsorted(other_key, key[some], side="right") - first
        i = np.repeat(row[some], counts)
        j = other_row[ranges(first, counts)]
        hit = (
            (one[i, 0] <= other[j, 2])
            & (other[j, 0] <= one[i, 2])
            & (one[i, 1] <= other[j, 3])
            & (other[j, 1] <= one[i, 3])
        )
        found.append(np.unique(i[hit] * len(other) + j[hit]))
    progress.step(0, 0)
    pairs = np.unique(np.concatenate(found))
    return pairs // len(other), pairs % len(other)


def _cell_size(rects: FloatColumn) -> float:
    """Small cells tell more apart; large ones keep long rectangles from covering too many."""
    around = rects[:, 2] - rects[:, 0] + rects[:, 3] - rects[:, 1]
    area = (rects[:, 2] - rects[:, 0]) * (rects[:, 3] - rects[:, 1])
    return max(_SMALLEST_CELL, float(around.sum()) / _MOST_ENTRIES, math.sqrt(float(area.sum()) / _MOST_ENTRIES))


def _cells(rects: FloatColumn, cell: float) -> tuple[_Rows, _Rows]:
    """The row and the cell's number for each cell that each rectangle covers."""
    low = np.floor(rects[:, :2] / cell).astype(np.int64)
    high = np.floor(rects[:, 2:] / cell).astype(np.int64)
    across, down = (high - low + 1).T
    counts = across * down
    row = np.repeat(np.arange(len(rects)), counts)
    within = ranges(np.zeros(len(rects), np.int64), counts)
    x = low[row, 0] + within % across[row]
    y = low[row, 1] + within // across[row]
    return row, (x + (1 << 20)) * (1 << 32) + y + (1 << 20)


def ranges(first: _Rows, counts: _Rows) -> _Rows:
    """The numbers `first[i]`, `first[i] + 1`, … (`counts[i]` of them) for each i, one after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(first - ends + counts, counts)
