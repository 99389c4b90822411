"""The graph model: nodes, values and scopes of one pass or one file, as columns.

Nothing here imports a framework, Qt or the trace file: a graph is readable where none of them is installed.

A graph is immutable. Everything is a NumPy column over an interned string table; `Node`, `Value` and `Scope` are
views made on demand. Nodes stand in execution order. Every value has at most one producer: an in-place write gives a
new value with the same storage, a higher version and a `previous`, a view gives a value with the same storage and a
`base`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np

from graphreel.graph.columns import (
    AttributeColumns,
    BoundaryColumns,
    ControlColumns,
    InputColumns,
    NodeColumns,
    ScopeColumns,
    ShapeColumns,
    SourceColumns,
    ValueColumns,
)
from graphreel.graph.paths import scope_paths
from graphreel.graph.types import (
    NONE,
    ROOT,
    Access,
    Dim,
    Direction,
    IntColumn,
    NodeId,
    Phase,
    ScopeId,
    ScopeKind,
    SourceId,
    ValueId,
    ValueKind,
)


@dataclass(frozen=True, slots=True)
class Source:
    """A line of the user's program."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes, values and scopes of one pass or one file.

    Attributes:
        strings: The interned strings; string 0 is the empty string.
        outputs: Ids of the values that the graph as a whole gives back.
        meta: What is known of the graph as a whole, such as `framework` or `producer`.
    """

    strings: tuple[str, ...]
    nodes: NodeColumns
    inputs: InputColumns
    values: ValueColumns
    scopes: ScopeColumns
    boundaries: BoundaryColumns
    controls: ControlColumns
    sources: SourceColumns
    shapes: ShapeColumns
    node_attributes: AttributeColumns
    value_attributes: AttributeColumns
    scope_attributes: AttributeColumns
    outputs: IntColumn
    meta: Mapping[str, str] = field(default_factory=dict)

    @property
    def node_count(self) -> int:
        """How many nodes there are."""
        return len(self.nodes.op)

    @property
    def value_count(self) -> int:
        """How many values there are."""
        return len(self.values.producer)

    @property
    def scope_count(self) -> int:
        """How many scopes there are, the root included."""
        return len(self.scopes.parent)

    @property
    def nbytes(self) -> int:
        """Bytes held by the columns and strings."""
        columns = sum(column.nbytes for table in self.tables().values() for column in table.values())
        return columns + self.outputs.nbytes + sum(49 + 8 + len(text.encode()) for text in self.strings)

    def tables(self) -> dict[str, dict[str, np.ndarray[Any, Any]]]:
        """Every table's columns by name: `tables()["nodes"]["op"]`."""
        found: dict[str, dict[str, np.ndarray[Any, Any]]] = {}
        for entry in fields(self):
            table = getattr(self, entry.name)
            if hasattr(table, "__dataclass_fields__"):
                found[entry.name] = {column.name: getattr(table, column.name) for column in fields(table)}
        return found

    def node(self, node: int) -> "Node":
        """The view of a node; IndexError where there is none."""
        return Node(self, NodeId(_checked(node, self.node_count, "node")))

    def value(self, value: int) -> "Value":
        """The view of a value; IndexError where there is none."""
        return Value(self, ValueId(_checked(value, self.value_count, "value")))

    def scope(self, scope: int) -> "Scope":
        """The view of a scope; IndexError where there is none."""
        return Scope(self, ScopeId(_checked(scope, self.scope_count, "scope")))

    def source(self, source: int) -> Source | None:
        """A source location by its row, or None for -1."""
        if source < 0:
            return None
        table = self.sources
        return Source(self.strings[table.file[source]], int(table.line[source]), self.strings[table.function[source]])

    def stack(self, source: int) -> list[Source]:
        """The source location and the lines that called it, innermost first."""
        found: list[Source] = []
        while (location := self.source(source)) is not None:
            found.append(location)
            source = int(self.sources.caller[source])
        return found

    def shape(self, shape: int) -> tuple[Dim, ...] | None:
        """A shape by its row, or None where not even the rank is known."""
        if shape < 0:
            return None
        row = self.shapes.dim[self.shapes.start[shape] : self.shapes.start[shape + 1]]
        return tuple(int(d) if d >= 0 else None if d == -1 else self.strings[-2 - d] for d in row)

    @cached_property
    def _produced(self) -> tuple[IntColumn, IntColumn]:
        """Values by producer: those of node i are `order[start[i]:start[i + 1]]`, by port."""
        values = self.values
        order = np.lexsort((values.port, values.producer)).astype(np.int32)
        start = np.searchsorted(values.producer[order], np.arange(self.node_count + 1)).astype(np.int32)
        return start, order

    @cached_property
    def _consumed(self) -> tuple[IntColumn, IntColumn]:
        """Consumers by value: those of value v are `nodes[start[v]:start[v + 1]]`, in execution order."""
        counts = np.diff(self.inputs.start)
        owner = np.repeat(np.arange(self.node_count, dtype=np.int32), counts)
        order = np.argsort(self.inputs.value, kind="stable")
        start = np.searchsorted(self.inputs.value[order], np.arange(self.value_count + 1)).astype(np.int32)
        return start, owner[order]

    @cached_property
    def _paths(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return scope_paths(self.scopes, self.strings)

    @property
    def paths(self) -> tuple[str, ...]:
        """The path of each scope: names from the root down, joined by `/`, detected scopes only in their own."""
        return self._paths[0]

    @property
    def told_paths(self) -> tuple[str, ...]:
        """The path of each scope as the source tells it; for a detected scope that of what it is in."""
        return self._paths[1]

    def inputs_of(self, node: int) -> IntColumn:
        """Ids of the values that a node takes, by position."""
        return self.inputs.value[self.inputs.start[node] : self.inputs.start[node + 1]]

    def outputs_of(self, node: int) -> IntColumn:
        """Ids of the values that a node gives, by port."""
        start, order = self._produced
        return order[start[node] : start[node + 1]]

    def consumers_of(self, value: int) -> IntColumn:
        """Ids of the nodes that take a value, in execution order, once per input that takes it."""
        start, nodes = self._consumed
        return nodes[start[value] : start[value + 1]]

    def attributes_of(self, table: AttributeColumns, owner: int) -> dict[str, Any]:
        """The decoded attributes of one node, value or scope."""
        rows = range(table.start[owner], table.start[owner + 1])
        return {self.strings[table.key[row]]: json.loads(self.strings[table.text[row]]) for row in rows}


def _checked(index: int, count: int, what: str) -> int:
    if not 0 <= index < count:
        raise IndexError(f"there is no {what} {index}; this graph has {count}, numbered from 0")
    return int(index)


@dataclass(frozen=True, slots=True)
class Node:
    """A view of one executed or declared operation."""

    graph: Graph
    id: NodeId

    @property
    def op(self) -> str:
        """The operation in the framework's own spelling, such as `aten.addmm.default`."""
        return self.graph.strings[int(self.graph.nodes.op[self.id])]

    @property
    def name(self) -> str:
        """The node's own name where its file gives one, else empty."""
        return self.graph.strings[int(self.graph.nodes.name[self.id])]

    @property
    def scope(self) -> "Scope":
        """The innermost scope that the node stands in."""
        return Scope(self.graph, ScopeId(int(self.graph.nodes.scope[self.id])))

    @property
    def phase(self) -> Phase:
        """Forward, backward, optimizer or other."""
        return Phase(int(self.graph.nodes.phase[self.id]))

    @property
    def source(self) -> Source | None:
        """The line of the user's program that ran the node."""
        return self.graph.source(int(self.graph.nodes.source[self.id]))

    @property
    def stack(self) -> list[Source]:
        """The user's lines that led to the node, innermost first."""
        return self.graph.stack(int(self.graph.nodes.source[self.id]))

    @property
    def forward(self) -> "Node | None":
        """The forward node that this node of the backward phase belongs to."""
        forward = int(self.graph.nodes.forward[self.id])
        return None if forward == NONE else Node(self.graph, NodeId(forward))

    @property
    def inputs(self) -> list["Value"]:
        """The values taken, by position."""
        return [Value(self.graph, ValueId(int(v))) for v in self.graph.inputs_of(self.id)]

    @property
    def input_names(self) -> list[str]:
        """The arguments' names, by position; empty where the source gives none."""
        table = self.graph.inputs
        return [self.graph.strings[s] for s in table.name[table.start[self.id] : table.start[self.id + 1]]]

    @property
    def accesses(self) -> list[Access]:
        """What the node does with each input, by position."""
        table = self.graph.inputs
        return [Access(int(a)) for a in table.access[table.start[self.id] : table.start[self.id + 1]]]

    @property
    def outputs(self) -> list["Value"]:
        """The values given, by port."""
        return [Value(self.graph, ValueId(int(v))) for v in self.graph.outputs_of(self.id)]

    @property
    def attributes(self) -> dict[str, Any]:
        """The decoded attributes: plain JSON data."""
        return self.graph.attributes_of(self.graph.node_attributes, self.id)


@dataclass(frozen=True, slots=True)
class Value:
    """A view of one tensor between nodes."""

    graph: Graph
    id: ValueId

    def _other(self, column: IntColumn) -> "Value | None":
        return None if column[self.id] == NONE else Value(self.graph, ValueId(int(column[self.id])))

    def _text(self, column: IntColumn) -> str:
        return self.graph.strings[int(column[self.id])]

    @property
    def name(self) -> str:
        """The value's own name where one is known (`layers.0.weight`), else empty."""
        return self._text(self.graph.values.name)

    @property
    def kind(self) -> ValueKind:
        """Input, parameter, buffer, constant, activation, gradient or optimizer state."""
        return ValueKind(int(self.graph.values.kind[self.id]))

    @property
    def dtype(self) -> str:
        """The element type, such as `float32`; empty where unknown."""
        return self._text(self.graph.values.dtype)

    @property
    def shape(self) -> tuple[Dim, ...] | None:
        """The dimensions; None where not even the rank is known."""
        return self.graph.shape(int(self.graph.values.shape[self.id]))

    @property
    def device(self) -> str:
        """Where it lives, such as `cuda:0`; empty where unknown."""
        return self._text(self.graph.values.device)

    @property
    def storage(self) -> int:
        """The number of the memory it lives in; -1 where unknown."""
        return int(self.graph.values.storage[self.id])

    @property
    def version(self) -> int:
        """How many writes its storage had seen since the graph began."""
        return int(self.graph.values.version[self.id])

    @property
    def base(self) -> "Value | None":
        """The value that this one is a view of."""
        return self._other(self.graph.values.base)

    @property
    def previous(self) -> "Value | None":
        """The value that the same tensor was before a write made this one of it."""
        return self._other(self.graph.values.previous)

    @property
    def producer(self) -> Node | None:
        """The node that made it; None for what enters the graph."""
        producer = int(self.graph.values.producer[self.id])
        return None if producer == NONE else Node(self.graph, NodeId(producer))

    @property
    def port(self) -> int:
        """How-many-th output of its producer it is."""
        return int(self.graph.values.port[self.id])

    @property
    def consumers(self) -> list[Node]:
        """The nodes that take it, in execution order."""
        return [Node(self.graph, NodeId(int(n))) for n in self.graph.consumers_of(self.id)]

    @property
    def attributes(self) -> dict[str, Any]:
        """The decoded attributes: plain JSON data."""
        return self.graph.attributes_of(self.graph.value_attributes, self.id)

    @property
    def type_text(self) -> str:
        """Type and shape as people write them: `float32[8, 16]`, `int64[batch, ?]`, `float32[…]`."""
        shape = self.shape
        if shape is None:
            return f"{self.dtype or 'tensor'}[…]"
        return f"{self.dtype or 'tensor'}[{', '.join('?' if d is None else str(d) for d in shape)}]"


@dataclass(frozen=True, slots=True)
class Scope:
    """A view of one group in the hierarchy."""

    graph: Graph
    id: ScopeId

    @property
    def name(self) -> str:
        """The last part of the path; empty for the root."""
        return self.graph.strings[int(self.graph.scopes.name[self.id])]

    @property
    def path(self) -> str:
        """The names from the root down, joined by `/`."""
        return self.graph.paths[self.id]

    @property
    def kind(self) -> ScopeKind:
        """Module, name scope, function, branch, loop body, …."""
        return ScopeKind(int(self.graph.scopes.kind[self.id]))

    @property
    def type(self) -> str:
        """The class or function, such as `Linear`; empty where unknown."""
        return self.graph.strings[int(self.graph.scopes.type[self.id])]

    @property
    def parent(self) -> "Scope | None":
        """The scope around it; None for the root."""
        return None if self.id == ROOT else Scope(self.graph, ScopeId(int(self.graph.scopes.parent[self.id])))

    @property
    def lineage(self) -> list[ScopeId]:
        """The scope and those around it, innermost first, the root left out."""
        found: list[ScopeId] = []
        at = self.id
        while at != ROOT:
            found.append(at)
            at = ScopeId(int(self.graph.scopes.parent[at]))
        return found

    @property
    def children(self) -> list["Scope"]:
        """The scopes directly inside it."""
        rows = np.flatnonzero(self.graph.scopes.parent == self.id)
        return [Scope(self.graph, ScopeId(int(row))) for row in rows]

    @property
    def source(self) -> Source | None:
        """Where the scope is defined or called."""
        return self.graph.source(int(self.graph.scopes.source[self.id]))

    @property
    def owner(self) -> Node | None:
        """The node whose body this scope is."""
        owner = int(self.graph.scopes.owner[self.id])
        return None if owner == NONE else Node(self.graph, NodeId(owner))

    @property
    def attributes(self) -> dict[str, Any]:
        """The decoded attributes: plain JSON data."""
        return self.graph.attributes_of(self.graph.scope_attributes, self.id)

    @property
    def entries(self) -> list[tuple[Value, Value]]:
        """Pairs (outer, inner) of values that enter a body."""
        return self._boundary(Direction.ENTER)

    @property
    def exits(self) -> list[tuple[Value, Value]]:
        """Pairs (outer, inner) of values that leave a body."""
        return self._boundary(Direction.LEAVE)

    def _boundary(self, direction: Direction) -> list[tuple[Value, Value]]:
        table = self.graph.boundaries
        rows = np.flatnonzero((table.scope == self.id) & (table.direction == direction))
        return [
            (Value(self.graph, ValueId(int(table.outer[r]))), Value(self.graph, ValueId(int(table.inner[r]))))
            for r in rows
        ]


def walk(graph: Graph) -> Iterator[Node]:
    """The nodes in execution order."""
    return (Node(graph, NodeId(i)) for i in range(graph.node_count))


def source_files(graph: Graph) -> Sequence[str]:
    """The files that source locations point at, each once, sorted."""
    return sorted({graph.strings[s] for s in np.unique(graph.sources.file).tolist()})


__all__ = ["Graph", "Node", "Scope", "Source", "SourceId", "Value", "source_files", "walk"]
