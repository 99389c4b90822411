"""Compares what an execution gives with what was recorded, and two executions with each other."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphreel.capture.torch.statistics_of import checksum_of, statistics_of
from graphreel.graph import Access, Graph, ValueId
from graphreel.replay.plan import Plan
from graphreel.replay.results import Difference, Drift, Verified
from graphreel.replay.torch.calls import operator_of
from graphreel.replay.torch.execution import Execution, Outcome, flattened
from graphreel.replay.torch.operators import is_random
from graphreel.replay.torch.unwritten import Unwritten

ValueColumns = Mapping[str, npt.NDArray[Any]]

_ITEM = "aten._local_scalar_dense.default"
_LOSS = "loss"


class Verifier:
    """Compares as an execution goes on.

    Attributes:
        verified: With what.
        compared: How many values, or numbers, were compared so far.
    """

    def __init__(self, plan: Plan, columns: ValueColumns, scalars: Mapping[str, float], unwritten: Unwritten) -> None:
        self._graph = plan.graph
        self._columns = columns
        self._counted = _counted(columns, plan.graph.value_count)
        self._items = items_of(plan.graph, scalars)
        self._unwritten = unwritten
        self.verified = Verified.STATISTICS if self._counted is not None else Verified.SCALARS
        self.compared = 0

    def check(self, execution: Execution, outcome: Outcome) -> list[Difference]:
        """What a node gave that is not as recorded."""
        found = self._check(execution, outcome) if outcome.ran else []
        if found and not repeats(execution, outcome):
            return [replace(each, repeats=False) for each in found]
        return found

    def _check(self, execution: Execution, outcome: Outcome) -> list[Difference]:
        found: list[Difference] = []
        recorded = self._items.get(outcome.step.node)
        if recorded is not None and outcome.item is not None:
            found += self._check_item(outcome, recorded)
        if self._counted is None:
            return found
        for value in outcome.step.outputs:
            tensor = execution.live.get(value)
            if self._counted[value] and tensor is not None and not self._unwritten.has(execution, value):
                found += self._check_value(outcome, value, tensor)
        return found

    def _check_item(self, outcome: Outcome, recorded: float) -> list[Difference]:
        self.compared += 1
        replayed = float(outcome.item)
        if replayed == recorded or (math.isnan(replayed) and math.isnan(recorded)):
            return []
        numbers = {"item": recorded}, {"item": replayed}
        return [Difference(outcome.step.node, ValueId(-1), "item", *numbers)]

    def _check_value(self, outcome: Outcome, value: int, tensor: Tensor) -> list[Difference]:
        checksum = checksum_of(tensor)
        if checksum is None:
            return []
        self.compared += 1
        if checksum == int(self._columns["checksum"][value]):
            return []
        node, of = outcome.step.node, self._graph.value(value)
        shape, dtype = tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")
        if of.shape is not None and shape != of.shape:
            return [Difference(node, of.id, "shape", {"shape": str(list(of.shape))}, {"shape": str(list(shape))})]
        if dtype != of.dtype:
            return [Difference(node, of.id, "dtype", {"dtype": of.dtype}, {"dtype": dtype})]
        replayed = statistics_of(tensor)
        numbers = {} if replayed is None else replayed._asdict()
        recorded = {name: self._columns[name][value].item() for name in numbers if name in self._columns}
        what = "numbers" if any(_apart(numbers[name], recorded[name]) for name in _SHOWN & recorded.keys()) else "bits"
        return [Difference(node, of.id, what, recorded, numbers)]


_SHOWN = frozenset({"min", "max", "mean", "std", "nan", "inf", "zeros"})


def _apart(one: float, other: float) -> bool:
    return one != other and not (math.isnan(one) and math.isnan(other))


def _counted(columns: ValueColumns, values: int) -> npt.NDArray[np.bool_] | None:
    """For which values there are statistics; None where there are none at all, or none that fit."""
    checksum, counted = columns.get("checksum"), columns.get("counted")
    if checksum is None or len(checksum) != values or checksum.dtype.kind not in "iu":
        return None
    if counted is None:
        return np.ones(values, np.bool_)
    return counted.astype(np.bool_) if len(counted) == values else None


def items_of(graph: Graph, scalars: Mapping[str, float]) -> dict[int, float]:
    """The numbers that the program read, by the node that read them, as far as the iteration's scalars tell.

    They are told by the line of the program, or as the loss: of several reads at one line the last counts.
    """
    found: dict[str, int] = {}
    for node in range(graph.node_count):
        if graph.strings[int(graph.nodes.op[node])] != _ITEM:
            continue
        source = graph.node(node).source
        name = "" if source is None else f"item {source.file.rpartition('/')[2]}:{source.line}"
        found[name if name in scalars else _LOSS] = node
    return {node: float(scalars[name]) for name, node in found.items() if name in scalars}


def repeats(execution: Execution, outcome: Outcome) -> bool:
    """Whether a node gives the same once more from the same inputs; True where that cannot be tried."""
    step = outcome.step
    operator = operator_of(execution.running.calls.of(step.node))
    accesses = execution.plan.graph.node(step.node).accesses
    if operator is None or is_random(operator) or Access.WRITE in accesses:
        return True
    again = flattened(execution.running.run(step.node, [execution.live[value] for value in step.inputs]))
    given = [execution.live[value] for value in step.outputs if value in execution.live]
    return all(checksum_of(one) == checksum_of(other) for one, other in zip(again, given, strict=False))


def drift(outcome: Outcome, plain: Execution, edited: Execution, unwritten: Unwritten) -> tuple[list[Drift], int]:
    """How far the values that a node gave are apart in two executions, and how many there are."""
    found: list[Drift] = []
    compared = 0
    for value in outcome.step.outputs:
        one, other = plain.live.get(value), edited.live.get(value)
        if one is None or other is None or one.is_meta or unwritten.has(plain, value):
            continue
        compared += 1
        absolute, relative = distance(one, other)
        if absolute or relative:
            found.append(Drift(outcome.step.node, ValueId(value), absolute, relative))
    return found, compared


def distance(one: Tensor, other: Tensor) -> tuple[float, float]:
    """The largest difference of two elements, and the same over the largest element of the first."""
    if one.is_nested or other.is_nested or one.shape != other.shape:
        return (0.0, 0.0) if one is other else (math.inf, math.inf)
    if not one.numel():
        return 0.0, 0.0
    left, right = _wide(one), _wide(other).to(one.device)
    apart = (left - right).abs()
    # Equal infinities are no difference, and neither are two NaN.
    apart[(left == right) | (left.isnan() & right.isnan())] = 0.0
    largest = float(apart.max())
    if math.isnan(largest):
        return math.inf, math.inf
    reach = float(left.abs().nan_to_num(0.0, 0.0, 0.0).max())
    return largest, largest / reach if reach else (math.inf if largest else 0.0)


def _wide(tensor: Tensor) -> Tensor:
    plain = tensor.dequantize() if tensor.is_quantized else tensor
    if plain.layout is not torch.strided:
        plain = plain.to_dense()
    plain = plain.resolve_conj().resolve_neg()
    return plain.to(torch.complex128 if plain.is_complex() else torch.float64)
