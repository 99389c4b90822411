"""Which section of the file holds which column of a graph: the file's own mapping.

It is written out, never derived from the dataclasses: a column that is renamed in memory keeps its name in the file.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphreel.graph import NONE, Graph
from graphreel.graph.columns import (
    AttributeColumns,
    BoundaryColumns,
    ControlColumns,
    InputColumns,
    NodeColumns,
    ScopeColumns,
    ShapeColumns,
    SourceColumns,
    ValueColumns,
)
from graphreel.tracefile.codec import Damage, Encoded, decode, decode_strings, encode, encode_strings

Column = npt.NDArray[Any]

STRINGS = "strings"


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its name in the file, its element type, and the column of a graph that it holds."""

    name: str
    type: str
    column: Callable[[Graph], Column]


SECTIONS: tuple[Section, ...] = (
    Section("nodes.op", "i4", lambda graph: graph.nodes.op),
    Section("nodes.name", "i4", lambda graph: graph.nodes.name),
    Section("nodes.scope", "i4", lambda graph: graph.nodes.scope),
    Section("nodes.phase", "u1", lambda graph: graph.nodes.phase),
    Section("nodes.source", "i4", lambda graph: graph.nodes.source),
    Section("nodes.forward", "i4", lambda graph: graph.nodes.forward),
    Section("inputs.start", "i4", lambda graph: graph.inputs.start),
    Section("inputs.value", "i4", lambda graph: graph.inputs.value),
    Section("inputs.name", "i4", lambda graph: graph.inputs.name),
    Section("inputs.access", "u1", lambda graph: graph.inputs.access),
    Section("values.producer", "i4", lambda graph: graph.values.producer),
    Section("values.port", "i4", lambda graph: graph.values.port),
    Section("values.name", "i4", lambda graph: graph.values.name),
    Section("values.kind", "u1", lambda graph: graph.values.kind),
    Section("values.dtype", "i4", lambda graph: graph.values.dtype),
    Section("values.shape", "i4", lambda graph: graph.values.shape),
    Section("values.device", "i4", lambda graph: graph.values.device),
    Section("values.storage", "i4", lambda graph: graph.values.storage),
    Section("values.version", "i4", lambda graph: graph.values.version),
    Section("values.base", "i4", lambda graph: graph.values.base),
    Section("values.previous", "i4", lambda graph: graph.values.previous),
    Section("scopes.parent", "i4", lambda graph: graph.scopes.parent),
    Section("scopes.name", "i4", lambda graph: graph.scopes.name),
    Section("scopes.kind", "u1", lambda graph: graph.scopes.kind),
    Section("scopes.type", "i4", lambda graph: graph.scopes.type),
    Section("scopes.source", "i4", lambda graph: graph.scopes.source),
    Section("scopes.owner", "i4", lambda graph: graph.scopes.owner),
    Section("boundaries.scope", "i4", lambda graph: graph.boundaries.scope),
    Section("boundaries.outer", "i4", lambda graph: graph.boundaries.outer),
    Section("boundaries.inner", "i4", lambda graph: graph.boundaries.inner),
    Section("boundaries.direction", "u1", lambda graph: graph.boundaries.direction),
    Section("controls.before", "i4", lambda graph: graph.controls.before),
    Section("controls.after", "i4", lambda graph: graph.controls.after),
    Section("sources.file", "i4", lambda graph: graph.sources.file),
    Section("sources.line", "i4", lambda graph: graph.sources.line),
    Section("sources.function", "i4", lambda graph: graph.sources.function),
    Section("sources.caller", "i4", lambda graph: graph.sources.caller),
    Section("shapes.start", "i4", lambda graph: graph.shapes.start),
    Section("shapes.dim", "i8", lambda graph: graph.shapes.dim),
    Section("node_attributes.start", "i4", lambda graph: graph.node_attributes.start),
    Section("node_attributes.key", "i4", lambda graph: graph.node_attributes.key),
    Section("node_attributes.text", "i4", lambda graph: graph.node_attributes.text),
    Section("value_attributes.start", "i4", lambda graph: graph.value_attributes.start),
    Section("value_attributes.key", "i4", lambda graph: graph.value_attributes.key),
    Section("value_attributes.text", "i4", lambda graph: graph.value_attributes.text),
    Section("scope_attributes.start", "i4", lambda graph: graph.scope_attributes.start),
    Section("scope_attributes.key", "i4", lambda graph: graph.scope_attributes.key),
    Section("scope_attributes.text", "i4", lambda graph: graph.scope_attributes.text),
    Section("outputs", "i4", lambda graph: graph.outputs),
)

_TYPES = {section.name: section.type for section in SECTIONS}

_ADDED = {"values.previous": "values.base"}
"""Sections that the first files of this version have not, each with one of as many rows: all of them are -1."""


def encode_graph(graph: Graph) -> dict[str, Encoded]:
    """Every section of a graph by name."""
    found = {section.name: encode(section.column(graph), section.type) for section in SECTIONS}
    found[STRINGS] = encode_strings(graph.strings)
    return found


def decode_graph(rows: Iterable[tuple[object, object, object, object]], meta: Mapping[str, str]) -> Graph:
    """The graph that rows of (name, type, size, data) make up; sections of unknown name are skipped.

    Raises Damage, naming the section. Whether the ids point anywhere is for `lint` to say, and whether attributes are
    JSON for `check_attributes`.
    """
    strings: tuple[str, ...] | None = None
    columns: dict[str, Column] = {}
    for name, *encoded in rows:
        try:
            if name == STRINGS:
                strings = decode_strings(*encoded)
            elif isinstance(name, str) and name in _TYPES:
                # The type in the file may be a narrower one than ours, never one that does not fit.
                columns[name] = decode(*encoded).astype(np.dtype(_TYPES[name]), casting="safe", copy=False)
        except (Damage, TypeError) as error:
            raise Damage(f"section {name}: {error}") from error
    for name, beside in _ADDED.items():
        if name not in columns and beside in columns:
            columns[name] = np.full_like(columns[beside], NONE)
    missing = [name for name in _TYPES if name not in columns]
    if strings is None or missing:
        raise Damage(f"section {missing[0] if missing else STRINGS} is missing")
    return _assemble(strings, columns, meta)


def _assemble(strings: tuple[str, ...], columns: Mapping[str, Column], meta: Mapping[str, str]) -> Graph:
    def table(name: str, *parts: str) -> dict[str, Column]:
        return {part: columns[f"{name}.{part}"] for part in parts}

    grouped = "start", "key", "text"
    return Graph(
        strings=strings,
        nodes=NodeColumns(**table("nodes", "op", "name", "scope", "phase", "source", "forward")),
        inputs=InputColumns(**table("inputs", "start", "value", "name", "access")),
        values=ValueColumns(
            **table("values", "producer", "port", "name", "kind", "dtype"),
            **table("values", "shape", "device", "storage", "version", "base", "previous"),
        ),
        scopes=ScopeColumns(**table("scopes", "parent", "name", "kind", "type", "source", "owner")),
        boundaries=BoundaryColumns(**table("boundaries", "scope", "outer", "inner", "direction")),
        controls=ControlColumns(**table("controls", "before", "after")),
        sources=SourceColumns(**table("sources", "file", "line", "function", "caller")),
        shapes=ShapeColumns(**table("shapes", "start", "dim")),
        node_attributes=AttributeColumns(**table("node_attributes", *grouped)),
        value_attributes=AttributeColumns(**table("value_attributes", *grouped)),
        scope_attributes=AttributeColumns(**table("scope_attributes", *grouped)),
        outputs=columns["outputs"],
        meta=dict(meta),
    )


def check_attributes(graph: Graph) -> None:
    """Raise Damage unless every attribute's text is a JSON value. Each id must point into its table (see `lint`)."""
    tables = graph.node_attributes, graph.value_attributes, graph.scope_attributes
    # Straight to the decoder: `json.loads` looks at each text three times as long.
    decode_text = json.JSONDecoder().raw_decode
    for row in np.unique(np.concatenate([table.text for table in tables])).tolist():
        text = graph.strings[row]
        try:
            end = decode_text(text)[1]
        except (ValueError, RecursionError) as error:
            raise Damage(f"an attribute is not JSON: {text[:40]!r}") from error
        if end != len(text):
            raise Damage(f"an attribute is not JSON: {text[:40]!r}")
