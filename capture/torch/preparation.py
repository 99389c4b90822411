"""What a program did to prepare its run, and which of it the first pass needs.

Once the loop has turned, it is known where it began: where the turn began that the second one repeats. What stands
before that is no part of the first iteration, which so looks like those after it. Where no turn has been repeated, only
what the first pass takes in tells.
"""

from graphreel.capture.torch.log import NO_ALIAS, NO_TENSOR, PassLog, RawEvent
from graphreel.capture.torch.turns import CALL, Position
from graphreel.graph import ValueKind

_KEPT_APART = (ValueKind.PARAMETER, ValueKind.BUFFER)


def kept_events(log: PassLog) -> list[int]:
    """The events that belong to the pass, in order.

    Of what ran before the first outermost module call of the program, only what the pass takes in is kept (the batch,
    not the drawing of the first weights), so that the first iteration looks like those after it.
    """
    events = range(log.preparation, len(log.events))
    if not log.first:
        return list(events)
    begin = _work_begin(log)
    if begin is None:
        return list(events)
    memory = _memories(log)
    needed: set[int] = set()
    for index in range(begin, len(log.events)):
        needed.update(_data(log, log.events[index][1]))
    apart = {memory[tensor] for tensor, (kind, _) in log.names.items() if kind in _KEPT_APART}
    needed_memory = {memory[tensor] for tensor in needed} - apart
    kept: list[int] = []
    for index in reversed(range(log.preparation, begin)):
        event = log.event(index)
        # A write reaches all that shares the memory, as when rows of a board are filled one by one.
        writes = event.op.written and any(n != NO_TENSOR and memory[n] in needed_memory for n in event.inputs)
        if writes or not needed.isdisjoint(event.outputs):
            kept.append(index)
            taken = _data(log, event.inputs)
            needed.update(taken)
            needed_memory.update({memory[tensor] for tensor in taken} - apart)
    return [*reversed(kept), *range(begin, len(log.events))]


def _memories(log: PassLog) -> list[int]:
    """For each tensor the first one that shares its memory."""
    found = list(range(len(log.tensors)))
    for number, note in enumerate(log.tensors):
        if note[3] != NO_ALIAS:
            found[number] = found[note[3]]
    for index in range(len(log.events)):
        event = log.event(index)
        # What takes memory without a tensor looks at that from then on, which is the last of its inputs.
        viewed = event.inputs[-1 if event.op.takes_storage else 0] if event.inputs else NO_TENSOR
        if any(event.op.view_of) and viewed != NO_TENSOR:
            for output in event.outputs:
                found[output] = found[viewed]
    return found


def _work_begin(log: PassLog) -> int | None:
    """The first event that is part of the pass beyond doubt; None where there is none."""
    return next((at for at in range(log.preparation, len(log.events)) if _belongs(log.events[at])), None)


def _belongs(raw: RawEvent) -> bool:
    """Whether an event is part of a pass beyond doubt: in a module, in backward, or in an optimizer's step."""
    return bool(raw[5] or raw[6]) or raw[7] is not None


def _data(log: PassLog, inputs: tuple[int, ...]) -> set[int]:
    """Those inputs that are no parameters and no buffers."""
    return {n for n in inputs if n != NO_TENSOR and (n not in log.names or log.names[n][0] not in _KEPT_APART)}


def loop_turned(log: PassLog | None, at: Position | None) -> None:
    """The program's first pass is over, since the next turn begins at this position, or, without one, with a step.

    If that is where the work of the pass began, or what stood before it, the loop began there. All before that is
    preparation then; else nothing more is known of it. Nor if the turn begins by writing memory that was there before:
    what that held could not be told from what is written.
    """
    if log is None or not log.first or log.level is None:
        return
    work = _work_begin(log)
    begin = None if work is None else _first_at(log, at, work)
    if begin is not None and work is not None and not _writes_outside(log, begin, work):
        log.preparation, log.first = begin, False


def _first_at(log: PassLog, at: Position | None, work: int) -> int | None:
    """The first event at a position, if that is no later than the first event of the pass's work."""
    raw = log.events[work]
    if at is None:
        return work if raw[6] else None
    if at[0] != CALL:
        return next((event for event in range(log.preparation, work) if _is_at(log.events[event], at)), None)
    scope = raw[5]
    while log.scopes[scope].parent:
        scope = log.scopes[scope].parent
    return work if scope and not raw[6] and log.scopes[scope].stack == at[1] else None


def _is_at(raw: RawEvent, at: Position) -> bool:
    return (raw[0], raw[4]) == at


def _writes_outside(log: PassLog, begin: int, end: int) -> bool:
    """Whether some of these events writes memory that none of them has made."""
    events = [log.event(index) for index in range(begin, end)]
    writing = [event for event in events if event.op.written or event.op.hidden_writes]
    if not writing:
        return False
    memory = _memories(log)
    made = {output for event in events for output in event.outputs if output not in event.inputs}
    return any(memory[n] not in made for event in writing for n in event.inputs if n != NO_TENSOR)


def aliases_in_loop(log: PassLog) -> dict[int, int]:
    """For each tensor that is older than the loop, the first one of the loop that shares its memory, or -1.

    Also for one that shares memory with a tensor that is older. Nothing where it is not known where the loop began.
    """
    if log.first or not log.preparation:
        return {}
    memory = _memories(log)
    seen = (n for raw in log.events[: log.preparation] for n in (*raw[1], *raw[10]))
    old = max(seen, default=NO_TENSOR)
    first: dict[int, int] = {}
    found: dict[int, int] = {}
    for raw in log.events[log.preparation :]:
        for n in (*raw[1], *raw[10]):
            if n == NO_TENSOR:
                continue
            owner = first.setdefault(memory[n], n)
            if n not in found and (n <= old or NO_ALIAS < log.tensors[n][3] <= old):
                found[n] = NO_ALIAS if owner == n else owner
    return found
