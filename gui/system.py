"""Checks, before Qt loads, that it can: a missing library or display would end the process without a clear word.

Qt is imported by `check_counting` only, which comes last.
"""

import ctypes
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from graphreel.graph import MissingExtra
from graphreel.gui.errors import BrokenQt, GuiError, MissingLibrary, NoDisplay

DEBIAN_PACKAGES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libOpenGL.so.0": "libopengl0",
    "libGLX.so.0": "libglx0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libX11.so.6": "libx11-6",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
}
"""The Debian package that holds each library that Qt's wheels expect from the system."""

# What the xcb platform plugin links; it loads late, and Qt aborts the process where one of these is missing.
XCB_LIBRARIES = (
    "libX11.so.6",
    "libX11-xcb.so.1",
    "libxkbcommon.so.0",
    "libxkbcommon-x11.so.0",
    "libxcb.so.1",
    "libxcb-cursor.so.0",
    "libxcb-icccm.so.4",
    "libxcb-image.so.0",
    "libxcb-keysyms.so.1",
    "libxcb-randr.so.0",
    "libxcb-render.so.0",
    "libxcb-render-util.so.0",
    "libxcb-shape.so.0",
    "libxcb-shm.so.0",
    "libxcb-sync.so.1",
    "libxcb-xfixes.so.0",
    "libxcb-xkb.so.1",
)


def check_display(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> None:
    """Raise NoDisplay or MissingLibrary where Qt would abort the process. Only Linux needs the check."""
    if platform != "linux" or environment.get("QT_QPA_PLATFORM"):
        return
    if not environment.get("DISPLAY") and not environment.get("WAYLAND_DISPLAY"):
        raise NoDisplay.found()
    if environment.get("WAYLAND_DISPLAY"):
        return
    missing = [library for library in XCB_LIBRARIES if not loads(library)]
    if missing:
        raise missing_libraries(missing)


def loads(library: str, load: Callable[[str], object] = ctypes.CDLL) -> bool:
    """Whether the system's loader finds a shared library."""
    try:
        load(library)
    except OSError:
        return False
    return True


def missing_libraries(libraries: Iterable[str]) -> MissingLibrary:
    """The error that names each library and, once each, the Debian packages that hold them."""
    names = list(libraries)
    packages = dict.fromkeys(DEBIAN_PACKAGES[name] for name in names if name in DEBIAN_PACKAGES)
    return MissingLibrary.needing(names, list(packages))


@contextmanager
def explained_imports() -> Iterator[None]:
    """Turn what can go wrong where Qt is imported into MissingExtra or MissingLibrary."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("PySide6", "shiboken6"):
            raise
        raise MissingExtra.named("PySide6", "gui") from error
    except ImportError as error:
        explained = explain_import(error)
        if explained is None:
            raise
        raise explained from error


def explain_import(error: ImportError) -> GuiError | None:
    """The error to show where importing Qt failed for want of a system library; None for any other reason."""
    match = re.search(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object file", str(error))
    return None if match is None else missing_libraries([match[1]])


def check_counting() -> None:
    """Raise BrokenQt where calls into Qt give back references to None that they never took.

    WORKAROUND: measured with the wheels of PySide6 6.12.0 under Python 3.11, on every call that returns nothing. After
    some thousand calls the interpreter aborts. From Python 3.12 on None is not counted, and nothing comes of it.
    """
    if sys.version_info >= (3, 12):
        return
    import PySide6
    from PySide6.QtGui import QColor

    color, calls = QColor(), 100
    before = sys.getrefcount(None)
    for _ in range(calls):
        color.setAlpha(255)
    if before - sys.getrefcount(None) > calls // 2:
        raise BrokenQt.under(PySide6.__version__, f"{sys.version_info.major}.{sys.version_info.minor}")
