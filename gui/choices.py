"""What of the graph the user chose to see: what is hidden, what boxes say, what they are coloured by.

As expansion is by path, this is by key, so that it holds in every iteration.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from graphreel.analysis.measures import Recorded
from graphreel.analysis.reach import Way, reached
from graphreel.graph import Graph, node_keys
from graphreel.gui.views import Selection, Shown
from graphreel.layout import Hidden
from graphreel.render.said import USUAL

BoolColumn = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Choices:
    """What is chosen.

    Attributes:
        lines: What boxes say of their nodes; see `render.said.LINES`.
        colour_by: What boxes are coloured by; see `render.colouring.COLOUR_BY`; empty for what they are.
        hidden: The keys of hidden nodes.
        kept: The keys of the only nodes that show; None where all do.
    """

    lines: frozenset[str] = USUAL
    colour_by: str = ""
    hidden: frozenset[str] = frozenset()
    kept: frozenset[str] | None = None

    def all_shown(self) -> "Choices":
        """The same, with nothing hidden."""
        return replace(self, hidden=frozenset(), kept=None)

    def without(self, graph: Graph, nodes: BoolColumn) -> "Choices":
        """The same, with these nodes hidden as well."""
        return replace(self, hidden=self.hidden | _keys(graph, nodes))

    def only(self, graph: Graph, nodes: BoolColumn) -> "Choices":
        """The same, with nothing but these nodes shown."""
        return replace(self, hidden=frozenset(), kept=_keys(graph, nodes))

    def showing(self, graph: Graph, node: int) -> "Choices":
        """The same, with this node shown."""
        key = node_keys(graph)[node]
        return replace(self, hidden=self.hidden - {key}, kept=None if self.kept is None else self.kept | {key})

    def hidden_nodes(self, graph: Graph) -> Hidden | None:
        """The nodes of a graph that are hidden; None where none is."""
        if not self.hidden and self.kept is None:
            return None
        keys, kept = node_keys(graph), self.kept
        if kept is None:
            gone = np.fromiter((key in self.hidden for key in keys), dtype=bool, count=len(keys))
        else:
            gone = np.fromiter((key not in kept or key in self.hidden for key in keys), dtype=bool, count=len(keys))
        # Of what is shown alone, the ways through all the rest would tell little and be many.
        return Hidden(gone, bridged=kept is None) if gone.any() else None


def recorded_of(shown: Shown) -> Recorded:
    """What was recorded of an iteration beside its graph."""
    return Recorded(shown.columns, shown.value_columns, shown.kernels)


def nodes_in(graph: Graph, selection: Selection) -> BoolColumn:
    """The nodes that are selected, and those in and below the selected scopes."""
    found = np.zeros(graph.node_count, dtype=bool)
    found[sorted(selection.every_node)] = True
    scopes = np.zeros(graph.scope_count, dtype=bool)
    scopes[sorted(selection.every_scope)] = True
    parents = graph.scopes.parent.tolist()
    for scope in range(1, graph.scope_count):
        scopes[scope] |= scopes[parents[scope]]
    found |= scopes[graph.nodes.scope]
    return found


def around(graph: Graph, nodes: BoolColumn, steps: int, *, up: bool = True, down: bool = True) -> BoolColumn:
    """These nodes, and those so many edges away: `up` what they come from, `down` what comes of them."""
    found, seeds = nodes.copy(), np.flatnonzero(nodes)
    for wanted, way in ((up, Way.UP), (down, Way.DOWN)):
        if wanted:
            found[reached(graph, seeds, way, steps)] = True
    return found


def scopes_to_level(graph: Graph, level: int, folded: Iterable[int]) -> set[str]:
    """The paths of the scopes to open so that `level` levels show; what repeats stays folded, and closed."""
    closed = set(folded)
    depths = [0] * graph.scope_count
    found: set[str] = set()
    for scope, parent in enumerate(graph.scopes.parent.tolist()):
        if scope:
            depths[scope] = depths[parent] + 1
            if depths[scope] < level and scope not in closed:
                found.add(graph.paths[scope])
    return found


def _keys(graph: Graph, nodes: BoolColumn) -> frozenset[str]:
    keys = node_keys(graph)
    return frozenset(keys[node] for node in np.flatnonzero(nodes).tolist())
