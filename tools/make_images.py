"""Make the pictures of the README from a real recording: `python tools/make_images.py` after `make setup`.

The window is drawn offscreen, by the same code that draws it on a screen.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication

from graphreel import examples
from graphreel.analysis import Cursor
from graphreel.graph import find_node, node_keys
from graphreel.gui.settings import Settings
from graphreel.gui.window import Window
from graphreel.render import DARK, LIGHT, Theme

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
PATIENCE_S = 60


def graphreel(*arguments: str) -> None:
    """Run the command line, as a user would."""
    subprocess.run([sys.executable, "-m", "graphreel", *arguments], check=True, stdout=subprocess.DEVNULL)


def settle(application: QApplication, window: Window) -> None:
    """Let the window work until no job runs and everything is painted."""
    deadline = time.monotonic() + PATIENCE_S
    quiet = 0
    while quiet < 20 and time.monotonic() < deadline:
        application.processEvents()
        time.sleep(0.02)
        quiet = 0 if window.jobs.running else quiet + 1


def screenshot(application: QApplication, reel: Path, theme: Theme, path: Path) -> None:
    """Open a trace, step to an operation inside a block, and save what the window shows."""
    store = QSettings(str(reel.with_suffix(".ini")), QSettings.Format.IniFormat)
    window = Window(Settings(store), theme)
    window.resize(1600, 1000)
    window.show()
    window.open(reel)
    settle(application, window)
    session = window.session
    session.show_iteration(2)
    settle(application, window)
    graph = session.graph
    assert graph is not None
    key = next(key for key in node_keys(graph) if key.startswith("forward/") and "/1/" in key and "addmm" in key)
    node = find_node(graph, key)
    session.reveal(node)
    session.move_cursor(Cursor(2, node))
    settle(application, window)
    window.grab().save(str(path))
    window.close()


def main() -> None:
    """Record the demo and make every picture."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        reel = Path(folder) / "transformer.reel"
        graphreel("record", "-o", str(reel), str(examples.path("transformer")))
        graphreel("export", str(reel), "--iteration", "2", "--embed-font", "-o", str(IMAGES / "transformer.svg"))
        application = QApplication([sys.argv[0]])
        application.setStyle("Fusion")
        for theme in (LIGHT, DARK):
            screenshot(application, reel, theme, IMAGES / f"app-{theme.name}.png")


if __name__ == "__main__":
    main()
