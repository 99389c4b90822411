"""Puts work of devices to the launch and the operation it came from, over the columns of a profile.

A kernel carries the id of its launch ("correlation") and that of the operation around the launch ("External id").
Where the second is missing, as with some runtimes, the operation is the innermost one on the launch's thread then.
"""

from dataclasses import dataclass

import numpy as np

from graphreel.capture.kineto.columns import UNKNOWN, Category, IntColumn, Profile


@dataclass(frozen=True, slots=True, eq=False)
class DeviceWork:
    """Work of devices, one row each, in order of beginning.

    Attributes:
        event: Its row in the profile.
        launch: The row of the runtime call that launched it, or -1.
        operation: The row of the innermost operation it belongs to, or -1.
        nbytes: Bytes that a copy or fill moved, by itself or by its launch; 0 where unknown.
    """

    event: IntColumn
    launch: IntColumn
    operation: IntColumn
    nbytes: IntColumn


def device_work(profile: Profile) -> DeviceWork:
    """Kernels, copies and fills with the launch and the operation of each."""
    event = profile.rows(Category.KERNEL, Category.COPY, Category.FILL)
    launches, operations = profile.rows(Category.RUNTIME), profile.rows(Category.OPERATION)
    launch = _match(profile.correlation[event], profile.correlation, launches)
    operation = _match(profile.external[event], profile.external, operations)
    launched = launch != UNKNOWN
    by_launch = np.full(len(event), UNKNOWN, dtype=np.int64)
    by_launch[launched] = _match(profile.external[launch[launched]], profile.external, operations)
    operation = np.where(operation == UNKNOWN, by_launch, operation)
    missing = np.flatnonzero((operation == UNKNOWN) & launched)
    if len(missing):
        operation[missing] = innermost(profile, operations, launch[missing])
    nbytes = profile.nbytes[event]
    kernel = profile.category[event] == Category.KERNEL
    nbytes = np.where((nbytes == 0) & launched & ~kernel, profile.nbytes[launch], nbytes)
    return DeviceWork(event, launch, operation, np.where(kernel, 0, nbytes))


def _match(ids: IntColumn, column: IntColumn, rows: IntColumn) -> IntColumn:
    """For each id the first of the rows whose column holds it, or -1; ids below 1 belong to nothing."""
    order = rows[np.argsort(column[rows], kind="stable")]
    if not len(order):
        return np.full(len(ids), UNKNOWN, dtype=np.int64)
    held = column[order]
    at = np.minimum(np.searchsorted(held, ids), len(order) - 1)
    return np.where((held[at] == ids) & (ids > 0), order[at], UNKNOWN)


def enclosing(thread: IntColumn, start: IntColumn, end: IntColumn) -> IntColumn:
    """For each interval the innermost one on its thread that holds its begin, as a row, or -1.

    Of two with the same begin the longer one is the outer, and the earlier row where they are equal.
    """
    found = np.full(len(start), UNKNOWN, dtype=np.int64)
    open_rows: list[int] = []
    before = None
    ends, starts, threads = end.tolist(), start.tolist(), thread.tolist()
    for row in np.lexsort((-end, start, thread)).tolist():
        if threads[row] != before:
            before = threads[row]
            open_rows.clear()
        while open_rows and ends[open_rows[-1]] <= starts[row]:
            open_rows.pop()
        if open_rows:
            found[row] = open_rows[-1]
        open_rows.append(row)
    return found


def innermost(profile: Profile, holders: IntColumn, rows: IntColumn) -> IntColumn:
    """For each row the innermost of the holders on its thread that holds its begin, as a row of the profile, or -1."""
    both = np.concatenate([holders, rows])
    # A row weighs nothing, so that it is never taken for what holds another.
    end = profile.start_ns[both] + np.concatenate([profile.duration_ns[holders], np.zeros(len(rows), dtype=np.int64)])
    above = enclosing(profile.thread[both], profile.start_ns[both], end)[len(holders) :]
    return np.where(above == UNKNOWN, UNKNOWN, both[above])
