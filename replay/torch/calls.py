"""The calls of a graph's nodes, read from the trace when they come up, with the changes that a user made."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphreel.capture.torch.arguments import OWN_ATTRIBUTES
from graphreel.graph import Graph, node_keys
from graphreel.replay.edits import Edit, RemoveNode, ReplaceOp, SetAttribute
from graphreel.replay.errors import BadEdit
from graphreel.replay.torch.arguments import Call, read_call
from graphreel.replay.torch.operators import Operators
from graphreel.replay.torch.randomness import Randomness
from graphreel.replay.torch.refused import Refused

Columns = Mapping[str, npt.NDArray[Any]]


_ASKS = re.compile(
    r"(aten\.(sym_)?(size|stride|numel|storage_offset|is_contiguous|is_strides_like_format|dim)"
    r"|aten\.is_non_overlapping_and_dense|prim\.(layout|device|dtype))\.\w+"
)
"""Operators that only ask a tensor of its shape and the like, as nested ones are asked."""


class Calls:
    """Reads calls; nodes that are written alike in the graph share one."""

    def __init__(self, graph: Graph, columns: Columns, operators: Operators) -> None:
        self.graph, self.operators = graph, operators
        self._columns = columns
        self._known: dict[object, Call] = {}
        self._edited: dict[int, Call] = {}

    def edited(self, edits: Sequence[Edit]) -> "Calls":
        """The same with changed calls; raises BadEdit where a change does not fit the operator."""
        found = Calls(self.graph, self._columns, self.operators)
        found._known = self._known
        for edit in edits:
            if isinstance(edit, SetAttribute | ReplaceOp | RemoveNode):
                try:
                    found._edit(edit)
                except Refused as error:
                    raise BadEdit.at(node_keys(self.graph)[edit.node], str(error)) from error
        return found

    def of(self, node: int) -> Call:
        """The call of a node; raises Refused."""
        edited = self._edited.get(node)
        if edited is not None:
            return edited
        graph = self.graph
        inputs, attributes = graph.inputs, graph.node_attributes
        key = (
            int(graph.nodes.op[node]),
            inputs.name[inputs.start[node] : inputs.start[node + 1]].tobytes(),
            attributes.key[attributes.start[node] : attributes.start[node + 1]].tobytes(),
            attributes.text[attributes.start[node] : attributes.start[node + 1]].tobytes(),
        )
        found = self._known.get(key)
        if found is None:
            view = graph.node(node)
            if _ASKS.fullmatch(view.op):
                return _identity(0)
            found = self._known[key] = read_call(self.operators.find(view.op), view.input_names, view.attributes)
        return found

    def run(self, node: int, call: Call, inputs: Sequence[Tensor], randomness: Randomness) -> Any:
        """Execute a node's call on these tensors; raises Refused where a number or a generator of it is not there."""

        def number(column: str) -> float:
            values = self._columns.get(column)
            if values is None or len(values) != self.graph.node_count or values.dtype != np.float64:
                raise Refused(f"the column {column} is missing in the trace")
            return float(values[node])

        return call.run(inputs, number, randomness.named)

    def _edit(self, edit: SetAttribute | ReplaceOp | RemoveNode) -> None:
        view = self.graph.node(edit.node)
        if isinstance(edit, RemoveNode):
            self._edited[edit.node] = _identity(len(view.inputs))
        elif isinstance(edit, SetAttribute):
            before = self.of(edit.node)
            names = [str(argument.name) for argument in before.operator._schema.arguments]
            plain = [name for name in names if name not in {text.partition("[")[0] for text in view.input_names}]
            if edit.name not in plain:
                raise Refused(f"{view.op} has no such attribute as {edit.name!r}; there are: {', '.join(plain)}")
            attributes = view.attributes | {edit.name: edit.value}
            self._edited[edit.node] = read_call(before.operator, view.input_names, attributes)
        else:
            self._edited[edit.node] = self._replaced(edit)

    def _replaced(self, edit: ReplaceOp) -> Call:
        view = self.graph.node(edit.node)
        operator = self.operators.find(edit.op)
        names = [str(argument.name) for argument in operator._schema.arguments]
        recorded = {name: given for name, given in view.attributes.items() if name not in OWN_ATTRIBUTES}
        attributes = recorded if edit.attributes is None else dict(edit.attributes)
        unknown = [name for name in attributes if name not in names]
        if unknown:
            raise Refused(f"{edit.op} has no argument {unknown[0]!r}; say which attributes it is to have: {names}")
        inputs = view.input_names
        if not all(name.partition("[")[0] in names for name in inputs):
            inputs = _by_position(inputs, names)
        return read_call(operator, inputs, attributes)


def _by_position(inputs: Sequence[str], names: Sequence[str]) -> list[str]:
    """The inputs' names with the arguments of another operator, in the order in which they come."""
    arguments = list(dict.fromkeys(name.partition("[")[0] for name in inputs))
    if len(arguments) > len(names):
        raise Refused(f"it takes {len(arguments)} inputs, and the other operator {len(names)} arguments")
    renamed = dict(zip(arguments, names, strict=False))
    return [renamed[name.partition("[")[0]] + name[len(name.partition("[")[0]) :] for name in inputs]


def _identity(inputs: int) -> Call:
    """Gives the first of its inputs back, or nothing."""

    def first(*tensors: Tensor) -> Tensor | None:
        return tensors[0] if tensors else None

    return Call(first, (None,) * inputs, inputs, (), tuple((at, at) for at in range(inputs)))


def operator_of(call: Call) -> Any:
    """The operator of a call; None where its node was removed."""
    return call.operator if isinstance(call.operator, torch._ops.OpOverload) else None
