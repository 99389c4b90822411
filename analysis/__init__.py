"""Questions asked of graphs and traces: stepping and search. Plain functions; nothing here knows Qt or a framework."""

from graphreel.analysis.linking import node_of_pass, node_of_view
from graphreel.analysis.measures import MEASURES, Measure, Recorded, Unit
from graphreel.analysis.naming import UnclearNode, find_meant
from graphreel.analysis.query import QueryError
from graphreel.analysis.search import Hits, Place, search
from graphreel.analysis.stepping import Cursor, carried, first, last, next_node, previous_node

__all__ = [
    "MEASURES",
    "Cursor",
    "Hits",
    "Measure",
    "Place",
    "QueryError",
    "Recorded",
    "UnclearNode",
    "Unit",
    "carried",
    "find_meant",
    "first",
    "last",
    "next_node",
    "node_of_pass",
    "node_of_view",
    "previous_node",
    "search",
]
