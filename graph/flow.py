"""Which node feeds which: data edges, edges through the boundaries of bodies, and control edges.

Diff, layout and search all need the flow between nodes; it is derived here once.
"""

from dataclasses import dataclass

import numpy as np

from graphreel.graph.model import Graph
from graphreel.graph.nesting import body_scopes, common_scopes
from graphreel.graph.types import NONE, Direction, IntColumn


@dataclass(frozen=True, slots=True, eq=False)
class FlowEdges:
    """One row an edge. `value` is the value that the target takes, or -1 for a control edge.

    Sorted by target, then input; control edges last.
    """

    source: IntColumn
    target: IntColumn
    value: IntColumn


def flow_edges(graph: Graph) -> FlowEdges:
    """Edges from producer to consumer.

    Boundaries are seen through: who takes the inner value of a body takes from whatever gives the outer one, and who
    takes a value that leaves bodies takes from whatever gives it inside, in each of the bodies. The first nodes of a
    body, those that take nothing from within it, follow the body's owner by a control edge.
    """
    row, value = input_origins(graph)
    owner = np.repeat(np.arange(graph.node_count, dtype=np.int32), np.diff(graph.inputs.start))
    source, target = graph.values.producer[value], owner[row]
    kept = source != NONE
    row, source, target = row[kept], source[kept], target[kept]
    follows, followed = _owner_edges(graph, source, target)
    controls = len(graph.controls.before) + len(followed)
    every_source = np.concatenate((source, graph.controls.before, follows)).astype(np.int32)
    every_target = np.concatenate((target, graph.controls.after, followed)).astype(np.int32)
    values = np.concatenate((graph.inputs.value[row], np.full(controls, NONE))).astype(np.int32)
    places = np.concatenate((row, np.full(controls, len(owner))))
    order = np.lexsort((places, every_target))
    return FlowEdges(every_source[order], every_target[order], values[order])


def input_origins(graph: Graph) -> tuple[IntColumn, IntColumn]:
    """For each input of a node the value that it really takes, seen through the boundaries of bodies.

    Two columns, row of `graph.inputs` and value; a row comes twice or more where each of several branches gives a
    value. The value has a producer unless it enters the graph from outside.
    """
    taken = graph.inputs.value
    rows = np.arange(len(taken), dtype=np.int32)
    origins = value_origins(graph)
    if not origins:
        return rows, taken
    first = np.arange(graph.value_count, dtype=np.int32)
    first[list(origins)] = [found[0] for found in origins.values()]
    several = np.zeros(graph.value_count, dtype=bool)
    several[[value for value, found in origins.items() if len(found) > 1]] = True
    more = [(row, value) for row in np.flatnonzero(several[taken]).tolist() for value in origins[int(taken[row])][1:]]
    if not more:
        return rows, first[taken]
    further = np.array(more, dtype=np.int32)
    every, values = np.concatenate((rows, further[:, 0])), np.concatenate((first[taken], further[:, 1]))
    order = np.argsort(every, kind="stable")
    return every[order], values[order]


def value_origins(graph: Graph) -> dict[int, tuple[int, ...]]:
    """For each value that crosses a border, the values that it really is: those that nodes make, or that come from
    outside. What leaves several branches is several.
    """
    aliases = _aliases(graph)
    found: dict[int, tuple[int, ...]] = {}
    for value in aliases:
        _resolve(value, aliases, found)
    producer = graph.values.producer
    for value, ends in found.items():
        made = tuple(end for end in ends if producer[end] != NONE)
        found[value] = made or ((value,) if producer[value] != NONE else ends[:1] or (value,))
    return found


def _aliases(graph: Graph) -> dict[int, list[int]]:
    """What stands directly on the other side of the border, of each value that has something there."""
    table = graph.boundaries
    aliases: dict[int, list[int]] = {}
    columns = table.outer.tolist(), table.inner.tolist(), table.direction.tolist()
    for outer, inner, direction in zip(*columns, strict=True):
        # A body may also use an outer value as it is; then both sides are the same value.
        if outer == inner:
            continue
        if direction == Direction.LEAVE:
            aliases.setdefault(outer, []).append(inner)
        elif graph.values.producer[inner] == NONE:
            aliases.setdefault(inner, []).append(outer)
    return aliases


def _resolve(value: int, aliases: dict[int, list[int]], found: dict[int, tuple[int, ...]]) -> None:
    """Follow aliases to their ends. A loop, since bodies nest deeper than Python calls do; circles end nowhere."""
    path, waiting = {value}, [value]
    while waiting:
        at = waiting[-1]
        if at not in found:
            beyond = next(
                (each for each in aliases[at] if each in aliases and each not in found and each not in path), None
            )
            if beyond is not None:
                path.add(beyond)
                waiting.append(beyond)
                continue
            ends: dict[int, None] = {}
            for each in aliases[at]:
                ends.update(dict.fromkeys(found.get(each, () if each in aliases else (each,))))
            found[at] = tuple(ends)
        path.discard(waiting.pop())


def _owner_edges(graph: Graph, source: IntColumn, target: IntColumn) -> tuple[IntColumn, IntColumn]:
    """From the owner of a body to those of its nodes that no edge from within the body leads to."""
    if not np.any(graph.scopes.owner != NONE):
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    body = body_scopes(graph)[graph.nodes.scope]
    held = body[target] != NONE
    source, target = source[held], target[held]
    within = common_scopes(graph, graph.nodes.scope[source], body[target]) == body[target]
    first = body != NONE
    first[target[within & (source != target)]] = False
    targets = np.flatnonzero(first).astype(np.int32)
    owner = graph.scopes.owner[body[targets]]
    return owner[owner != targets], targets[owner != targets]
