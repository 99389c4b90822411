"""Progress on the terminal, only where somebody looks and only if it takes long."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from graphreel.graph import Progress, Unwatched

_PATIENCE_S = 0.5


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """A `Progress` that shows a bar on standard error once the work has taken half a second."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield Unwatched()
        return
    bar = _Bar(console, what)
    try:
        yield bar
    finally:
        bar.close()


class _Bar:
    """A bar that appears late and goes without a trace."""

    def __init__(self, console: object, what: str) -> None:
        from rich.console import Console
        from rich.progress import Progress as RichProgress

        assert isinstance(console, Console)
        self._bar = RichProgress(console=console, transient=True)
        self._task = self._bar.add_task(what, total=None)
        self._begin = time.monotonic()
        self._shown = False

    def step(self, done: int, total: int) -> None:
        """Show how far the work is."""
        if not self._shown and time.monotonic() - self._begin > _PATIENCE_S:
            self._bar.start()
            self._shown = True
        self._bar.update(self._task, completed=done, total=total)

    def close(self) -> None:
        """Take the bar away."""
        if self._shown:
            self._bar.stop()
