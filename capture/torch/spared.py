"""A fault of the recorder's own must not reach the program; what the program raised itself must."""

import signal
from collections.abc import Callable
from types import CodeType, TracebackType
from typing import Any


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
    codes = {_code_of(signal.getsignal(number)) for number in signal.valid_signals()} - {None}
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            return True
        trace = trace.tb_next
    return False


def _code_of(handler: Any) -> CodeType | None:
    # A function, a method, or an object that can be called.
    for holder in (handler, getattr(handler, "__func__", None), vars(type(handler)).get("__call__")):
        code = getattr(holder, "__code__", None)
        if isinstance(code, CodeType):
            return code
    return None
