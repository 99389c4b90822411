"""The whole picture, very small, as pixels: groups by phase, boxes by class. Arrays only, no Qt."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphreel.graph import Progress, Unwatched
from graphreel.layout.types import FloatColumn
from graphreel.render import Scene, Theme

Pixels = npt.NDArray[np.uint8]
"""Rows of pixels: red, green, blue, shape (height, width, 3)."""

_FEWEST = 3.0
"""A group smaller than this many pixels shows only by what is in it."""
_OFTEN = 2000


@dataclass(frozen=True, slots=True, eq=False)
class Miniature:
    """A picture of a scene, `scale` pixels to a unit."""

    scene: Scene
    theme: Theme
    pixels: Pixels
    scale: float


def miniature(scene: Scene, theme: Theme, width: int, height: int, progress: Progress = Unwatched()) -> Miniature:
    """Draw a scene as large as it fits into so many pixels. O(boxes + pixels)."""
    whole = scene.placement.size
    scale = min(width / max(whole[0], 1.0), height / max(whole[1], 1.0))
    size = max(1, round(whole[0] * scale)), max(1, round(whole[1] * scale))
    canvas = np.empty((size[1], size[0], 3), dtype=np.float32)
    canvas[:] = _rgb(theme.page)
    frames, others = scene.where.frames, scene.where.nodes
    _groups(canvas, scene, theme, frames, scale, progress)
    colours = np.array([_rgb(paint.stroke) for paint in theme.boxes], dtype=np.float32)
    edges = _corners(scene.placement.rects[others] * scale, size)
    shades = scene.box_class[others]
    small = ((edges[:, 2] - edges[:, 0]) <= 1) & ((edges[:, 3] - edges[:, 1]) <= 1)
    canvas[edges[small, 1], edges[small, 0]] = colours[shades[small]]
    for row, box in enumerate(np.flatnonzero(~small).tolist()):
        if row % _OFTEN == 0:
            progress.step(row, len(small))
        left, top, right, bottom = edges[box].tolist()
        canvas[top:bottom, left:right] = colours[shades[box]]
    return Miniature(scene, theme, np.ascontiguousarray(canvas.round().astype(np.uint8)), scale)


def _groups(
    canvas: npt.NDArray[np.float32],
    scene: Scene,
    theme: Theme,
    frames: npt.NDArray[np.intp],
    scale: float,
    progress: Progress,
) -> None:
    """Fill groups with their faint colours, the outer ones first; outline those that are large enough."""
    rects = scene.placement.rects[frames] * scale
    frames = frames[(rects[:, 2] >= _FEWEST) & (rects[:, 3] >= _FEWEST)]
    edges = _corners(scene.placement.rects[frames] * scale, (canvas.shape[1], canvas.shape[0]))
    classes = scene.box_class[frames].tolist()
    for row, (left, top, right, bottom) in enumerate(edges.tolist()):
        if row % _OFTEN == 0:
            progress.step(row, len(frames))
        paint = theme.boxes[classes[row]]
        fill, stroke = _rgb(paint.fill), _rgb(paint.stroke)
        inside = canvas[top:bottom, left:right]
        inside += (fill - inside) * min(1.0, 2.5 * paint.opacity)
        if right - left > 3 * _FEWEST and bottom - top > 3 * _FEWEST:
            for line in (inside[:1], inside[-1:], inside[:, :1], inside[:, -1:]):
                np.add(line, (stroke - line) * 0.6, out=line)


def _corners(rects: FloatColumn, size: tuple[int, int]) -> npt.NDArray[np.intp]:
    """Left, top, right and bottom in whole pixels, each at least one pixel large and within the picture."""
    low = np.minimum(np.floor(rects[:, :2]), np.array(size) - 1).clip(0)
    high = np.maximum(np.ceil(rects[:, :2] + rects[:, 2:] - 0.5), low + 1)
    return np.concatenate([low, np.minimum(high, np.array(size))], axis=1).astype(np.intp)


def _rgb(colour: str) -> npt.NDArray[np.float32]:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)], dtype=np.float32)
