"""What can keep the app from starting or from doing what it was asked, each built by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from graphreel.graph import GraphreelError


class GuiError(GraphreelError):
    """Something the desktop app cannot do."""


class MissingLibrary(GuiError):
    """A library of the system, which Qt loads, is not there."""

    @classmethod
    def needing(cls, libraries: Sequence[str], packages: Sequence[str]) -> Self:
        """Name the libraries and the Debian packages that hold them."""
        names = ", ".join(libraries)
        if not packages:
            return cls(f"Qt cannot load {names}: install the package of your system that holds it")
        return cls(f"Qt cannot load {names}; on Debian and Ubuntu: sudo apt install {' '.join(packages)}")


class BrokenQt(GuiError):
    """A PySide6 that would abort this Python after a while."""

    @classmethod
    def under(cls, pyside: str, python: str) -> Self:
        """Name both versions and one that works."""
        return cls(
            f"PySide6 {pyside} corrupts Python {python}, which would abort; "
            "use Python 3.12 or newer, or: pip install 'PySide6-Essentials<6.12'"
        )


class NoDisplay(GuiError):
    """There is no screen to open a window on."""

    @classmethod
    def found(cls) -> Self:
        """Say what to do without one."""
        return cls(
            "there is no display to open a window on (neither DISPLAY nor WAYLAND_DISPLAY is set); "
            "set one, or draw the graph without a window: graphreel export FILE -o graph.svg"
        )


class CannotSave(GuiError):
    """A picture that cannot be written."""

    @classmethod
    def of_kind(cls, path: Path) -> Self:
        """The file's ending names no picture."""
        return cls(f"{path}: {path.suffix or 'no ending'} is no kind of picture; use .png, .pdf or .svg")

    @classmethod
    def to(cls, path: Path, reason: str) -> Self:
        """The system refused."""
        return cls(f"{path}: the picture cannot be written: {reason}")


class PictureTooLarge(GuiError):
    """A picture of more pixels than programs can open."""

    @classmethod
    def of(cls, path: Path, width: int, height: int, limit: int, scale: float) -> Self:
        """Say which scale would fit."""
        fitting = scale * limit / max(width, height)
        rounded = f"{int(fitting * 1000) / 1000:g}"
        return cls(
            f"{path}: a PNG of {width} × {height} pixels is too large (at most {limit} a side); "
            f"use --scale {rounded} or less, or write .svg or .pdf"
        )


class DemoFailed(GuiError):
    """The demo could not be recorded."""

    @classmethod
    def without_torch(cls) -> Self:
        """PyTorch is not there to record with."""
        return cls("the demo trains a small model and needs PyTorch; get it with: pip install 'graphreel[torch]'")

    @classmethod
    def with_output(cls, code: int, output: str) -> Self:
        """Pass on the last line that the recording wrote."""
        lines = output.strip().splitlines()
        return cls(f"the demo could not be recorded (exit code {code}): {lines[-1] if lines else 'it said nothing'}")
