"""What a program did to prepare its run, and which of it the first pass needs."""

from graphreel.capture.torch.log import NO_TENSOR, Event, PassLog
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
    begin = next((index for index in events if _belongs(log.event(index))), None)
    if begin is None:
        return list(events)
    needed: set[int] = set()
    for index in range(begin, len(log.events)):
        needed.update(_data(log, log.events[index][1]))
    kept: list[int] = []
    for index in reversed(range(log.preparation, begin)):
        event = log.event(index)
        touched = {*event.outputs, *(event.inputs if event.op.written else ())}
        if touched & needed:
            kept.append(index)
            needed.update(_data(log, event.inputs))
    return [*reversed(kept), *range(begin, len(log.events))]


def _belongs(event: Event) -> bool:
    """Whether an event is part of a pass beyond doubt: in a module, in backward, or in an optimizer's step."""
    return bool(event.scope or event.step) or event.autograd is not None


def _data(log: PassLog, inputs: tuple[int, ...]) -> set[int]:
    """Those inputs that are no parameters and no buffers."""
    return {n for n in inputs if n != NO_TENSOR and (n not in log.names or log.names[n][0] not in _KEPT_APART)}
