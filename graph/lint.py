"""The invariants of a graph, once. Every adapter's tests call `lint`, and so does whoever reads a file."""

from collections.abc import Iterator

import numpy as np

from graphreel.graph.errors import LintError
from graphreel.graph.keys import node_keys
from graphreel.graph.model import Graph
from graphreel.graph.types import NONE, Access, Direction, IntColumn, Phase, ScopeKind, ValueKind


def lint(graph: Graph) -> None:
    """Raise LintError, naming what is wrong, unless the graph keeps every invariant.

    Columns of a table have one length; every id points into its table; scopes form a tree and parents stand first;
    siblings have different names; ports of a node are 0, 1, 2, …; a written input has a storage; keys are unique.
    """
    faults = list(_faults(graph))
    if not faults:
        # Only of a graph whose ids all point somewhere can keys be made.
        keys = node_keys(graph)
        if len(set(keys)) != len(keys):
            faults.append("two nodes have the same key")
    if faults:
        raise LintError.with_faults(faults)


def _faults(graph: Graph) -> Iterator[str]:
    lengths = list(_lengths(graph))
    yield from lengths
    if lengths:
        return
    pointers = list(_pointers(graph))
    yield from pointers
    if pointers:
        return
    yield from _scopes(graph)
    yield from _values(graph)


def _lengths(graph: Graph) -> Iterator[str]:
    grouped = {
        "inputs": graph.node_count,
        "shapes": None,
        "node_attributes": graph.node_count,
        "value_attributes": graph.value_count,
        "scope_attributes": graph.scope_count,
    }
    if not graph.strings or graph.strings[0] != "":
        yield "string 0 is not the empty string"
    for name, table in graph.tables().items():
        columns = dict(table)
        start = columns.pop("start", None)
        sizes = {len(column) for column in columns.values()}
        if len(sizes) != 1:
            yield f"columns of {name} have different lengths"
            continue
        if start is None:
            continue
        rows = sizes.pop()
        owners = grouped[name]
        if owners is not None and len(start) != owners + 1:
            yield f"{name} has {len(start)} starts for {owners} owners"
        if len(start) == 0 or start[0] != 0 or start[-1] != rows or np.any(np.diff(start) < 0):
            yield f"{name} does not group its {rows} rows"


def _pointers(graph: Graph) -> Iterator[str]:
    strings, nodes, values, scopes = len(graph.strings), graph.node_count, graph.value_count, graph.scope_count
    sources, shapes = len(graph.sources.file), len(graph.shapes.start) - 1
    checks: list[tuple[str, IntColumn, int, bool]] = [
        ("nodes.op", graph.nodes.op, strings, False),
        ("nodes.name", graph.nodes.name, strings, False),
        ("nodes.scope", graph.nodes.scope, scopes, False),
        ("nodes.source", graph.nodes.source, sources, True),
        ("nodes.forward", graph.nodes.forward, nodes, True),
        ("inputs.value", graph.inputs.value, values, False),
        ("inputs.name", graph.inputs.name, strings, False),
        ("values.producer", graph.values.producer, nodes, True),
        ("values.name", graph.values.name, strings, False),
        ("values.dtype", graph.values.dtype, strings, False),
        ("values.shape", graph.values.shape, shapes, True),
        ("values.device", graph.values.device, strings, False),
        ("values.base", graph.values.base, values, True),
        ("values.previous", graph.values.previous, values, True),
        ("scopes.parent", graph.scopes.parent, scopes, False),
        ("scopes.name", graph.scopes.name, strings, False),
        ("scopes.type", graph.scopes.type, strings, False),
        ("scopes.source", graph.scopes.source, sources, True),
        ("scopes.owner", graph.scopes.owner, nodes, True),
        ("boundaries.scope", graph.boundaries.scope, scopes, False),
        ("boundaries.outer", graph.boundaries.outer, values, False),
        ("boundaries.inner", graph.boundaries.inner, values, False),
        ("controls.before", graph.controls.before, nodes, False),
        ("controls.after", graph.controls.after, nodes, False),
        ("sources.file", graph.sources.file, strings, False),
        ("sources.function", graph.sources.function, strings, False),
        ("sources.caller", graph.sources.caller, sources, True),
        ("outputs", graph.outputs, values, False),
    ]
    for owner in ("node", "value", "scope"):
        table = getattr(graph, f"{owner}_attributes")
        checks.append((f"{owner}_attributes.key", table.key, strings, False))
        checks.append((f"{owner}_attributes.text", table.text, strings, False))
    for name, column, count, may_be_none in checks:
        if len(column) and (column.min() < (NONE if may_be_none else 0) or column.max() >= count):
            yield f"{name} points outside its table of {count}"
    symbols = -2 - graph.shapes.dim[graph.shapes.dim < -1]
    if np.any(symbols >= strings):
        yield "shapes.dim names a symbol outside the string table"
    yield from _kinds(graph)


def _kinds(graph: Graph) -> Iterator[str]:
    checks = [
        ("nodes.phase", graph.nodes.phase, len(Phase)),
        ("inputs.access", graph.inputs.access, len(Access)),
        ("values.kind", graph.values.kind, len(ValueKind)),
        ("scopes.kind", graph.scopes.kind, len(ScopeKind)),
        ("boundaries.direction", graph.boundaries.direction, len(Direction)),
    ]
    for name, column, count in checks:
        if len(column) and column.max() >= count:
            yield f"{name} holds a kind that is not known"


def _scopes(graph: Graph) -> Iterator[str]:
    if graph.scope_count == 0 or graph.scopes.kind[0] != ScopeKind.ROOT or graph.scopes.parent[0] != 0:
        yield "scope 0 is not the root"
        return
    inner = np.arange(1, graph.scope_count)
    if np.any(graph.scopes.parent[1:] >= inner):
        yield "a scope stands before its parent"
        return
    pairs = np.stack((graph.scopes.parent[1:], graph.scopes.name[1:]))
    if np.unique(pairs, axis=1).shape[1] != len(inner):
        yield "two scopes beside each other have the same name"
    names = {graph.strings[name] for name in np.unique(graph.scopes.name[1:]).tolist()}
    if any(not name or "/" in name for name in names):
        yield "a scope has no name, or a / in it"
    callers = graph.sources.caller
    if np.any(callers >= np.arange(len(callers))):
        yield "a source location stands before its caller"


def _values(graph: Graph) -> Iterator[str]:
    values = graph.values
    made = values.producer != NONE
    order = np.lexsort((values.port[made], values.producer[made]))
    producer, port = values.producer[made][order], values.port[made][order]
    if len(producer):
        first = np.flatnonzero(np.r_[True, producer[1:] != producer[:-1]])
        expected = np.arange(len(producer)) - np.repeat(first, np.diff(np.r_[first, len(producer)]))
        if np.any(port != expected):
            node = int(producer[np.flatnonzero(port != expected)[0]])
            yield f"outputs of node {node} ({graph.node(node).op}) are not ports 0, 1, 2, …"
    if np.any(values.base == np.arange(graph.value_count)):
        yield "a value is a view of itself"
    if np.any(values.previous == np.arange(graph.value_count)):
        yield "a value comes before itself"
    written = graph.inputs.value[graph.inputs.access == Access.WRITE]
    if np.any(values.storage[written] == NONE):
        yield "a node writes a value whose storage is unknown"
