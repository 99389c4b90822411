"""One graph of the file under way: the model's own, a body or a function, with the names that are known in it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from graphreel.capture.onnx.attributes import Attribute, Attributes
from graphreel.capture.onnx.entries import Entry, read_entries
from graphreel.capture.onnx.naming import PlaceKey, parts_at, place_key
from graphreel.capture.onnx.schemas import Operation, Schemas
from graphreel.capture.onnx.tensors import value_type
from graphreel.graph import GraphBuilder, ScopeId, ValueId, ValueKind
from graphreel.graph.types import Dim

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

ValueType: TypeAlias = tuple[str, tuple[Dim, ...] | None]
UNTYPED: ValueType = ("", None)
UNDECLARED = "undeclared"
"""Attribute of a value that some node takes though nothing in the file gives it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node stands: the scope, and what told of it."""

    scope: ScopeId
    key: PlaceKey


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
        nodes: Its nodes as they stand in the file.
        entries: The nodes yet to be read, in the order in which they run.
    """

    builder: GraphBuilder
    scope: ScopeId
    schemas: Schemas
    types: Mapping[str, ValueType]
    attributes: Attributes
    outer: "Frame | None" = None
    values: dict[str, ValueId] = field(default_factory=dict)
    promised: set[str] = field(default_factory=set)
    pending: set[str] = field(default_factory=set)
    exits: list[tuple[ValueId, str]] = field(default_factory=list)
    arguments: Mapping[str, Attribute] = field(default_factory=dict)
    place: tuple[str, ...] = ()
    undeclared: int = 0
    nodes: "Sequence[NodeProto]" = ()
    entries: Iterator[Entry] = field(default_factory=lambda: iter(()))
    _places: dict[PlaceKey, Place] = field(default_factory=dict)
    _places_above: dict[str, Place] = field(default_factory=dict)
    _children: dict[tuple[ScopeId, str], ScopeId] = field(default_factory=dict)

    def inside(
        self,
        scope: ScopeId,
        types: Mapping[str, ValueType],
        place: tuple[str, ...],
        *,
        schemas: Schemas | None = None,
        outer: "Frame | None" = None,
    ) -> "Frame":
        """The frame of a body or function that one of these nodes has."""
        return Frame(self.builder, scope, schemas or self.schemas, types, self.attributes, outer, place=place)

    def set_nodes(self, nodes: "Sequence[NodeProto]") -> None:
        """The nodes to read."""
        found = read_entries(nodes, self.attributes)
        self.nodes, self.entries = found.nodes, iter(found.ordered)
        self.promised = found.given

    def told(self, attributes: Sequence[Attribute]) -> list[tuple[str, Attribute]]:
        """A node's attributes by name; those that stand for the function's own are what the call says, if anything."""
        found = ((each.name, self.arguments.get(each.refers) if each.refers else each) for each in attributes)
        return [(name, attribute) for name, attribute in found if attribute is not None]

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

    def take(self, names: Sequence[str], operation: Operation) -> tuple[list[ValueId], Sequence[str]]:
        """The values of an operation's inputs and what it calls them; inputs that are left out are skipped."""
        arguments = operation.input_names(len(names))
        if "" in names:
            arguments = tuple([argument for argument, name in zip(arguments, names, strict=True) if name])
            names = [name for name in names if name]
        try:
            values = self.values
            return [values[name] for name in names], arguments
        except KeyError:
            return [self.find(name) for name in names], arguments

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
        dtype, shape = self.types.get(name, UNTYPED)
        value = self.builder.value(dtype, shape, name=name, producer=node, port=port)
        if name:
            self.values[name] = value
        return value

    def place_of(self, name: str, told: Mapping[str, str], *, modules: bool) -> Place:
        """The place that a node's metadata tells, else its name; its scopes are made where they are new.

        `modules` says what names that begin with `/` are, see place_key.
        """
        # What stands before the last slash decides, and many nodes have it in common.
        above, slash, _ = name.rpartition("/")
        found = self._places_above.get(above) if slash and not told else None
        if found is not None:
            return found
        key = place_key(name, told, modules)[0]
        found = self._places.get(key)
        if found is None:
            found = self._places[key] = Place(self._scope_at(key), key)
        if slash and not told:
            self._places_above[above] = found
        return found

    def _scope_at(self, key: PlaceKey) -> ScopeId:
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
        return scope


def graph_types(graph: "GraphProto") -> dict[str, ValueType]:
    """What a graph says of the types of its values."""
    found: dict[str, ValueType] = {}
    # Models have few distinct types, and telling two apart by their bytes is much quicker than reading them.
    known: dict[bytes, ValueType] = {}
    for infos in (graph.value_info, graph.output, graph.input):
        for info in infos:
            key = info.type.SerializeToString()
            if key or info.HasField("type"):
                if key not in known:
                    known[key] = value_type(info.type)
                found[info.name] = known[key]
    return found
