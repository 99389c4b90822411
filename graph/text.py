"""Small graphs as text, for tests and for people: `a -> b -> c; a -> c`.

Statements are separated by `;` or by lines. A node is `name`, or `name:op` where it is first named; a `/` in the name
puts it into scopes: `block/d:relu`. Each arrow gives the target one more input. A node has one output value.
"""

import re
from collections.abc import Iterable
from itertools import pairwise

from graphreel.graph.builder import GraphBuilder
from graphreel.graph.errors import ParseError
from graphreel.graph.model import Graph
from graphreel.graph.order import execution_order
from graphreel.graph.types import NONE

_NODE = re.compile(r"(?P<path>[^\s:;>]+)(?::(?P<op>[^\s;>]+))?")


def parse(text: str) -> Graph:
    """The graph that the text describes; nodes run in an order that their edges allow, else as they are named.

    Raises ParseError, showing the statement that is wrong.
    """
    ops: dict[str, str] = {}
    edges: list[tuple[str, str]] = []
    for statement in filter(None, (part.strip() for part in re.split(r"[;\n]", text))):
        chain = [_parse_node(part.strip(), statement, ops) for part in statement.split("->")]
        edges.extend(pairwise(chain))
    return _build(_in_execution_order(ops, edges), ops, edges)


def _parse_node(text: str, statement: str, ops: dict[str, str]) -> str:
    match = _NODE.fullmatch(text)
    if match is None:
        raise ParseError.at(statement, f"{text!r} is not a node" if text else "an arrow leads nowhere")
    path, op = match["path"], match["op"]
    if path in ops and op is not None and op != ops[path]:
        raise ParseError.at(statement, f"{path} already has the op {ops[path]}")
    ops.setdefault(path, op or path.rpartition("/")[2])
    return path


def _in_execution_order(ops: Iterable[str], edges: list[tuple[str, str]]) -> list[str]:
    """Always the first named of the nodes that are ready; where a cycle leaves none, the first named of all."""
    names = list(ops)
    rows = {name: row for row, name in enumerate(names)}
    return [names[row] for row in execution_order(len(names), ((rows[a], rows[b]) for a, b in edges))]


def _build(order: list[str], ops: dict[str, str], edges: list[tuple[str, str]]) -> Graph:
    builder = GraphBuilder()
    values: dict[str, int] = {}
    for path in order:
        above, _, name = path.rpartition("/")
        node = builder.node(ops[path], scope=builder.scope_at(above), name=name)
        values[path] = builder.value(producer=node)
    rows = {path: row for row, path in enumerate(order)}
    for source, target in edges:
        builder.add_input(rows[target], values[source])
    return builder.build()


def draw(graph: Graph) -> str:
    """The graph as `parse` reads it: each edge in execution order of its ends, then the nodes that have none."""
    labels = _labels(graph)
    edges: list[tuple[int, int]] = []
    for target in range(graph.node_count):
        producers = graph.values.producer[graph.inputs_of(target)].tolist()
        edges.extend((producer, target) for producer in producers if producer != NONE)
    joined = {end for edge in edges for end in edge}
    parts = [f"{labels[source]} -> {labels[target]}" for source, target in sorted(edges)]
    parts += [label for node, label in enumerate(labels) if node not in joined]
    return "; ".join(parts)


def _labels(graph: Graph) -> list[str]:
    """A name for each node: its own, else its op; told apart by `.2`, `.3`, … where scope and name recur."""
    counts: dict[str, int] = {}
    found: list[str] = []
    for row in range(graph.node_count):
        node = graph.node(row)
        name = node.name or node.op
        path = f"{node.scope.path}/{name}" if node.scope.path else name
        counts[path] = counts.get(path, 0) + 1
        label = path if counts[path] == 1 else f"{path}.{counts[path]}"
        found.append(label if node.op == label.rpartition("/")[2] else f"{label}:{node.op}")
    return found
