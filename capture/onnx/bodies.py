"""Opens the bodies of control-flow operations and of functions, and says which outer value is which inner one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphreel.capture.onnx.attributes import Attribute
from graphreel.capture.onnx.frames import Frame, ValueType, graph_types
from graphreel.capture.onnx.initializers import declare_inputs
from graphreel.capture.onnx.overview import opset_versions
from graphreel.capture.onnx.schemas import operation_name
from graphreel.capture.onnx.tensors import value_type
from graphreel.graph import NodeId, ScopeId, ScopeKind, ValueId, ValueKind

if TYPE_CHECKING:
    from onnx import FunctionProto, GraphProto, NodeProto


@dataclass(frozen=True, slots=True)
class Owner:
    """A node that has a body: where it stands, what it gives, and what it is called there."""

    frame: Frame
    node: "NodeProto"
    row: NodeId
    scope: ScopeId
    outputs: list[ValueId]
    name: str
    place: tuple[str, ...]


def open_body(owner: Owner, name: str, graph: "GraphProto") -> Frame:
    """The frame of the body that an attribute `name` holds, with what enters it."""
    frame, node = owner.frame, owner.node
    bound = binding(node, graph)
    carried = {graph.output[given].name: graph.input[taken].name for given, taken in bound.carried}
    scope = frame.builder.scope(
        f"{owner.name}.{name}",
        owner.scope,
        bound.kind,
        owner=owner.row,
        attributes={"carried": carried} if carried else {},
    )
    inner = frame.inside(scope, graph_types(graph), owner.place, outer=frame)
    inner.arguments = frame.arguments
    declare_inputs(inner, graph, ValueKind.ACTIVATION)
    for taken, given in bound.entries:
        if node.input[taken]:
            frame.builder.enter(scope, frame.find(node.input[taken]), inner.values[graph.input[given].name])
    inner.set_nodes(graph.node)
    inner.exits = [
        (owner.outputs[at], graph.output[given].name) for at, given in bound.exits if at < len(owner.outputs)
    ]
    return inner


def open_function(owner: Owner, function: "FunctionProto") -> Frame:
    """The frame of a function's body for one call of it. It sees nothing of the graph around but its arguments."""
    frame, node = owner.frame, owner.node
    scope = frame.builder.scope(
        owner.name, owner.scope, ScopeKind.FUNCTION, type=operation_name(node.domain, node.op_type), owner=owner.row
    )
    types: dict[str, ValueType] = {}
    types.update((info.name, value_type(info.type)) for info in function.value_info if info.HasField("type"))
    schemas = frame.schemas.beside(opset_versions(function.opset_import))
    inner = frame.inside(scope, types, owner.place, schemas=schemas)
    inner.arguments = _arguments(function, node, frame)
    for position, parameter in enumerate(function.input):
        value = inner.declare(parameter, ValueKind.ACTIVATION)
        if position < len(node.input) and node.input[position]:
            frame.builder.enter(scope, frame.find(node.input[position]), value)
    inner.set_nodes(function.node)
    inner.exits = list(zip(owner.outputs, function.output, strict=False))
    return inner


def _arguments(function: "FunctionProto", node: "NodeProto", frame: Frame) -> dict[str, Attribute]:
    """What the call says of the function's attributes, else their defaults."""
    found = {default.name: default for default in frame.attributes.read(function.attribute_proto)}
    found.update(frame.told(frame.attributes.read(node.attribute)))
    return found


@dataclass(frozen=True, slots=True)
class Binding:
    """Positions that stand for one another across the border of a body.

    Attributes:
        entries: Pairs (input of the node, input of the body).
        exits: Pairs (output of the node, output of the body).
        carried: Pairs (output of the body, input of the body in the next round).
    """

    kind: ScopeKind
    entries: tuple[tuple[int, int], ...] = ()
    exits: tuple[tuple[int, int], ...] = ()
    carried: tuple[tuple[int, int], ...] = ()


def binding(node: "NodeProto", body: "GraphProto") -> Binding:
    """The binding of a node's body. Bodies of operations that onnx does not define are bound by position."""
    if node.op_type == "If":
        return Binding(ScopeKind.BRANCH, exits=_same(len(node.output), len(body.output)))
    if node.op_type == "Loop":
        return _loop(node, body)
    if node.op_type == "Scan":
        return _scan(node, body)
    kind = ScopeKind.LOOP_BODY if node.op_type == "SequenceMap" else ScopeKind.FUNCTION
    return Binding(kind, _same(len(node.input), len(body.input)), _same(len(node.output), len(body.output)))


def _loop(node: "NodeProto", body: "GraphProto") -> Binding:
    """The node takes (trips, condition, state …), the body (round, condition, state …) and gives (condition, …)."""
    states = max(0, len(body.input) - 2)
    entries = tuple((place, place) for place in range(1, min(len(node.input), len(body.input))))
    exits = tuple((place, place + 1) for place in range(min(len(node.output), len(body.output) - 1)))
    carried = tuple((place, place + 1) for place in range(min(states + 1, len(body.output))))
    return Binding(ScopeKind.LOOP_BODY, entries, exits, carried)


def _scan(node: "NodeProto", body: "GraphProto") -> Binding:
    """States first, then what is scanned, inside as outside; opset 8 puts the sequence lengths before them."""
    scanned = next((attribute.i for attribute in node.attribute if attribute.name == "num_scan_inputs"), 0)
    before = 1 if len(node.input) == len(body.input) + 1 else 0
    entries = tuple((place + before, place) for place in range(min(len(node.input) - before, len(body.input))))
    states = max(0, min(len(body.input) - scanned, len(body.output)))
    carried = tuple((place, place) for place in range(states))
    return Binding(ScopeKind.LOOP_BODY, entries, _same(len(node.output), len(body.output)), carried)


def _same(one: int, other: int) -> tuple[tuple[int, int], ...]:
    return tuple((place, place) for place in range(min(one, other)))
