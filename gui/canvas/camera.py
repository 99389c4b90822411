"""Where one looks: the part of the picture that the canvas shows, as plain numbers without Qt."""

from dataclasses import dataclass

LEAST, MOST = 0.0001, 6.0
"""The range of zoom factors."""

READABLE = 0.42
"""The least zoom at which one can read what stands in the boxes."""
_FAR, _SEEN = 0.2, 24.0
"""Where boxes have no outline of their own, one lower than this many pixels cannot be told from the others."""

Rect = tuple[float, float, float, float]
"""x, y, width and height."""


@dataclass(frozen=True, slots=True)
class Camera:
    """`zoom` pixels show one unit of the picture; the picture's point (x, y) is at the widget's top left."""

    zoom: float = 1.0
    x: float = 0.0
    y: float = 0.0

    def to_screen(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the picture stands in the widget."""
        return (x - self.x) * self.zoom, (y - self.y) * self.zoom

    def to_scene(self, x: float, y: float) -> tuple[float, float]:
        """Which point of the picture stands at a place of the widget."""
        return x / self.zoom + self.x, y / self.zoom + self.y

    def zoomed(self, factor: float, x: float, y: float) -> "Camera":
        """Zoom by a factor, with what is at the widget's (x, y) staying there."""
        zoom = min(max(self.zoom * factor, LEAST), MOST)
        scene_x, scene_y = self.to_scene(x, y)
        return Camera(zoom, scene_x - x / zoom, scene_y - y / zoom)

    def panned(self, dx: float, dy: float) -> "Camera":
        """Move the picture by so many pixels."""
        return Camera(self.zoom, self.x - dx / self.zoom, self.y - dy / self.zoom)

    def with_at(self, scene: tuple[float, float], screen: tuple[float, float]) -> "Camera":
        """Move so that a point of the picture stands at a place of the widget."""
        return Camera(self.zoom, scene[0] - screen[0] / self.zoom, scene[1] - screen[1] / self.zoom)

    def holding(self, rect: Rect, width: float, height: float, margin: float = 40.0) -> "Camera":
        """Move as little as shows the rectangle in a widget of this size; centre one that is too large."""
        x, y = self.to_screen(rect[0], rect[1])
        dx = _into(x, rect[2] * self.zoom, width, margin)
        dy = _into(y, rect[3] * self.zoom, height, margin)
        return self.panned(dx, dy)

    def area(self, width: float, height: float) -> Rect:
        """The part of the picture that a widget of this size shows."""
        return self.x, self.y, width / self.zoom, height / self.zoom


def fitting(rect: Rect, width: float, height: float, *, most: float = 1.0, margin: float = 32.0) -> Camera:
    """Show a whole rectangle, centred in a widget of this size, at most at the zoom `most`."""
    room = max(width - 2 * margin, 1.0), max(height - 2 * margin, 1.0)
    zoom = min(room[0] / max(rect[2], 1.0), room[1] / max(rect[3], 1.0), most)
    zoom = max(zoom, LEAST)
    return Camera(zoom, rect[0] + (rect[2] - width / zoom) / 2, rect[1] + (rect[3] - height / zoom) / 2)


def beginning(size: tuple[float, float], width: float, height: float) -> Camera:
    """Show a picture of this size so that it can be read: all of it, or, where it is large, its beginning."""
    whole = fitting((0, 0, *size), width, height)
    if whole.zoom >= READABLE:
        return whole
    zoom = max(min(0.8, width / (size[0] + 64)), READABLE)
    room = width / zoom
    return Camera(zoom, (size[0] - room) / 2 if size[0] < room else -32.0, -24.0 / zoom)


def held(camera: Camera, rect: Rect, width: float, height: float) -> Camera:
    """Move as little as brings a box into view; zoom in where it could not be read."""
    if camera.zoom < _FAR and rect[3] * camera.zoom < _SEEN:
        at = camera.to_screen(rect[0] + rect[2] / 2, rect[1] + rect[3] / 2)
        camera = camera.zoomed(0.7 / camera.zoom, *at)
    return camera.holding(rect, width, height)


def _into(start: float, length: float, room: float, margin: float) -> float:
    """How far to move a span so that it lies within the room, a margin from either end."""
    if length > room - 2 * margin:
        inside = start < room - margin and start + length > margin and length > room
        # A span larger than the room that fills it stays: whatever one reads in it is where it was.
        return 0.0 if inside else (room - length) / 2 - start
    if start < margin:
        return margin - start
    if start + length > room - margin:
        return room - margin - length - start
    return 0.0
