"""Rows that would be too wide are broken: unconnected parts go below each other, as words do on lines."""

from graphreel.layout.cycles import Flow
from graphreel.layout.local import Problem
from graphreel.layout.ranking import check_ranks
from graphreel.layout.types import LayoutOptions

_ASPECT, _LEAST_WIDTH = 1.6, 1600.0
_NARROW_ASPECT, _LEAST_NARROW_WIDTH = 0.6, 1000.0
"""The same for the optimizer, which stands beside forward and backward, and these are tall."""


def wrap(problem: Problem, flow: Flow, ranks: list[int], options: LayoutOptions) -> tuple[list[int], bool]:
    """The rows of one group, those that stood before where they still do (see `wrap_rows`)."""
    found, broken = wrap_rows(flow, problem.cells(), ranks, options, narrow=problem.narrow)
    return kept_rows(flow, list(problem.rows)) or found, broken


def kept_rows(flow: Flow, rows: list[int]) -> list[int] | None:
    """The rows that stood before, without gaps, if every edge of the flow goes to a higher one of them."""
    if len(rows) != len(flow.below):
        return None
    found = _without_gaps(rows)
    if any(found[upper] >= found[lower] for upper, below in enumerate(flow.below) for lower in below):
        return None
    return found


def wrap_rows(
    flow: Flow, cells: list[tuple[float, float]], ranks: list[int], options: LayoutOptions, *, narrow: bool = False
) -> tuple[list[int], bool]:
    """The rows after breaking those that are wider than a screen and wider than a picture of good proportions.

    Also tells whether any row had to be broken. Parts without a way between them but through the group's border are
    set side by side until the line is full, then below; single boxes come last. Within a part, boxes that feed nothing
    move down from a row that is too full, and those that nothing feeds move up. Gives: every edge of the flow goes to
    a higher row; rows are 1, 2, 3, … without gaps.
    """
    widths = [width + options.node_gap for width, _ in cells]
    area = sum([(w + options.node_gap) * (h + options.rank_gap) for w, h in cells])
    aspect, least = (_NARROW_ASPECT, _LEAST_NARROW_WIDTH) if narrow else (_ASPECT, _LEAST_WIDTH)
    limit = max([least, (area * aspect) ** 0.5, *widths])
    broken = _widest(ranks, widths) > limit
    if broken:
        ranks = _on_shelves(ranks, widths, _parts(flow), limit)
        ranks = _pushed_on(ranks, widths, flow.below, limit)
        top = max(ranks)
        ranks = [top - rank for rank in _pushed_on([top - rank for rank in ranks], widths, flow.above, limit)]
    ranks = _without_gaps(ranks)
    check_ranks(ranks, flow)
    return ranks, broken


def _without_gaps(ranks: list[int]) -> list[int]:
    used = {rank: row for row, rank in enumerate(sorted(set(ranks)), start=1)}
    return [used[rank] for rank in ranks]


def _widest(ranks: list[int], widths: list[float]) -> float:
    return max(_row_widths(ranks, widths).values(), default=0.0)


def _row_widths(ranks: list[int], widths: list[float]) -> dict[int, float]:
    found: dict[int, float] = {}
    for rank, width in zip(ranks, widths, strict=True):
        found[rank] = found.get(rank, 0.0) + width
    return found


def _parts(flow: Flow) -> list[list[int]]:
    """The boxes of each connected part, in order of their first box."""
    leader = list(range(len(flow.below)))
    for upper, below in enumerate(flow.below):
        for lower in below:
            one, other = _leader(leader, upper), _leader(leader, lower)
            leader[max(one, other)] = min(one, other)
    found: dict[int, list[int]] = {}
    for box in range(len(leader)):
        found.setdefault(_leader(leader, box), []).append(box)
    return list(found.values())


def _leader(leader: list[int], box: int) -> int:
    while leader[box] != box:
        leader[box] = leader[leader[box]]
        box = leader[box]
    return box


def _on_shelves(ranks: list[int], widths: list[float], parts: list[list[int]], limit: float) -> list[int]:
    found = ranks.copy()
    line, filled, height = 1, 0.0, 0
    for part in sorted(parts, key=lambda part: len(part) == 1):
        top = min(ranks[box] for box in part)
        width = _widest([ranks[box] for box in part], [widths[box] for box in part])
        if filled and filled + width > limit:
            line, filled, height = line + height, 0.0, 0
        filled += width
        height = max(height, max(ranks[box] for box in part) - top + 1)
        for box in part:
            found[box] = line + ranks[box] - top
    return found


def _pushed_on(ranks: list[int], widths: list[float], below: list[list[int]], limit: float) -> list[int]:
    """Move boxes that have nothing below them from a row that is too wide to the next one."""
    found = ranks.copy()
    rows: dict[int, list[int]] = {}
    for box, rank in enumerate(ranks):
        rows.setdefault(rank, []).append(box)
    rank = min(rows, default=0)
    while rank in rows or rank <= max(rows, default=-1):
        # Those that must stay come first; then those that came late stay before those that came early.
        row = sorted(rows.get(rank, []), key=lambda box: (not below[box], box))
        filled, kept = 0.0, 0
        for box in row:
            filled += widths[box]
            if filled > limit and kept and not below[box]:
                break
            kept += 1
        for box in row[kept:]:
            found[box] = rank + 1
        if row[kept:]:
            rows[rank + 1] = row[kept:] + rows.get(rank + 1, [])
        rows.pop(rank, None)
        rank += 1
    return found
