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
from graphreel.graph import Access, ValueId
from graphreel.replay.plan import Plan
from graphreel.replay.results import Difference, Drift, Verified
from graphreel.replay.torch.calls import operator_of
from graphreel.replay.torch.drawing import draws
from graphreel.replay.torch.execution import Execution, Outcome, flattened
from graphreel.replay.torch.unwritten import Unwritten

Columns = Mapping[str, npt.NDArray[Any]]
FloatArray = npt.NDArray[np.float64]


class Verifier:
    """Compares as an execution goes on.

    `columns` are those of the iteration's values, `items` what its nodes handed to the program (see `items_of`).

    Attributes:
        verified: With what.
        compared: How many values, and numbers that went to the program, were compared so far.
        unwritten: How many values were not, since they lie in memory that nobody has written.
    """

    def __init__(self, plan: Plan, columns: Columns, items: FloatArray | None, unwritten: Unwritten) -> None:
        self._plan, self._graph = plan, plan.graph
        self._columns, self._items = columns, items
        self._counted = _counted(columns, plan.graph.value_count)
        self._unwritten = unwritten
        self.verified = Verified.STATISTICS if self._counted is not None else Verified.SCALARS
        self.compared = self.unwritten = 0

    def told(self, nodes: int) -> dict[str, Any]:
        """What the result of an execution of the first so many nodes says of the comparison, by name."""
        given = np.array([value for step in self._plan.steps[:nodes] for value in step.outputs], np.int64)
        comparable = 0 if self._counted is None else int(self._counted[given].sum())
        if self._items is not None:
            comparable += int((~np.isnan(self._items[:nodes])).sum())
        return {
            "verified": self.verified if self.compared else Verified.NOTHING,
            "compared": self.compared,
            "comparable": comparable,
            "unwritten": self.unwritten,
        }

    def check(self, execution: Execution, outcome: Outcome) -> list[Difference]:
        """What a node gave that is not as recorded."""
        found = self._check(execution, outcome) if outcome.ran else []
        if found and not repeats(execution, outcome):
            return [replace(each, repeats=False) for each in found]
        return found

    def _check(self, execution: Execution, outcome: Outcome) -> list[Difference]:
        found: list[Difference] = []
        if self._items is not None and isinstance(outcome.item, int | float):
            found += self._check_item(outcome, float(self._items[outcome.step.node]))
        if self._counted is None:
            return found
        for value in outcome.step.outputs:
            tensor = execution.live.get(value)
            if not self._counted[value] or tensor is None:
                continue
            if self._unwritten.has(execution, value):
                self.unwritten += 1
            else:
                found += self._check_value(outcome, value, tensor)
        return found

    def _check_item(self, outcome: Outcome, recorded: float) -> list[Difference]:
        replayed = float(outcome.item)
        if math.isnan(recorded) and math.isnan(replayed):
            return []
        self.compared += 1
        if replayed == recorded:
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


def _counted(columns: Columns, values: int) -> npt.NDArray[np.bool_] | None:
    """For which values there are statistics; None where there are none at all, or none that fit."""
    checksum, counted = columns.get("checksum"), columns.get("counted")
    if checksum is None or len(checksum) != values or checksum.dtype.kind not in "iu":
        return None
    if counted is None:
        return np.ones(values, np.bool_)
    return counted.astype(np.bool_) if len(counted) == values else None


def items_of(columns: Columns, nodes: int) -> FloatArray | None:
    """What each node handed to the program, by the columns of the nodes; NaN where it is NaN or nothing.

    None where no such numbers were recorded.
    """
    found = columns.get("item")
    return found if found is not None and len(found) == nodes and found.dtype == np.float64 else None


def repeats(execution: Execution, outcome: Outcome) -> bool:
    """Whether a node gives the same once more from the same inputs; True where that cannot be tried."""
    step = outcome.step
    call = execution.running.calls.of(step.node)
    accesses = execution.plan.graph.node(step.node).accesses
    if operator_of(call) is None or draws(call) or Access.WRITE in accesses:
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
