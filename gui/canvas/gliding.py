"""Movement of the camera that goes on by itself: after a fling of the drag, and while a zoom catches up.

Plain numbers, told how much time has passed; it knows neither Qt nor a clock.
"""

import math
from collections import deque
from dataclasses import dataclass, field

from graphreel.gui.canvas.camera import Camera

_COAST_MS = 220.0
"""How long a fling takes to lose two thirds of its speed."""
_CATCH_UP_MS = 45.0
"""How long a zoom takes to come two thirds nearer to where it goes."""
_SLOWEST = 0.03
"""Pixels a millisecond; what is slower stands still."""
_LEAST_FLING = 0.25
"""A drag that ends more slowly than this, in pixels a millisecond, ends where it is let go."""
_REMEMBERED_MS = 90.0


@dataclass(slots=True)
class Glide:
    """How the camera moves on."""

    _speed: tuple[float, float] = (0.0, 0.0)
    _zoom: float = 0.0
    """What is left of a zoom: the logarithm of its factor."""
    _at: tuple[float, float] = (0.0, 0.0)

    @property
    def is_moving(self) -> bool:
        """Whether `advance` would change a camera."""
        return self._zoom != 0.0 or self._speed != (0.0, 0.0)

    def stop(self) -> None:
        """Stand still."""
        self._speed, self._zoom = (0.0, 0.0), 0.0

    def fling(self, speed: tuple[float, float]) -> None:
        """Go on at this speed, in pixels a millisecond, and come to rest."""
        self._zoom = 0.0
        self._speed = speed if math.hypot(*speed) >= _LEAST_FLING else (0.0, 0.0)

    def zoom(self, factor: float, at: tuple[float, float]) -> None:
        """Zoom by this factor, and what is left of the last zoom, around a place of the widget."""
        self._speed = 0.0, 0.0
        self._zoom += math.log(factor)
        self._at = at

    def advance(self, camera: Camera, milliseconds: float) -> Camera:
        """The camera so much later."""
        if self._zoom:
            step = self._zoom * (1 - math.exp(-milliseconds / _CATCH_UP_MS))
            if abs(self._zoom - step) < 0.004:
                step = self._zoom
            self._zoom -= step
            camera = camera.zoomed(math.exp(step), *self._at)
        if self._speed != (0.0, 0.0):
            left = math.exp(-milliseconds / _COAST_MS)
            way = _COAST_MS * (1 - left)
            camera = camera.panned(self._speed[0] * way, self._speed[1] * way)
            self._speed = self._speed[0] * left, self._speed[1] * left
            if math.hypot(*self._speed) < _SLOWEST:
                self._speed = 0.0, 0.0
        return camera


@dataclass(slots=True)
class Trail:
    """Where a drag was last, and when."""

    _places: deque[tuple[float, float, float]] = field(default_factory=deque)

    def add(self, milliseconds: float, x: float, y: float) -> None:
        """The mouse was here then."""
        self._places.append((milliseconds, x, y))
        while milliseconds - self._places[0][0] > _REMEMBERED_MS:
            self._places.popleft()

    def speed(self, milliseconds: float) -> tuple[float, float]:
        """Pixels a millisecond of the drag's end, if it ends now; nothing where the mouse rested first."""
        recent = [place for place in self._places if milliseconds - place[0] <= _REMEMBERED_MS]
        if len(recent) < 2 or recent[-1][0] <= recent[0][0]:
            return 0.0, 0.0
        first, last = recent[0], recent[-1]
        return (last[1] - first[1]) / (last[0] - first[0]), (last[2] - first[2]) / (last[0] - first[0])
