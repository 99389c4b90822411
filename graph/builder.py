"""Builds a graph one row at a time, at a few microseconds a node.

Rows go into compact arrays, not objects: a half-built graph of 100,000 nodes costs what the finished one does.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphreel.graph.columns import (
    BoundaryColumns,
    ControlColumns,
    InputColumns,
    NodeColumns,
    ScopeColumns,
    ShapeColumns,
    SourceColumns,
    ValueColumns,
)
from graphreel.graph.errors import GraphError
from graphreel.graph.model import Graph
from graphreel.graph.staging import FRESH, StagedAttributes, StagedRows, StringTable
from graphreel.graph.types import (
    NONE,
    ROOT,
    Access,
    Dim,
    DimColumn,
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


class GraphBuilder:
    """Appends nodes, values and scopes, then builds the immutable graph.

    Nodes are numbered in the order they are appended, which is the execution order.
    """

    def __init__(self, meta: Mapping[str, str] | None = None) -> None:
        self.meta = dict(meta or {})
        self.strings = StringTable()
        self._node_count, self._value_count, self._scope_count = 0, 0, 0
        self._nodes, self._values, self._scopes = StagedRows(7), StagedRows(11), StagedRows(6)
        self._input_value, self._input_name, self._late_inputs = StagedRows(1), StagedRows(1), StagedRows(4)
        self._written: list[int] = []
        self._boundary: list[tuple[int, int, int, int]] = []
        self._control: list[tuple[int, int]] = []
        self._sources: dict[tuple[int, int, int, int], int] = {}
        self._shapes: dict[tuple[Dim, ...], int] = {}
        self._visits: dict[tuple[int, str], int] = {}
        self._opened: dict[tuple[int, str], ScopeId] = {}
        self._outputs: list[int] = []
        self._node_attributes = StagedAttributes(self.strings)
        self._value_attributes = StagedAttributes(self.strings)
        self._scope_attributes = StagedAttributes(self.strings)
        self._add_scope("", ROOT, ScopeKind.ROOT, "", NONE, NONE)

    @property
    def node_count(self) -> int:
        """How many nodes stand so far."""
        return self._node_count

    def source(self, file: str, line: int, function: str = "", caller: int = NONE) -> SourceId:
        """The row of a source location, given now if it is new. `caller` is the row of the calling line."""
        key = (self.strings[file], line, self.strings[function], caller)
        return SourceId(self._sources.setdefault(key, len(self._sources)))

    def scope(
        self,
        name: str,
        parent: int = ROOT,
        kind: ScopeKind = ScopeKind.MODULE,
        *,
        type: str = "",
        source: int = NONE,
        owner: int = NONE,
        attributes: Mapping[str, Any] | None = None,
    ) -> ScopeId:
        """Open a scope. A further one of the same name beside it is named `name:2`, `name:3`, ….

        A `/` in the name becomes `∕` (U+2215), since `/` separates the parts of a path.
        """
        name = name.replace("/", "∕") or "scope"
        wanted, visit = name, self._visits.get((parent, name), 0) + 1
        while visit > 1 and (parent, f"{wanted}:{visit}") in self._visits:
            visit += 1
        self._visits[parent, wanted] = visit
        if visit > 1:
            name = f"{wanted}:{visit}"
            self._visits[parent, name] = 1
        scope = self._add_scope(name, parent, kind, type, source, owner)
        if attributes:
            self._scope_attributes.add(scope, attributes)
        return scope

    def scope_at(self, path: str) -> ScopeId:
        """The module scope at a path such as `layers/0`, opened now with those around it that are not open yet.

        It finds only what it opened itself; empty parts of the path are left out.
        """
        scope = ROOT
        for name in filter(None, path.split("/")):
            found = self._opened.get((scope, name))
            if found is None:
                found = self._opened[scope, name] = self.scope(name, scope)
            scope = found
        return scope

    def _add_scope(self, name: str, parent: int, kind: ScopeKind, type: str, source: int, owner: int) -> ScopeId:
        scope = ScopeId(self._scope_count)
        self._scope_count += 1
        self._scopes.fresh.extend((parent, self.strings[name], kind, self.strings[type], source, owner))
        if len(self._scopes.fresh) > FRESH:
            self._scopes.pack()
        return scope

    def value(
        self,
        dtype: str = "",
        shape: Sequence[Dim] | None = None,
        *,
        producer: int = NONE,
        port: int = 0,
        name: str = "",
        kind: ValueKind = ValueKind.ACTIVATION,
        device: str = "",
        storage: int = NONE,
        version: int = 0,
        base: int = NONE,
        previous: int = NONE,
        attributes: Mapping[str, Any] | None = None,
    ) -> ValueId:
        """Append a value. Without a producer it enters the graph from outside, or `produce` names one later."""
        value = ValueId(self._value_count)
        self._value_count += 1
        strings = self.strings
        fresh = self._values.fresh
        fresh.extend(
            (
                producer,
                port,
                strings[name],
                kind,
                strings[dtype],
                NONE if shape is None else self._shape_row(shape),
                strings[device] if device else 0,
                storage,
                version,
                base,
                previous,
            )
        )
        if len(fresh) > FRESH:
            self._values.pack()
        if attributes:
            self._value_attributes.add(value, attributes)
        return value

    def _shape_row(self, shape: Sequence[Dim]) -> int:
        key = tuple(shape)
        found = self._shapes.get(key)
        if found is None:
            if any(isinstance(dim, int) and dim < 0 for dim in key):
                raise GraphError(f"a dimension is a size, a name or None, never negative: {list(key)}")
            found = self._shapes[key] = len(self._shapes)
        return found

    def node(
        self,
        op: str,
        inputs: Iterable[int] = (),
        *,
        scope: int = ROOT,
        phase: Phase = Phase.FORWARD,
        source: int = NONE,
        name: str = "",
        forward: int = NONE,
        input_names: Sequence[str] | None = None,
        writes: Sequence[int] = (),
        attributes: Mapping[str, Any] | None = None,
    ) -> NodeId:
        """Append a node that takes the values `inputs`; `writes` names the positions it writes in place."""
        node = NodeId(self._node_count)
        self._node_count += 1
        strings = self.strings
        taken = self._input_value.fresh
        before = len(taken)
        taken.extend(inputs)
        count = len(taken) - before
        self._input_name.fresh.extend([strings[each] for each in input_names] if input_names else (0,) * count)
        fresh = self._nodes.fresh
        fresh.extend((strings[op], strings[name], scope, phase, source, forward, count))
        if writes:
            first = len(self._input_value) - count
            self._written.extend(range(first, first + count)[position] for position in writes)
        if len(fresh) > FRESH:
            for rows in (self._nodes, self._input_value, self._input_name):
                rows.pack()
        if attributes:
            self._node_attributes.add(node, attributes)
        return node

    def add_input(self, node: int, value: int, name: str = "", access: Access = Access.READ) -> None:
        """Append one more input to a node that stands already: for graphs with cycles, or read out of order."""
        self._late_inputs.fresh.extend((node, value, self.strings[name], access))

    def produce(self, value: int, producer: int, port: int = 0) -> None:
        """Name the producer of a value that stands already."""
        self._values.set(value, 0, producer)
        self._values.set(value, 1, port)

    def set_forward(self, node: int, forward: int) -> None:
        """Name the forward node that a node of the backward phase belongs to."""
        self._nodes.set(node, 5, forward)

    def set_owner(self, scope: int, owner: int) -> None:
        """Name the node whose body a scope is."""
        self._scopes.set(scope, 5, owner)

    def annotate(self, value: int, *, name: str | None = None, kind: ValueKind | None = None) -> None:
        """Say more of a value that stands already."""
        if name is not None:
            self._values.set(value, 2, self.strings[name])
        if kind is not None:
            self._values.set(value, 3, kind)

    def enter(self, scope: int, outer: int, inner: int) -> None:
        """Say that the value `outer` enters the body `scope` as `inner`."""
        self._boundary.append((scope, outer, inner, Direction.ENTER))

    def leave(self, scope: int, outer: int, inner: int) -> None:
        """Say that the value `inner` leaves the body `scope` as `outer`."""
        self._boundary.append((scope, outer, inner, Direction.LEAVE))

    def control(self, before: int, after: int) -> None:
        """Say that node `after` must run after node `before`, though no value says so."""
        self._control.append((before, after))

    def output(self, value: int) -> None:
        """Say that the graph as a whole gives this value back."""
        self._outputs.append(value)

    def build(self) -> Graph:
        """The finished graph. The builder must not be used after."""
        shapes = self._shape_columns()
        op, name, scope, phase, source, forward, count = self._nodes.columns()
        nodes = NodeColumns(op, name, scope, phase.astype(np.uint8), source, forward)
        producer, port, name, kind, *others = self._values.columns()
        values = ValueColumns(producer, port, name, kind.astype(np.uint8), *others)
        parent, name, kind, *others = self._scopes.columns()
        scopes = ScopeColumns(parent, name, kind.astype(np.uint8), *others)
        body, outer, inner, direction = _columns(self._boundary, 4)
        return Graph(
            strings=tuple(self.strings),
            nodes=nodes,
            inputs=self._input_columns(count),
            values=values,
            scopes=scopes,
            boundaries=BoundaryColumns(body, outer, inner, direction.astype(np.uint8)),
            controls=ControlColumns(*_columns(self._control, 2)),
            sources=SourceColumns(*_columns(list(self._sources), 4)),
            shapes=shapes,
            node_attributes=self._node_attributes.columns(self._node_count),
            value_attributes=self._value_attributes.columns(self._value_count),
            scope_attributes=self._scope_attributes.columns(self._scope_count),
            outputs=np.array(self._outputs, dtype=np.int32),
            meta=self.meta,
        )

    def _input_columns(self, counts: IntColumn) -> InputColumns:
        (value,), (name,) = self._input_value.columns(), self._input_name.columns()
        access = np.zeros(len(value), np.uint8)
        access[self._written] = Access.WRITE
        late, *late_columns = self._late_inputs.columns()
        if len(late):
            order = np.argsort(np.concatenate([np.repeat(np.arange(len(counts)), counts), late]), kind="stable")
            late_value, late_name, late_access = late_columns
            value = np.concatenate([value, late_value])[order]
            name = np.concatenate([name, late_name])[order]
            access = np.concatenate([access, late_access.astype(np.uint8)])[order]
            counts = counts + np.bincount(late, minlength=len(counts))
        start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return InputColumns(start, value, name, access)

    def _shape_columns(self) -> ShapeColumns:
        start, dims = array("i", [0]), array("q")
        for shape in self._shapes:
            for dim in shape:
                dims.append(-1 if dim is None else -2 - self.strings[dim] if isinstance(dim, str) else dim)
            start.append(len(dims))
        found: DimColumn = np.frombuffer(dims, dtype=np.int64) if dims else np.zeros(0, np.int64)
        return ShapeColumns(np.frombuffer(start, dtype=np.int32), found)


def _columns(rows: Sequence[tuple[int, ...]], width: int) -> list[IntColumn]:
    if not rows:
        return [np.zeros(0, np.int32) for _ in range(width)]
    return list(np.ascontiguousarray(np.array(rows, dtype=np.int32).T))
