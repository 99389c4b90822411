"""Graphs in Graphviz' DOT language."""

from collections.abc import Iterator

import numpy as np

from graphreel.graph.flow import flow_edges, input_origins
from graphreel.graph.keys import node_keys
from graphreel.graph.model import Graph
from graphreel.graph.types import NONE, ROOT


def to_dot(graph: Graph) -> str:
    """The graph for Graphviz: operations as boxes, values that enter from outside as ovals, scopes as clusters."""
    return "".join(f"{line}\n" for line in _lines(graph))


def _lines(graph: Graph) -> Iterator[str]:
    yield f"digraph {_quoted(graph.meta.get('name', 'graph'))} {{"
    yield "  compound=true; node [shape=box]; edge [fontsize=10];"
    yield from _clusters(graph)
    edges = flow_edges(graph)
    columns = edges.source.tolist(), edges.target.tolist(), edges.value.tolist()
    labels: dict[int, str] = {NONE: "style=dashed"}
    for source, target, value in zip(*columns, strict=True):
        if value not in labels:
            labels[value] = f"label={_quoted(graph.value(value).type_text)}"
        yield f"  n{source} -> n{target} [{labels[value]}];"
    yield from _entering(graph)
    yield "}"


def _clusters(graph: Graph) -> Iterator[str]:
    """The nodes within their scopes. A loop, since scopes may nest deeper than Python calls do."""
    inside: list[list[int]] = [[] for _ in range(graph.scope_count)]
    for node, scope in enumerate(graph.nodes.scope.tolist()):
        inside[scope].append(node)
    children: list[list[int]] = [[] for _ in range(graph.scope_count)]
    for scope, parent in enumerate(graph.scopes.parent.tolist()):
        if scope != ROOT:
            children[parent].append(scope)
    keys = node_keys(graph)
    # A scope on the stack is to be opened; its complement is to be closed.
    waiting: list[int] = [ROOT]
    while waiting:
        scope = waiting.pop()
        if scope < 0:
            yield "  }"
            continue
        if scope != ROOT:
            view = graph.scope(scope)
            title = f"{view.name}: {view.type}" if view.type else view.name
            yield f"  subgraph cluster_{scope} {{ label={_quoted(title)};"
            waiting.append(~scope)
        for node in inside[scope]:
            yield f"  n{node} [label={_quoted(graph.node(node).op)}, tooltip={_quoted(keys[node])}];"
        waiting.extend(reversed(children[scope]))


def _entering(graph: Graph) -> Iterator[str]:
    """Values from outside the graph that some node takes, each once, and where they go."""
    row, value = input_origins(graph)
    owner = np.repeat(np.arange(graph.node_count), np.diff(graph.inputs.start))
    outside = graph.values.producer[value] == NONE
    seen: set[int] = set()
    for start, end in zip(value[outside].tolist(), owner[row[outside]].tolist(), strict=True):
        if start not in seen:
            seen.add(start)
            view = graph.value(start)
            yield f"  v{start} [shape=oval, label={_quoted(f'{view.name} {view.type_text}'.strip())}];"
        yield f"  v{start} -> n{end};"


def _quoted(text: str) -> str:
    """A DOT string. Backslashes are doubled, since Graphviz reads escapes such as \\N in labels; no line breaks."""
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(mark if mark.isprintable() or mark == " " else "?" for mark in text) + '"'
