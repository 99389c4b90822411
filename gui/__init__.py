"""The desktop app: the only folder that knows Qt. Importing it does not: Qt loads when `run` is called."""

from pathlib import Path

from graphreel.capture.sources import identify
from graphreel.gui import system


def run(path: Path | None = None, *, theme: str | None = None) -> int:
    """Open the window, with a file in it or with the welcome page, and give the exit code once it is closed.

    `theme` is `light` or `dark`; None takes what was chosen last, else what the system has. Raises CaptureError
    for a file that is none of ours, MissingExtra without PySide6, MissingLibrary without a library that Qt needs of the
    system, NoDisplay without a display.
    """
    if path is not None:
        identify(path)
    system.check_display()
    with system.explained_imports():
        from graphreel.gui.app import start
    return start(path, theme)


__all__ = ["run"]
