"""What a loss was before it was scaled, as gradient accumulation and a GradScaler do before backward."""

from collections.abc import Set

from graphreel.capture.torch.log import PassLog

_SAME = ("aten.detach.default", "aten.alias.default", "aten.lift_fresh.default")
_SCALED = ("aten.div.Tensor", "aten.div.Scalar", "aten.mul.Tensor", "aten.mul.Scalar")


def unscaled(log: PassLog, tensors: Set[int]) -> dict[int, int]:
    """For each of these tensors what it came from by being detached, or multiplied or divided by a number.

    A tensor of one element that was not computed from others counts as a number. Those that came from nothing are
    missing.
    """
    if not tensors:
        return {}
    made = {output for event in log.events if event[1] for output in event[10] if output not in event[1]}
    wanted = {tensor: {tensor} for tensor in tensors}
    for event in reversed(log.events):
        outputs, inputs, name = event[10], event[1], log.ops[event[0]].name
        if len(outputs) != 1 or outputs[0] not in wanted or outputs[0] in inputs or not inputs:
            continue
        if name in _SAME or (name in _SCALED and all(_is_number(log, factor, made) for factor in inputs[1:])):
            wanted.setdefault(inputs[0], set()).update(wanted.pop(outputs[0]))
    return {tensor: source for source, found in wanted.items() for tensor in found if source != tensor}


def _is_number(log: PassLog, tensor: int, made: Set[int]) -> bool:
    shape = log.tensors[tensor][1]
    return tensor not in made and shape is not None and all(size == 1 for size in shape)
