"""Starting the app: every way in which it cannot is one clear line, and where it can it does, on a real X display."""

import ast
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graphreel.gui.errors import BrokenQt, MissingLibrary, NoDisplay
from graphreel.gui.system import XCB_LIBRARIES, check_display, explain_import, loads, missing_libraries
from tests.gui_support import record, training_step, write_reel

AWAY = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
BARE = {name: text for name, text in os.environ.items() if name not in AWAY}


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env=BARE | environment, capture_output=True, text=True, check=False, timeout=60
    )


def test_without_a_display_it_says_what_to_do_instead() -> None:
    with pytest.raises(NoDisplay, match="graphreel export"):
        check_display({}, "linux")
    check_display({}, "darwin")
    check_display({"QT_QPA_PLATFORM": "offscreen"}, "linux")
    check_display({"WAYLAND_DISPLAY": "wayland-0"}, "linux")
    done = run("from graphreel.gui import run; run(None)")
    assert "NoDisplay: there is no display to open a window on" in done.stderr


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("libEGL.so.1", "libegl1"),
        ("libGL.so.1", "libgl1"),
        ("libxkbcommon.so.0", "libxkbcommon0"),
        ("libxcb-cursor.so.0", "libxcb-cursor0"),
    ],
)
def test_a_missing_library_names_its_debian_package(library: str, package: str) -> None:
    error = ImportError(f"{library}: cannot open shared object file: No such file or directory")
    explained = explain_import(error)
    assert str(explained) == f"Qt cannot load {library}; on Debian and Ubuntu: sudo apt install {package}"


def test_a_library_of_no_known_package_is_named_all_the_same() -> None:
    explained = explain_import(ImportError("libodd.so.9: cannot open shared object file: No such file"))
    assert str(explained) == "Qt cannot load libodd.so.9: install the package of your system that holds it"
    assert explain_import(ImportError("cannot import name 'QtCore'")) is None


def test_several_missing_libraries_are_one_line() -> None:
    error = missing_libraries(["libxcb-cursor.so.0", "libxcb-icccm.so.4", "libglib-2.0.so.0", "libgthread-2.0.so.0"])
    assert isinstance(error, MissingLibrary)
    assert str(error).endswith("sudo apt install libxcb-cursor0 libxcb-icccm4 libglib2.0-0")


def test_libraries_are_looked_for_by_loading_them() -> None:
    assert loads("libc.so.6")
    assert not loads("libgraphreel-no-such-thing.so.1")


def test_every_library_of_the_x11_plugin_has_its_package() -> None:
    """What the plugin really links is what is checked for; else Qt would abort instead of a clear line."""
    import PySide6

    plugin = Path(PySide6.__path__[0]) / "Qt" / "plugins" / "platforms" / "libqxcb.so"
    companion = Path(PySide6.__path__[0]) / "Qt" / "lib" / "libQt6XcbQpa.so.6"
    linked = set()
    for file in (plugin, companion):
        listed = subprocess.run(["ldd", str(file)], capture_output=True, text=True, check=True).stdout
        linked |= {line.split()[0] for line in listed.splitlines() if line.split()}
    assert {name for name in linked if name.startswith(("libxcb", "libxkb", "libX11"))} - set(XCB_LIBRARIES) <= {
        "libxcb-util.so.1"
    }


@pytest.mark.parametrize("missing", ["PySide6", "PySide6.QtWidgets", "shiboken6"])
def test_without_pyside_it_names_the_extra(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; from graphreel.gui import run; run(None)"
    done = run(code, QT_QPA_PLATFORM="offscreen")
    assert "MissingExtra: PySide6 is not installed; get it with: pip install 'graphreel[gui]'" in done.stderr


def test_importing_the_package_does_not_import_qt() -> None:
    done = run("import sys, graphreel.gui; print([name for name in sys.modules if 'PySide6' in name])")
    assert done.stdout.strip() == "[]"


def test_neither_pyqtgraph_nor_a_framework_is_imported_at_the_start() -> None:
    code = "import sys, graphreel.gui.app; print(sorted({n.partition('.')[0] for n in sys.modules}))"
    done = run(code, QT_QPA_PLATFORM="offscreen")
    loaded = set(ast.literal_eval(done.stdout))
    assert "PySide6" in loaded
    assert not loaded & {"pyqtgraph", "torch", "onnx", "networkx"}


def test_a_qt_that_corrupts_python_is_refused_with_a_way_out() -> None:
    text = str(BrokenQt.under("6.12.0", "3.11"))
    assert "PySide6 6.12.0" in text
    assert "pip install 'PySide6-Essentials<6.12'" in text


@pytest.fixture
def display() -> Iterator[str]:
    """A real X server without a screen."""
    for program, package in (("Xvfb", "xvfb"), ("xdotool", "xdotool")):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed; on Debian: apt install {package}")
    number, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1500x950x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    try:
        with os.fdopen(number) as told:
            yield f":{told.readline().strip()}"
    finally:
        server.terminate()
        server.wait(10)


SHOT = """
import sys
from PySide6.QtGui import QGuiApplication
app = QGuiApplication(sys.argv)
app.primaryScreen().grabWindow(0).save(sys.argv[1])
"""


def wait_for(display: str, title: str, app: subprocess.Popen[str]) -> str:
    """The number of the window with this title; it has a minute, for the machine may be busy."""
    for _ in range(240):
        found = subprocess.run(
            ["xdotool", "search", "--onlyvisible", "--name", title],
            env=BARE | {"DISPLAY": display},
            capture_output=True,
            text=True,
            check=False,
        )
        if found.stdout.strip():
            return found.stdout.split()[0]
        assert app.poll() is None, app.communicate()
        time.sleep(0.25)
    raise AssertionError(f"no window called {title!r}")


def test_the_app_opens_on_a_real_display_and_obeys_the_keyboard(display: str, tmp_path: Path) -> None:
    reel = write_reel(tmp_path / "run.reel", [record(training_step())])
    environment = BARE | {"DISPLAY": display, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    command = [sys.executable, "-m", "graphreel", "open", str(reel), "--theme", "dark"]
    app = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        window = wait_for(display, "run.reel – Graphreel", app)
        shots = []
        for keys in ((), ("F10", "F10"), ("ctrl+shift+d",)):
            subprocess.run(["xdotool", "windowfocus", "--sync", window], env=environment, check=True)
            for key in keys:
                subprocess.run(["xdotool", "key", key], env=environment, check=True)
            time.sleep(1.5)
            path = tmp_path / f"shot{len(shots)}.png"
            subprocess.run([sys.executable, "-c", SHOT, str(path)], env=environment, check=True, capture_output=True)
            shots.append(colors(path))
        subprocess.run(["xdotool", "key", "ctrl+q"], env=environment, check=True)
        _, errors = app.communicate(timeout=30)
    finally:
        app.kill()
        app.wait()
    from graphreel.render import DARK, LIGHT

    assert {DARK.page, DARK.panel, DARK.boxes[0].fill} <= shots[0]
    assert DARK.cursor not in shots[0]
    assert DARK.cursor in shots[1]
    assert LIGHT.cursor in shots[2]
    assert LIGHT.page in shots[2]
    assert app.returncode == 0
    assert errors == ""


def colors(path: Path) -> set[str]:
    from PySide6.QtGui import QImage

    image = QImage(str(path))
    return {image.pixelColor(x, y).name() for x in range(0, image.width(), 2) for y in range(0, image.height(), 2)}
