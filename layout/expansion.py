"""Which scopes are expanded when a graph is first shown."""

from collections import deque

import numpy as np

from graphreel.graph import ROOT, Graph, ScopeId, ScopeKind
from graphreel.layout.visible import scope_tree


def default_expansion(graph: Graph, limit: int = 60) -> frozenset[ScopeId]:
    """The outer scopes, opened while at most `limit` boxes show.

    The phases of a training step open first, the smallest before the larger, and whatever is the only thing in its
    scope; then, outermost first, the scopes beside each other open together or not at all, so that repeated blocks
    look alike.
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
        chosen = [scope for scope in inner if sizes[scope] == 1]
        for phase in sorted((s for s in inner if kinds[s] == ScopeKind.PHASE and sizes[s] > 1), key=sizes.__getitem__):
            if showing + sizes[phase] - 1 <= limit:
                showing += sizes[phase] - 1
                chosen.append(phase)
        modules = [scope for scope in inner if kinds[scope] != ScopeKind.PHASE and sizes[scope] > 1]
        more = sum(sizes[scope] - 1 for scope in modules)
        if showing + more <= limit:
            showing += more
            chosen += modules
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
