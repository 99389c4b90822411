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
    """Run the app until its window is closed; see `graphreel.gui.run`. Raises what kept `path` from being opened."""
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
    refusals: list[Exception] = []

    def refuse(error: Exception) -> None:
        # Whoever named the file on a command line is to read there why it cannot be opened.
        refusals.append(error)
        application.exit(1)

    if path is not None:
        window.session.open(path, failed=refuse)
    # Python runs its signal handlers only between its own instructions, so give it some now and then.
    previous = signal.signal(signal.SIGINT, lambda *_: window.close())
    heartbeat = QTimer(interval=200)
    heartbeat.timeout.connect(lambda: None)
    heartbeat.start()
    code = application.exec()
    signal.signal(signal.SIGINT, previous)
    if refusals:
        window.close()
        raise refusals[0]
    return code
