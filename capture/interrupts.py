"""Signal handlers of the program run wherever the program stands, in the recorder's own code too.

What one raises is the program's: it must not be lost, and must not cut in two what only counts as a whole. Nothing here
imports a framework.
"""

import signal
import threading
from collections.abc import Callable
from functools import partial
from types import CodeType, FrameType, TracebackType
from typing import Any


class Uninterrupted:
    """What runs within comes to its end before the program's signal handlers are called.

    A signal that comes a second time meanwhile is not kept waiting, so that Ctrl-C ends what hangs. For what runs
    seldom: it costs some ten microseconds. What a handler raises comes out of the `with` statement.
    """

    # Setting a handler resets `signal.siginterrupt`, which only programs notice that have called that: hardly any.

    def __init__(self) -> None:
        self._theirs: dict[int, Any] = {}
        self._waiting: list[int] = []

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # No handler runs here.
        try:
            for number in signal.valid_signals():
                handler = signal.getsignal(number)
                if callable(handler):
                    self._theirs[number] = handler
                    signal.signal(number, self._later)
        except BaseException:
            self._put_back()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._put_back()
        while self._waiting:
            signal.raise_signal(self._waiting.pop(0))

    def _later(self, number: int, frame: FrameType | None) -> None:
        if number in self._waiting:
            self._theirs[number](number, frame)
        else:
            self._waiting.append(number)

    def _put_back(self) -> None:
        # A handler that is back may raise at once: the others are put back all the same.
        try:
            while self._theirs:
                number, handler = next(iter(self._theirs.items()))
                if signal.getsignal(number) == self._later:
                    signal.signal(number, handler)
                self._theirs.pop(number, None)
        finally:
            if self._theirs:
                self._put_back()


def is_of_signal_handler(error: BaseException, ours: Callable[[str], bool] = lambda file: False) -> bool:
    """Whether one of the program's signal handlers raised it. `ours` says which files cannot hold one.

    A handler is told apart by being given the frame that it interrupted; or by being the one that is set.
    """
    trace = error.__traceback__
    if trace is None or trace.tb_next is None:
        return False
    codes: set[CodeType] | None = None
    above, trace = trace.tb_frame, trace.tb_next
    while trace is not None:
        frame = trace.tb_frame
        if not ours(frame.f_code.co_filename):
            if codes is None:
                codes = {code for number in signal.valid_signals() if (code := _code_of(signal.getsignal(number)))}
            if frame.f_code in codes or _is_given(frame, above):
                return True
        above, trace = frame, trace.tb_next
    return False


def _is_given(frame: FrameType, other: FrameType) -> bool:
    """Whether a function was called with a frame."""
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount
    names = code.co_varnames[: count + 1]  # the one beyond them may be the `*args`
    given = [frame.f_locals.get(name) for name in names]
    return any(value is other or (type(value) is tuple and any(entry is other for entry in value)) for value in given)


def _code_of(handler: Any) -> CodeType | None:
    while isinstance(handler, partial):
        handler = handler.func
    # A function, a method, or an object that can be called.
    for holder in (handler, getattr(handler, "__func__", None), vars(type(handler)).get("__call__")):
        code = getattr(holder, "__code__", None)
        if isinstance(code, CodeType):
            return code
    return None
