"""Runs PyTorch's profiler (Kineto) over parts of a recording, and stands aside for one of the program's own.

A function that begins under one profile and ends under another writes into memory that was freed: PyTorch 2.13 crashes
then. So ranges of `record_function` that are still open are closed with a profile; the program closes them again later,
which does nothing. And after a profile that ended within an operation, none begins before that has returned.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch._C._autograd import _disable_profiler, _enable_record_function, _profiler_enabled
from torch.autograd import profiler as autograd_profiler

from graphreel.capture.torch.spared import let_through

_LOG_LEVEL = "KINETO_LOG_LEVEL"
_ENTRIES = ("_prepare_profiler", "_enable_profiler")

_WITHIN = (vars(torch.autograd.Function)["apply"].__func__.__code__, torch._ops.OpOverload.__call__.__code__)
"""Functions that call C++, which calls Python again while a profile of it is taken."""

_open_ranges: list[Any] = []
"""Ranges that began while our profile ran. Those that ended already may stand here too."""


def begin_range(operator: Callable[..., Any]) -> Callable[..., Any]:
    """The operator that begins a range of `record_function`, noted where it must be closed with our profile."""

    def begin(*args: Any, **kwargs: Any) -> Any:
        opened = operator(*args, **kwargs)
        if Profiler.running is not None:
            _open_ranges.append(opened)
        return opened

    return begin


@dataclass(frozen=True, slots=True)
class Piece:
    """A profile of a part of a pass.

    Attributes:
        results: What the profiler found.
        clock_ns: By how much its clock, the time of day, is ahead of the monotonic clock: at begin and end.
        has_device: Whether it is of a device, too.
    """

    results: Any
    clock_ns: tuple[int, int]
    has_device: bool = False


class Profiler:
    """PyTorch's profiler as one recording uses it, on the recording thread only.

    Attributes:
        running: The one whose profile runs now, in the whole process.
        refused: Why there are no profiles any more; empty while there may be.
    """

    running: "Profiler | None" = None

    def __init__(self) -> None:
        self.refused = ""
        self._profile: Any = None
        self._clock_ns = 0
        self._listener: Callable[[Piece], None] | None = None
        self._replaced: dict[str, tuple[Any, Any, Any]] = {}
        self._removed = False
        self._within_operation = False

    def begin(self, listener: Callable[[Piece], None]) -> bool:
        """Begin to profile for a pass; `listener` gets each piece when it ends. False if it cannot begin right now."""
        self._listener = listener
        self.resume()
        return self._profile is not None

    def resume(self) -> None:
        """Go on after a pause, if a pass is under way and nothing speaks against it."""
        if self._listener is None or self.refused or self._removed or self._profile is not None:
            return
        if self._within_operation and _is_within_operation():
            return
        self._within_operation = False
        if _profiler_enabled():
            self._stand_aside()
            return
        self._guard()
        try:
            self._profile = _quiet_profile()
        except RuntimeError as error:
            let_through(error)
            self.refused = f"PyTorch's profiler did not start ({error})"
            return
        Profiler.running = self
        self._clock_ns = _clock_ahead()

    def pause(self) -> None:
        """End the profile that runs, if one does, and hand over what it found."""
        profile, self._profile = self._profile, None
        if profile is None:
            return
        Profiler.running = None
        self._within_operation = _is_within_operation()
        ranges = _open_ranges[:]
        _open_ranges.clear()
        for opened in reversed(ranges):
            _close(opened)
        clock_ns = _clock_ahead()
        try:
            profile.__exit__(None, None, None)
        except RuntimeError as error:
            let_through(error)
            self.refused = f"PyTorch's profiler did not end as it should ({error})"
            return
        if self._listener is not None:
            clocks = self._clock_ns, clock_ns
            self._listener(Piece(profile.kineto_results, clocks, profile.use_device is not None))

    def end(self) -> None:
        """The pass ended."""
        self.pause()
        self._listener = None

    def remove(self) -> None:
        """End for good, and put PyTorch's own functions back, unless somebody has replaced ours meanwhile.

        A process that ends while a profile runs crashes, in PyTorch 2.13.
        """
        self.end()
        self._removed = True
        for name, (owner, theirs, ours) in self._replaced.items():
            if getattr(owner, name) is ours:
                setattr(owner, name, theirs)
        self._replaced.clear()

    def abandon(self) -> None:
        """In a forked child: profile nothing there, and let the child profile for itself."""
        profile, self._profile, self._listener = self._profile, None, None
        Profiler.running = None
        _open_ranges.clear()
        if profile is None:
            return
        if profile.use_device is None:
            _disable_profiler()
        else:
            # The tools of a device do not live on in a forked child, so they must not be asked to stop.
            _enable_record_function(False)

    def _stand_aside(self) -> None:
        self.pause()
        self.refused = "the program runs a profiler of its own, and PyTorch has room for one"

    def _guard(self) -> None:
        """See to it that ours ends when the program starts a profiler of its own, and that ranges are noted.

        WORKAROUND: torch/autograd/profiler.py calls these two by their module's names; a second profiler raises.
        """
        for name in _ENTRIES:
            self._replace(autograd_profiler, name, self._standing_aside)
        self._replace(autograd_profiler.record_function, "__enter__", _noting_ranges)

    def _replace(self, owner: Any, name: str, ours_of: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        theirs = getattr(owner, name, None)
        if theirs is not None and name not in self._replaced:
            ours = ours_of(theirs)
            setattr(owner, name, ours)
            self._replaced[name] = owner, theirs, ours

    def _standing_aside(self, entry: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if not _starting[0]:
                self._stand_aside()
            return entry(*args, **kwargs)

        return guarded


def _noting_ranges(enter: Callable[..., Any]) -> Callable[..., Any]:
    def entered(opened: Any) -> Any:
        result = enter(opened)
        if Profiler.running is not None:
            _open_ranges.append(opened.record)
        return result

    return entered


_starting = [False]
"""Whether it is our own profile that starts."""


def _quiet_profile() -> Any:
    """Start a profile. Kineto's own messages are kept off the program's output, unless their level was chosen."""
    chosen = _LOG_LEVEL in os.environ
    os.environ.setdefault(_LOG_LEVEL, "99")
    _starting[0] = True
    try:
        profile = autograd_profiler.profile(
            use_kineto=True, use_device=_device(), experimental_config=_experimental_config()
        )
        return profile.__enter__()
    finally:
        _starting[0] = False
        if not chosen:
            os.environ.pop(_LOG_LEVEL, None)


def _is_within_operation() -> bool:
    """Whether an operation is under way that a mode was asked to run, and so began before now."""
    frame = sys._getframe().f_back
    while frame is not None and frame.f_code.co_name != "__torch_dispatch__":
        frame = frame.f_back
    return frame is not None


def is_within_function() -> bool:
    """Whether C++ code that PyTorch's profiler knows of is below on the stack, as far as the frames tell."""
    frame = sys._getframe().f_back
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__torch_dispatch__" or code in _WITHIN or "torch/_library/" in code.co_filename:
            return True
        frame = frame.f_back
    return False


def _clock_ahead() -> int:
    """By how much the time of day is ahead of the monotonic clock: the reading that took least, of a few."""
    readings: list[tuple[int, int]] = []
    for _ in range(5):
        before, now, after = time.perf_counter_ns(), time.time_ns(), time.perf_counter_ns()
        readings.append((after - before, now - (before + after) // 2))
    return min(readings)[1]


def _device() -> str | None:
    """The kind of accelerator to profile, if there is one."""
    if hasattr(torch, "accelerator"):
        found = torch.accelerator.current_accelerator()
        return found.type if found is not None and torch.accelerator.is_available() else None
    return "cuda" if torch.cuda.is_available() else None  # before PyTorch 2.6


def _experimental_config() -> Any:
    """Ask for the bytes of copies, where this PyTorch can be asked."""
    config = torch._C._profiler._ExperimentalConfig
    try:
        return config(expose_kineto_event_metadata=True)
    except TypeError as error:
        let_through(error)
        return config()


def _close(opened: Any) -> None:
    end = torch.ops.profiler._record_function_exit
    with torch._C.DisableTorchFunctionSubclass():
        (end._RecordFunction if isinstance(opened, torch.ScriptObject) else end)(opened)
