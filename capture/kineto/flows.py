"""Which backward operation belongs to which forward one, by the arrows of a profile or by autograd's numbers."""

import numpy as np
import numpy.typing as npt

from graphreel.capture.kineto.columns import UNKNOWN, Category, IntColumn, Profile


def backward_pairs(profile: Profile) -> npt.NDArray[np.int64]:
    """Rows of forward operations and of the autograd nodes they became, as an array of two columns.

    By arrows where the profile has any, as those of PyTorch 1.12 and later do.
    """
    flows = profile.flows
    if not len(flows):
        return _by_number(profile)
    operations = profile.rows(Category.OPERATION)
    # An arrow is tied to the event that begins where it does; of several the innermost, which was written last.
    at = {(profile.thread[row], profile.start_ns[row]): int(row) for row in operations}
    ends: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for number, begins, thread, start in flows.tolist():
        row = at.get((thread, start))
        if row is not None:
            ends[0 if begins else 1][number] = row
    forward, backward = ends
    pairs = [(forward[number], backward[number]) for number in sorted(forward.keys() & backward.keys())]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _by_number(profile: Profile) -> npt.NDArray[np.int64]:
    """The last operation before a node that has its number made it; its own thread is not the node's."""
    rows: IntColumn = profile.rows(Category.OPERATION)
    made: dict[int, int] = {}
    pairs: list[tuple[int, int]] = []
    for row in rows[profile.sequence[rows] != UNKNOWN].tolist():
        number = int(profile.sequence[row])
        forward = made.get(number)
        name = profile.names[profile.name[row]]
        if not name.startswith("autograd::engine") and "Backward" in name:
            if forward is not None:
                pairs.append((forward, row))
        else:
            made[number] = row
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)
