"""Which scopes are expanded when a graph is first shown."""

from collections import deque

import numpy as np

from graphreel.graph import ROOT, Graph, ScopeId, ScopeKind
from graphreel.layout.visible import scope_tree

_PHASE_ROOM = 2
"""A phase opens with up to this many times the limit in it: a training step is first of all its phases."""


def default_expansion(graph: Graph, limit: int = 60) -> frozenset[ScopeId]:
    """The outer scopes, opened while at most `limit` boxes show.

    The phases of a training step open first, then whatever is the only thing in its scope; then, outermost first,
    the scopes beside each other open together or not at all, so that repeated blocks look alike.
    """
    children = _children(graph)
    sizes = np.bincount(graph.nodes.scope, minlength=graph.scope_count).tolist()
    sizes = [own + len(inner) for own, inner in zip(sizes, children, strict=True)]
    kinds = graph.scopes.kind.tolist()
    opened: list[int] = []
    showing = sizes[ROOT]
    waiting = deque([ROOT])
    while waiting:
        inner = children[waiting.popleft()]
        phases = {s for s in inner if kinds[s] == ScopeKind.PHASE and sizes[s] <= _PHASE_ROOM * limit}
        modules = [scope for scope in inner if kinds[scope] != ScopeKind.PHASE]
        fits = showing + sum(sizes[scope] - 1 for scope in modules) <= limit
        chosen = [
            scope
            for scope in inner
            if scope in phases or sizes[scope] == 1 or (fits and kinds[scope] != ScopeKind.PHASE)
        ]
        showing += sum(sizes[scope] - 1 for scope in chosen)
        opened.extend(chosen)
        waiting.extend(ScopeId(scope) for scope in chosen)
    return frozenset(ScopeId(scope) for scope in opened)


def _children(graph: Graph) -> list[list[int]]:
    """The scopes directly in each scope that have a node in or below them, in execution order."""
    first = scope_tree(graph).first
    found: list[list[int]] = [[] for _ in range(graph.scope_count)]
    parents = graph.scopes.parent.tolist()
    for scope in np.argsort(first, kind="stable").tolist():
        if scope != ROOT and first[scope] < graph.node_count:
            found[parents[scope]].append(scope)
    return found
