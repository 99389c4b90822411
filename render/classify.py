"""Which class an operation belongs to, judged by its name: ATen, ONNX and what resembles them."""

import re
from functools import lru_cache

import numpy as np

from graphreel.graph import NONE, Graph, Phase, ValueKind
from graphreel.graph.types import ByteColumn, IntColumn
from graphreel.layout.types import BoxKind, EdgeKind, VisibleGraph
from graphreel.render.op_words import OP_WORDS
from graphreel.render.styles import BoxClass, EdgeClass

_TORCH_OVERLOAD = re.compile(r"^[a-z_]\w*\.(?P<name>\w+)\.\w+$")

_IN_PLACE = re.compile(r"_*[a-z]\w*[a-z0-9]_")
_GRADIENT = re.compile(r"(.)_?(backward|grad)(_data|_input|_weight)?$")


@lru_cache(maxsize=1 << 14)
def short_op(op: str) -> str:
    """The op without what its framework wraps around it: `aten.addmm.default` is `addmm`, `cap::twice` is `twice`."""
    name = op.rpartition("::")[2] or op
    if match := _TORCH_OVERLOAD.match(name):
        # A domain such as `com.microsoft.Gelu` or `my.domain.MyOp` looks alike, but its operation comes last.
        overload = name.rpartition(".")[2]
        is_domain = name.startswith(("com.", "ai.", "org.")) or not (
            name.startswith(("aten.", "prim.", "prims.")) or overload[0].islower()
        )
        return overload if is_domain else match["name"]
    return name.rpartition(".")[2] or name


@lru_cache(maxsize=1 << 14)
def op_class(op: str) -> BoxClass:
    """The class of an operation; OTHER where its name tells nothing.

    What writes in place (`add_`) is an update, whatever it computes, unless it draws random numbers or decides what
    runs next. An operation of the backward phase belongs with its forward one.
    """
    short = short_op(op)
    bare = _GRADIENT.sub(r"\1", short.lower()).replace("_", "").removeprefix("foreach")
    found = next((row.found for row in OP_WORDS if bare in row.whole or any(p in bare for p in row.parts)), None)
    if _IN_PLACE.fullmatch(short) and found not in (BoxClass.RANDOM, BoxClass.CONTROL):
        return BoxClass.UPDATE
    return BoxClass.OTHER if found is None else found


_SCOPES = {
    Phase.FORWARD: BoxClass.SCOPE_FORWARD,
    Phase.BACKWARD: BoxClass.SCOPE_BACKWARD,
    Phase.OPTIMIZER: BoxClass.SCOPE_OPTIMIZER,
    Phase.OTHER: BoxClass.SCOPE_OTHER,
}


def box_classes(view: VisibleGraph) -> ByteColumn:
    """Index into BOX_CLASSES of each box."""
    graph, kind = view.graph, view.kind
    found = np.full(len(kind), BoxClass.OTHER, dtype=np.uint8)
    nodes = kind == BoxKind.NODE
    ops = graph.nodes.op[view.ref[nodes]]
    distinct, inverse = np.unique(ops, return_inverse=True)
    by_op = np.array([op_class(graph.strings[op]) for op in distinct.tolist()], dtype=np.uint8)
    found[nodes] = by_op[inverse]
    by_phase = np.array([_SCOPES[phase] for phase in Phase], dtype=np.uint8)
    groups = BoxClass.GROUP_FORWARD - BoxClass.SCOPE_FORWARD
    for of_kind, offset in ((BoxKind.SCOPE, 0), (BoxKind.FOLD, 0), (BoxKind.GROUP, groups)):
        boxes = np.flatnonzero(kind == of_kind).astype(np.int32)
        found[boxes] = by_phase[box_phases(view, boxes)] + offset
    found[kind == BoxKind.INPUT] = BoxClass.INPUT
    found[kind == BoxKind.OUTPUT] = BoxClass.OUTPUT
    return found


def box_phases(view: VisibleGraph, boxes: IntColumn) -> ByteColumn:
    """The phase of each box's first node; OTHER where it stands for none, or where the file tells no phases."""
    phases = view.graph.nodes.phase
    if not has_phases(view.graph):
        return np.full(len(boxes), Phase.OTHER, dtype=np.uint8)
    first = view.first[boxes]
    inside = (first >= 0) & (first < len(phases))
    return np.where(inside, phases[np.where(inside, first, 0)] if len(phases) else Phase.OTHER, Phase.OTHER)


def has_phases(graph: Graph) -> bool:
    """Whether the graph tells phases apart: that of a static file is one phase throughout."""
    return bool(np.any(graph.nodes.phase != Phase.FORWARD))


def edge_classes(view: VisibleGraph) -> ByteColumn:
    """Index into EDGE_CLASSES of each edge."""
    graph = view.graph
    value = view.edge_value
    some = value != NONE
    kind = np.where(some, graph.values.kind[value], 0) if graph.value_count else np.zeros(len(value), np.uint8)
    producer = np.where(some, graph.values.producer[value], NONE) if graph.value_count else np.full(len(value), NONE)
    made_in = np.where(producer >= 0, graph.nodes.phase[producer], Phase.OTHER) if graph.node_count else kind
    read_in = box_phases(view, view.edge_target) if len(value) else kind
    found = np.full(len(value), EdgeClass.DATA, dtype=np.uint8)
    found[(made_in == Phase.FORWARD) & (read_in == Phase.BACKWARD)] = EdgeClass.SAVED
    found[(made_in == Phase.BACKWARD) | (kind == ValueKind.GRADIENT)] = EdgeClass.GRADIENT
    written = (kind == ValueKind.PARAMETER) | (kind == ValueKind.BUFFER) | (kind == ValueKind.OPTIMIZER_STATE)
    found[written & (producer >= 0)] = EdgeClass.UPDATE
    found[view.edge_kind == EdgeKind.CONTROL] = EdgeClass.CONTROL
    found[view.edge_kind == EdgeKind.THROUGH] = EdgeClass.THROUGH
    return found
