"""Which scopes are expanded when a graph is first shown."""

from collections import deque

import numpy as np

from graphreel.graph import NONE, ROOT, Graph, ScopeId, ScopeKind, name_stem
from graphreel.layout.facts import facts


def default_expansion(graph: Graph, limit: int = 60) -> frozenset[ScopeId]:
    """The outer scopes, opened while at most `limit` boxes show; all scopes, where so few boxes show then.

    Repeated blocks stay folded. The phases of a training step open first, the smallest before the larger, and whatever
    is the only thing in its scope; then, outermost first, the scopes beside each other, the smallest before the
    larger, where those of one class open together or not at all, so that what is alike looks alike.
    """
    runs = facts(graph).repeats
    children = _children(graph)
    if graph.node_count <= limit:
        return frozenset(ScopeId(scope) for inner in children for scope in inner)
    members = runs.first != NONE
    units = [[s for s in inner if not members[s] or runs.first[s] == s] for inner in children]
    sizes = np.bincount(graph.nodes.scope, minlength=graph.scope_count).tolist()
    sizes = [own + len(inner) for own, inner in zip(sizes, units, strict=True)]
    opened: list[int] = []
    showing = sizes[ROOT]
    waiting = deque([ROOT])
    while waiting:
        every = units[waiting.popleft()]
        # What is alike a folded run stays closed as well: often the first layer, which takes another type.
        closed = {_alike(graph, scope) for scope in every if members[scope]}
        inner = [scope for scope in every if _alike(graph, scope) not in closed]
        # A group that was found may hold one fold and nothing else; sixty frames around one box each tell nothing.
        chosen = [s for s in inner if sizes[s] == 1 and graph.scopes.kind[s] != ScopeKind.DETECTED]
        for alike in _classes(graph, [scope for scope in inner if sizes[scope] > 1], sizes):
            more = sum(sizes[scope] - 1 for scope in alike)
            if showing + more <= limit:
                showing += more
                chosen += alike
        opened.extend(chosen)
        waiting.extend(ScopeId(scope) for scope in chosen)
    return frozenset(ScopeId(scope) for scope in opened)


def _classes(graph: Graph, scopes: list[int], sizes: list[int]) -> list[list[int]]:
    """The scopes that open together: each phase on its own, others by class, or by name where they have none.

    Phases come first, then what adds the fewest boxes.
    """
    found: dict[tuple[int, str], list[int]] = {}
    for scope in scopes:
        found.setdefault(_alike(graph, scope), []).append(scope)
    ranked = sorted(
        (kind != ScopeKind.PHASE, sum(sizes[scope] - 1 for scope in alike), alike[0], alike)
        for (kind, _), alike in found.items()
    )
    return [alike for *_, alike in ranked]


def _alike(graph: Graph, scope: int) -> tuple[int, str]:
    table, strings = graph.scopes, graph.strings
    kind, name = int(table.kind[scope]), strings[table.name[scope]]
    if kind == ScopeKind.PHASE:
        return kind, name
    written = "" if kind == ScopeKind.DETECTED else strings[table.type[scope]]
    return kind, written or name_stem(name)


def _children(graph: Graph) -> list[list[int]]:
    """The scopes directly in each scope that have a node in or below them, in execution order."""
    first = facts(graph).first
    found: list[list[int]] = [[] for _ in range(graph.scope_count)]
    parents = graph.scopes.parent.tolist()
    for scope in np.argsort(first, kind="stable").tolist():
        if scope != ROOT and first[scope] < graph.node_count:
            found[parents[scope]].append(scope)
    return found
