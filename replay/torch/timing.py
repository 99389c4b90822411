"""Times one operation alone."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from graphreel.replay.torch.execution import Execution


def timed(
    execution: Execution,
    node: int,
    operator: Any,
    inputs: Sequence[Tensor],
    count: int,
    device: torch.device | None,
    at: Callable[[int], None],
) -> list[int]:
    """Nanoseconds of each time that a node was executed on these inputs, which stay as they are.

    On a device each time lasts until the device is done. `at` is called before each.
    """
    given = [tensor.to(device) if device else tensor for tensor in inputs]
    writes = any(argument.alias_info and argument.alias_info.is_write for argument in operator._schema.arguments)
    waits = any(tensor.is_cuda for tensor in given)
    durations: list[int] = []
    execution.running.randomness.before(node)
    for _ in range(count):
        at(node)
        taken = [tensor.clone() for tensor in given] if writes else given
        if waits:
            torch.cuda.synchronize()
        begin = time.perf_counter_ns()
        out = execution.running.run(node, taken)
        if waits:
            torch.cuda.synchronize()
        durations.append(time.perf_counter_ns() - begin)
        del out
    return durations
