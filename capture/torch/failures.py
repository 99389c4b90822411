"""An exception as the trace keeps it: as text, without our own frames."""

import traceback
from pathlib import Path
from types import TracebackType

from graphreel.capture.torch.log import NO_NODE, FailureNote

_OURS = f"{Path(__file__).absolute().parent}/"


def failure_of(error: BaseException, failed: tuple[int, int]) -> FailureNote:
    """Describe an exception; `failed` is the `id` of the last one that an operation raised, and that operation."""
    event = failed[1] if failed[0] in {id(link) for link in _chain(error)} else NO_NODE
    described = traceback.TracebackException.from_exception(error)
    for link in _links(described):
        link.stack = traceback.StackSummary.from_list([frame for frame in link.stack if not is_ours(frame.filename)])
    return FailureNote(type(error).__name__, str(error), "".join(described.format()), event)


def strip_own_frames(error: BaseException) -> None:
    """Take our frames out of an exception's traceback, so that the user sees what he would see without us."""
    for link in _chain(error):
        kept = [entry for entry in _entries(link.__traceback__) if not is_ours(entry.tb_frame.f_code.co_filename)]
        below: TracebackType | None = None
        for entry in reversed(kept):
            entry.tb_next = below
            below = entry
        link.__traceback__ = below


def is_ours(file: str) -> bool:
    """Whether a source file is one of the recorder's own."""
    return str(Path(file).absolute()).startswith(_OURS)


def _entries(trace: TracebackType | None) -> list[TracebackType]:
    entries: list[TracebackType] = []
    while trace is not None:
        entries.append(trace)
        trace = trace.tb_next
    return entries


def _chain(error: BaseException) -> list[BaseException]:
    """The exception, and those it came from."""
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        link = waiting.pop()
        if link is not None and link not in found:
            found.append(link)
            waiting += [link.__cause__, link.__context__]
    return found


def _links(described: traceback.TracebackException) -> list[traceback.TracebackException]:
    found: list[traceback.TracebackException] = []
    waiting: list[traceback.TracebackException | None] = [described]
    while waiting:
        link = waiting.pop()
        if link is not None:
            found.append(link)
            waiting += [link.__cause__, link.__context__]
    return found
