"""Draws routes: vertical lines, S-curves and rounded corners, as cubic Bézier segments."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphreel.layout.local import Point

_ROUND = 0.5523
"""How far a cubic's handles reach along the tangents of a quarter of a circle."""
_CORNER = 7.0
STRAIGHT = 0.01


def line(x: float, start: float, end: float) -> list["Point"]:
    """A vertical line."""
    third = (end - start) / 3
    return [(x, start), (x, start + third), (x, start + 2 * third), (x, end)]


class Pen:
    """A route under way. It arrives and leaves vertically, so that routes of neighbouring groups join smoothly."""

    def __init__(self, x: float, y: float) -> None:
        self.points: list[Point] = [(x, y)]
        self.x, self.y = x, y
        self._line = False

    def down_to(self, y: float) -> None:
        """A vertical line, up or down; it makes a line before it longer."""
        if y == self.y:
            return
        if self._line and (y > self.y) == (self.y > self.points[-4][1]):
            del self.points[-3:]
        start = self.points[-1][1]
        step = (y - start) / 3
        self.points += [(self.x, start + step), (self.x, start + 2 * step), (self.x, y)]
        self.y, self._line = y, True

    def across_to(self, x: float, y: float) -> None:
        """An S-curve that leaves and arrives vertically; a line where there is nothing to cross."""
        if abs(x - self.x) < STRAIGHT:
            self.down_to(y)
            return
        middle = (self.y + y) / 2
        self.points += [(self.x, middle), (x, middle), (x, y)]
        self.x, self.y, self._line = x, y, False

    def along(self, x: float, track: float, y: float) -> None:
        """Down or up to a track, along it to another x, and on to y, with rounded corners."""
        if abs(x - self.x) < STRAIGHT:
            self.down_to(y)
            return
        sign = 1.0 if x > self.x else -1.0
        reach = abs(x - self.x) / 2
        first = min(_CORNER, reach, abs(track - self.y))
        second = min(_CORNER, reach, abs(y - track))
        before = first if track > self.y else -first
        after = second if y > track else -second
        self.down_to(track - before)
        self._corner(self.x, track - before * (1 - _ROUND), self.x + sign * first * (1 - _ROUND), track)
        self._finish(self.x + sign * first, track)
        end = x - sign * second
        step = (end - self.x) / 3
        self.points += [(self.x + step, track), (self.x + 2 * step, track), (end, track)]
        self.x = end
        self._corner(x - sign * second * (1 - _ROUND), track, x, track + after * (1 - _ROUND))
        self._finish(x, track + after)
        self.down_to(y)

    def _corner(self, x1: float, y1: float, x2: float, y2: float) -> None:
        self.points += [(x1, y1), (x2, y2)]

    def _finish(self, x: float, y: float) -> None:
        self.points.append((x, y))
        self.x, self.y, self._line = x, y, False
