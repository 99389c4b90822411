"""What a program did to prepare its run, and which of it the first pass needs."""

from graphreel.capture.torch.log import NO_ALIAS, NO_TENSOR, Event, PassLog
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


def _belongs(event: Event) -> bool:
    """Whether an event is part of a pass beyond doubt: in a module, in backward, or in an optimizer's step."""
    return bool(event.scope or event.step) or event.autograd is not None


def _data(log: PassLog, inputs: tuple[int, ...]) -> set[int]:
    """Those inputs that are no parameters and no buffers."""
    return {n for n in inputs if n != NO_TENSOR and (n not in log.names or log.names[n][0] not in _KEPT_APART)}
