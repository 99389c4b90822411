"""The desktop app: the only folder that knows Qt. Importing it does not: Qt loads when `run` is called."""

from pathlib import Path

from graphreel.graph import MissingExtra
from graphreel.gui import system


def run(path: Path | None = None, *, theme: str | None = None) -> int:
    """Open the window, with a file in it or with the welcome page, and give the exit code once it is closed.

    `theme` is `light` or `dark`; None takes what was chosen last, else what the system has. Raises MissingExtra
    without PySide6, MissingLibrary without a library that Qt needs of the system, NoDisplay without a display.
    """
    system.check_display()
    try:
        from graphreel.gui.app import start
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("PySide6", "shiboken6"):
            raise
        raise MissingExtra.named("PySide6", "gui") from error
    except ImportError as error:
        explained = system.explain_import(error)
        if explained is None:
            raise
        raise explained from error
    return start(path, theme)


__all__ = ["run"]
