"""The process that executes: it opens the trace itself, takes requests from its input, and answers on its output.

It ends when its input ends, so that it never outlives the one who asked.
"""

import mmap
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any

from graphreel.graph import GraphreelError, NodeId, ValueId
from graphreel.replay.errors import CannotReplay
from graphreel.replay.messages import (
    Json,
    parse_edits,
    receive,
    result_message,
    send,
    timing_message,
    values_message,
)
from graphreel.tracefile import open_reel
from graphreel.tracefile.tensors import Bytes

if TYPE_CHECKING:
    from graphreel.replay.torch.session import Session

Received = tuple[Json, list[Bytes]]


class _Requests:
    """Requests as they come in, read by a thread of its own: the end of the input ends the process at once."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._queue: SimpleQueue[Received] = SimpleQueue()
        threading.Thread(target=self._read, name="requests", daemon=True).start()

    def next(self) -> Received:
        return self._queue.get()

    def _read(self) -> None:
        while (received := receive(self._stream)) is not None:
            self._queue.put(received)
        os._exit(0)


class _Worker:
    """Answers requests about one iteration."""

    def __init__(self, answers: IO[bytes], at: Callable[[int], None]) -> None:
        self._answers, self._at = answers, at
        self._session: Session | None = None

    def answer(self, message: Json, arrays: list[Bytes]) -> None:
        """Do what is asked, and say what came of it; errors are answers too."""
        given: list[Bytes] = []
        try:
            answer = {"result": getattr(self, f"_do_{message.pop('do')}")(message, arrays, given)}
        except GraphreelError as error:
            answer, given = {"error": str(error), "kind": type(error).__name__}, []
        except MemoryError:
            answer, given = {"error": "not enough memory", "kind": "MemoryError"}, []
        except Exception as error:  # noqa: BLE001 - a bug of ours is told to the user by the other process
            answer, given = {"error": f"{type(error).__name__}: {error}", "kind": ""}, []
        send(self._answers, answer, given)

    def _do_open(self, message: Json, arrays: list[Bytes], given: list[Bytes]) -> Json:
        from graphreel.replay.torch.session import Session

        path = Path(message["path"])
        trace = open_reel(path)
        try:
            row = next((each for each in trace.iterations if each.index == message["index"]), None)
            if row is not None and [row.graph, row.started_ns] != message["is"]:
                raise CannotReplay.replaced(path)
            self._session = Session(trace, message["index"], message["modules"], self._at)
        finally:
            trace.close()
        return {}

    def _do_run(self, message: Json, arrays: list[Bytes], given: list[Bytes]) -> Json:
        from graphreel.replay.torch.session import Request

        assert self._session is not None
        edits = parse_edits(message.pop("edits"), arrays)
        request = Request(edits=edits, **message)
        return result_message(self._session.run(request), given)

    def _do_values(self, message: Json, arrays: list[Bytes], given: list[Bytes]) -> Any:
        assert self._session is not None
        return values_message(self._session.values([ValueId(value) for value in message["values"]]), given)

    def _do_time(self, message: Json, arrays: list[Bytes], given: list[Bytes]) -> Json:
        assert self._session is not None
        timing = self._session.time_operation(NodeId(message["node"]), message["repeats"], message["device"])
        return timing_message(timing)


def limit_memory(most: int) -> None:
    """Let this process take no more than so many bytes, and be the first that the system ends for want of them."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def main() -> None:
    """Answer requests until the input ends. Arguments: the file that tells where it is, and the bytes it may take."""
    # What the program's own modules print must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests = _Requests(sys.stdin.buffer)
    limit_memory(int(sys.argv[2]))
    with Path(sys.argv[1]).open("r+b") as file:
        place = mmap.mmap(file.fileno(), 8)

        def at(node: int) -> None:
            place[:8] = node.to_bytes(8, "little", signed=True)

        worker = _Worker(answers, at)
        while True:
            worker.answer(*requests.next())


if __name__ == "__main__":
    main()
