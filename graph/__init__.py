"""The common graph model. Everything that Graphreel records, reads, compares or draws is one of these graphs."""

from graphreel.graph.builder import GraphBuilder
from graphreel.graph.errors import (
    GraphError,
    GraphreelError,
    LintError,
    MissingExtra,
    ParseError,
    UnknownKey,
    UnknownScope,
)
from graphreel.graph.flow import FlowEdges, flow_edges
from graphreel.graph.hashing import common_scopes, scope_hashes, structure_hash
from graphreel.graph.keys import find_node, find_scopes, node_keys
from graphreel.graph.lint import lint
from graphreel.graph.model import Graph, Node, Scope, Source, Value, source_files, walk
from graphreel.graph.progress import Cancelled, Progress, Unwatched
from graphreel.graph.text import draw, parse
from graphreel.graph.types import (
    NONE,
    ROOT,
    Access,
    Dim,
    Direction,
    NodeId,
    Phase,
    ScopeId,
    ScopeKind,
    SourceId,
    ValueId,
    ValueKind,
    word,
)

__all__ = [
    "NONE",
    "ROOT",
    "Access",
    "Cancelled",
    "Dim",
    "Direction",
    "FlowEdges",
    "Graph",
    "GraphBuilder",
    "GraphError",
    "GraphreelError",
    "LintError",
    "MissingExtra",
    "Node",
    "NodeId",
    "ParseError",
    "Phase",
    "Progress",
    "Scope",
    "ScopeId",
    "ScopeKind",
    "Source",
    "SourceId",
    "UnknownKey",
    "UnknownScope",
    "Unwatched",
    "Value",
    "ValueId",
    "ValueKind",
    "common_scopes",
    "draw",
    "find_node",
    "find_scopes",
    "flow_edges",
    "lint",
    "node_keys",
    "parse",
    "scope_hashes",
    "source_files",
    "structure_hash",
    "walk",
    "word",
]
