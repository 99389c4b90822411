"""A graph as plain rows, which is what JSON and networkx carry.

Rows are dictionaries of strings, numbers, lists and dictionaries. What is empty or unknown is left out. Nodes, values
and sources are spoken of by number, scopes by path.
"""

import json
import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, TypeAlias

from graphreel.graph.columns import AttributeColumns
from graphreel.graph.keys import node_keys
from graphreel.graph.model import Graph
from graphreel.graph.types import NONE, Access, Direction, Phase, ScopeKind, ValueKind, word

Row: TypeAlias = dict[str, Any]
Rows: TypeAlias = dict[str, Any]

NOT_FINITE = "$float"
"""JSON has no word for not a number and the infinities: `{"$float": "NaN"}`."""


def to_rows(graph: Graph) -> Rows:
    """Everything that a graph holds, by section, in the order in which a reader wants to see it."""
    return {
        "meta": dict(graph.meta),
        "sources": list(_source_rows(graph)),
        "scopes": list(_scope_rows(graph)),
        "nodes": list(node_rows(graph)),
        "values": list(_value_rows(graph)),
        "boundaries": list(_boundary_rows(graph)),
        "controls": [list(pair) for pair in zip(*_lists(graph.controls.before, graph.controls.after), strict=True)],
        "outputs": graph.outputs.tolist(),
    }


def _source_rows(graph: Graph) -> Iterator[Row]:
    table, strings = graph.sources, graph.strings
    for file, line, function, caller in zip(*_lists(table.file, table.line, table.function, table.caller), strict=True):
        yield _filled({"file": strings[file], "line": line, "function": strings[function]}, caller=_known(caller))


def _scope_rows(graph: Graph) -> Iterator[Row]:
    table, strings = graph.scopes, graph.strings
    attributes = _decoder(graph, graph.scope_attributes)
    columns = _lists(table.kind, table.type, table.source, table.owner)
    for scope, (kind, type_, source, owner) in enumerate(zip(*columns, strict=True)):
        if scope:
            row = {"path": graph.paths[scope], "kind": word(ScopeKind(kind))}
            more = {"type": strings[type_], "source": _known(source), "owner": _known(owner)}
            yield _filled(row, **more, attributes=attributes(scope))


def node_rows(graph: Graph) -> Iterator[Row]:
    """The row of each node, in execution order."""
    table, strings, paths = graph.nodes, graph.strings, graph.paths
    attributes = _decoder(graph, graph.node_attributes)
    outputs, inputs = _outputs(graph), _inputs(graph)
    columns = _lists(table.op, table.name, table.scope, table.phase, table.source, table.forward)
    for node, (op, name, scope, phase, source, forward) in enumerate(zip(*columns, strict=True)):
        row = {"id": node, "key": node_keys(graph)[node], "op": strings[op]}
        more = {"name": strings[name], "scope": paths[scope], "phase": word(Phase(phase)), "source": _known(source)}
        yield _filled(
            row,
            **more,
            forward=_known(forward),
            inputs=inputs[node],
            outputs=outputs[node],
            attributes=attributes(node),
        )


def _inputs(graph: Graph) -> list[list[Row]]:
    table, strings = graph.inputs, graph.strings
    found: list[Row] = []
    for value, name, access in zip(*_lists(table.value, table.name, table.access), strict=True):
        found.append(_filled({"value": value}, name=strings[name], access=word(Access(access)) if access else None))
    start = table.start.tolist()
    return [found[begin:end] for begin, end in pairwise(start)]


def _outputs(graph: Graph) -> list[list[int]]:
    return [graph.outputs_of(node).tolist() for node in range(graph.node_count)]


def _value_rows(graph: Graph) -> Iterator[Row]:
    table, strings = graph.values, graph.strings
    attributes = _decoder(graph, graph.value_attributes)
    shapes = [graph.shape(shape) for shape in range(len(graph.shapes.start) - 1)]
    columns = _lists(table.kind, table.producer, table.port, table.name, table.dtype, table.shape)
    memory = _lists(table.device, table.storage, table.version, table.base, table.previous)
    for value, (kind, producer, port, name, dtype, shape, device, storage, version, base, previous) in enumerate(
        zip(*columns, *memory, strict=True)
    ):
        row: Row = {"id": value, "kind": word(ValueKind(kind))}
        if producer != NONE or port:
            row |= {"producer": _known(producer), "port": port}
        dims = shapes[shape] if shape != NONE else None
        more = {"name": strings[name], "dtype": strings[dtype], "shape": None if dims is None else list(dims)}
        rest = {"device": strings[device], "storage": _known(storage), "version": version or None}
        rest |= {"base": _known(base), "previous": _known(previous)}
        # A scalar has the shape [], which says more than no shape.
        yield _filled(row, keep=("shape",), **more, **rest, attributes=attributes(value))


def _boundary_rows(graph: Graph) -> Iterator[Row]:
    table = graph.boundaries
    columns = _lists(table.scope, table.outer, table.inner, table.direction)
    for scope, outer, inner, direction in zip(*columns, strict=True):
        way = word(Direction(direction))
        yield {"scope": graph.paths[scope], "direction": way, "outer": outer, "inner": inner}


def _decoder(graph: Graph, table: AttributeColumns) -> Callable[[int], Row]:
    """Attributes of an owner; each distinct text is decoded once."""
    start, keys, texts = _lists(table.start, table.key, table.text)
    known: dict[int, Any] = {}

    def attributes(owner: int) -> Row:
        found: Row = {}
        for row in range(start[owner], start[owner + 1]):
            text = texts[row]
            if text not in known:
                known[text] = _finite(json.loads(graph.strings[text]))
            found[graph.strings[keys[row]]] = known[text]
        return found

    return attributes


def _finite(plain: Any) -> Any:
    """The same data with what JSON cannot say spelled out. As deep as Python's own JSON reader goes."""
    if isinstance(plain, float) and not math.isfinite(plain):
        return {NOT_FINITE: json.dumps(plain)}
    if isinstance(plain, list):
        return [_finite(item) for item in plain]
    if isinstance(plain, dict):
        return {key: _finite(item) for key, item in plain.items()}
    return plain


def plain_again(plain: Any) -> Any:
    """What _finite was given."""
    if isinstance(plain, list):
        return [plain_again(item) for item in plain]
    if isinstance(plain, dict):
        if plain.keys() == {NOT_FINITE} and plain[NOT_FINITE] in {"NaN", "Infinity", "-Infinity"}:
            return float(plain[NOT_FINITE])
        return {key: plain_again(item) for key, item in plain.items()}
    return plain


def _lists(*columns: Any) -> list[list[int]]:
    return [column.tolist() for column in columns]


def _known(number: int) -> int | None:
    return None if number == NONE else number


def _filled(row: Row, keep: tuple[str, ...] = (), **more: Any) -> Row:
    """The row with what else is known."""
    for key, found in more.items():
        if found is not None and (key in keep or found not in ("", [], {})):
            row[key] = found
    return row
