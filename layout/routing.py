"""Phase 6, routing: y of every row, and the way of every edge.

Edges bend only in the gaps between rows, and pass rows and lanes vertically, so none can run through a box.
"""

import numpy as np

from graphreel.graph import Progress, Unwatched
from graphreel.layout.heights import Frame, Heights, stacked
from graphreel.layout.lanes import Lane, Lanes, lanes
from graphreel.layout.layers import Layers
from graphreel.layout.local import Arrangement, Leg, Point
from graphreel.layout.pen import STRAIGHT, Pen, line
from graphreel.layout.placing import reach
from graphreel.layout.tracks import Tracks
from graphreel.layout.types import LayoutOptions
from graphreel.layout.watching import watched

_FREE_PART = 0.36
"""Edges meet a box at most this part of its width away from its middle."""
_TRACK = 8.0
_TRACKS = 240.0
"""Tracks of one gap are together at most this high; many come closer to each other."""
_PORT_GAP = 6.0
_LOOP = 14.0
_WIDE = 500.0
"""Edges that cross this far get twice the gap."""

_Run = tuple[float, float]


def route(layers: Layers, x: list[float], options: LayoutOptions) -> Arrangement:
    """The finished group.

    Gives: every leg starts at its tail's border and ends at its head's, vertically; it stays clear of other boxes.
    """
    router = Router(layers, x, options)
    return router.arrangement(stacked(router.heights()))


class Router:
    """One group's rows, lanes and tracks while its routes are drawn."""

    def __init__(
        self, layers: Layers, x: list[float], options: LayoutOptions, progress: Progress = Unwatched()
    ) -> None:
        self.layers, self.problem, self.options = layers, layers.problem, options
        progress.step(0, 0)
        right = reach(layers)[1]
        width = max([x[row[-1]] + right[row[-1]] for row in layers.rows if row], default=0.0)
        self.lanes: Lanes = lanes(layers, x, width, options)
        progress.step(0, 0)
        needed = 2 * self.problem.padding + self.lanes.left + width + self.lanes.right
        self.width = max(needed, self.problem.least_width)
        move = self.problem.padding + self.lanes.left + (self.width - needed) / 2
        self.x = [at + move for at in x]
        for lane in self.lanes.by_net.values():
            lane.x += move
            self._set_outside_ports(lane)
        progress.step(0, 0)
        self.tracks = Tracks(len(layers.rows))
        self._take_tracks()
        self.tracks.settle()
        self.frame = Frame([], [], 0.0)
        self.ends = [self._ends(segment) for segment in watched(range(len(layers.lower)), progress)]
        self.tops: list[float] = []

    def _set_outside_ports(self, lane: Lane) -> None:
        net = self.problem.nets[lane.net]
        for port in (net.tail, *(net.heads[n][0] for n in lane.heads)):
            if self.layers.is_outside(port):
                self.x[port] = lane.x

    def _take_tracks(self) -> None:
        """Ask for the horizontal ways that lanes need, in the gaps where they start and end."""
        rank = self.layers.rank
        for lane in self.lanes.by_net.values():
            net = self.problem.nets[lane.net]
            if not self.layers.is_outside(net.tail):
                start = self._meet(net.tail, net.tail_at, lane.x)
                self.tracks.ask((lane.net, -1), rank[net.tail] + 1, start, lane.x, arrives=False)
            for n in lane.heads:
                head, head_at = net.heads[n]
                if not self.layers.is_outside(head):
                    end = self._meet(head, head_at, lane.x)
                    self.tracks.ask((lane.net, n), rank[head], end, lane.x, arrives=True)

    def _meet(self, vertex: int, at: float | None, towards: float) -> float:
        """The x where an edge from or to another x meets a vertex."""
        middle = self.x[vertex]
        if not self.problem.is_box(vertex):
            return middle
        if at is not None:
            return middle + at
        room = self.problem.sizes[vertex][0] * _FREE_PART
        return min(max(towards, middle - room), middle + room)

    def heights(self) -> Heights:
        """Gaps grow with how far edges cross in them, and with their tracks."""
        layers, problem = self.layers, self.problem
        rows = [0.0] * len(layers.rows)
        for box in range(len(problem.sizes)):
            rank, height = layers.rank[box], self._cell(box)
            rows[rank] = max(rows[rank], height)
        last = len(rows) - 1
        gaps = [self._gap(rank, far, outer=rank in (1, last)) for rank, far in enumerate(self._crossed())]
        gaps[0] = 0.0
        found = Heights(rows, gaps, problem.header, problem.padding)
        if problem.upward:
            found.before, found.after = found.after, found.before
        return found

    def _cell(self, box: int) -> float:
        """The height that a box and its stubs need."""
        height = self.problem.sizes[box][1]
        return max(height, self.problem.rooms[box][2]) if self.problem.rooms else height

    def _gap(self, rank: int, crossed: float, *, outer: bool) -> float:
        tracks = min(self.tracks.count(rank) * _TRACK, _TRACKS)
        if not outer:
            return self.options.rank_gap * (1.0 + min(crossed / _WIDE, 1.5)) + tracks
        if not crossed:
            return tracks + (_TRACK if tracks else 0.0)
        return _PORT_GAP + self.options.rank_gap * min(0.4 + crossed / _WIDE, 2.0) + tracks

    def _crossed(self) -> list[float]:
        """How far the edges of each gap go sideways at most."""
        rank = self.layers.rank
        found = [0.0] * len(self.layers.rows)
        for (start, end), lower in zip(self.ends, self.layers.lower, strict=True):
            found[rank[lower]] = max(found[rank[lower]], abs(end - start))
        return found

    def _ends(self, segment: int) -> tuple[float, float]:
        """Where a segment leaves the upper row and where it meets the lower one."""
        layers = self.layers
        upper, lower = layers.upper[segment], layers.lower[segment]
        upper_at, lower_at = layers.upper_at[segment], layers.lower_at[segment]
        if layers.fixed_upper[segment] or not self.problem.is_box(upper):
            start = self.x[upper] + upper_at
            return start, self._meet(lower, lower_at if layers.fixed_lower[segment] else None, start)
        if layers.fixed_lower[segment] or not self.problem.is_box(lower):
            end = self.x[lower] + lower_at
            return self._meet(upper, None, end), end
        return self._between(upper, lower)

    def _between(self, upper: int, lower: int) -> tuple[float, float]:
        """Both ends are free: straight down where the boxes lie below each other, else from near side to near side."""
        one, other = self.x[upper], self.x[lower]
        room, other_room = (self.problem.sizes[vertex][0] * _FREE_PART for vertex in (upper, lower))
        low, high = max(one - room, other - other_room), min(one + room, other + other_room)
        if low <= high:
            straight = min(max(other if other_room <= room else one, low), high)
            return straight, straight
        return self._meet(upper, None, other), self._meet(lower, None, one)

    def arrangement(self, frame: Frame, progress: Progress = Unwatched(), *, middle: bool = False) -> Arrangement:
        """Everything, measured from the frame's top left corner. With `middle` every box stands in its row's middle."""
        problem, boxes = self.problem, len(self.problem.sizes)
        self.frame = frame
        self.tops = self._tops(progress, middle=middle)
        start, points = self._legs(progress)
        progress.step(0, 0)
        way = np.array(points, dtype=np.float64).reshape(-1, 2)
        sizes = np.array(problem.sizes, dtype=np.float64).reshape(-1, 2)
        corners = np.stack((np.array(self.x[:boxes]) - sizes[:, 0] / 2, np.array(self.tops)), axis=1)
        progress.step(0, 0)
        rows = self.layers.rank[:boxes]
        if problem.upward:
            way[:, 1] = frame.height - way[:, 1]
            corners[:, 1] = frame.height - corners[:, 1] - sizes[:, 1]
            rows = [len(frame.tops) - 1 - row for row in rows]
        return Arrangement(
            width=self.width,
            height=frame.height,
            corners=corners,
            rows=tuple(rows),
            entry_x=tuple(self.x[boxes : boxes + problem.entries]),
            exit_x=tuple(self.x[boxes + problem.entries : problem.items]),
            leg_start=np.array(start, dtype=np.int32),
            points=way,
        )

    def _legs(self, progress: Progress) -> tuple[list[int], list[Point]]:
        """The ways of all heads, one behind the other, and where each begins."""
        points: list[Point] = []
        start = [0]
        paths = self.layers.paths
        for number, net in watched(enumerate(self.problem.nets), progress):
            for n, (head, _) in enumerate(net.heads):
                path = paths[len(start) - 1]
                if len(path) == 1:
                    points += self._across(path[0])
                elif path:
                    points += self._down(path)
                elif head == net.tail:
                    points += self._loop(head)
                else:
                    points += self._by_lane(self.lanes.by_net[number], n)
                start.append(len(points))
        return start, points

    def _tops(self, progress: Progress, *, middle: bool) -> list[float]:
        """Boxes lower than their row stand in its middle; those without edges on one side next to the other side."""
        layers, frame = self.layers, self.frame
        found: list[float] = []
        for box, (_, height) in watched(enumerate(self.problem.sizes), progress):
            rank = layers.rank[box]
            top, bottom = frame.tops[rank], frame.bottoms[rank]
            if bottom - top == height:
                found.append(top)
                continue
            cell = self._cell(box)
            part = 0.5
            if not middle and layers.ups[box] and not layers.downs[box]:
                part = 0.0
            elif not middle and layers.downs[box] and not layers.ups[box]:
                part = 1.0
            found.append(top + (bottom - top - cell) * part + (cell - height) / 2)
        return found

    def _across(self, segment: int) -> Leg:
        """From one row to the next: a curve in the gap, and lines where the boxes do not fill their rows."""
        (x, end), layers = self.ends[segment], self.layers
        rank = layers.rank[layers.lower[segment]]
        start, target = self._start(layers.upper[segment]), self._end(layers.lower[segment])
        if abs(end - x) < STRAIGHT:
            return line(x, start, target)
        upper, lower = self.frame.bottoms[rank - 1], self.frame.tops[rank]
        middle = (upper + lower) / 2
        found = line(x, start, upper) if start != upper else [(x, upper)]
        found += [(x, middle), (end, middle), (end, lower)]
        return found + line(end, lower, target)[1:] if target != lower else found

    def _start(self, tail: int) -> float:
        if self.problem.is_entry(tail):
            return 0.0
        return self.tops[tail] + self.problem.sizes[tail][1]

    def _end(self, head: int) -> float:
        return self.frame.height if self.problem.is_exit(head) else self.tops[head]

    def _loop(self, box: int) -> Leg:
        """A loop at the right side of a box."""
        width, height = self.problem.sizes[box]
        x, y = self.x[box] + width / 2, self.tops[box] + height / 2
        reach = min(height / 4, 10.0)
        return [(x, y + reach), (x + _LOOP, y + reach), (x + _LOOP, y - reach), (x, y - reach)]

    def _down(self, path: tuple[int, ...]) -> Leg:
        """From row to row along segments."""
        layers, frame = self.layers, self.frame
        pen: Pen | None = None
        for segment in path:
            start, end = self.ends[segment]
            rank = layers.rank[layers.lower[segment]]
            if pen is None:
                pen = Pen(start, self._start(layers.upper[segment]))
            pen.down_to(frame.bottoms[rank - 1])
            pen.across_to(end, frame.tops[rank])
        assert pen is not None
        pen.down_to(self._end(layers.lower[path[-1]]))
        return pen.points

    def _by_lane(self, lane: Lane, n: int) -> Leg:
        """Down to the track below the tail, along it into the lane, and back along the track above the head."""
        net = self.problem.nets[lane.net]
        tail, (head, head_at) = net.tail, net.heads[n]
        rank = self.layers.rank
        if self.layers.is_outside(tail):
            pen = Pen(lane.x, 0.0)
            turn = None
        else:
            pen = Pen(self._meet(tail, net.tail_at, lane.x), self._start(tail))
            turn = self._track_y(rank[tail] + 1, (lane.net, -1))
        if self.layers.is_outside(head):
            target = self.frame.height
            back = target
        else:
            back = self._track_y(rank[head], (lane.net, n))
            target = self._end(head)
        if turn is not None:
            pen.along(lane.x, turn, (turn + back) / 2)
        if self.layers.is_outside(head):
            pen.down_to(target)
        else:
            pen.along(self._meet(head, head_at, lane.x), back, target)
        return pen.points

    def _track_y(self, gap: int, key: tuple[int, int]) -> float:
        top, bottom = self.frame.bottoms[gap - 1], self.frame.tops[gap]
        return top + (bottom - top) * (self.tracks.number(key) + 1) / (self.tracks.count(gap) + 1)
