"""The common graph model. Everything that Graphreel records, reads, compares or draws is one of these graphs."""

from graphreel.graph.builder import GraphBuilder
from graphreel.graph.dot_format import to_dot
from graphreel.graph.errors import (
    FormatError,
    GraphError,
    GraphreelError,
    LintError,
    MissingExtra,
    ParseError,
    UnknownKey,
    UnknownScope,
)
from graphreel.graph.flow import FlowEdges, flow_edges, input_origins
from graphreel.graph.graphml_format import to_graphml
from graphreel.graph.grouping import grouped
from graphreel.graph.hashing import scope_hashes, structure_hash
from graphreel.graph.json_format import from_json, to_json
from graphreel.graph.keys import find_node, find_scopes, node_keys
from graphreel.graph.lint import lint
from graphreel.graph.model import Graph, Node, Scope, Source, Value, source_files, walk
from graphreel.graph.nesting import common_scopes
from graphreel.graph.networkx_format import from_networkx, to_networkx
from graphreel.graph.progress import Cancelled, Progress, Unwatched
from graphreel.graph.repeats import Repeats, name_stem, repeats
from graphreel.graph.staging import AttributeText, attribute_text
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
    "AttributeText",
    "Cancelled",
    "Dim",
    "Direction",
    "FlowEdges",
    "FormatError",
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
    "Repeats",
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
    "attribute_text",
    "common_scopes",
    "draw",
    "find_node",
    "find_scopes",
    "flow_edges",
    "from_json",
    "from_networkx",
    "grouped",
    "input_origins",
    "lint",
    "name_stem",
    "node_keys",
    "parse",
    "repeats",
    "scope_hashes",
    "source_files",
    "structure_hash",
    "to_dot",
    "to_graphml",
    "to_json",
    "to_networkx",
    "walk",
    "word",
]
