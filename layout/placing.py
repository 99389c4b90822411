"""Phase 5, placing: x of every vertex. After Brandes and Köpf 2002, "Fast and simple horizontal coordinate assignment".

Vertices that should stand straight below each other form blocks; the blocks are pushed together from the left and from
the right, for blocks grown downward and upward; the mean of the two middle ones of these four is balanced and still
keeps every block straight and every distance. Ports shift vertices within a block (Rüegg and others 2015).
"""

from graphreel.layout.errors import LayoutBug
from graphreel.layout.layers import Layers
from graphreel.layout.types import LayoutOptions

_LOOP_ROOM = 16.0
WIDEST_BAND = 480.0
"""Edges beside each other are together at most this wide; many come closer to each other."""
_SLACK, _SLACK_LEAST = 1.1, 40.0
"""How much wider than its widest vertex a block may be: by a part of that, and by so much."""


class _Side:
    """The segments by which vertices may be aligned with the row before, in one vertical direction."""

    def __init__(self, rows: list[list[int]], choices: list[list[tuple[int, int, float]]]) -> None:
        self.rows = rows
        self.choices = choices


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
    allowed = _allowed(layers, wrapped=wrapped)
    candidates: list[list[float]] = []
    for down in (True, False):
        side = _side(layers, allowed, down=down)
        for left in (True, False):
            root, shift = _aligned(side, wide, left=left)
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
        for left, right in zip(row, row[1:], strict=False):
            gap = edge_gap if left >= boxes and right >= boxes else options.node_gap
            if (left >= boxes) != (right >= boxes):
                gap = (options.edge_gap + options.node_gap) / 2
            spaces.append((wide[left] + wide[right]) / 2 + gap)
        found.append(spaces)
    return found


def _allowed(layers: Layers, *, wrapped: bool) -> list[bool]:
    """Which segments may be drawn straight: the most important at both of their ends, and not across a long edge.

    Long edges come first, then edges between boxes, of these the one on the longest way, so that the main way through
    a group stays straight and what skips it or joins it bends. In wrapped rows boxes do not stand below their ports:
    the ports would have to lie as far apart as all boxes beside each other.
    """
    before, after = _ways(layers)
    weight = [
        (_weight(layers, upper, lower), before[upper] + after[lower])
        for upper, lower in zip(layers.upper, layers.lower, strict=True)
    ]
    none = (0, 0)
    best_down = [max([weight[s] for s in segments], default=none) for segments in layers.downs]
    best_up = [max([weight[s] for s in segments], default=none) for segments in layers.ups]
    found = [
        weight[s] == best_down[upper] and weight[s] == best_up[lower] and (weight[s][0] > 1 or not wrapped)
        for s, (upper, lower) in enumerate(zip(layers.upper, layers.lower, strict=True))
    ]
    _mark_conflicts(layers, [weight == 3 for weight, _ in weight], found)
    return found


def _ways(layers: Layers) -> tuple[list[int], list[int]]:
    """How many boxes the longest way to each vertex passes, and the longest way from it."""
    before, after = [0] * len(layers.rank), [0] * len(layers.rank)
    boxes = len(layers.problem.sizes)
    for row in layers.rows:
        for vertex in row:
            way = max([before[layers.upper[s]] for s in layers.ups[vertex]], default=0)
            before[vertex] = way + (vertex < boxes)
    for row in reversed(layers.rows):
        for vertex in row:
            way = max([after[layers.lower[s]] for s in layers.downs[vertex]], default=0)
            after[vertex] = way + (vertex < boxes)
    return before, after


def _weight(layers: Layers, upper: int, lower: int) -> int:
    dummies = layers.is_dummy(upper) + layers.is_dummy(lower)
    return 3 if dummies == 2 else 1 if dummies else 2


def _mark_conflicts(layers: Layers, inside: list[bool], allowed: list[bool]) -> None:
    """Forbid segments that cross a part of a long edge."""
    place = {vertex: slot for row in layers.rows for slot, vertex in enumerate(row)}
    for row in layers.rows[1:]:
        segments = [s for vertex in row for s in layers.ups[vertex]]
        inner = [(place[layers.upper[s]], place[layers.lower[s]]) for s in segments if inside[s] and allowed[s]]
        if not inner:
            continue
        inner.sort(key=lambda ends: ends[1])
        # From either side, the furthest that a long edge reaches: what lies beyond it crosses.
        for s in segments:
            if inside[s] or not allowed[s]:
                continue
            above, below = place[layers.upper[s]], place[layers.lower[s]]
            allowed[s] = not _crosses(inner, above, below)


def _crosses(inner: list[tuple[int, int]], above: int, below: int) -> bool:
    return any((one < above and other > below) or (one > above and other < below) for one, other in inner)


def _side(layers: Layers, allowed: list[bool], *, down: bool) -> _Side:
    """For each vertex its neighbours in the row before, by place, with the shift that draws the edge straight."""
    place = [0] * len(layers.rank)
    for row in layers.rows:
        for slot, vertex in enumerate(row):
            place[vertex] = slot
    choices: list[list[tuple[int, int, float]]] = []
    for vertex in range(len(layers.rank)):
        found: list[tuple[int, int, float]] = []
        for s in layers.ups[vertex] if down else layers.downs[vertex]:
            if allowed[s]:
                other = layers.upper[s] if down else layers.lower[s]
                shift = layers.upper_at[s] - layers.lower_at[s]
                found.append((place[other], other, shift if down else -shift))
        found.sort()
        choices.append(found)
    return _Side(layers.rows if down else layers.rows[::-1], choices)


def _aligned(side: _Side, wide: list[float], *, left: bool) -> tuple[list[int], list[float]]:
    """Blocks: the first vertex of each vertex's block, and its shift from that vertex."""
    extents = _Extents(wide)
    root, shift = list(range(len(wide))), [0.0] * len(wide)
    taken = [False] * len(wide)
    for row in side.rows:
        reached = -1 if left else 1 << 60
        for vertex in row if left else reversed(row):
            choice = side.choices[vertex]
            if not choice:
                continue
            lower, higher = (len(choice) - 1) // 2, len(choice) // 2
            for middle in (lower, higher) if left else (higher, lower):
                slot, other, delta = choice[middle]
                free = not taken[other] and (slot > reached if left else slot < reached)
                if free and extents.takes(root[other], vertex, shift[other] + delta, straight=delta == 0.0):
                    root[vertex] = root[other]
                    shift[vertex] = shift[other] + delta
                    taken[other] = True
                    reached = slot
                    break
    return root, shift


class _Extents:
    """How far each block reaches left and right of its first vertex, and how wide its widest vertex is.

    A block must not be much wider than that. Groups whose ports lie apart would else drift to one side, each a little
    further than the one above it.
    """

    def __init__(self, wide: list[float]) -> None:
        self.wide = wide
        self.left = [-width / 2 for width in wide]
        self.right = [width / 2 for width in wide]
        self.widest = wide.copy()

    def takes(self, block: int, vertex: int, shift: float, *, straight: bool) -> bool:
        """Let a block grow by a vertex, unless that stands off its neighbour's middle and the block would get too wide."""
        width = self.wide[vertex]
        left, right = min(self.left[block], shift - width / 2), max(self.right[block], shift + width / 2)
        widest = max(self.widest[block], width)
        if not straight and right - left > widest * _SLACK + _SLACK_LEAST:
            return False
        self.left[block], self.right[block], self.widest[block] = left, right, widest
        return True


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
