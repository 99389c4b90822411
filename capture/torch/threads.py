"""Notices that other threads of the program run operations, which the recording does not see.

A mode counts them there. It notes nothing else: what runs at the same time cannot be put in order.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode, _pop_mode, _push_mode

from graphreel.capture.torch.compiler import keep_compiler_out
from graphreel.capture.torch.composite import run
from graphreel.tracefile.extras import Finding

_THREAD: Any = threading.Thread
_LIBRARY = str(Path(threading.__file__).parent)


class _Counting(TorchDispatchMode):
    """Counts the operations of one thread."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        return True

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.count += 1
        return run(func, args, kwargs)


keep_compiler_out(_Counting.__torch_dispatch__.__code__)
keep_compiler_out(run.__code__)


class ThreadNotice:
    """Watches the threads that begin from now on, until it is removed.

    WORKAROUND: `threading.setprofile` would be called for every function. `Thread._bootstrap_inner` runs in the new
    thread and calls `run`, which programs override.
    """

    def __init__(self) -> None:
        self._counts: list[tuple[_Counting, str, CodeType | None]] = []
        self._told: set[str] = set()
        self._removed = False
        self._theirs: Callable[[threading.Thread], None] = _THREAD._bootstrap_inner
        notice = self

        def _bootstrap_inner(thread: threading.Thread) -> None:
            if notice._removed:
                notice._theirs(thread)
                return
            mode = _Counting()
            notice._counts.append((mode, thread.name, _code_of(thread)))
            # Entering a mode the usual way sets flags that all threads share.
            _push_mode(mode)
            try:
                notice._theirs(thread)
            finally:
                _pop_mode()

        self._ours = _bootstrap_inner
        _THREAD._bootstrap_inner = _bootstrap_inner

    def remove(self) -> None:
        """Put Python's own function back, unless somebody has replaced ours meanwhile. Threads that run go on."""
        self._removed = True
        if _THREAD._bootstrap_inner is self._ours:
            _THREAD._bootstrap_inner = self._theirs

    def take(self) -> list[Finding]:
        """Threads that ran operations and were not told of before."""
        found: list[Finding] = []
        for mode, name, code in self._counts:
            if mode.count and name not in self._told:
                self._told.add(name)
                message = (
                    f"thread {name!r} runs operations that are not recorded ({mode.count} so far): only those of the "
                    "thread that began the recording are; what others make enters the graph as an input"
                )
                file, line = (code.co_filename, code.co_firstlineno) if code else ("", 0)
                found.append(Finding("unseen-thread", message, file=file, line=line))
        return found


def _code_of(thread: threading.Thread) -> CodeType | None:
    """The function of the program's that a thread runs, as far as it is known."""
    run: Any = getattr(thread, "_target", None) or type(thread).run
    run = run.__func__ if isinstance(run, MethodType) else run
    # A pool's threads run its own function, which says nothing of the program.
    is_own = isinstance(run, FunctionType) and not run.__code__.co_filename.startswith(_LIBRARY)
    return run.__code__ if is_own else None
