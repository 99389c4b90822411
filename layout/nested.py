"""Lays out a whole picture: every group from its own content, innermost first, then all together.

Groups that are alike in all that a layout depends on are laid out once: a network repeats few shapes many times.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np

from graphreel.graph import NONE, Phase, Progress, Unwatched
from graphreel.graph.types import IntColumn
from graphreel.layout.assembly import Found, assembled
from graphreel.layout.before import before
from graphreel.layout.bridges import bridged
from graphreel.layout.cache import Arranged, LayoutCache
from graphreel.layout.check import check_arrangements
from graphreel.layout.columns import Tree, with_columns
from graphreel.layout.cycles import Flows
from graphreel.layout.groups import Groups
from graphreel.layout.layered import arrange, arrange_pair
from graphreel.layout.local import Arrangement, Pair, Problem
from graphreel.layout.ports import depths
from graphreel.layout.stubs import rooms, split
from graphreel.layout.types import FloatColumn, LayoutOptions, Placement, VisibleGraph


def lay_out(
    view: VisibleGraph,
    sizes: FloatColumn,
    *,
    options: LayoutOptions = LayoutOptions(),
    previous: Placement | None = None,
    cache: LayoutCache | None = None,
    progress: Progress = Unwatched(),
) -> Placement:
    """Place every box and route every edge, from top to bottom; phases of a training step stand side by side.

    `sizes` is the width and height of each box, shape (boxes, 2); for a group the least width that its title needs,
    and 0. With `previous`, boxes that stood beside each other before keep their rows and their order, also where that
    was a picture of another version of the graph. With a `cache` that was given to earlier calls, groups that were laid
    out then are not again. The same input always gives the same placement. Raises LayoutBug where a
    layout would break a promise, Cancelled where `progress` says so.
    """
    progress.step(0, 0)
    with _without_collections():
        tree = with_columns(view)
        flows = Flows()
        chosen = split(view, tree, options, flows, progress)
        progress.step(0, 0)
        room = rooms(chosen.stubs, len(tree.parent), options)
        progress.step(0, 0)
        groups = Groups(tree, chosen, room, before(view, tree, previous, progress), options)
        picture = _Picture(tree, groups, sizes, options, LayoutCache() if cache is None else cache, flows, progress)
        found = picture.arranged()
        placement = assembled(view, tree, chosen, sizes, found, options, progress)
        return bridged(view, tree, placement, room, options, progress)


@contextmanager
def _without_collections() -> Iterator[None]:
    """A layout makes millions of tuples and lists, none in a cycle; looking for cycles takes a quarter of its time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


Make: TypeAlias = Callable[[], Arranged]

_CHECKED_AT_ONCE = 10_000
"""Boxes. A check of few takes as long as one of several hundred; in between nobody hears that it is unwanted."""


class _Picture:
    """The groups of a picture while they are laid out; equal shapes are boxes that a layout cannot tell apart."""

    def __init__(
        self,
        tree: Tree,
        groups: Groups,
        sizes: FloatColumn,
        options: LayoutOptions,
        cache: LayoutCache,
        flows: Flows,
        progress: Progress,
    ) -> None:
        self.tree, self.groups, self.options, self.cache, self.progress = tree, groups, options, cache, progress
        self.how = options, progress, flows
        self.parent = tree.parent.tolist()
        self.partner = tree.partner.tolist()
        self.is_group = tree.is_group.tolist()
        self.local = tree.local.tolist()
        self.child_start = tree.child_start.tolist()
        every = np.concatenate((sizes, np.zeros((len(tree.parent) - tree.boxes, 2))))
        self.sizes: list[tuple[float, float]] = list(map(tuple, every.tolist()))
        self.shapes = _shapes(every, groups.rooms)[tree.child]
        self.next_shape = int(self.shapes.max(initial=0)) + 1
        self.alike: dict[tuple[object, ...], int] = {}
        self.found: list[Arrangement] = []
        self.number = [NONE] * (len(tree.parent) + 1)
        self.inside: list[Arrangement | None] = [None] * (len(tree.parent) + 1)
        self.fresh: dict[Problem | Pair, tuple[tuple[Problem, ...], Arranged]] = {}
        self.unchecked = 0

    def arranged(self) -> Found:
        """Lay out each group after those in it."""
        groups = np.flatnonzero(self.tree.is_group)
        depth = depths(self.tree.parent.astype(np.int64))[groups]
        sequence = [*groups[np.argsort(-depth, kind="stable")].tolist(), NONE]
        for done, group in enumerate(sequence):
            if done % 512 == 0:
                self.progress.step(done, len(sequence))
            partner = self._partner(group)
            if partner == NONE:
                self._lay_out_one(group)
            elif self.tree.column[group] == Phase.FORWARD:
                self._lay_out_pair(group, partner)
        self._check()
        return Found(tuple(self.found), np.array(self.number, dtype=np.int32))

    def _partner(self, group: int) -> int:
        partner = NONE if group == NONE else self.partner[group]
        return partner if partner != NONE and self.is_group[partner] else NONE

    def _lay_out_one(self, group: int) -> None:
        key = (*self.groups.key(group, self.shapes), self._width(group))
        number = self.alike.get(key)
        if number is None:
            problem = self.groups.problem(group, self.sizes, self.inside)
            self.progress.step(0, 0)
            found = self._known(problem, lambda: (arrange(problem, *self.how),), (problem,))
            number = self.alike[key] = self._take(found)
        self._put(group, number)

    def _lay_out_pair(self, group: int, partner: int) -> None:
        matches = self._matches(group, partner)
        ends = group, partner
        keys = [(*self.groups.key(end, self.shapes), self._width(end)) for end in ends]
        key = (*keys[0], *keys[1], matches.tobytes())
        number = self.alike.get(key)
        if number is None:
            one, other = (self.groups.problem(end, self.sizes, self.inside) for end in ends)
            pair = Pair(one, other, tuple(map(tuple, matches.tolist())))
            found = self._known(pair, lambda: arrange_pair(pair, *self.how), (one, other))
            number = self.alike[key] = self._take(found)
        self._put(group, number)
        self._put(partner, number + 1)

    def _width(self, group: int) -> float:
        return 0.0 if group == NONE else self.sizes[group][0]

    def _matches(self, group: int, partner: int) -> IntColumn:
        children = self.tree.child[self.child_start[group + 1] : self.child_start[group + 2]]
        matched = children[self.tree.partner[children] != NONE]
        return np.stack((self.tree.local[matched], self.tree.local[self.tree.partner[matched]]), axis=1)

    def _known(self, problem: Problem | Pair, make: Make, parts: tuple[Problem, ...]) -> Arranged:
        if problem in self.fresh:
            return self.fresh[problem][1]
        found = self.cache.find(problem, self.options)
        if found is None:
            self.progress.step(0, 0)
            found = make()
            self.fresh[problem] = parts, found
            self.unchecked += sum(len(part.sizes) for part in parts)
            if self.unchecked > _CHECKED_AT_ONCE:
                self._check()
        return found

    def _check(self) -> None:
        """Look at what was laid out since the last look; only what is faultless is kept for later layouts."""
        parts = [pair for parts, found in self.fresh.values() for pair in zip(parts, found, strict=True)]
        check_arrangements(parts, self.progress)
        for problem, (_, found) in self.fresh.items():
            self.cache.keep(problem, self.options, found)
        self.fresh.clear()
        self.unchecked = 0

    def _take(self, found: Arranged) -> int:
        number = len(self.found)
        self.found += found
        return number

    def _put(self, group: int, number: int) -> None:
        self.number[group] = number
        found = self.found[number]
        self.inside[group] = found
        if group != NONE:
            self.sizes[group] = (found.width, found.height)
            self.shapes[self.child_start[self.parent[group] + 1] + self.local[group]] = self.next_shape + number


def _shapes(sizes: FloatColumn, room: FloatColumn) -> IntColumn:
    """A number for each distinct size and room for stubs."""
    rows = np.ascontiguousarray(np.concatenate((sizes, room), axis=1))
    _, found = np.unique(rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))), return_inverse=True)
    return found.reshape(-1).astype(np.int32)
