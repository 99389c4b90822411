"""Repeated blocks: scopes beside each other that compute the same, one after the other, as layers of a network do.

A picture may show such a run as one box, "Block × 12".
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from graphreel.graph.flow import flow_edges
from graphreel.graph.hashing import scope_hashes
from graphreel.graph.model import Graph
from graphreel.graph.nesting import lifted_ends
from graphreel.graph.types import NONE, ROOT, IntColumn, ScopeId, ScopeKind

LEAST_REPEATS = 3
"""Fewer scopes are not worth folding."""

_UNFOLDABLE = (ScopeKind.ROOT, ScopeKind.PHASE, ScopeKind.BRANCH)
_VISIT = re.compile(r":\d+$")
_DIGITS = re.compile(r"\d+")

_known: "WeakKeyDictionary[Graph, Repeats]" = WeakKeyDictionary()


@dataclass(frozen=True, slots=True, eq=False)
class Repeats:
    """The runs of repeated scopes of a graph.

    Attributes:
        first: The first scope of the run that each scope is part of; -1 for a scope that is part of none.
        count: How many scopes the run has of which this scope is the first; else 1.
    """

    first: IntColumn
    count: IntColumn

    def members(self, scope: int) -> list[ScopeId]:
        """The scopes of the run that a scope is part of, in execution order; only itself where it is part of none."""
        if self.first[scope] == NONE:
            return [ScopeId(scope)]
        return [ScopeId(row) for row in np.flatnonzero(self.first == self.first[scope]).tolist()]


def repeats(graph: Graph) -> Repeats:
    """The runs of a graph: at least LEAST_REPEATS scopes in execution order with the same parent and structure hash.

    Their names differ in numbers only, so that `q_proj`, `k_proj`, `v_proj` stay three. Between them, within their
    parent, stands nothing that both takes from something in the parent and gives to something in it: folding a run
    closes no circle there. Phases and branches are never part of a run. Worked out once for each graph.
    """
    found = _known.get(graph)
    if found is None:
        found = _known[graph] = _repeats(graph)
    return found


@lru_cache(maxsize=1 << 16)
def name_stem(name: str) -> str:
    """A scope's name with its numbers left out: `h.11` and `h.0` are both `h.#`."""
    return _DIGITS.sub("#", _VISIT.sub("", name))


def _repeats(graph: Graph) -> Repeats:
    scopes = _candidates(graph)
    first = np.full(graph.scope_count, NONE, dtype=np.int32)
    count = np.ones(graph.scope_count, dtype=np.int32)
    if len(scopes) < LEAST_REPEATS:
        return Repeats(first, count)
    joined = _joined(graph, scopes)
    # A run ends where a scope does not go on from the one before.
    run = np.cumsum(~joined)
    starts = np.flatnonzero(~joined)
    sizes = np.diff(np.append(starts, len(scopes)))
    leads = scopes[starts]
    long = (sizes >= LEAST_REPEATS)[run - 1]
    first[scopes[long]] = leads[run - 1][long]
    count[leads[sizes >= LEAST_REPEATS]] = sizes[sizes >= LEAST_REPEATS]
    return Repeats(first, count)


def first_nodes(graph: Graph) -> IntColumn:
    """The first node in or below each scope; the number of nodes for a scope without any."""
    first = np.full(graph.scope_count, graph.node_count, dtype=np.int64)
    np.minimum.at(first, graph.nodes.scope, np.arange(graph.node_count))
    parents, found = graph.scopes.parent.tolist(), first.tolist()
    for scope in range(graph.scope_count - 1, 0, -1):
        found[parents[scope]] = min(found[parents[scope]], found[scope])
    return np.array(found, dtype=np.int32)


def _candidates(graph: Graph) -> IntColumn:
    """All scopes that hold nodes, those with the same parent beside each other, in execution order."""
    first = first_nodes(graph)
    scopes = np.flatnonzero(first < graph.node_count)
    scopes = scopes[scopes != ROOT]
    found: IntColumn = scopes[np.lexsort((first[scopes], graph.scopes.parent[scopes]))].astype(np.int32)
    return found


def _joined(graph: Graph, scopes: IntColumn) -> npt.NDArray[np.bool_]:
    """Whether each scope goes on from the one before it in this order."""
    table = graph.scopes
    names, stem_of = np.unique(table.name[scopes], return_inverse=True)
    numbers: dict[str, int] = {}
    stems = [numbers.setdefault(name_stem(graph.strings[name]), len(numbers)) for name in names.tolist()]
    stem = np.array(stems, dtype=np.int32)[stem_of]
    hashes, parents = scope_hashes(graph)[scopes], table.parent[scopes]
    joined = np.zeros(len(scopes), dtype=bool)
    joined[1:] = (hashes[1:] == hashes[:-1]) & (parents[1:] == parents[:-1]) & (stem[1:] == stem[:-1])
    joined &= ~np.isin(table.kind[scopes], _UNFOLDABLE)
    if joined.any():
        joined[1:] &= ~_held_apart(graph, scopes)
    return joined


def _held_apart(graph: Graph, scopes: IntColumn) -> npt.NDArray[np.bool_]:
    """Whether nodes of the parent that have edges in and out stand between each scope and the next in this order."""
    first = first_nodes(graph)
    edges = flow_edges(graph)
    source, target, _ = lifted_ends(graph, edges.source, edges.target)
    source, target = source[source != target], target[source != target]
    nodes = graph.node_count
    inward, outward = np.zeros(nodes + 1, dtype=bool), np.zeros(nodes + 1, dtype=bool)
    inward[np.minimum(target, nodes)] = True
    outward[np.minimum(source, nodes)] = True
    between = np.flatnonzero(inward[:nodes] & outward[:nodes])
    # Number them by parent, then execution order; two scopes are apart if their places among them differ.
    parents = graph.nodes.scope[between].astype(np.int64)
    keys = np.sort(parents * (nodes + 1) + between)
    places = np.searchsorted(keys, graph.scopes.parent[scopes].astype(np.int64) * (nodes + 1) + first[scopes])
    apart: npt.NDArray[np.bool_] = places[1:] != places[:-1]
    return apart
