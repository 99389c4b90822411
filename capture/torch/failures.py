"""What went wrong, as the trace keeps it: exceptions as text and without our own frames."""

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, TracebackType

from graphreel.capture.torch.log import NO_NODE, FailureNote, PassLog
from graphreel.capture.torch.spared import let_through
from graphreel.capture.torch.stacks import Line, Stacks
from graphreel.graph import NodeId
from graphreel.tracefile.extras import Finding

_OURS = f"{Path(__file__).absolute().parent}/"
_MOST_CAUGHT = 20
"""How many exceptions of one iteration are told one by one."""


def failure_of(error: BaseException, failed: tuple[int, int]) -> FailureNote:
    """Describe an exception; `failed` is the `id` of the last one that an operation raised, and that operation."""
    event = failed[1] if failed[0] in {id(link) for link in _chain(error)} else NO_NODE
    described = traceback.TracebackException.from_exception(error)
    for link in _links(described):
        link.stack = traceback.StackSummary.from_list([frame for frame in link.stack if not is_ours(frame.filename)])
    return FailureNote(type(error).__name__, text_of(error), "".join(described.format()), event)


def text_of(error: BaseException) -> str:
    """What an exception says; its own method to say it may raise."""
    try:
        return str(error)
    except Exception as fault:  # noqa: BLE001 - whatever it is, it is the program's
        let_through(fault)
        return "(it cannot be put into words)"


def note_raised(frame: FrameType | None, log: PassLog, failed: tuple[int, int], stacks: Stacks) -> None:
    """Note the exception by which a module is left, which this frame called; unless an operation raised it."""
    error = sys.exception()
    # The program may call a module while it handles an exception, which is another matter.
    if error is None or not any(entry.tb_frame is frame for entry in _entries(error.__traceback__)[:2]):
        return
    if id(error) == failed[0] or id(error) in log.raised:
        return
    lines = [entry for entry in _entries(error.__traceback__) if stacks.is_users(entry.tb_frame.f_code)]
    file, line = (lines[-1].tb_frame.f_code.co_filename, lines[-1].tb_lineno) if lines else ("", 0)
    log.raised[id(error)] = Finding("caught", _caught(f"{type(error).__name__}: {text_of(error)}"), None, file, line)


def caught_in(log: PassLog, error: BaseException | None, lines: Sequence[tuple[Line, ...]]) -> list[Finding]:
    """The exceptions of a pass that the program caught; `error` is the one that it did not."""
    ended = set() if error is None else {id(link) for link in _chain(error)}
    found = [finding for key, finding in log.raised.items() if key not in ended]
    for event, text in log.errors.items():
        if log.failure is None or event != log.failure.event:
            file, line, _ = (lines[log.events[event][4]] or (("", 0, ""),))[-1]
            found.append(Finding("caught", _caught(text), NodeId(event), file, line))
    more = len(found) - _MOST_CAUGHT
    return [*found[:_MOST_CAUGHT], *([Finding("caught", f"and {more} more exceptions")] if more > 0 else [])]


def too_long(operations: int) -> Finding:
    """What is said of an iteration that was ended before it fills the memory."""
    message = (
        f"this iteration was ended after {operations:,} operations, so that it does not fill the memory; the next one "
        "goes on from there. Mark iterations by hand: with recorder.iteration():"
    )
    return Finding("too-long", message)


def _caught(text: str) -> str:
    return f"{text}\nThe program caught this exception and went on."


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
