"""Executing an iteration again, as the app and programs ask for it."""

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from graphreel.graph import NodeId, Unwatched, ValueId, node_keys
from graphreel.graph.progress import Progress
from graphreel.replay.edits import Edit, check_edits
from graphreel.replay.errors import (
    BadEdit,
    CannotReplay,
    NoKeyframe,
    ReplayError,
    WorkerDied,
    WorkerFault,
)
from graphreel.replay.messages import Json, edits_message, parse_result, parse_timing, parse_values
from graphreel.replay.process import Died, Process
from graphreel.replay.results import ReplayResult, Timing
from graphreel.tracefile import Trace
from graphreel.tracefile.errors import DamagedTrace, TraceError
from graphreel.tracefile.tensors import Bytes, RecordedTensor

if TYPE_CHECKING:
    from graphreel.replay.torch.session import Session

_ERRORS: dict[str, type[Exception]] = {
    each.__name__: each for each in (BadEdit, CannotReplay, NoKeyframe, ReplayError, DamagedTrace, TraceError)
}


class Replay:
    """An iteration of a trace that can be executed again, as often as wanted.

    Everything runs in a process of its own, which begins with the first request and ends with `close`: a crash there is
    an error here. With `in_process`, it runs in this process, as a program may want that knows the trace. Requests from
    several threads wait for each other. What a request's `progress` raises ends the request at once.

    Needs PyTorch, where it runs. Raises NoKeyframe, and UnknownIteration.
    """

    def __init__(
        self,
        trace: Trace,
        index: int,
        *,
        modules: Sequence[str] = (),
        memory_limit: int | None = None,
        in_process: bool = False,
    ) -> None:
        """`modules` are imported before anything runs: they register operators of the user's own.

        Each is a name or the path of a .py file. Importing runs its code; no trace can name one.

        `memory_limit` is the number of bytes that the process may take; without it, most of what is free.
        """
        self._graph = trace.graph(index)
        if trace.info.source != "torch":
            raise NoKeyframe.of_source(trace.path, trace.info.source)
        if index not in trace.keyframes:
            raise NoKeyframe.at(trace.path, index, trace.keyframes)
        self._trace, self._index = trace, index
        self._modules, self._memory_limit = tuple(modules), memory_limit
        self._in_process = in_process
        self._lock = threading.Lock()
        self._process: Process | None = None
        self._session: Session | None = None

    def run(
        self,
        until: NodeId | None = None,
        *,
        verify: bool = False,
        keep_going: bool = False,
        edits: Sequence[Edit] = (),
        dtype: str = "",
        device: str = "",
        wanted: Sequence[ValueId] = (),
        progress: Progress | None = None,
    ) -> ReplayResult:
        """Execute the iteration from its begin up to a node and including it; None means to its end.

        With `verify`, what comes out is compared with what was recorded, and the first difference ends the execution,
        unless it is to `keep_going`. With `edits`, a `dtype` for all floating numbers, or a `device`, the iteration is
        executed as recorded and with these changes side by side, and the result tells how far each value drifts.
        `wanted` are values to be handed out, with the changes.

        What cannot be executed is no error: the result names it. Raises BadEdit, CannotReplay, WorkerDied.
        """
        check_edits(self._graph, edits)
        total = self._graph.node_count if until is None else until + 1
        if self._in_process:
            from graphreel.replay.torch.session import Request

            request = Request(until, verify, keep_going, tuple(edits), dtype, device, tuple(wanted))
            with self._lock:
                return self._here(progress or Unwatched(), total).run(request)
        arrays: list[Bytes] = []
        message = {
            "do": "run",
            "until": until,
            "verify": verify,
            "keep_going": keep_going,
            "edits": edits_message(edits, arrays),
            "dtype": dtype,
            "device": device,
            "wanted": [int(value) for value in wanted],
        }
        return parse_result(*self._ask(message, arrays, progress, total))

    def values(self, wanted: Sequence[ValueId], progress: Progress | None = None) -> dict[ValueId, RecordedTensor]:
        """Values as they were when their nodes gave them, or when they came in from outside.

        Asked for in order of execution, each node is executed once. Raises CannotReplay, naming the node in the way.
        """
        if self._in_process:
            with self._lock:
                return self._here(progress or Unwatched(), self._graph.node_count).values(wanted)
        message: Json = {"do": "values", "values": [int(value) for value in wanted]}
        return parse_values(*self._ask(message, [], progress, self._graph.node_count))

    def time_operation(
        self, node: NodeId, repeats: int = 1000, *, device: str = "", progress: Progress | None = None
    ) -> Timing:
        """Execute one operation on its recorded inputs so many times. Raises CannotReplay."""
        if self._in_process:
            with self._lock:
                return self._here(progress or Unwatched(), node + 1).time_operation(node, repeats, device)
        message = {"do": "time", "node": int(node), "repeats": repeats, "device": device}
        return parse_timing(self._ask(message, [], progress, node + 1)[0])

    def close(self) -> None:
        """End the process. Closing twice is allowed."""
        with self._lock:
            if self._process is not None:
                self._process.close()
            self._process = self._session = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _here(self, progress: Progress, total: int) -> "Session":
        from graphreel.replay.torch.session import Session

        def at(node: int) -> None:
            progress.step(node, total)

        if self._session is None:
            self._session = Session(self._trace, self._index, self._modules)
        self._session.at = at
        return self._session

    def _ask(
        self, message: Json, arrays: Sequence[Bytes], progress: Progress | None, total: int
    ) -> tuple[Any, list[Bytes]]:
        with self._lock:
            watched = progress or Unwatched()
            try:
                if self._process is None:
                    self._process = Process(self._memory_limit)
                    _checked(self._process.ask(self._opening(), [], watched, total))
                return _checked(self._process.ask(message, arrays, watched, total))
            except Died as death:
                self._process = None
                raise WorkerDied.at(self._where(death.at), death.how, death.said) from None
            except ReplayError:
                raise
            except BaseException:
                if self._process is not None:
                    self._process.close()
                self._process = None
                raise

    def _opening(self) -> Json:
        row = next(each for each in self._trace.iterations if each.index == self._index)
        return {
            "do": "open",
            "path": str(self._trace.path),
            "index": self._index,
            "is": [row.graph, row.started_ns],
            "modules": list(self._modules),
        }

    def _where(self, node: int) -> str:
        if not 0 <= node < self._graph.node_count:
            return f"iteration {self._index}"
        return f"{node_keys(self._graph)[node]} (iteration {self._index})"


def _checked(answer: tuple[Json, list[Bytes]]) -> tuple[Any, list[Bytes]]:
    """What was answered; raises the error that was answered instead."""
    message, arrays = answer
    if "error" not in message:
        return message["result"], arrays
    kind = _ERRORS.get(message["kind"])
    if message["kind"] == "MemoryError":
        raise ReplayError("there is not enough memory to execute the iteration; free some, or raise the limit")
    if kind is None:
        raise WorkerFault.with_message(message["error"])
    raise kind(message["error"])
