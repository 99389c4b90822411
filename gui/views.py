"""What the session tells its views, and the small values it tells it with."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, TypeAlias

import numpy.typing as npt

from graphreel.analysis import Cursor, node_of_pass, node_of_view
from graphreel.analysis.arrays import Histogram
from graphreel.analysis.stepping import same_node
from graphreel.graph import Graph, NodeId, Scope, ScopeId, ValueId, node_keys
from graphreel.tracefile import Iteration, Trace
from graphreel.tracefile.extras import Finding, Kernels


class What(Enum):
    """What kind of thing is selected."""

    NOTHING = "nothing"
    NODE = "node"
    SCOPE = "scope"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Selection:
    """The node, scope or value that is selected everywhere, or nothing; and what is selected besides.

    Views that show one thing show the primary one. Of several things each is a node or a scope.

    Attributes:
        what, id: The primary one.
        nodes, scopes: The others.
    """

    what: What = What.NOTHING
    id: int = -1
    nodes: frozenset[int] = frozenset()
    scopes: frozenset[int] = frozenset()

    @classmethod
    def of_node(cls, node: int) -> "Selection":
        """This node."""
        return cls(What.NODE, NodeId(int(node)))

    @classmethod
    def of_scope(cls, scope: int) -> "Selection":
        """This scope."""
        return cls(What.SCOPE, ScopeId(int(scope)))

    @classmethod
    def of_value(cls, value: int) -> "Selection":
        """This value."""
        return cls(What.VALUE, ValueId(int(value)))

    @classmethod
    def of(cls, nodes: Iterable[int], scopes: Iterable[int] = (), primary: "Selection | None" = None) -> "Selection":
        """All of these; `primary` is the primary one if it is among them, else the first node or scope is."""
        every, around = frozenset(nodes), frozenset(scopes)
        if not (every or around):
            return cls()
        first = cls() if primary is None or primary.what is What.VALUE else primary.primary
        if not (first and first.every_node <= every and first.every_scope <= around):
            first = cls.of_node(min(every)) if every else cls.of_scope(min(around))
        return cls(first.what, first.id, every - first.every_node, around - first.every_scope)

    @property
    def primary(self) -> "Selection":
        """The primary one alone."""
        return Selection(self.what, self.id)

    @property
    def every_node(self) -> frozenset[int]:
        """All nodes that are selected."""
        return self.nodes | {self.id} if self.what is What.NODE else self.nodes

    @property
    def every_scope(self) -> frozenset[int]:
        """All scopes that are selected."""
        return self.scopes | {self.id} if self.what is What.SCOPE else self.scopes

    @property
    def is_several(self) -> bool:
        """Whether more than one thing is selected."""
        return bool(self.nodes or self.scopes)

    def toggled(self, other: "Selection") -> "Selection":
        """With the other's nodes and scopes besides, and it the primary one; without them if all were selected."""
        nodes, scopes = self.every_node, self.every_scope
        if other.every_node <= nodes and other.every_scope <= scopes:
            return Selection.of(nodes - other.every_node, scopes - other.every_scope, self)
        return Selection.of(nodes | other.every_node, scopes | other.every_scope, other)

    def __bool__(self) -> bool:
        return self.what is not What.NOTHING


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """The iteration on screen, with all that was read of it.

    Attributes:
        graph: The graph of the pass, or of the view of it that is on screen.
        columns, value_columns: One number per node, and per value, of `graph`.
        view: Which view of the pass is on screen; empty for the pass itself.
        views: The views that there are.
        has_keyframe: Whether values can be had by executing the iteration again.
        kept: The values that the trace holds whole.
    """

    iteration: Iteration
    graph: Graph
    columns: Mapping[str, npt.NDArray[Any]]
    value_columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    kernels: Kernels | None = None
    findings: Sequence[Finding] = ()
    view: str = ""
    views: Sequence[str] = ()
    has_keyframe: bool = False
    kept: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is shown of a whole value: how its elements are spread, and the first of them, as texts.

    `whole` is whether `cells` are all there are; `executed` is whether the iteration was executed again for it.
    """

    histogram: Histogram
    cells: tuple[tuple[str, ...], ...]
    whole: bool
    shape: tuple[int, ...]
    executed: bool


Known: TypeAlias = Numbers | str | None
"""What is known of a value that was asked for: its numbers, why they cannot be had, or None while they are fetched."""


def linked(node: NodeId, old: Shown, new: Shown) -> NodeId | None:
    """What a node of one graph is in another: by key, or by link where they are different views of a pass."""
    if old.view == new.view:
        return same_node(node, old.graph, new.graph)
    if old.view:
        found = node_of_pass(node, old.graph)
        return found if found is None or found < new.graph.node_count else None
    return node_of_view(node, new.graph)


class TraceView(Protocol):
    """What a view hears from the session. It asks the session for the rest, and never another view."""

    def trace_opened(self, trace: Trace) -> None:
        """A trace is there; its first iteration follows, if it has any."""
        ...

    def trace_closed(self) -> None:
        """Nothing is open any more."""
        ...

    def iteration_shown(self, shown: Shown) -> None:
        """Another iteration is on screen. Selection and cursor follow."""
        ...

    def selection_changed(self, selection: Selection) -> None:
        """Something else is selected, or nothing."""
        ...

    def cursor_moved(self, cursor: Cursor) -> None:
        """Stepping stands elsewhere."""
        ...


def paths_around(scope: Scope) -> list[str]:
    """The path of a scope, and of those around it."""
    return [scope.graph.paths[each] for each in scope.lineage]


def carried_selection(selection: Selection, old: Shown | None, shown: Shown) -> Selection:
    """What was selected, in another graph: nodes by key, or by link in another view; scopes by path."""
    if old is None or old.graph is shown.graph:
        return selection
    if selection.is_several and old.view == shown.view:
        keys, rows = node_keys(old.graph), {key: node for node, key in enumerate(node_keys(shown.graph))}
        nodes = [rows[keys[node]] for node in selection.every_node if keys[node] in rows]
        scopes = [_same_scope(scope, old, shown) for scope in selection.every_scope]
        found = [scope for scope in scopes if scope is not None]
        return Selection.of(nodes, found, carried_selection(selection.primary, old, shown))
    if selection.what is What.NODE:
        node = linked(NodeId(selection.id), old, shown)
        return Selection() if node is None else Selection.of_node(node)
    if selection.what is What.SCOPE:
        scope = _same_scope(selection.id, old, shown)
        return Selection() if scope is None else Selection.of_scope(scope)
    return Selection()


def _same_scope(scope: int, old: Shown, shown: Shown) -> int | None:
    path = old.graph.paths[scope]
    return shown.graph.paths.index(path) if path in shown.graph.paths else None
