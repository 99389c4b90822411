"""Saves a picture from outside of the app. Importing this does not import Qt: it loads when a picture is saved."""

from pathlib import Path

from graphreel.gui import system
from graphreel.render import LIGHT, Overlay, Scene, Theme
from graphreel.render.overlay import NO_MARKS


def save_picture(
    scene: Scene, path: Path, theme: Theme = LIGHT, overlay: Overlay = NO_MARKS, scale: float = 1.0
) -> None:
    """Write a picture; the path's ending says whether as .png, .pdf or .svg.

    No window opens and no display is needed. `scale` is how many pixels of a PNG one unit of the scene gets. Raises
    CannotSave; PictureTooLarge for a PNG of more than 16,384 pixels a side; MissingExtra without PySide6, and
    MissingLibrary without a library that Qt needs of the system.
    """
    with system.explained_imports():
        from graphreel.gui.pictures import save
    save(scene, path, theme, overlay, scale)
