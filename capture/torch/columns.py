"""Numbers of a pass's nodes that change from iteration to iteration, beside their timings. Knows no tensors."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.capture.torch.log import PassLog

IntArray: TypeAlias = npt.NDArray[np.int64]
Columns: TypeAlias = dict[str, npt.NDArray[Any]]


def argument_columns(log: PassLog, kept: IntArray, places: Mapping[str, IntArray]) -> Columns:
    """The floats of the optimizer's operations, which change from step to step: `argument.value`, `argument.lr`, ….

    Those of a list are as many columns, `argument.scalars[0]`, …, where they differ; most often they are equal.
    `kept` has the event of each node; `places`, by argument name, rows of nodes and the places of their floats in
    `PassLog.floats`: the first, and how many there are in a list.
    """
    floats = np.array(log.floats, dtype=np.float64)
    columns: Columns = {}
    for name, rows_of in places.items():
        rows, first, length = rows_of.T
        column = columns[f"argument.{name}"] = np.full(len(kept), np.nan)
        column[rows] = floats[first]
        for row, at, count in rows_of[length > 1].tolist():
            entries = floats[at : at + count]
            if (entries == entries[0]).all():
                continue
            column[row] = np.nan
            for place, entry in enumerate(entries):
                missing = np.full(len(kept), np.nan)
                columns.setdefault(f"argument.{name}[{place}]", missing)[row] = entry
    return columns


def item_column(log: PassLog, kept: IntArray) -> Columns:
    """`item`: the number that each node handed to the program, NaN for the others; nothing where none did."""
    events = np.fromiter(log.handed, np.int64, len(log.handed))
    rows = np.searchsorted(kept, events)
    # A node may have fallen away with the program's preparations.
    there = (rows < len(kept)) & (np.append(kept, -1)[rows] == events)
    if not there.any():
        return {}
    column = np.full(len(kept), np.nan)
    column[rows[there]] = np.fromiter(log.handed.values(), np.float64, len(log.handed))[there]
    return {"item": column}
