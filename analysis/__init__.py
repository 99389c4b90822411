"""Questions asked of graphs and traces: stepping and search. Plain functions; nothing here knows Qt or a framework."""

from graphreel.analysis.linking import node_of_pass, node_of_view
from graphreel.analysis.search import Hits, Place, search
from graphreel.analysis.stepping import Cursor, carried, first, last, next_node, previous_node

__all__ = [
    "Cursor",
    "Hits",
    "Place",
    "carried",
    "first",
    "last",
    "next_node",
    "node_of_pass",
    "node_of_view",
    "previous_node",
    "search",
]
