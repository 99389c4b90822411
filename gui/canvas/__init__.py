"""The canvas: our own painting of a Scene, of what is visible only, with levels of detail."""

from graphreel.gui.canvas.camera import Camera
from graphreel.gui.canvas.painting import Painting
from graphreel.gui.canvas.widget import Canvas

__all__ = ["Camera", "Canvas", "Painting"]
