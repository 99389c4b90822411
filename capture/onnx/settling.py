"""Finds a place for nodes that an exporter left without one: between their neighbours.

torch's exporters write each node's module down, but not for the nodes that their own rewriting adds (a `Split` for
`chunk`, an `Identity` for a shared weight). Left at the root, each would draw the flow out of its module and back.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from graphreel.graph import NONE, Graph, ScopeId


def settle(graph: Graph, homeless: Collection[int]) -> Graph:
    """The same graph with each homeless node in the innermost scope around all that it is joined to.

    Neighbours that are homeless themselves count once they have been settled. A node that is joined to nothing
    with a place stays where it is.
    """
    if not homeless:
        return graph
    scope = graph.nodes.scope.copy()
    unsettled = set(homeless)
    # Along the flow and against it, so that a chain of such nodes settles from whichever end has a place.
    for order in (sorted(homeless), sorted(homeless, reverse=True)):
        for node in order:
            near = [ScopeId(int(scope[n])) for n in _neighbours(graph, node) if n not in unsettled]
            if near:
                scope[node] = _around(graph, near)
                unsettled.discard(node)
    return replace(graph, nodes=replace(graph.nodes, scope=scope))


def _neighbours(graph: Graph, node: int) -> set[int]:
    producers = graph.values.producer[graph.inputs_of(node)]
    consumers = [graph.consumers_of(value) for value in graph.outputs_of(node).tolist()]
    return set(np.concatenate([producers, *consumers]).tolist()) - {NONE, node}


def _around(graph: Graph, scopes: list[ScopeId]) -> ScopeId:
    """The innermost scope that holds all of these."""
    common = graph.scope(scopes[0]).lineage
    for scope in scopes[1:]:
        lineage = set(graph.scope(scope).lineage)
        common = [outer for outer in common if outer in lineage]
    return common[0] if common else ScopeId(0)
