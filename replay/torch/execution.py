"""Executes a plan node by node, and keeps the values that are still needed."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphreel.graph import NONE, Access, node_keys
from graphreel.replay.edits import Edit, RemoveNode, SetValue
from graphreel.replay.plan import Plan, Step
from graphreel.replay.results import Missing
from graphreel.replay.torch.drawing import draws
from graphreel.replay.torch.memory import Memory
from graphreel.replay.torch.refused import Refused
from graphreel.replay.torch.running import Running
from graphreel.tracefile.tensors import Change, Keyframe, TensorView


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step. `item` is the number that it handed to the program, where it did."""

    step: Step
    ran: bool
    item: Any = None


class Execution:
    """One run through a plan.

    Attributes:
        live: The tensors that are there now, by value.
        position: The next step.
    """

    def __init__(self, plan: Plan, keyframe: Keyframe, running: Running, edits: Sequence[Edit] = ()) -> None:
        self.plan, self.running = plan, running
        self.live: dict[int, Tensor] = {}
        self.position = 0
        self._memory = Memory(keyframe.storages, running.place, running.dtype)
        self._problems = keyframe.problems
        self._unknown = _unknown_changes(keyframe.problems)
        self._entering = {int(view.value): view for view in keyframe.tensors}
        self._rows = Counter(row for view in self._entering.values() for row in _rows(view))
        self._changes: defaultdict[int, list[Change]] = defaultdict(list)
        for change in keyframe.changes:
            self._changes[change.node].append(change)
        self._arrays = {int(edit.value): edit.array for edit in edits if isinstance(edit, SetValue)}
        self._removed = {int(edit.node) for edit in edits if isinstance(edit, RemoveNode)}
        self._frees: tuple[int, ...] = ()
        self._reasons: dict[int, str] = {}
        self._behind: Counter[int] = Counter()
        self._lost: dict[int, int] = {}
        self._spoiled: dict[int, int] = {}
        self._unknown_random: int | None = None
        self._failed = _failed(plan)

    @property
    def missing(self) -> list[Missing]:
        """The nodes that could not be executed, but for those that only wait for another one."""
        plan = self.plan
        return [Missing(plan.steps[node].node, why, self._behind[node]) for node, why in self._reasons.items()]

    def reason(self, value: int) -> tuple[int, str] | None:
        """Why a value is not there: the node that is to blame, and its reason."""
        node = self._lost.get(value)
        return None if node is None else (node, self._reasons[node])

    def changed_before(self, node: int) -> list[int]:
        """The values that something other than a node changed, of which this node is the first to see it."""
        return [int(change.view.value) for change in self._changes.get(node, ())]

    def advance(self) -> Outcome:
        """Execute the next node."""
        for value in self._frees:
            self.live.pop(value, None)
        step = self.plan.steps[self.position]
        self.position += 1
        self._frees = step.frees
        if step.node in self._failed:
            # It raised when it was recorded, and gave nothing.
            return Outcome(step, ran=False)
        try:
            blamed, inputs = self._inputs(step)
        except Refused as error:
            return self._cannot(step, str(error))
        if blamed is not None:
            self._behind[blamed] += 1
            self._lose(step, blamed)
            return Outcome(step, ran=False)
        try:
            out = self._run(step, inputs)
        except Refused as error:
            return self._cannot(step, str(error))
        except Exception as error:  # noqa: BLE001 - whatever an operator raises belongs to its node
            return self._cannot(step, _told(error))
        self._bind(step, flattened(out), inputs)
        return Outcome(step, ran=True, item=out if type(out) in {int, float, bool, complex} else None)

    def prepare(self, node: int) -> list[Tensor]:
        """The inputs of the next node, which is this one, without executing it; raises Refused."""
        step = self.plan.steps[node]
        blamed, inputs = self._inputs(step)
        if blamed is not None:
            raise Refused(f"it needs {node_keys(self.plan.graph)[blamed]}, of which: {self._reasons[blamed]}")
        return inputs

    def look(self, node: int) -> None:
        """Let the tensors that the next node takes come in, as far as they can, without executing it."""
        with suppress(Refused):
            self._inputs(self.plan.steps[node])

    def _run(self, step: Step, inputs: list[Tensor]) -> Any:
        self._check_random(step)
        if step.node in self._removed:
            return inputs[0] if step.outputs else None
        return self.running.run(step.node, inputs)

    def _check_random(self, step: Step) -> None:
        fresh = self.running.randomness.before(step.node)
        if self._unknown_random is None:
            return
        if draws(self.running.calls.of(step.node)):
            if not fresh:
                key = node_keys(self.plan.graph)[self._unknown_random]
                raise Refused(f"it draws random numbers, and those of {key} before it were not drawn")
            self._unknown_random = None

    def _inputs(self, step: Step) -> tuple[int | None, list[Tensor]]:
        """The tensors that a node takes; or the node that is to blame that one of them is missing."""
        found: list[Tensor] = []
        for value in step.inputs:
            blamed = self._lost.get(value, self._spoiled.get(self.plan.storage[value]))
            if blamed is not None:
                return blamed, []
            tensor = self.live.get(value)
            if tensor is None:
                try:
                    tensor = self.live[value] = self._set(value, self._enter(value))
                except Refused:
                    self._lost[value] = step.node
                    raise
            found.append(tensor)
        for change in self._changes.get(step.node, ()):
            self._change(change)
        if step.node in self._unknown:
            raise Refused(self._unknown[step.node])
        if step.node in self._changes:
            found = [self.live[value] for value in step.inputs]
        return None, found

    def _enter(self, value: int) -> Tensor:
        """A tensor from outside; raises Refused where the keyframe has it not."""
        view = self._entering.get(value)
        if view is None:
            raise Refused(self._not_kept(value))
        base = self.plan.base[value]
        if view.storage < 0 and not view.parts and view.layout in {"base", "strided"}:
            if base not in self.live:
                raise Refused(self._not_kept(value))
            return self._memory.look(view, self.live[base])
        tensor = self._memory.tensor(view)
        for row in _rows(view):
            self._rows[row] -= 1
            if not self._rows[row]:
                self._memory.forget(row)
        return tensor

    def _not_kept(self, value: int) -> str:
        view = self.plan.graph.value(value)
        name = view.name or view.type_text
        about = [problem for problem in self._problems if f"(value {value})" in problem]
        why = f": {about[0].partition(': ')[2]}" if about else ""
        return f"its input {name} is not in the keyframe{why}"

    def _change(self, change: Change) -> None:
        value = int(change.view.value)
        tensor = self.live.get(value)
        if tensor is None:
            return
        if change.in_place:
            self._memory.overwrite(change.view, tensor)
        else:
            self.live[value] = self._memory.tensor(change.view)

    def _bind(self, step: Step, results: Sequence[Tensor], inputs: Sequence[Tensor]) -> None:
        """Let the values that a node gave be the tensors that came out, and those that it wrote."""
        plan, live = self.plan, self.live
        for port, value in enumerate(step.outputs):
            if port < len(results):
                found: Tensor | None = results[port]
            elif plan.previous[value] != NONE:
                found = live.get(plan.previous[value])
            else:
                found = self._late(step, value)
            if found is None:
                self._lost[value] = self._blame(step, value)
            else:
                live[value] = self._set(value, found)

    def _late(self, step: Step, value: int) -> Tensor | None:
        """A tensor from outside that is first taken after this node has written its memory."""
        try:
            return self._enter(value)
        except Refused as error:
            self._reasons.setdefault(step.node, f"what it wrote was taken later by a tensor of which {error}")
            return None

    def _blame(self, step: Step, value: int) -> int:
        before = self._lost.get(self.plan.previous[value]) if self.plan.previous[value] != NONE else None
        if before is None:
            self._reasons.setdefault(step.node, "it gave fewer tensors than when it was recorded")
            return step.node
        return before

    def _set(self, value: int, tensor: Tensor) -> Tensor:
        """Put the array of an edit into a value."""
        array = self._arrays.get(value)
        if array is None:
            return tensor
        given = torch.from_numpy(array.copy()).reshape(tensor.shape).to(tensor.device, tensor.dtype)
        try:
            return tensor.copy_(given)
        except RuntimeError:
            return given  # several of its elements are one in memory

    def _cannot(self, step: Step, reason: str) -> Outcome:
        self._reasons[step.node] = reason
        self._lose(step, step.node)
        return Outcome(step, ran=False)

    def _lose(self, step: Step, blamed: int) -> None:
        """What a node that cannot run would have given is not there, and what it would have written is not right."""
        graph = self.plan.graph
        for value in step.outputs:
            self._lost[value] = blamed
        first = int(graph.inputs.start[step.node])
        for at, value in enumerate(step.inputs):
            if graph.inputs.access[first + at] == Access.WRITE and self.plan.storage[value] != NONE:
                self._spoiled[self.plan.storage[value]] = blamed
        try:
            unknown = draws(self.running.calls.of(step.node))
        except Refused:
            return
        if unknown:
            self._unknown_random = step.node


def flattened(out: Any) -> list[Tensor]:
    """The tensors that an operation gave, in the order in which the recorder counts them."""
    if isinstance(out, Tensor):
        return [out]
    if not isinstance(out, list | tuple):
        return []
    found: list[Tensor] = []
    for entry in out:
        if isinstance(entry, Tensor):
            found.append(entry)
        elif isinstance(entry, list | tuple):
            found += [inner for inner in entry if isinstance(inner, Tensor)]
    return found


def _unknown_changes(problems: Sequence[str]) -> dict[int, str]:
    """The nodes before which something changed a tensor that could not be kept, and what the keyframe says of it."""
    found = ((re.search(r"was changed before node (\d{1,9})", line), line) for line in problems)
    return {int(match[1]): line for match, line in found if match}


def _failed(plan: Plan) -> frozenset[int]:
    """The nodes that raised when they were recorded."""
    table = plan.graph.node_attributes
    keys = [number for number, text in enumerate(plan.graph.strings) if text == "error"]
    rows = np.flatnonzero(np.isin(table.key, keys))
    return frozenset((np.searchsorted(table.start, rows, side="right") - 1).tolist())


def _rows(view: TensorView) -> list[int]:
    """The storages of a view and of its parts."""
    own = [view.storage] if view.storage >= 0 else []
    return own + [row for part in view.parts.values() for row in _rows(part)]


def _told(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}"
