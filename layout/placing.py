"""Phase 5, placing: x of every vertex. After Brandes and Köpf 2002, "Fast and simple horizontal coordinate assignment".

Vertices that should stand straight below each other form blocks; the blocks are pushed together from the left and from
the right, for blocks grown downward and upward; the mean of the two middle ones of these four is balanced and still
keeps every block straight and every distance. Ports shift vertices within a block (Rüegg and others 2015).
"""

from itertools import pairwise
from typing import TypeAlias

import numpy as np

from graphreel.graph import Progress, Unwatched
from graphreel.layout.alignment import aligned, may_be_straight, one_side
from graphreel.layout.errors import LayoutBug
from graphreel.layout.layers import Layers
from graphreel.layout.types import LayoutOptions
from graphreel.layout.watching import watched

_LOOP_ROOM = 16.0
WIDEST_BAND = 480.0
"""Edges beside each other are together at most this wide; many come closer to each other."""


Reach: TypeAlias = tuple[list[float], list[float]]
"""How far each vertex reaches left and right of its middle."""


def reach(layers: Layers) -> Reach:
    """A port and a dummy have no width; a self-loop and stubs need room beside their box."""
    problem = layers.problem
    left = [width / 2 for width, _ in problem.sizes]
    left += [0.0] * (len(layers.rank) - len(left))
    right = left.copy()
    for box, (on_left, on_right, _) in enumerate(problem.rooms):
        left[box] += on_left
        right[box] += on_right
    for net in problem.nets:
        for head, _ in net.heads:
            if head == net.tail:
                right[head] += _LOOP_ROOM
    return left, right


def place(
    layers: Layers, options: LayoutOptions, progress: Progress = Unwatched(), *, wrapped: bool = False
) -> list[float]:
    """The x of the middle of each vertex; the leftmost border is at 0.

    Gives: neighbours in a row keep their distance; dummies of one edge stand straight below each other wherever no
    such edges cross. O(vertices + segments).
    """
    wide = reach(layers)
    progress.step(0, 0)
    spaces = _spaces(layers, wide, options)
    straight = may_be_straight(layers, progress, wrapped=wrapped)
    candidates: list[list[float]] = []
    for down in (True, False):
        side = one_side(layers, straight, progress, down=down)
        for left in (True, False):
            root, shift = aligned(side, wide, progress, left=left)
            candidates.append(_compacted(layers.rows, _Blocks(root, shift, wide), spaces, progress, left=left))
    found = _balanced(layers.rows, candidates, wide, progress)
    progress.step(0, 0)
    check_places(spaces, found)
    return found


Space: TypeAlias = tuple[int, int, float]
"""Two neighbours in a row, and the least distance between their middles."""


def check_places(spaces: list[Space], x: list[float]) -> None:
    """Raise LayoutBug unless neighbours in each row keep their distance."""
    wrong = sum([x[right] - x[left] < space - 1e-6 for left, right, space in spaces])
    if wrong:
        raise LayoutBug.of("neighbours in a row stand too close", wrong)


def _spaces(layers: Layers, wide: Reach, options: LayoutOptions) -> list[Space]:
    """All neighbours, row by row."""
    boxes = len(layers.problem.sizes)
    lefts, rights = wide
    between = (options.edge_gap + options.node_gap) / 2
    found: list[Space] = []
    for row in layers.rows:
        if len(row) < 2:
            continue
        thin = sum([vertex >= boxes for vertex in row])
        edge_gap = min(options.edge_gap, WIDEST_BAND / (thin + 1))
        for left, right in pairwise(row):
            gap = edge_gap if left >= boxes and right >= boxes else options.node_gap
            if (left >= boxes) != (right >= boxes):
                gap = between
            found.append((left, right, rights[left] + lefts[right] + gap))
    return found


_ALONE: list[tuple[int, float]] = []


class _Blocks:
    """Blocks of vertices that stand straight below each other, with the distances that they keep."""

    def __init__(self, root: list[int], shift: list[float], wide: Reach) -> None:
        self.root, self.shift = root, shift
        self.left, self.right = wide
        # Most vertices of a long group stand alone in their row, and have no neighbour to keep apart from.
        self.after: list[list[tuple[int, float]]] = [_ALONE] * len(root)
        self.before = [0] * len(root)

    def keep_apart(self, spaces: list[Space]) -> None:
        """Take in the distances between neighbours in rows."""
        root, shift, after, before = self.root, self.shift, self.after, self.before
        for one, other, space in spaces:
            block, neighbour = root[one], root[other]
            if after[block] is _ALONE:
                after[block] = []
            after[block].append((neighbour, space + shift[one] - shift[other]))
            before[neighbour] += 1

    def sequence(self) -> list[int]:
        """The blocks, each after those to its left."""
        waits = self.before.copy()
        found = [vertex for vertex in range(len(self.root)) if self.root[vertex] == vertex and waits[vertex] == 0]
        for block in found:
            for other, _ in self.after[block]:
                waits[other] -= 1
                if waits[other] == 0:
                    found.append(other)
        return found


def _compacted(
    rows: list[list[int]], blocks: _Blocks, spaces: list[Space], progress: Progress, *, left: bool
) -> list[float]:
    """Push blocks as far to one side as distances allow, then each back towards its neighbour on the other side."""
    blocks.keep_apart(spaces)
    sequence = blocks.sequence()
    root, shift = blocks.root, blocks.shift
    x = [0.0] * len(root)
    for row in rows:
        if row:
            x[root[row[0]]] = max(x[root[row[0]]], blocks.left[row[0]] - shift[row[0]])
    for block in watched(sequence, progress):
        at = x[block]
        for other, space in blocks.after[block]:
            x[other] = max(x[other], at + space)
    if left:
        for block in watched(reversed(sequence), progress):
            if blocks.after[block]:
                x[block] = min([x[other] - space for other, space in blocks.after[block]])
    else:
        _push_right(rows, blocks, x, sequence, progress)
    return [x[root[vertex]] + shift[vertex] for vertex in range(len(root))]


def _push_right(
    rows: list[list[int]], blocks: _Blocks, x: list[float], sequence: list[int], progress: Progress
) -> None:
    """The mirror image: first everything as far right as it goes, then each block back left to its neighbour."""
    root, shift, wide = blocks.root, blocks.shift, blocks.right
    lasts = [row[-1] for row in rows if row]
    right = max((x[root[v]] + shift[v] + wide[v] for v in lasts), default=0.0)
    limit = [right] * len(x)
    for v in lasts:
        limit[root[v]] = min(limit[root[v]], right - shift[v] - wide[v])
    for block in watched(reversed(sequence), progress):
        x[block] = min([limit[block], *[x[other] - space for other, space in blocks.after[block]]])
    nearest: dict[int, float] = {}
    for block in watched(sequence, progress):
        at = x[block] = nearest.get(block, x[block])
        for other, space in blocks.after[block]:
            nearest[other] = max(nearest.get(other, at + space), at + space)


def _balanced(rows: list[list[int]], candidates: list[list[float]], wide: Reach, progress: Progress) -> list[float]:
    """The mean of the two middle candidates, after moving all onto the narrowest one."""
    shown = [vertex for row in rows for vertex in row]
    if not shown:
        return candidates[0]
    left, right = wide
    columns, lefts, rights = np.array(candidates), np.array(left)[shown], np.array(right)[shown]
    progress.step(0, 0)
    x = columns[:, shown]
    spans = list(zip((x - lefts).min(axis=1).tolist(), (x + rights).max(axis=1).tolist(), strict=True))
    narrow = min(spans, key=lambda span: span[1] - span[0])
    moves = [narrow[number % 2] - span[number % 2] for number, span in enumerate(spans)]
    x = np.sort(x + np.array(moves)[:, None], axis=0)
    middles = (x[1] + x[2]) / 2
    found = np.zeros(len(left))
    found[shown] = middles
    balanced: list[float] = (found - (middles - lefts).min()).tolist()
    return balanced
