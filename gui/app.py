"""The Qt application: made once, dressed in a theme, with one window."""

import signal
import sys
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from graphreel.gui import system
from graphreel.gui.settings import Settings
from graphreel.gui.style import system_theme
from graphreel.gui.window import Window
from graphreel.render import THEMES


def start(path: Path | None, theme: str | None) -> int:
    """Run the app until its window is closed; see `graphreel.gui.run`."""
    system.check_counting()
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication([sys.argv[0]])
    application.setApplicationName("graphreel")
    application.setApplicationDisplayName("Graphreel")
    application.setDesktopFileName("graphreel")
    application.setStyle("Fusion")
    settings = Settings()
    chosen = THEMES.get(theme or settings.theme) or system_theme()
    window = Window(settings, chosen)
    window.show()
    if path is not None:
        window.open(path)
    # Python runs its signal handlers only between its own instructions, so give it some now and then.
    previous = signal.signal(signal.SIGINT, lambda *_: window.close())
    heartbeat = QTimer(interval=200)
    heartbeat.timeout.connect(lambda: None)
    heartbeat.start()
    code = application.exec()
    signal.signal(signal.SIGINT, previous)
    return code
