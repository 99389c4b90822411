"""Rows for a forward group and its backward group together: what belongs together gets the same row.

Backward runs upward, so its edges are turned round; then both are one graph, in which a box and its match are one.
"""

from bisect import bisect_left
from dataclasses import dataclass

from graphreel.graph import Progress
from graphreel.layout.cycles import Flow, Flows, acyclic, flow_of
from graphreel.layout.local import Pair
from graphreel.layout.ranking import pulls, tightened
from graphreel.layout.types import LayoutOptions
from graphreel.layout.wrapping import kept_rows, wrap_rows


@dataclass(frozen=True, slots=True)
class CommonRows:
    """The row of each forward box from the top, and of each backward box from the bottom, both from 1.

    Attributes:
        forward, backward: These rows.
        last: How many there are.
        wrapped: Whether rows had to be broken.
    """

    forward: list[int]
    backward: list[int]
    last: int
    wrapped: bool


def ranks_in_common(pair: Pair, options: LayoutOptions, progress: Progress, flows: Flows) -> CommonRows:
    """Rank both groups.

    Matches that would make a cycle do not count. Gives: every edge of either group goes on to a later row; both use
    rows from 1 to the same last one.
    """
    one, other = acyclic(pair.forward, progress, flows), acyclic(pair.backward, progress, flows)
    numbers, flow = _merged(pair, one, other)
    into, out = pulls(pair.forward)
    back_into, back_out = pulls(pair.backward)
    up, down = into + [0.0] * (len(flow.above) - len(into)), out + [0.0] * (len(flow.above) - len(out))
    for box, number in enumerate(numbers):
        up[number] += back_out[box]
        down[number] += back_into[box]
    rows = _rows_before(pair, numbers, len(flow.above))
    cells = _cells(pair, numbers, len(flow.above))
    ranks, wrapped = wrap_rows(flow, cells, tightened(flow, up, down, progress), options)
    ranks = kept_rows(flow, rows) or ranks
    last = max(ranks, default=0)
    backward = [last + 1 - ranks[number] for number in numbers]
    return CommonRows(ranks[: len(pair.forward.sizes)], backward, last, wrapped)


def _merged(pair: Pair, one: Flow, other: Flow) -> tuple[list[int], Flow]:
    """The number of each backward box in the flow of both; forward boxes keep theirs."""
    numbers, flow = _with_matches(pair, one, other, pair.matches)
    if flow is None:
        numbers, flow = _with_matches(pair, one, other, _in_order(pair, one, other))
    assert flow is not None
    return numbers, flow


def _with_matches(
    pair: Pair, one: Flow, other: Flow, matches: tuple[tuple[int, int], ...]
) -> tuple[list[int], Flow | None]:
    """No flow where these matches make a cycle."""
    count = len(pair.forward.sizes)
    match = {box: partner for partner, box in matches}
    numbers: list[int] = []
    for box in range(len(pair.backward.sizes)):
        partner = match.get(box)
        if partner is None:
            numbers.append(count)
            count += 1
        else:
            numbers.append(partner)
    pairs = {(upper, lower) for upper, below in enumerate(one.below) for lower in below}
    for upper, below in enumerate(other.below):
        pairs.update((numbers[lower], numbers[upper]) for lower in below)
    flow = flow_of(count, sorted(pairs))
    place = [0] * count
    for position, box in enumerate(flow.sequence):
        place[box] = position
    return numbers, flow if all(place[upper] < place[lower] for upper, lower in pairs) else None


def _in_order(pair: Pair, one: Flow, other: Flow) -> tuple[tuple[int, int], ...]:
    """The most matches that come in the same order in both sequences; these make no cycle."""
    place = {box: position for position, box in enumerate(other.sequence[::-1])}
    match = dict(pair.matches)
    chain: list[int] = []
    ends: list[int] = []
    before: dict[int, int | None] = {}
    for box in one.sequence:
        if box not in match:
            continue
        at = place[match[box]]
        length = bisect_left(ends, at)
        before[box] = chain[length - 1] if length else None
        chain[length:], ends[length:] = [box, *chain[length + 1 :]], [at, *ends[length + 1 :]]
    found: list[tuple[int, int]] = []
    at_box = chain[-1] if chain else None
    while at_box is not None:
        found.append((at_box, match[at_box]))
        at_box = before[at_box]
    return tuple(found)


def _cells(pair: Pair, numbers: list[int], count: int) -> list[tuple[float, float]]:
    """Of two matching boxes the greater width and height, with their stubs."""
    found = [*pair.forward.cells(), *[(0.0, 0.0)] * (count - len(pair.forward.sizes))]
    for number, (width, height) in zip(numbers, pair.backward.cells(), strict=True):
        found[number] = max(found[number][0], width), max(found[number][1], height)
    return found


def _rows_before(pair: Pair, numbers: list[int], count: int) -> list[int]:
    """The rows that stood before, where they are known of all and matches agree."""
    one, other = pair.forward.rows, pair.backward.rows
    if len(one) != len(pair.forward.sizes) or len(other) != len(numbers):
        return []
    found = [*one, *[0] * (count - len(one))]
    for number, row in zip(numbers, other, strict=True):
        if found[number] not in (0, row):
            return []
        found[number] = row
    return found
