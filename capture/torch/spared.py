"""A fault of the recorder's own must not reach the program."""

from collections.abc import Callable
from types import TracebackType


class Spared:
    """Hands an exception raised within to `told`, and keeps it from whoever is around; interrupts pass.

    For what does not run at every operation: entering costs more there than a `try` of one's own.
    """

    def __init__(self, told: Callable[[Exception], None]) -> None:
        self._told = told

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        self._told(error)
        return True
