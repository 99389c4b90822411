"""Questions asked of graphs and traces: stepping and search. Plain functions; nothing here knows Qt or a framework."""

from graphreel.analysis.search import Hits, Place, search
from graphreel.analysis.stepping import Cursor, carried, first, last, next_node, previous_node

__all__ = ["Cursor", "Hits", "Place", "carried", "first", "last", "next_node", "previous_node", "search"]
