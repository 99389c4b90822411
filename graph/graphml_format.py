"""Graphs in GraphML, which yEd, Gephi and networkx read."""

import json
from collections.abc import Iterator
from html import escape

from graphreel.graph.flow import flow_edges
from graphreel.graph.model import Graph
from graphreel.graph.rows import node_rows
from graphreel.graph.types import NONE

_NODE_FIELDS = ("key", "op", "name", "scope", "phase", "source", "attributes")
_EDGE_FIELDS = ("value", "type", "control")


def to_graphml(graph: Graph) -> str:
    """The graph in GraphML: operations as nodes with `key`, `op`, `name`, `scope`, `phase`, `source` and `attributes`
    (JSON), edges with `value` and `type`, or with `control`.
    """
    return "".join(f"{line}\n" for line in _lines(graph))


def _lines(graph: Graph) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
    for owner, names in (("node", _NODE_FIELDS), ("edge", _EDGE_FIELDS)):
        for name in names:
            kind = "boolean" if name == "control" else "string"
            yield f'  <key id="{owner}_{name}" for="{owner}" attr.name="{name}" attr.type="{kind}"/>'
    yield f'  <graph id="{escape(_allowed(graph.meta.get("name", "graph")))}" edgedefault="directed">'
    for row in node_rows(graph):
        source = graph.source(row.get("source", NONE))
        attributes = json.dumps(row["attributes"], ensure_ascii=False) if "attributes" in row else ""
        told = row | {"source": str(source or ""), "attributes": attributes}
        data = "".join(_data("node", name, str(told.get(name, ""))) for name in _NODE_FIELDS)
        yield f'    <node id="n{row["id"]}">{data}</node>'
    edges = flow_edges(graph)
    columns = edges.source.tolist(), edges.target.tolist(), edges.value.tolist()
    for number, (start, end, value) in enumerate(zip(*columns, strict=True)):
        if value == NONE:
            data = _data("edge", "control", "true")
        else:
            view = graph.value(value)
            data = _data("edge", "value", view.name) + _data("edge", "type", view.type_text)
        yield f'    <edge id="e{number}" source="n{start}" target="n{end}">{data}</edge>'
    yield "  </graph>"
    yield "</graphml>"


def _data(owner: str, name: str, text: str) -> str:
    return f'<data key="{owner}_{name}">{escape(_allowed(text), quote=False)}</data>' if text else ""


def _allowed(text: str) -> str:
    """The text with a question mark for what XML cannot hold at all."""
    if text.isprintable():
        return text
    return "".join(mark if _is_allowed(mark) else "?" for mark in text)


def _is_allowed(mark: str) -> bool:
    code = ord(mark)
    return mark in "\t\n\r" or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or code >= 0x10000
