"""Recording, as users call it: `with graphreel.record("run.reel"):`, and what `graphreel record` does."""

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from platform import python_version
from types import FrameType
from typing import TYPE_CHECKING

from graphreel.capture.interrupts import Uninterrupted
from graphreel.capture.options import RecordOptions
from graphreel.capture.outcome import Outcome, none_came
from graphreel.capture.ranks import own_rank, path_of
from graphreel.capture.script import find_script, run_script, when_imported
from graphreel.graph import MissingExtra
from graphreel.tracefile import CannotWrite, ReachedLimit, TraceInfo, TraceWriter

if TYPE_CHECKING:
    from graphreel.capture.torch import TorchRecorder

_GRACE_S = 5.0
"""How long a program that is told to end waits for its trace."""


@contextmanager
def record(
    path: str | Path,
    *,
    level: str = "timing",
    iterations: str = "",
    keyframes: str = "",
    keyframe_limit: str | int = 64 << 20,
    values: str | Sequence[str] = (),
    values_limit: str | int = 16 << 20,
    limit: str | int | None = None,
) -> "Iterator[TorchRecorder]":
    """Record what this thread runs with PyTorch, into a `.reel` file.

    An iteration is a turn of the program's loop that ends with an optimizer's step, or a call of the outermost module
    where no optimizer steps; or it is marked: `with recorder.iteration():`.

    Args:
        path: The file to write. Of several processes that train together each writes its own: `run.rank0.reel`, or
            with its rank where the path has `{rank}`.
        level: How much is kept of each node: `graph` (structure and sources), `timing`, `light` (the same by PyTorch's
            profiler where an iteration repeats an earlier one), `kernels` (the work of devices too), `stats`
            (statistics of each value) or `values` (whole values).
        iterations: Which to record, each part with a level of its own if need be: `0:3=stats,100=values,500:`. Empty
            means all.
        keyframes: Which iterations can be executed again later: `0,100:`, or `none`. Empty means the first that is
            recorded, and each whose number is a power of two.
        keyframe_limit: Size of a keyframe, such as `64MB`; one that would be larger is not kept, and says so.
        values: Globs over keys of nodes and names of values, such as `layers.*`: what level `values` keeps.
        values_limit: Size of the whole values that one iteration keeps.
        limit: Size of the file, such as `2GB`, at which the recording ends. The program goes on.

    Raises BadOption, MissingExtra without PyTorch, and CannotWrite where the file cannot be made. Once it runs, a fault
    of the recording becomes one warning; the program goes on.
    """
    options = RecordOptions.parse(
        level,
        iterations,
        keyframes=keyframes,
        keyframe_limit=keyframe_limit,
        values=values,
        values_limit=values_limit,
        limit=limit,
    )
    need_torch()
    begun: _BlockRecording | None = None
    error: BaseException | None = None
    try:
        with Uninterrupted():
            begun = _BlockRecording(path_of(Path(path), own_rank()), options)
        yield begun.recorder
    except BaseException as raised:
        error = raised
        raise
    finally:
        if begun is not None:
            with Uninterrupted():
                begun.end(error)


class _BlockRecording:
    """The recording of a block of the program, which begins at once."""

    def __init__(self, path: Path, options: RecordOptions) -> None:
        from graphreel.capture.torch import TorchRecorder

        self._writer = TraceWriter(path, _info(options, sys.argv), capacity=1, limit=options.limit)
        self._outcome = Outcome(self._writer, options)
        self.recorder = TorchRecorder(self._outcome, options)
        try:
            self.recorder.start()
        except BaseException:
            self._writer.discard()
            raise

    def end(self, error: BaseException | None) -> None:
        """The block was left, by this exception if there is one."""
        from graphreel.capture.torch import RecorderWarning, strip_own_frames

        if error is not None:
            strip_own_frames(error)
        self.recorder.stop(error)
        try:
            self._writer.close(problem=self.recorder.problem)
        except CannotWrite as fault:
            warnings.warn(str(fault), RecorderWarning, stacklevel=4)
            return
        for line in () if self.recorder.problem else self._outcome.unmet(self.recorder.met):
            try:
                warnings.warn(line, RecorderWarning, stacklevel=4)
            except RecorderWarning:
                # Warnings are errors in this program; an option that chose nothing is none.
                print(f"graphreel: {line}", file=sys.stderr)


def record_script(path: Path, argv: Sequence[str], *, module: bool = False, options: RecordOptions) -> int:
    """Run a script unchanged and record it; the result is the script's own exit code.

    Raises CannotRun where there is no such script, MissingExtra without PyTorch, and CannotWrite where the file cannot
    be made. What goes wrong with the recording later is told in one line on standard error.
    """
    find_script(argv, module=module)
    need_torch()
    recording = _ScriptRecording(path, options, ["python", *(["-m"] if module else []), *argv])
    with recording.saved_on_signals(), when_imported("torch", recording.start):
        code = run_script(argv, module, recording.ended)
    lost = recording.close()
    return code or lost


class _ScriptRecording:
    """The recording of a script, which begins when the script imports PyTorch."""

    def __init__(self, path: Path, options: RecordOptions, command: Sequence[str]) -> None:
        path = path_of(path, own_rank())
        self._path, self._options = path, options
        self._process = os.getpid()
        self._writer = TraceWriter(path, _info(options, command), capacity=1, limit=options.limit)
        self._outcome = Outcome(self._writer, options)
        self._recorder: TorchRecorder | None = None

    @property
    def _forked(self) -> bool:
        return os.getpid() != self._process

    def start(self) -> None:
        """Begin to record; called when PyTorch has been imported."""
        from graphreel.capture.torch import TorchRecorder

        self._recorder = TorchRecorder(self._outcome, self._options)
        self._recorder.start()

    def ended(self, error: BaseException | None) -> None:
        """The script came to its end, by this exception if there is one."""
        if not self._forked and self._recorder is not None:
            from graphreel.capture.torch import strip_own_frames

            self._recorder.stop(error)
            if error is not None:
                strip_own_frames(error)

    def close(self) -> int:
        """Finish the file; 1 if anything of it was lost.

        A file without an iteration is taken away, and what stood in its place before is put back. In a forked child
        that comes to its end nothing is touched: the file is the parent's.
        """
        if self._forked:
            return 0
        recorded = self._recorder is not None and self._recorder.recorded > 0
        try:
            if recorded and self._recorder is not None:
                self._writer.close(problem=self._recorder.problem)
            else:
                self._writer.discard()
        except CannotWrite as fault:
            if isinstance(fault, ReachedLimit) and self._recorder is not None and self._recorder.told:
                return 0
            print(f"graphreel: {fault}", file=sys.stderr)
            return 0 if isinstance(fault, ReachedLimit) else 1  # the limit was asked for
        for line in self._told(recorded=recorded):
            print(f"graphreel: {line}", file=sys.stderr)
        return 0

    def _told(self, *, recorded: bool) -> list[str]:
        """What the user should know of a recording that came to its end."""
        if not recorded:
            return [f"nothing was recorded: {self._why_nothing()}; {self._path} was not written"]
        if self._recorder is None or self._recorder.problem:
            return []
        return self._outcome.unmet(self._recorder.met)

    def _why_nothing(self) -> str:
        if self._recorder is None:
            return "the script never imported PyTorch"
        met = self._recorder.met
        if self._recorder.problem or not met:
            return self._recorder.problem or "the script had no iteration, since no model ran in its main thread"
        return none_came(self._options.iterations, met, "script")

    @contextmanager
    def saved_on_signals(self) -> Iterator[None]:
        """Save the part so far when the system ends the program, which then ends as it would have."""
        process = os.getpid()

        def save(number: int, frame: FrameType | None) -> None:
            if os.getpid() == process:
                # On another thread, for the interrupted one may hold a lock that the writer needs.
                saver = threading.Thread(target=self._save, name="graphreel-save", daemon=True)
                saver.start()
                saver.join(_GRACE_S)
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

        taken = [number for number in _signals() if signal.getsignal(number) is signal.SIG_DFL]
        for number in taken:
            signal.signal(number, save)
        try:
            yield
        finally:
            for number in taken:
                if signal.getsignal(number) is save:
                    signal.signal(number, signal.SIG_DFL)

    def _save(self) -> None:
        if self._recorder is not None:
            self._recorder.interrupt()
        self._writer.close(finished=False)


def _signals() -> list[signal.Signals]:
    """The signals that ask a program to end, where they can be taken."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [number for name in ("SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]


def need_torch() -> None:
    """Raise MissingExtra unless PyTorch is installed; it is not imported."""
    if "torch" not in sys.modules and find_spec("torch") is None:
        raise MissingExtra.named("PyTorch", "torch")


def _info(options: RecordOptions, command: Sequence[str]) -> TraceInfo:
    return TraceInfo(
        source="torch",
        versions={"graphreel": _version("graphreel"), "python": python_version(), "torch": _version("torch")},
        command=tuple(command),
        settings={**options.settings(), **own_rank().settings()},
        started_ns=time.time_ns(),
        finished=False,
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


__all__ = ["record", "record_script"]
