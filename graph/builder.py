"""Builds a graph one row at a time, at a few microseconds a node.

Rows go into compact arrays, not objects: a half-built graph of 100,000 nodes costs what the finished one does.
"""

import json
from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
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
from graphreel.graph.errors import GraphError
from graphreel.graph.model import Graph
from graphreel.graph.types import (
    NONE,
    ROOT,
    Access,
    ByteColumn,
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


class StringTable:
    """Each distinct string once, numbered in order of first use; string 0 is the empty one."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {"": 0}

    def __call__(self, text: str) -> int:
        """The number of a string, given now if it is new."""
        found = self.index.get(text)
        if found is None:
            found = self.index[text] = len(self.index)
        return found


class _Attributes:
    """Attribute rows, in the order they were given."""

    def __init__(self, strings: StringTable) -> None:
        self.strings = strings
        self.owner, self.key, self.text = array("i"), array("i"), array("i")
        self.scalars: dict[tuple[type, int | str], int] = {}

    def add(self, owner: int, attributes: Mapping[str, Any]) -> None:
        for key, attribute in attributes.items():
            self.owner.append(owner)
            self.key.append(self.strings(key))
            kind = type(attribute)
            if kind is int or kind is str or kind is bool:
                # By type as well, since 1 and True are one key to a dict but not one text; so are 0.0 and -0.0.
                text = self.scalars.get((kind, attribute))
                if text is None:
                    text = self.scalars[kind, attribute] = self.strings(attribute_text(attribute))
            else:
                text = self.strings(attribute_text(attribute))
            self.text.append(text)

    def columns(self, owners: int) -> AttributeColumns:
        owner = _ints(self.owner)
        order = np.argsort(owner, kind="stable")
        start = np.searchsorted(owner[order], np.arange(owners + 1)).astype(np.int32)
        return AttributeColumns(start, _ints(self.key)[order], _ints(self.text)[order])


class GraphBuilder:
    """Appends nodes, values and scopes, then builds the immutable graph.

    Nodes are numbered in the order they are appended, which is the execution order.
    """

    def __init__(self, meta: Mapping[str, str] | None = None) -> None:
        self.meta = dict(meta or {})
        self.strings = StringTable()
        self._op, self._node_name, self._node_scope = array("i"), array("i"), array("i")
        self._phase, self._node_source, self._forward = array("B"), array("i"), array("i")
        self._input_node, self._input_value, self._input_name = array("i"), array("i"), array("i")
        self._input_access = array("B")
        self._producer, self._port, self._value_name = array("i"), array("i"), array("i")
        self._kind, self._dtype, self._shape = array("B"), array("i"), array("i")
        self._device, self._storage, self._version, self._base = array("i"), array("i"), array("i"), array("i")
        self._previous = array("i")
        self._scope_parent, self._scope_name, self._scope_type = array("i"), array("i"), array("i")
        self._scope_kind, self._scope_source, self._scope_owner = array("B"), array("i"), array("i")
        self._boundary: list[tuple[int, int, int, int]] = []
        self._control: list[tuple[int, int]] = []
        self._sources: dict[tuple[int, int, int, int], int] = {}
        self._shapes: dict[tuple[Dim, ...], int] = {}
        self._visits: dict[tuple[int, str], int] = {}
        self._opened: dict[tuple[int, str], ScopeId] = {}
        self._outputs: list[int] = []
        self._node_attributes = _Attributes(self.strings)
        self._value_attributes = _Attributes(self.strings)
        self._scope_attributes = _Attributes(self.strings)
        self._add_scope("", ROOT, ScopeKind.ROOT, "", NONE, NONE)

    @property
    def node_count(self) -> int:
        """How many nodes stand so far."""
        return len(self._op)

    def source(self, file: str, line: int, function: str = "", caller: int = NONE) -> SourceId:
        """The row of a source location, given now if it is new. `caller` is the row of the calling line."""
        key = (self.strings(file), line, self.strings(function), caller)
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
        scope = ScopeId(len(self._scope_parent))
        self._scope_parent.append(parent)
        self._scope_name.append(self.strings(name))
        self._scope_kind.append(kind)
        self._scope_type.append(self.strings(type))
        self._scope_source.append(source)
        self._scope_owner.append(owner)
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
        value = ValueId(len(self._producer))
        strings = self.strings
        self._producer.append(producer)
        self._port.append(port)
        self._value_name.append(strings(name))
        self._kind.append(kind)
        self._dtype.append(strings(dtype))
        self._shape.append(NONE if shape is None else self._shape_row(shape))
        self._device.append(strings(device))
        self._storage.append(storage)
        self._version.append(version)
        self._base.append(base)
        self._previous.append(previous)
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
        node = NodeId(len(self._op))
        strings = self.strings
        self._op.append(strings(op))
        self._node_name.append(strings(name))
        self._node_scope.append(scope)
        self._phase.append(phase)
        self._node_source.append(source)
        self._forward.append(forward)
        before = len(self._input_value)
        self._input_value.extend(inputs)
        count = len(self._input_value) - before
        self._input_node.extend(repeat(node, count))
        self._input_name.extend(map(strings, input_names) if input_names else repeat(0, count))
        self._input_access.extend(repeat(0, count))
        for position in writes:
            self._input_access[before + position] = 1
        if attributes:
            self._node_attributes.add(node, attributes)
        return node

    def add_input(self, node: int, value: int, name: str = "", access: Access = Access.READ) -> None:
        """Append one more input to a node that stands already: for graphs with cycles, or read out of order."""
        self._input_node.append(node)
        self._input_value.append(value)
        self._input_name.append(self.strings(name))
        self._input_access.append(access)

    def produce(self, value: int, producer: int, port: int = 0) -> None:
        """Name the producer of a value that stands already."""
        self._producer[value] = producer
        self._port[value] = port

    def set_forward(self, node: int, forward: int) -> None:
        """Name the forward node that a node of the backward phase belongs to."""
        self._forward[node] = forward

    def set_owner(self, scope: int, owner: int) -> None:
        """Name the node whose body a scope is."""
        self._scope_owner[scope] = owner

    def annotate(self, value: int, *, name: str | None = None, kind: ValueKind | None = None) -> None:
        """Say more of a value that stands already."""
        if name is not None:
            self._value_name[value] = self.strings(name)
        if kind is not None:
            self._kind[value] = kind

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
        nodes, values, scopes = len(self._op), len(self._producer), len(self._scope_parent)
        shapes = self._shape_columns()
        boundary, control = _rows(self._boundary, 4), _rows(self._control, 2)
        sources = _rows(list(self._sources), 4)
        node_attributes = self._node_attributes.columns(nodes)
        value_attributes = self._value_attributes.columns(values)
        scope_attributes = self._scope_attributes.columns(scopes)
        return Graph(
            strings=tuple(self.strings.index),
            nodes=NodeColumns(
                op=_ints(self._op),
                name=_ints(self._node_name),
                scope=_ints(self._node_scope),
                phase=_bytes(self._phase),
                source=_ints(self._node_source),
                forward=_ints(self._forward),
            ),
            inputs=self._input_columns(nodes),
            values=ValueColumns(
                producer=_ints(self._producer),
                port=_ints(self._port),
                name=_ints(self._value_name),
                kind=_bytes(self._kind),
                dtype=_ints(self._dtype),
                shape=_ints(self._shape),
                device=_ints(self._device),
                storage=_ints(self._storage),
                version=_ints(self._version),
                base=_ints(self._base),
                previous=_ints(self._previous),
            ),
            scopes=ScopeColumns(
                parent=_ints(self._scope_parent),
                name=_ints(self._scope_name),
                kind=_bytes(self._scope_kind),
                type=_ints(self._scope_type),
                source=_ints(self._scope_source),
                owner=_ints(self._scope_owner),
            ),
            boundaries=BoundaryColumns(boundary[0], boundary[1], boundary[2], boundary[3].astype(np.uint8)),
            controls=ControlColumns(control[0], control[1]),
            sources=SourceColumns(sources[0], sources[1], sources[2], sources[3]),
            shapes=shapes,
            node_attributes=node_attributes,
            value_attributes=value_attributes,
            scope_attributes=scope_attributes,
            outputs=np.array(self._outputs, dtype=np.int32),
            meta=self.meta,
        )

    def _input_columns(self, nodes: int) -> InputColumns:
        owner = _ints(self._input_node)
        columns = _ints(self._input_value), _ints(self._input_name), _bytes(self._input_access)
        if np.any(owner[1:] < owner[:-1]):
            order = np.argsort(owner, kind="stable")
            owner = owner[order]
            columns = columns[0][order], columns[1][order], columns[2][order]
        start = np.searchsorted(owner, np.arange(nodes + 1)).astype(np.int32)
        return InputColumns(start, *columns)

    def _shape_columns(self) -> ShapeColumns:
        start, dims = array("i", [0]), array("q")
        for shape in self._shapes:
            for dim in shape:
                dims.append(-1 if dim is None else -2 - self.strings(dim) if isinstance(dim, str) else dim)
            start.append(len(dims))
        found: DimColumn = np.frombuffer(dims, dtype=np.int64) if dims else np.zeros(0, np.int64)
        return ShapeColumns(_ints(start), found)


def _ints(rows: "array[int]") -> IntColumn:
    return np.frombuffer(rows, dtype=np.int32) if rows else np.zeros(0, np.int32)


def _bytes(rows: "array[int]") -> ByteColumn:
    return np.frombuffer(rows, dtype=np.uint8) if rows else np.zeros(0, np.uint8)


def _rows(rows: Sequence[tuple[int, ...]], width: int) -> list[IntColumn]:
    if not rows:
        return [np.zeros(0, np.int32) for _ in range(width)]
    return list(np.ascontiguousarray(np.array(rows, dtype=np.int32).T))


def attribute_text(attribute: Any) -> str:
    """An attribute as it stands among the strings of a graph."""
    # Not a number and the infinities are written as Python's json does, NaN and Infinity: attributes hold them.
    return json.dumps(attribute, ensure_ascii=False, separators=(", ", ": "))
