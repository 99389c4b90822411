"""What may be changed before an iteration is executed again, as values, and whether it fits the graph."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.graph import Graph, NodeId, ValueId, node_keys
from graphreel.replay.errors import BadEdit


@dataclass(frozen=True, slots=True, eq=False)
class SetValue:
    """Let a value be this array, as soon as it is there; views of it see it too. Its dtype and device stay."""

    value: ValueId
    array: npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class SetAttribute:
    """Give an operation another argument that is no tensor; `value` is plain JSON data, as the graph shows it."""

    node: NodeId
    name: str
    value: Any


@dataclass(frozen=True, slots=True)
class SetDtype:
    """Compute one operation in another dtype: what it takes is converted, and what it gives is converted back."""

    node: NodeId
    dtype: str


@dataclass(frozen=True, slots=True)
class ReplaceOp:
    """Execute another operator, with the same inputs by position and the same attributes by name, or with these."""

    node: NodeId
    op: str
    attributes: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RemoveNode:
    """Leave an operation out: its first output becomes its first input, and what it would write stays as it is."""

    node: NodeId


Edit: TypeAlias = SetValue | SetAttribute | SetDtype | ReplaceOp | RemoveNode

FLOATING = ("float64", "float32", "bfloat16", "float16")
_OP = re.compile(r"[A-Za-z_]\w*\.\w+\.\w+")


def check_edits(graph: Graph, edits: Sequence[Edit]) -> None:
    """Raise BadEdit for what the graph alone shows to be wrong. Whether arguments fit the operator shows later."""
    for edit in edits:
        if isinstance(edit, SetValue):
            _check_value(graph, edit)
        else:
            _check_node(graph, edit)


def _check_value(graph: Graph, edit: SetValue) -> None:
    if not 0 <= edit.value < graph.value_count:
        raise BadEdit.at(f"value {edit.value}", f"this graph has {graph.value_count} values, numbered from 0")
    value = graph.value(edit.value)
    key = f"value {edit.value} ({value.name or value.type_text})"
    if edit.array.dtype.kind not in "biufc":
        raise BadEdit.at(key, f"an array of {edit.array.dtype} holds no numbers")
    if value.shape is not None and tuple(edit.array.shape) != value.shape:
        raise BadEdit.at(key, f"it is {value.type_text}, and the array is {list(edit.array.shape)}")


def _check_node(graph: Graph, edit: SetAttribute | SetDtype | ReplaceOp | RemoveNode) -> None:
    if not 0 <= edit.node < graph.node_count:
        raise BadEdit.at(f"node {edit.node}", f"this graph has {graph.node_count} nodes, numbered from 0")
    key = node_keys(graph)[edit.node]
    node = graph.node(edit.node)
    if isinstance(edit, SetDtype) and edit.dtype not in FLOATING:
        raise BadEdit.at(key, f"{edit.dtype!r} is no dtype to compute in; give {', '.join(FLOATING)}")
    if isinstance(edit, ReplaceOp) and not _OP.fullmatch(edit.op):
        raise BadEdit.at(key, f"{edit.op!r} is no operator; write for example aten.gelu.default")
    if isinstance(edit, RemoveNode):
        given, taken = node.outputs, node.inputs
        if given and not taken:
            raise BadEdit.at(key, "it takes no input that could stand for its output")
        if given and taken[0].shape != given[0].shape:
            text = f"its first input is {taken[0].type_text} and cannot stand for its output {given[0].type_text}"
            raise BadEdit.at(key, text)


def as_array(given: Any) -> npt.NDArray[Any]:
    """What a user gave for a value, as an array; raises BadEdit where it holds no numbers."""
    array = np.asarray(given)
    if array.dtype.kind not in "biufc":
        raise BadEdit.at("a value", f"{array.dtype} holds no numbers")
    return array
