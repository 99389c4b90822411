"""Phase 5, placing: x of every vertex. After Brandes and Köpf 2002, "Fast and simple horizontal coordinate assignment".

Vertices that should stand straight below each other form blocks; the blocks are pushed together from the left and from
the right, for blocks grown downward and upward; the mean of the two middle ones of these four is balanced and still
keeps every block straight and every distance. Ports shift vertices within a block (Rüegg and others 2015).
"""

from itertools import pairwise

from graphreel.layout.alignment import aligned, may_be_straight, one_side
from graphreel.layout.errors import LayoutBug
from graphreel.layout.layers import Layers
from graphreel.layout.types import LayoutOptions

_LOOP_ROOM = 16.0
WIDEST_BAND = 480.0
"""Edges beside each other are together at most this wide; many come closer to each other."""


def widths(layers: Layers) -> list[float]:
    """The width of each vertex: a port and a dummy have none; a self-loop needs room beside its box."""
    found = [width for width, _ in layers.problem.sizes]
    found += [0.0] * (len(layers.rank) - len(found))
    for net in layers.problem.nets:
        if any(head == net.tail for head, _ in net.heads):
            found[net.tail] += 2 * _LOOP_ROOM
    return found


def place(layers: Layers, options: LayoutOptions, *, wrapped: bool = False) -> list[float]:
    """The x of the middle of each vertex; the leftmost border is at 0.

    Gives: neighbours in a row keep their distance; dummies of one edge stand straight below each other wherever no
    such edges cross. O(vertices + segments).
    """
    wide = widths(layers)
    spaces = _spaces(layers, wide, options)
    straight = may_be_straight(layers, wrapped=wrapped)
    candidates: list[list[float]] = []
    for down in (True, False):
        side = one_side(layers, straight, down=down)
        for left in (True, False):
            root, shift = aligned(side, wide, left=left)
            candidates.append(_compacted(layers.rows, _Blocks(root, shift, wide), spaces, left=left))
    found = _balanced(layers.rows, candidates, wide)
    check_places(layers.rows, found, spaces)
    return found


def check_places(rows: list[list[int]], x: list[float], spaces: list[list[float]]) -> None:
    """Raise LayoutBug unless neighbours in each row keep their distance."""
    wrong = sum(
        x[right] - x[left] < space - 1e-6
        for row, space_row in zip(rows, spaces, strict=True)
        for left, right, space in zip(row, row[1:], space_row, strict=False)
    )
    if wrong:
        raise LayoutBug.of("neighbours in a row stand too close", wrong)


def _spaces(layers: Layers, wide: list[float], options: LayoutOptions) -> list[list[float]]:
    """The least distance between the middles of neighbours, for each row."""
    boxes = len(layers.problem.sizes)
    found: list[list[float]] = []
    for row in layers.rows:
        spaces: list[float] = []
        thin = sum(vertex >= boxes for vertex in row)
        edge_gap = min(options.edge_gap, WIDEST_BAND / (thin + 1))
        for left, right in pairwise(row):
            gap = edge_gap if left >= boxes and right >= boxes else options.node_gap
            if (left >= boxes) != (right >= boxes):
                gap = (options.edge_gap + options.node_gap) / 2
            spaces.append((wide[left] + wide[right]) / 2 + gap)
        found.append(spaces)
    return found


class _Blocks:
    """Blocks of vertices that stand straight below each other, with the distances that they keep."""

    def __init__(self, root: list[int], shift: list[float], wide: list[float]) -> None:
        self.root, self.shift, self.wide = root, shift, wide
        self.after: list[list[tuple[int, float]]] = [[] for _ in root]
        self.before = [0] * len(root)

    def keep_apart(self, rows: list[list[int]], spaces: list[list[float]]) -> None:
        """Take in the distances between neighbours in rows."""
        root, shift = self.root, self.shift
        for row, space_row in zip(rows, spaces, strict=True):
            for one, other, space in zip(row, row[1:], space_row, strict=False):
                self.after[root[one]].append((root[other], space + shift[one] - shift[other]))
                self.before[root[other]] += 1

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


def _compacted(rows: list[list[int]], blocks: _Blocks, spaces: list[list[float]], *, left: bool) -> list[float]:
    """Push blocks as far to one side as distances allow, then each back towards its neighbour on the other side."""
    blocks.keep_apart(rows, spaces)
    sequence = blocks.sequence()
    root, shift, wide = blocks.root, blocks.shift, blocks.wide
    x = [0.0] * len(root)
    for row in rows:
        if row:
            x[root[row[0]]] = max(x[root[row[0]]], wide[row[0]] / 2 - shift[row[0]])
    for block in sequence:
        at = x[block]
        for other, space in blocks.after[block]:
            x[other] = max(x[other], at + space)
    if left:
        for block in reversed(sequence):
            if blocks.after[block]:
                x[block] = min([x[other] - space for other, space in blocks.after[block]])
    else:
        _push_right(rows, blocks, x, sequence)
    return [x[root[vertex]] + shift[vertex] for vertex in range(len(root))]


def _push_right(rows: list[list[int]], blocks: _Blocks, x: list[float], sequence: list[int]) -> None:
    """The mirror image: first everything as far right as it goes, then each block back left to its neighbour."""
    root, shift, wide = blocks.root, blocks.shift, blocks.wide
    lasts = [row[-1] for row in rows if row]
    right = max((x[root[v]] + shift[v] + wide[v] / 2 for v in lasts), default=0.0)
    limit = [right] * len(x)
    for v in lasts:
        limit[root[v]] = min(limit[root[v]], right - shift[v] - wide[v] / 2)
    for block in reversed(sequence):
        x[block] = min([limit[block], *[x[other] - space for other, space in blocks.after[block]]])
    nearest: dict[int, float] = {}
    for block in sequence:
        at = x[block] = nearest.get(block, x[block])
        for other, space in blocks.after[block]:
            nearest[other] = max(nearest.get(other, at + space), at + space)


def _balanced(rows: list[list[int]], candidates: list[list[float]], wide: list[float]) -> list[float]:
    """The mean of the two middle candidates, after moving all onto the narrowest one."""
    shown = [vertex for row in rows for vertex in row]
    if not shown:
        return candidates[0]
    spans = [(min(x[v] - wide[v] / 2 for v in shown), max(x[v] + wide[v] / 2 for v in shown)) for x in candidates]
    narrow = min(spans, key=lambda span: span[1] - span[0])
    for number, x in enumerate(candidates):
        move = narrow[number % 2] - spans[number][number % 2]
        candidates[number] = [place + move for place in x]
    found = [0.0] * len(wide)
    for vertex in shown:
        _, low, high, _ = sorted(x[vertex] for x in candidates)
        found[vertex] = (low + high) / 2
    start = min(found[v] - wide[v] / 2 for v in shown)
    return [x - start for x in found]
