"""A fault of the recorder's own must not reach the program; what the program raised itself must."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from graphreel.capture import interrupts

_OURS = f"{Path(__file__).absolute().parent}/"


class Spared:
    """Hands an exception raised within to `told`, and keeps it from whoever is around; interrupts pass.

    For what does not run at every operation: entering costs more there than a `try` of one's own.
    """

    def __init__(self, told: Callable[[Exception], None]) -> None:
        self._told = told

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if not isinstance(error, Exception) or is_of_signal_handler(error):
            return False
        self._told(error)
        return True


def is_of_signal_handler(error: BaseException) -> bool:
    """Whether one of the program's signal handlers raised it: they run wherever the program stands, within us too."""
    return interrupts.is_of_signal_handler(error, lambda file: file.startswith(_OURS))


def let_through(error: Exception) -> None:
    """Raise again what a signal handler raised, where other exceptions of its class are an answer like any other."""
    if is_of_signal_handler(error):
        raise error
