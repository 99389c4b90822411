"""Which runs of repeated scopes show one by one; as expansion is, it is kept by path, of the first scope of the run."""

from collections.abc import Set

import numpy as np

from graphreel.analysis import Hits
from graphreel.graph import NONE, Graph, ScopeId, repeats
from graphreel.graph.nesting import scope_depths
from graphreel.gui.views import Selection, What


def runs_of(graph: Graph, paths: Set[str]) -> set[str]:
    """The runs that any of the scopes with these paths is part of."""
    first = repeats(graph).first.tolist()
    return {graph.paths[run] for run, path in zip(first, graph.paths, strict=True) if run != NONE and path in paths}


def members_of(graph: Graph, scope: ScopeId) -> set[str]:
    """The paths of all scopes in the run that a scope is part of; none where it is part of none."""
    members = repeats(graph).members(scope)
    return {graph.paths[member] for member in members} if len(members) > 1 else set()


def run_around(graph: Graph, scope: ScopeId) -> ScopeId | None:
    """The innermost scope that is part of a run: this one, or one around it."""
    first = repeats(graph).first
    return next((each for each in graph.scope(scope).lineage if first[each] != NONE), None)


def hiding_fold(graph: Graph, scope: ScopeId, expanded: Set[str], unfolded: Set[str]) -> str | None:
    """The fold in which a scope is hidden; None where it shows, or where a collapsed scope hides it."""
    for each in reversed(graph.scope(scope).lineage):
        members = members_of(graph, each)
        if members and not (members & unfolded or members & expanded):
            return graph.paths[int(repeats(graph).first[each])]
        if graph.paths[each] not in expanded:
            return None
    return None


def fold_around(graph: Graph, selection: Selection, expanded: Set[str], unfolded: Set[str]) -> str | None:
    """The fold in which a selected node or scope is hidden; None where a first scope stands for its fold."""
    if selection.what not in (What.NODE, What.SCOPE):
        return None
    scope = graph.node(selection.id).scope.id if selection.what is What.NODE else ScopeId(selection.id)
    fold = hiding_fold(graph, scope, expanded, unfolded)
    return None if selection.what is What.SCOPE and fold == graph.paths[scope] else fold


def told_apart_by(graph: Graph | None, hits: Hits | None) -> set[str]:
    """The runs of which some scopes hold hits and some do not."""
    if graph is None or hits is None:
        return set()
    runs = repeats(graph)
    holds = np.zeros(graph.scope_count, dtype=bool)
    holds[graph.nodes.scope[hits.nodes]] = True
    depth = scope_depths(graph)
    for level in range(int(depth.max(initial=0)), 0, -1):
        scopes = np.flatnonzero(holds & (depth == level))
        holds[graph.scopes.parent[scopes]] = True
    first, counts = np.unique(runs.first[holds & (runs.first != NONE)], return_counts=True)
    return {graph.paths[scope] for scope in first[counts < runs.count[first]].tolist()}
