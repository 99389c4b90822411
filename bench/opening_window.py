"""`graphreel open`, watched: a window of the size that is asked for, which says when what was painted, and ends.

Run by opening.py in a process of its own, which therefore imports no more than the app does.
"""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QMainWindow, QWidget

from graphreel.cli import main as command
from graphreel.gui import app
from graphreel.gui.canvas import Canvas


class Watched(app.Window):
    """Notes at which processor and wall second the first frame of itself, of the graph and of all of it was painted."""

    path, expand, picture = "", False, ""
    size_wanted = 1920, 1080

    def show(self) -> None:
        """Show it, and begin to watch."""
        self.marks: dict[str, tuple[float, float]] = {}
        self.awaited: tuple[QWidget, str] = self, "window"
        self.session.picture_changed.connect(self.await_picture)
        self.resize(*self.size_wanted)
        super().show()

    def await_picture(self) -> None:
        """Wait for a frame of the canvas."""
        self.awaited = self.canvas, "expanded" if "drawn" in self.marks else "drawn"

    def begin_frame(self, widget: QWidget) -> None:
        """A widget is being painted; when the events of now are done, the frame is complete."""
        waited, name = self.awaited
        if widget is waited and name not in self.marks:
            QTimer.singleShot(0, partial(self.note, name))

    def note(self, name: str) -> None:
        """Take down what was painted, and go on to what comes next."""
        if name in self.marks:
            return
        self.marks[name] = _now()
        if not self.path:
            self.end()
        elif name != "window":
            self.sharpen()

    def sharpen(self) -> None:
        """Wait until nothing of the picture is missing and nothing moves."""
        shown = self.session.shown
        if not self.canvas.is_sharp:
            QTimer.singleShot(10, self.sharpen)
        elif "sharp" not in self.marks and self.expand and shown is not None:
            self.marks["sharp"] = _now()
            self.session.expand(shown.graph.paths[1:])
        else:
            # An expanded picture comes gliding, so that its first frame shows little of it.
            self.marks["expanded" if "expanded" in self.marks else "sharp"] = _now()
            self.end()

    def end(self) -> None:
        """Say what was noted, with the most memory held, and end the process."""
        peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line)
        if self.picture:
            self.canvas.finish()
            self.grab().save(self.picture)
        print(json.dumps({**self.marks, "peak": int(peak.split()[1]) * 1024}), flush=True)
        os._exit(0)


def _now() -> tuple[float, float]:
    return time.process_time(), time.monotonic()


def watch(path: str, size: tuple[int, int], *, expand: bool, picture: str) -> None:
    """Open a file, or nothing, until it is drawn and, if wanted, everything in it expanded."""
    Watched.path, Watched.size_wanted, Watched.expand, Watched.picture = path, size, expand, picture
    paint_canvas = Canvas.paintEvent

    def canvas_painted(canvas: Canvas, event: QPaintEvent) -> None:
        paint_canvas(canvas, event)
        window = canvas.window()
        assert isinstance(window, Watched)
        window.begin_frame(canvas)

    def window_painted(window: Watched, event: QPaintEvent) -> None:
        QMainWindow.paintEvent(window, event)
        window.begin_frame(window)

    Canvas.paintEvent, Watched.paintEvent = canvas_painted, window_painted
    app.Window = Watched
    sys.argv = ["graphreel", "open", *([path] if path else [])]
    command()


if __name__ == "__main__" and len(sys.argv) > 1:
    watch(**json.loads(sys.argv[1]))
