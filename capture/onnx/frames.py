"""One graph of the file under way: the model's own, a body or a function, with the names that are known in it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from graphreel.capture.onnx.naming import PlaceKey, parts_at
from graphreel.capture.onnx.order import in_execution_order
from graphreel.capture.onnx.schemas import Schemas
from graphreel.capture.onnx.tensors import value_type
from graphreel.graph import GraphBuilder, ScopeId, ValueId, ValueKind
from graphreel.graph.types import Dim

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, NodeProto

ValueType: TypeAlias = tuple[str, tuple[Dim, ...] | None]
UNTYPED: ValueType = ("", None)
UNDECLARED = "undeclared"
"""Attribute of a value that some node takes though nothing in the file gives it."""


@dataclass(eq=False)
class Frame:
    """What is known while the nodes of one graph are read.

    Attributes:
        outer: The graph around a body, whose names the body sees; None for the model's graph and for functions.
        values: The value that each name stands for just now.
        promised: Names that some node of this graph gives, perhaps later.
        pending: Those of them that were asked for before their node was read, which only cycles do.
        types: What the file says of names.
        exits: The values of the owner, each with the name that gives it inside.
        arguments: Attributes of the call, for a function's body.
        place: Names of the scopes that the owner stands in, which the names inside may repeat.
    """

    builder: GraphBuilder
    scope: ScopeId
    schemas: Schemas
    types: Mapping[str, ValueType]
    outer: "Frame | None" = None
    values: dict[str, ValueId] = field(default_factory=dict)
    promised: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)
    exits: list[tuple[ValueId, str]] = field(default_factory=list)
    arguments: "Mapping[str, AttributeProto]" = field(default_factory=dict)
    place: tuple[str, ...] = ()
    undeclared: int = 0
    nodes: "Iterator[NodeProto]" = field(default_factory=lambda: iter(()))
    _scopes: dict[PlaceKey, ScopeId] = field(default_factory=dict)
    _children: dict[tuple[ScopeId, str], ScopeId] = field(default_factory=dict)

    def set_nodes(self, nodes: "Iterable[NodeProto]") -> None:
        """The nodes to read, in the order in which they run."""
        listed = list(nodes)
        self.nodes = iter(in_execution_order(listed))
        self.promised = {name for node in listed for name in node.output if name}

    def attributes_of(self, node: "NodeProto") -> "Iterator[tuple[str, AttributeProto]]":
        """A node's attributes by name; those that stand for the function's own are what the call says, if anything."""
        for attribute in node.attribute:
            if not attribute.ref_attr_name:
                yield attribute.name, attribute
            elif attribute.ref_attr_name in self.arguments:
                yield attribute.name, self.arguments[attribute.ref_attr_name]

    def new_value(self, name: str, kind: ValueKind = ValueKind.ACTIVATION, **more: Any) -> ValueId:
        """A value of this name, with the type that the file gives it."""
        dtype, shape = self.types.get(name, UNTYPED)
        return self.builder.value(dtype, shape, name=name, kind=kind, **more)

    def declare(self, name: str, kind: ValueKind, **more: Any) -> ValueId:
        """A value that the graph begins with: an input or an initializer."""
        value = self.values[name] = self.new_value(name, kind, **more)
        return value

    def find(self, name: str) -> ValueId:
        """The value that a name stands for, here or in a graph around; it enters every body on the way.

        A name that nothing gives becomes a value without a producer, marked as undeclared.
        """
        value = self.values.get(name)
        if value is not None:
            return value
        crossed: list[Frame] = []
        at: Frame | None = self
        while at is not None and (value := at._own(name)) is None:
            crossed.append(at)
            at = at.outer
        if value is None:
            outermost = crossed.pop()
            value = outermost.declare(name, ValueKind.INPUT, attributes={UNDECLARED: True})
            outermost.undeclared += 1
        for frame in crossed:
            self.builder.enter(frame.scope, value, value)
            frame.values[name] = value
        return value

    def _own(self, name: str) -> ValueId | None:
        value = self.values.get(name)
        if value is None and name in self.promised:
            value = self.values[name] = self.new_value(name)
            self.pending.add(name)
        return value

    def give(self, name: str, node: int, port: int) -> ValueId:
        """The value that a node gives under a name, which from now on stands for it."""
        if name in self.pending:
            self.pending.discard(name)
            self.builder.produce(self.values[name], node, port)
            return self.values[name]
        value = self.new_value(name, producer=node, port=port)
        if name:
            self.values[name] = value
        return value

    def scope_at(self, key: PlaceKey) -> ScopeId:
        """The scope that a path leads to from here; made where it is new."""
        found = self._scopes.get(key)
        if found is not None:
            return found
        parts = parts_at(key)
        same = 0
        while same < min(len(parts), len(self.place)) and parts[same].name == self.place[same]:
            same += 1
        scope = self.scope
        for part in parts[same:]:
            child = scope, part.name
            if child not in self._children:
                self._children[child] = self.builder.scope(part.name, scope, part.kind, type=part.type)
            scope = self._children[child]
        self._scopes[key] = scope
        return scope


def graph_types(graph: "GraphProto") -> dict[str, ValueType]:
    """What a graph says of the types of its values."""
    found: dict[str, ValueType] = {}
    # Models have few distinct types, and telling two apart by their bytes is much quicker than reading them.
    known: dict[bytes, ValueType] = {}
    for infos in (graph.value_info, graph.output, graph.input):
        for info in infos:
            if info.HasField("type"):
                key = info.type.SerializeToString()
                if key not in known:
                    known[key] = value_type(info.type)
                found[info.name] = known[key]
    return found
