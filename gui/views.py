"""What the session tells its views, and the small values it tells it with."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

import numpy.typing as npt

from graphreel.analysis import Cursor
from graphreel.graph import Graph, NodeId, ScopeId, ValueId
from graphreel.tracefile import Iteration, Trace


class What(Enum):
    """What kind of thing is selected."""

    NOTHING = "nothing"
    NODE = "node"
    SCOPE = "scope"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Selection:
    """The node, scope or value that is selected everywhere, or nothing."""

    what: What = What.NOTHING
    id: int = -1

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

    def __bool__(self) -> bool:
        return self.what is not What.NOTHING


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """The iteration on screen, with all that was read of it."""

    iteration: Iteration
    graph: Graph
    columns: Mapping[str, npt.NDArray[Any]]


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
