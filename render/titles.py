"""The full text of boxes and edges, for tooltips."""

from graphreel.graph import NONE, Graph, ValueKind, repeats, word
from graphreel.layout.types import SCOPE_KINDS, BoxKind, EdgeKind, VisibleGraph
from graphreel.render.columns import OnDemand
from graphreel.render.labels import scope_title
from graphreel.render.type_texts import TypeTexts

MOST_LINES = 12
"""Lines of a tooltip that list inputs; an optimizer's step can take hundreds."""


def box_titles(view: VisibleGraph) -> OnDemand:
    """The full text of each box, lines joined by newlines; made when it is asked for."""
    graph, types = view.graph, TypeTexts(view.graph)

    def title(box: int) -> str:
        kind, ref = int(view.kind[box]), int(view.ref[box])
        if kind == BoxKind.NODE:
            return _node_title(graph, ref, types)
        if kind == BoxKind.FOLD:
            return _fold_title(graph, ref)
        if kind in SCOPE_KINDS:
            return _scope_title(graph, ref)
        return _value_title(graph, ref, types)

    return OnDemand(len(view.kind), title)


def _node_title(graph: Graph, node: int, types: TypeTexts) -> str:
    nodes, strings = graph.nodes, graph.strings
    op, name, path = strings[nodes.op[node]], strings[nodes.name[node]], graph.paths[nodes.scope[node]]
    lines = [op]
    if name and name != op:
        lines.append(name)
    if path:
        lines.append(f"in {path}")
    lines.extend(f"gives {types[value] or 'a tensor'}" for value in graph.outputs_of(node)[:MOST_LINES].tolist())
    inputs = graph.inputs_of(node)
    weights = inputs[(graph.values.producer[inputs] == NONE) & (graph.values.kind[inputs] != ValueKind.INPUT)]
    lines.extend(_value_title(graph, value, types) for value in weights[:MOST_LINES].tolist())
    if len(weights) > MOST_LINES:
        lines.append(f"and {len(weights) - MOST_LINES} more")
    source = graph.source(int(nodes.source[node]))
    if source is not None:
        lines.append(str(source))
    return "\n".join(lines)


def _scope_title(graph: Graph, scope: int) -> str:
    written = graph.strings[graph.scopes.type[scope]]
    return "\n".join(filter(None, [graph.paths[scope] or scope_title(graph, scope), written]))


def _fold_title(graph: Graph, scope: int) -> str:
    members = [graph.paths[member] for member in repeats(graph).members(scope)]
    written = graph.strings[graph.scopes.type[scope]]
    said = f"{len(members)} repeated blocks, all alike"
    return "\n".join(filter(None, [f"{members[0]} … {members[-1]}", written, said]))


def _value_title(graph: Graph, value: int, types: TypeTexts) -> str:
    kind = word(ValueKind(graph.values.kind[value]))
    return " ".join(filter(None, [kind, graph.strings[graph.values.name[value]], types[value]]))


def edge_titles(view: VisibleGraph) -> OnDemand:
    """The full text of each edge, made on demand: what flows, and how many edges between nodes it stands for."""
    graph, types = view.graph, TypeTexts(view.graph)

    def title(edge: int) -> str:
        value, count = int(view.edge_value[edge]), int(view.edge_count[edge])
        if view.edge_kind[edge] == EdgeKind.THROUGH:
            return "through hidden operations"
        name = "" if value == NONE else graph.strings[graph.values.name[value]]
        said = "runs after" if value == NONE else " ".join(filter(None, [name, types[value]])) or "a tensor"
        return f"{said}\n{count} edges" if count > 1 else said

    return OnDemand(len(view.edge_source), title)
