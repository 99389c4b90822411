"""Phase 3, long edges: short ones get a dummy in every row that they pass, long ones are left for a lane."""

from dataclasses import dataclass, field

from graphreel.graph import Progress, Unwatched
from graphreel.layout.local import Problem
from graphreel.layout.watching import watched

LONGEST_SPAN = 16
"""Edges over more rows than this run in a lane. With dummies in all rows a training step of 10,000 operations would
need millions of them."""

LONGEST_ENTRY_SPAN = 6
LONGEST_EXIT_SPAN = 3
"""The same for edges from and to the group's border: what leaves for elsewhere goes straight to the lanes."""

NO_LEG: tuple[int, ...] = ()


@dataclass(slots=True)
class Layers:
    """Rows of vertices, and segments between vertices of neighbouring rows. Working data of one layout.

    Vertices are the problem's items, then the dummies. Row 0 holds entries, the last row exits. Segments that belong
    to one net share what way they have in common.

    Attributes:
        rank: The row of each vertex; that of a port which is reached by lanes only counts, though it is in no row.
        net: The net of each dummy; -1 for items.
        rows: The vertices of each row from left to right.
        upper, lower: The vertices at the ends of each segment.
        upper_at, lower_at: Where the segment meets them: distance from the middle.
        fixed_upper, fixed_lower: Whether it must meet them there; else it may move along the box.
        ups, downs: The segments above and below each vertex.
        paths: For each leg (head of a net) its segments from tail to head; none where it runs in a lane or is a loop.
        far: For each net the numbers of those of its heads that only a lane can reach.
    """

    problem: Problem
    rank: list[int]
    net: list[int]
    rows: list[list[int]]
    upper: list[int] = field(default_factory=list)
    lower: list[int] = field(default_factory=list)
    upper_at: list[float] = field(default_factory=list)
    lower_at: list[float] = field(default_factory=list)
    fixed_upper: list[bool] = field(default_factory=list)
    fixed_lower: list[bool] = field(default_factory=list)
    ups: list[list[int]] = field(default_factory=list)
    downs: list[list[int]] = field(default_factory=list)
    paths: list[tuple[int, ...]] = field(default_factory=list)
    far: list[list[int]] = field(default_factory=list)

    def is_dummy(self, vertex: int) -> bool:
        """Whether a vertex is a place where an edge passes."""
        return self.net[vertex] >= 0

    def is_outside(self, port: int) -> bool:
        """Whether a port is in no row, because it lies right in the way of its lane."""
        return not self.problem.is_box(port) and not self.ups[port] and not self.downs[port]

    def add_dummy(self, net: int, rank: int) -> int:
        """A new vertex where the net passes a row."""
        vertex = len(self.rank)
        self.rank.append(rank)
        self.net.append(net)
        self.ups.append([])
        self.downs.append([])
        return vertex

    def add_segment(self, upper: int, lower: int, upper_at: float | None, lower_at: float | None) -> int:
        """A new segment between neighbouring rows."""
        segment = len(self.upper)
        self.upper.append(upper)
        self.lower.append(lower)
        self.upper_at.append(upper_at or 0.0)
        self.lower_at.append(lower_at or 0.0)
        self.fixed_upper.append(upper_at is not None)
        self.fixed_lower.append(lower_at is not None)
        self.downs[upper].append(segment)
        self.ups[lower].append(segment)
        return segment


def layers(problem: Problem, box_ranks: list[int], progress: Progress = Unwatched(), rows: int = 0) -> Layers:
    """Rows in execution order, with dummies for edges over at most `LONGEST_SPAN` rows.

    With `rows` there are that many rows of boxes, else as many as ranks say. Gives: every segment goes from a row to
    the next one. An edge up, along a row or over more rows has no segments.
    """
    last = max(box_ranks, default=0) + 1 if rows == 0 else rows + 1
    ranks = [*box_ranks, *([0] * problem.entries), *([last] * problem.exits)]
    count = problem.items
    found = Layers(problem, ranks, [-1] * count, [[] for _ in range(last + 1)])
    found.ups = [[] for _ in range(count)]
    found.downs = [[] for _ in range(count)]
    for number in watched(range(len(problem.nets)), progress):
        _add_net(found, number)
    _fill_rows(found, progress)
    return found


def _add_net(found: Layers, number: int) -> None:
    problem, rank = found.problem, found.rank
    net = problem.nets[number]
    tail, tail_at, boxes = net.tail, net.tail_at, len(problem.sizes)
    top = rank[tail]
    from_border = LONGEST_ENTRY_SPAN if problem.is_entry(tail) else LONGEST_SPAN
    exits = boxes + problem.entries
    if len(net.heads) == 1 and rank[net.heads[0][0]] == top + 1:
        head, head_at = net.heads[0]
        found.paths.append((found.add_segment(tail, head, tail_at, head_at),))
        found.far.append([])
        return
    spans: list[int] = []
    for head, _ in net.heads:
        span = rank[head] - top
        spans.append(span if 1 <= span <= (LONGEST_EXIT_SPAN if head >= exits else from_border) else 0)
    chain, at = [tail], tail_at
    links: list[int] = []
    for step in range(1, max(spans)):
        dummy = found.add_dummy(number, top + step)
        links.append(found.add_segment(chain[-1], dummy, at, 0.0))
        chain.append(dummy)
        at = 0.0
    for (head, head_at), span in zip(net.heads, spans, strict=True):
        if span:
            start = tail_at if span == 1 else 0.0
            last = found.add_segment(chain[span - 1], head, start, head_at)
            found.paths.append((*links[: span - 1], last))
        else:
            found.paths.append(NO_LEG)
    found.far.append([n for n, span in enumerate(spans) if not span and net.heads[n][0] != tail])


def _fill_rows(found: Layers, progress: Progress) -> None:
    """Put every vertex into its row, in execution order; ports that only lanes reach stay out."""
    boxes, rows = len(found.problem.sizes), found.rows
    for vertex, rank in watched(enumerate(found.rank), progress):
        if vertex < boxes or found.ups[vertex] or found.downs[vertex]:
            rows[rank].append(vertex)
    sort_rows(found, [float(box) for box in range(boxes)], progress)


def sort_rows(found: Layers, box_keys: list[float], progress: Progress = Unwatched()) -> None:
    """Order each row by these numbers of its boxes; ports and dummies stand beside what they lead from or to."""
    problem, keys = found.problem, box_keys.copy()
    keys += [0.0] * (problem.items - len(keys))
    for net in problem.nets:
        if problem.is_entry(net.tail):
            keys[net.tail] = min([keys[head] for head, _ in net.heads if problem.is_box(head)], default=0.0) - 0.5
    for net in problem.nets:
        for head, _ in net.heads:
            if problem.is_exit(head):
                keys[head] = keys[net.tail] + 0.25
    for dummy in range(problem.items, len(found.rank)):
        keys.append(keys[problem.nets[found.net[dummy]].tail] + 0.5)
    for row in watched(found.rows, progress):
        if len(row) > 1:
            row.sort(key=lambda vertex: (keys[vertex], vertex))


def keys_before(problem: Problem) -> list[float]:
    """The order that stood before; a new box stands beside its first neighbour."""
    near: dict[int, float] = {}
    for net in problem.nets:
        for one, other in [(net.tail, head) for head, _ in net.heads]:
            for box, neighbour in ((one, other), (other, one)):
                hint = problem.hints[neighbour] if problem.is_box(neighbour) else None
                if hint is not None:
                    near.setdefault(box, hint + 0.1)
    return [near.get(box, float(box)) if hint is None else hint for box, hint in enumerate(problem.hints)]


def draw(found: Layers) -> str:
    """Rows as text, for tests: boxes are a, b, c, …, entries <0, exits >0, dummies a dot."""
    problem = found.problem

    def name(vertex: int) -> str:
        if found.is_dummy(vertex):
            return "."
        if problem.is_box(vertex):
            return chr(ord("a") + vertex) if vertex < 26 else f"n{vertex}"
        first = len(problem.sizes)
        return f"<{vertex - first}" if problem.is_entry(vertex) else f">{vertex - first - problem.entries}"

    return " / ".join(" ".join(map(name, row)) for row in found.rows if row)
