"""The tables of a graph: one NumPy column a property, one row a thing.

Strings are numbers into the graph's string table, other references are row numbers, and -1 says that there is none.
"""

from dataclasses import dataclass

from graphreel.graph.types import ByteColumn, DimColumn, IntColumn


@dataclass(frozen=True, slots=True, eq=False)
class NodeColumns:
    """One row a node, in execution order. `op` and `name` are string ids, `source` and `forward` may be -1."""

    op: IntColumn
    name: IntColumn
    scope: IntColumn
    phase: ByteColumn
    source: IntColumn
    forward: IntColumn
    """The forward node that a node of the backward phase belongs to."""


@dataclass(frozen=True, slots=True, eq=False)
class InputColumns:
    """One row an input, grouped by node: those of node i are rows `start[i]` to `start[i + 1]`."""

    start: IntColumn
    value: IntColumn
    name: IntColumn
    """String id of the argument's name (`weight`), or of the empty string."""
    access: ByteColumn


@dataclass(frozen=True, slots=True, eq=False)
class ValueColumns:
    """One row a value. `producer` is -1 for what enters the graph, `shape` is -1 where not even the rank is known."""

    producer: IntColumn
    port: IntColumn
    """How-many-th output of its producer."""
    name: IntColumn
    kind: ByteColumn
    dtype: IntColumn
    shape: IntColumn
    device: IntColumn
    storage: IntColumn
    """Values that share memory have the same number; -1 where unknown."""
    version: IntColumn
    """Counts the writes to the storage since the graph began."""
    base: IntColumn
    """The value that this one is a view of, or -1."""
    previous: IntColumn
    """The value that the same tensor was before a write made this one of it, or -1."""


@dataclass(frozen=True, slots=True, eq=False)
class ScopeColumns:
    """One row a scope; row 0 is the root, and a parent stands before its children."""

    parent: IntColumn
    name: IntColumn
    kind: ByteColumn
    type: IntColumn
    """String id of the class or function, such as `Linear`."""
    source: IntColumn
    owner: IntColumn
    """The node whose body this scope is (a loop, a branch, a call), or -1."""


@dataclass(frozen=True, slots=True, eq=False)
class BoundaryColumns:
    """How values enter and leave a scope that is a node's body: `outer` outside is `inner` inside."""

    scope: IntColumn
    outer: IntColumn
    inner: IntColumn
    direction: ByteColumn


@dataclass(frozen=True, slots=True, eq=False)
class ControlColumns:
    """Node `after` must run after node `before`, though no value says so."""

    before: IntColumn
    after: IntColumn


@dataclass(frozen=True, slots=True, eq=False)
class SourceColumns:
    """Lines of the user's program. `caller` is the row of the calling line, or -1."""

    file: IntColumn
    line: IntColumn
    function: IntColumn
    caller: IntColumn


@dataclass(frozen=True, slots=True, eq=False)
class ShapeColumns:
    """Distinct shapes: the dimensions of shape i are `dim[start[i]:start[i + 1]]`.

    A dimension of 0 or more is a size, -1 is unknown, and -2 - s is the symbol whose name is string s.
    """

    start: IntColumn
    dim: DimColumn


@dataclass(frozen=True, slots=True, eq=False)
class AttributeColumns:
    """Attributes grouped by owner. `key` and `text` are string ids; the text is a JSON value."""

    start: IntColumn
    key: IntColumn
    text: IntColumn
