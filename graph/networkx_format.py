"""Graphs as networkx graphs, for everybody else's algorithms."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from graphreel.graph.builder import GraphBuilder
from graphreel.graph.errors import FormatError, MissingExtra
from graphreel.graph.flow import flow_edges
from graphreel.graph.model import Graph
from graphreel.graph.order import execution_order
from graphreel.graph.rows import Row, to_rows
from graphreel.graph.types import NONE, Phase, word
from graphreel.graph.unrows import from_rows

if TYPE_CHECKING:
    import networkx

ROWS = "graphreel"
"""Where a networkx graph keeps what has no place at its nodes and edges."""


def to_networkx(graph: Graph) -> "networkx.MultiDiGraph[int]":
    """Operations as nodes, numbered in execution order, and an edge for each value that flows between two of them.

    A node carries `key`, `op`, `name`, `scope` (its path), `phase`, `inputs`, `outputs` and `attributes`; an edge
    `value`, `name` and `type`, or `control` where only the order is meant. Edges lead through the boundaries of
    bodies, as `flow_edges` has them. Raises MissingExtra without networkx.
    """
    library = _networkx()
    rows = to_rows(graph)
    nodes = rows.pop("nodes")
    found = library.MultiDiGraph(**{ROWS: rows})
    found.add_nodes_from((row["id"], {"scope": "", **row}) for row in nodes)
    found.add_edges_from(_edges(graph))
    return found


def _edges(graph: Graph) -> Iterator[tuple[int, int, Row]]:
    edges = flow_edges(graph)
    for source, target, value in zip(edges.source.tolist(), edges.target.tolist(), edges.value.tolist(), strict=True):
        if value == NONE:
            yield source, target, {"control": True}
        else:
            view = graph.value(value)
            yield source, target, {"value": value, "name": view.name, "type": view.type_text}


def from_networkx(found: "networkx.Graph[Any]") -> Graph:
    """The graph in a networkx graph.

    What `to_networkx` made, and nobody has added to or taken from, comes back whole. Any other directed graph becomes
    one operation a node, with one value that flows along all its edges: `op` is the node's `op`, `label` or `type`,
    else its own name, `scope` its path; other data become attributes. Raises FormatError for an undirected graph.
    """
    if not found.is_directed():
        raise FormatError.at("networkx", "", "a directed graph is wanted, such as MultiDiGraph")
    graph = _whole(found)
    return _foreign(found) if graph is None else graph


def _whole(found: Any) -> Graph | None:
    """The graph that `to_networkx` was given, unless nodes or edges came or went since."""
    rows = found.graph.get(ROWS)
    if not isinstance(rows, dict) or set(found.nodes) != set(range(len(found))):
        return None
    nodes = [found.nodes[node] for node in range(len(found))]
    try:
        graph = from_rows({**rows, "nodes": nodes}, "networkx")
    except FormatError:
        return None
    edges = flow_edges(graph)
    expected = sorted(zip(edges.source.tolist(), edges.target.tolist(), strict=True))
    return graph if sorted(found.edges()) == expected else None


def _foreign(found: Any) -> Graph:
    rows = {name: row for row, name in enumerate(found.nodes)}
    names = list(found.nodes)
    order = execution_order(len(names), ((rows[source], rows[target]) for source, target in found.edges()))
    builder = GraphBuilder(meta={"framework": "networkx", "name": str(found.name)} if found.name else {})
    numbers = np.empty(len(names), dtype=np.int64)
    for number, row in enumerate(order):
        numbers[row] = number
        data = dict(found.nodes[names[row]])
        node = builder.node(
            _op(names[row], data),
            scope=builder.scope_at(str(data.pop("scope", ""))),
            phase=_phase(data),
            name=str(names[row]),
            attributes={str(key): _plain(value) for key, value in data.items() if key not in _TOLD},
        )
        builder.value(producer=node)
    for source, target in found.edges():
        builder.add_input(int(numbers[rows[target]]), int(numbers[rows[source]]))
    return builder.build()


_TOLD = {"key", "id", "op", "phase", "inputs", "outputs"}


def _op(name: Any, data: Row) -> str:
    return str(next((data[key] for key in ("op", "label", "type") if data.get(key)), name))


def _phase(data: Row) -> Phase:
    return next((phase for phase in Phase if word(phase) == data.get("phase")), Phase.FORWARD)


def _plain(found: Any) -> Any:
    return found if isinstance(found, str | int | float | bool | None) else str(found)


def _networkx() -> Any:
    try:
        import networkx
    except ImportError as error:
        raise MissingExtra.named("networkx", "networkx") from error
    return networkx
