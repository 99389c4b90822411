"""Lays out a whole picture: every group from its own content, innermost first, then all together.

Groups that are alike in all that a layout depends on are laid out once: a network repeats few shapes many times.
"""

from itertools import groupby
from operator import itemgetter

import numpy as np

from graphreel.graph import NONE, Progress, Unwatched
from graphreel.graph.types import IntColumn
from graphreel.layout.check import check_placement
from graphreel.layout.layered import arrange
from graphreel.layout.local import Arrangement, Net, Problem
from graphreel.layout.ports import Legs, legs
from graphreel.layout.types import BoxKind, FloatColumn, LayoutOptions, Placement, VisibleGraph


def lay_out(
    view: VisibleGraph,
    sizes: FloatColumn,
    *,
    options: LayoutOptions = LayoutOptions(),
    previous: Placement | None = None,
    progress: Progress = Unwatched(),
) -> Placement:
    """Place every box and route every edge, from top to bottom.

    `sizes` is the width and height of each box, shape (boxes, 2); for a group the least width that its title needs,
    and 0. With `previous`, boxes that stood beside each other before keep their order. The same input always gives
    the same placement. Raises LayoutBug where a layout would break a promise, Cancelled where `progress` says so.
    """
    picture = _Picture(view, sizes, options, _places_before(view, previous))
    picture.arrange_all(progress)
    placement = picture.placement()
    check_placement(view, placement)
    return placement


class _Picture:
    """The groups of a picture with their problems and arrangements; index -1 (the last) is the outermost level."""

    def __init__(
        self, view: VisibleGraph, sizes: FloatColumn, options: LayoutOptions, before: list[float | None]
    ) -> None:
        self.view, self.options, self.before = view, options, before
        self.legs: Legs = legs(view)
        self.parent = view.parent.tolist()
        self.is_group = (view.kind == BoxKind.GROUP).tolist()
        self.sizes: list[tuple[float, float]] = [(float(w), float(h)) for w, h in sizes.tolist()]
        self.children: list[list[int]] = [[] for _ in range(len(self.parent) + 1)]
        self.local = [0] * len(self.parent)
        for box, parent in enumerate(self.parent):
            self.local[box] = len(self.children[parent])
            self.children[parent].append(box)
        self.arrangements: list[Arrangement | None] = [None] * (len(self.parent) + 1)
        self.entry: dict[tuple[int, int], int] = {}
        self.exit: dict[tuple[int, int], int] = {}
        self.alike: dict[Problem, Arrangement] = {}

    def arrange_all(self, progress: Progress) -> None:
        """Lay out each group after those in it: an inner group has a higher number."""
        groups = [box for box in range(len(self.parent) - 1, -1, -1) if self.is_group[box]]
        for done, group in enumerate([*groups, NONE]):
            progress.step(done, len(groups) + 1)
            problem = self.problem(group)
            found = self.alike.get(problem)
            if found is None:
                found = self.alike[problem] = arrange(problem, self.options, progress)
            self.arrangements[group] = found
            if group != NONE:
                self.sizes[group] = (found.width, found.height)

    def problem(self, group: int) -> Problem:
        """What there is to lay out in a group whose inner groups stand."""
        children = self.children[group]
        table = self.legs
        rows = slice(int(table.group_start[group + 1]), int(table.group_start[group + 2]))
        sources, tails, heads = (column[rows].tolist() for column in (table.source, table.tail, table.head))
        entries = self._numbered(self.entry, group, [s for s, tail in zip(sources, tails, strict=True) if tail == NONE])
        exits = self._numbered(self.exit, group, [s for s, head in zip(sources, heads, strict=True) if head == NONE])
        framed = group != NONE
        return Problem(
            sizes=tuple(self.sizes[child] for child in children),
            entries=entries,
            exits=exits,
            nets=self._nets(group, entries, list(zip(sources, tails, heads, strict=True))),
            least_width=self.sizes[group][0] if framed else 0.0,
            header=self.options.group_header if framed else self.options.group_padding,
            hints=self._hints(children),
        )

    def _hints(self, children: list[int]) -> tuple[float | None, ...]:
        """The order in which children stood before. Not where: groups alike in all but that stay alike."""
        known = sorted([(place, child) for child in children if (place := self.before[child]) is not None])
        if not known:
            return ()
        number = {child: float(n) for n, (_, child) in enumerate(known)}
        return tuple(number.get(child) for child in children)

    def _nets(self, group: int, entries: int, rows: list[tuple[int, int, int]]) -> tuple[Net, ...]:
        """The legs of a group (source, tail, head), gathered by source."""
        first = len(self.children[group])
        found: list[Net] = []
        for source, legs_of_source in groupby(rows, key=itemgetter(0)):
            ends: list[tuple[int, float | None]] = []
            tail = NONE
            for _, tail, head in legs_of_source:  # noqa: B007 - the tail is the same for all of them
                if head == NONE:
                    ends.append((first + entries + self.exit[group, source], 0.0))
                else:
                    ends.append((self.local[head], self._entry_at(head, source)))
            if tail == NONE:
                found.append(Net(first + self.entry[group, source], 0.0, tuple(ends)))
            else:
                found.append(Net(self.local[tail], self._exit_at(tail, source), tuple(ends)))
        return tuple(found)

    def _numbered(self, numbers: dict[tuple[int, int], int], group: int, sources: list[int]) -> int:
        """Number the ports of a group by the execution order of their sources."""
        found = sorted(set(sources))
        for number, source in enumerate(found):
            numbers[group, source] = number
        return len(found)

    def _entry_at(self, box: int, source: int) -> float | None:
        found = self.arrangements[box] if self.is_group[box] else None
        return None if found is None else found.entry_x[self.entry[box, source]] - found.width / 2

    def _exit_at(self, box: int, source: int) -> float | None:
        found = self.arrangements[box] if self.is_group[box] else None
        return None if found is None else found.exit_x[self.exit[box, source]] - found.width / 2

    def placement(self) -> Placement:
        """All groups put into each other."""
        rects = np.zeros((len(self.parent), 4))
        corners = self._corners()
        rects[:, :2] = np.array(corners[:-1], dtype=np.float64).reshape(-1, 2)
        rects[:, 2:] = np.array(self.sizes, dtype=np.float64).reshape(-1, 2)
        start, points = self._routes(corners)
        outermost = self.arrangements[NONE]
        assert outermost is not None
        view = self.view
        refs = np.stack((np.where(view.kind == BoxKind.GROUP, BoxKind.SCOPE, view.kind), view.ref), axis=1)
        size = (outermost.width, outermost.height)
        return Placement(rects, start, points, size, refs.astype(np.int32))

    def _corners(self) -> list[tuple[float, float]]:
        """Top left corner of each box in the picture; last the picture's own."""
        found = [(0.0, 0.0)] * (len(self.parent) + 1)
        for box, parent in enumerate(self.parent):
            around = self.arrangements[parent]
            assert around is not None
            x, y = around.corners[self.local[box]]
            found[box] = (found[parent][0] + x, found[parent][1] + y)
        return found

    def _routes(self, corners: list[tuple[float, float]]) -> tuple[IntColumn, FloatColumn]:
        """The legs of each edge joined end to end."""
        table = self.legs
        groups = table.group.tolist()
        first = table.group_start.tolist()
        edge_start, edge_leg = table.edge_start.tolist(), table.edge_leg.tolist()
        starts, points = [0], list[tuple[float, float]]()
        for edge in range(len(edge_start) - 1):
            for n, leg in enumerate(edge_leg[edge_start[edge] : edge_start[edge + 1]]):
                group = groups[leg]
                around = self.arrangements[group]
                assert around is not None
                dx, dy = corners[group]
                way = around.legs[leg - first[group + 1]]
                points += [(x + dx, y + dy) for x, y in (way[1:] if n else way)]
            starts.append(len(points))
        return np.array(starts, dtype=np.int32), np.array(points, dtype=np.float64).reshape(-1, 2)


def _places_before(view: VisibleGraph, previous: Placement | None) -> list[float | None]:
    """Where the middle of each box stood in the picture before, by what the box stands for."""
    if previous is None:
        return [None] * len(view.kind)
    middles = (previous.rects[:, 0] + previous.rects[:, 2] / 2).tolist()
    known = {(kind, ref): middle for (kind, ref), middle in zip(previous.refs.tolist(), middles, strict=True)}
    kinds = np.where(view.kind == BoxKind.GROUP, BoxKind.SCOPE, view.kind).tolist()
    return [known.get((kind, ref)) for kind, ref in zip(kinds, view.ref.tolist(), strict=True)]
