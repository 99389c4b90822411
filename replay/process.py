"""The process that executes, seen from the one that asks: started, asked, cancelled, and found dead."""

import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue

from graphreel.graph.progress import Progress
from graphreel.replay.messages import Json, receive, send
from graphreel.tracefile.tensors import Bytes

_LOOK_S = 0.05
_SHARE = 0.9

Answer = tuple[Json, list[Bytes]]


class Died(Exception):
    """The process ended by itself. `at` is the node it was at, or -1; `how` and `said` are for the user."""

    def __init__(self, at: int, how: str, said: str) -> None:
        super().__init__(how)
        self.at, self.how, self.said = at, how, said


class Process:
    """A worker. Whoever made it closes it; it also ends when this process does."""

    def __init__(self, memory_limit: int | None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="graphreel-replay-")
        self._place = Path(self._folder.name) / "node"
        self._place.write_bytes((-1).to_bytes(8, "little", signed=True))
        self._errors = (Path(self._folder.name) / "errors").open("w+b")
        limit = memory_limit or available_memory()
        self._popen = subprocess.Popen(
            # -P: nothing comes from the folder that this runs in, but for the modules that a user asks to import.
            [sys.executable, "-P", "-m", "graphreel.replay.worker", str(self._place), str(limit)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._answers: SimpleQueue[Answer | None] = SimpleQueue()
        self._reader = threading.Thread(target=self._read, name="graphreel-replay", daemon=True)
        self._reader.start()

    @property
    def node(self) -> int:
        """The node that it is at; -1 where it has not begun."""
        return int.from_bytes(self._place.read_bytes(), "little", signed=True)

    def ask(self, message: Json, arrays: Sequence[Bytes], progress: Progress, total: int) -> Answer:
        """Send a request and wait for the answer. Raises Died; and what `progress` raises, once the process is gone."""
        self._place.write_bytes((-1).to_bytes(8, "little", signed=True))
        assert self._popen.stdin is not None
        with suppress(OSError):  # if it has died, the answer says so
            send(self._popen.stdin, message, arrays)
        try:
            while True:
                try:
                    answer = self._answers.get(timeout=_LOOK_S)
                    break
                except Empty:
                    progress.step(max(self.node, 0), total)
        except BaseException:
            self.close()
            raise
        if answer is None:
            raise self._died()
        return answer

    def close(self) -> None:
        """End it, whatever it is doing. Closing twice is allowed."""
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.wait()
        self._reader.join()
        for stream in (self._popen.stdin, self._popen.stdout):
            if stream is not None:
                with suppress(OSError):  # what was still to be sent has no reader any more
                    stream.close()
        self._errors.close()
        self._folder.cleanup()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        while (received := receive(self._popen.stdout)) is not None:
            self._answers.put(received)
        self._answers.put(None)

    def _died(self) -> Died:
        deadline = time.monotonic() + 5
        while self._popen.poll() is None and time.monotonic() < deadline:
            time.sleep(_LOOK_S)
        at, code = self.node, self._popen.returncode
        self._errors.seek(0)
        lines = [line for line in self._errors.read()[-4000:].decode(errors="replace").splitlines() if line.strip()]
        self.close()
        return Died(at, _how(code), lines[-1].strip() if lines else "")


def _how(code: int | None) -> str:
    if code is None:
        return "it no longer answers"
    if code >= 0:
        return f"exit code {code}"
    if -code == getattr(signal, "SIGKILL", 9):
        return "it was killed, as the system does when memory runs out"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


def available_memory() -> int:
    """Bytes that a process may take without making the machine swap: most of what is free now."""
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(int(line.split()[1]) * 1024 * _SHARE)
    return 1 << 40
