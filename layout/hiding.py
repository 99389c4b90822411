"""What is left of a graph where some nodes are hidden: which scopes still hold something, which edges still run."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from graphreel.graph import NONE, Graph, Repeats
from graphreel.graph.types import IntColumn
from graphreel.layout.facts import Facts

BoolColumn = npt.NDArray[np.bool_]

MOST_BRIDGED = 20_000
"""Where more edges than this enter hidden nodes, no edges stand for the ways through them."""
_MOST_ORIGINS = 16
"""From so many nodes at most a way through a hidden node is told."""


@dataclass(frozen=True, slots=True, eq=False)
class Hidden:
    """Nodes that do not show: `nodes` says of each whether it is one.

    Attributes:
        bridged: Whether edges stand for the ways through them.
    """

    nodes: BoolColumn
    bridged: bool = True


def less(graph: Graph, known: Facts, hidden: Hidden) -> tuple[Facts, IntColumn, IntColumn]:
    """A graph's facts without its hidden nodes; and the ends of the ways from node to node through these."""
    gone = hidden.nodes
    edges = ~(gone[known.source] | gone[known.target])
    taken = ~gone[known.consumer]
    entering, consumer = known.entering[taken], known.consumer[taken]
    # An input that only hidden nodes take is hidden; one that nobody took before stays.
    inputs = np.isin(known.inputs, entering) | ~np.isin(known.inputs, known.entering)
    outputs = (known.producer == NONE) | ~gone[known.producer]
    first = _first_shown(graph, ~gone)
    source, target = _ways(known, gone) if hidden.bridged else (np.zeros(0, np.int32), np.zeros(0, np.int32))
    left = replace(
        known,
        first=first,
        repeats=_alike(graph, known.repeats, gone),
        source=known.source[edges],
        target=known.target[edges],
        value=known.value[edges],
        entering=entering,
        consumer=consumer,
        inputs=known.inputs[inputs],
        input_first=known.input_first[inputs],
        outputs=known.outputs[outputs],
        producer=known.producer[outputs],
    )
    return left, source, target


def _first_shown(graph: Graph, shown: BoolColumn) -> IntColumn:
    """The first node in or below each scope that shows; the number of nodes where there is none."""
    first = np.full(graph.scope_count, graph.node_count, dtype=np.int32)
    nodes = np.flatnonzero(shown)
    np.minimum.at(first, graph.nodes.scope[nodes], nodes.astype(np.int32))
    parents = graph.scopes.parent.tolist()
    least = first.tolist()
    for scope in range(graph.scope_count - 1, 0, -1):
        least[parents[scope]] = min(least[parents[scope]], least[scope])
    return np.array(least, dtype=np.int32)


def _alike(graph: Graph, runs: Repeats, gone: BoolColumn) -> Repeats:
    """The runs whose scopes are still alike: as much is hidden in each."""
    counts = np.bincount(graph.nodes.scope[gone], minlength=graph.scope_count).tolist()
    parents = graph.scopes.parent.tolist()
    for scope in range(graph.scope_count - 1, 0, -1):
        counts[parents[scope]] += counts[scope]
    hidden, first = np.array(counts), runs.first
    members = np.flatnonzero(first != NONE)
    apart = np.unique(first[members][hidden[members] != hidden[first[members]]])
    return replace(runs, first=np.where(np.isin(first, apart), NONE, first).astype(first.dtype))


def _ways(known: Facts, gone: BoolColumn) -> tuple[IntColumn, IntColumn]:
    """From which node to which one comes through hidden nodes only."""
    rows = np.flatnonzero(gone[known.target] | gone[known.source])
    if len(rows) > MOST_BRIDGED:
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    rows = rows[np.argsort(known.source[rows], kind="stable")]
    origins: dict[int, set[int]] = {}
    found: set[tuple[int, int]] = set()
    for source, target in zip(known.source[rows].tolist(), known.target[rows].tolist(), strict=True):
        starts = origins.get(source, set()) if gone[source] else {source}
        if gone[target]:
            # In execution order, so that all that enters a hidden node is known before it is left.
            into = origins.setdefault(target, set())
            into.update(sorted(starts)[: _MOST_ORIGINS - len(into)])
        else:
            found.update((start, target) for start in starts if start != target)
    ends = np.array(sorted(found), dtype=np.int32).reshape(-1, 2)
    return ends[:, 0], ends[:, 1]
