"""Kernels and findings of an iteration as rows of the file, and back."""

import json
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from graphreel.graph import NodeId
from graphreel.tracefile.codec import (
    Damage,
    Encoded,
    decode,
    decode_strings,
    encode,
    encode_strings,
    expect,
    parse_json,
)
from graphreel.tracefile.extras import Finding, Kernels
from graphreel.tracefile.rows import Row, texts
from graphreel.tracefile.schema import storable

NAMES = "names"
KERNEL_COLUMNS = (
    "name",
    "kind",
    "node",
    "device",
    "stream",
    "start_ns",
    "duration_ns",
    "launch_ns",
    "nbytes",
)
"""Columns of the table `kernels` beside the names, all of them integers."""

_KINDS = 4

FINDINGS = """
    SELECT position, kind, message, node, file, line, more FROM findings
    WHERE iteration = ? ORDER BY position"""


def encode_kernels(kernels: Kernels, nodes: int) -> dict[str, Encoded]:
    """Every column by name; raises Damage where they do not fit each other or the graph."""
    _check_kernels(kernels, nodes)
    found = {name: encode(getattr(kernels, name), "i8") for name in KERNEL_COLUMNS}
    found[NAMES] = encode_strings(kernels.names)
    return found


def decode_kernels(rows: Iterable[Row], nodes: int) -> Kernels | None:
    """The kernels of an iteration whose graph has so many nodes; None without rows. Raises Damage."""
    names: tuple[str, ...] | None = None
    columns: dict[str, npt.NDArray[Any]] = {}
    for name, *encoded in rows:
        try:
            if name == NAMES:
                names = decode_strings(*encoded)
            elif name in KERNEL_COLUMNS:
                columns[name] = decode(*encoded).astype(np.int64, casting="safe", copy=False)
        except (Damage, TypeError) as error:
            raise Damage(f"column {name}: {error}") from error
    if names is None and not columns:
        return None
    missing = [name for name in KERNEL_COLUMNS if name not in columns]
    if names is None or missing:
        raise Damage(f"column {missing[0] if missing else NAMES} is missing")
    kernels = Kernels(names, **columns)
    _check_kernels(kernels, nodes)
    return kernels


def _check_kernels(kernels: Kernels, nodes: int) -> None:
    rows = len(kernels.name)
    for field in fields(kernels):
        if field.name != NAMES and getattr(kernels, field.name).shape != (rows,):
            raise Damage(f"column {field.name} has another length than the others")
    checks = (("name", 0, len(kernels.names)), ("kind", 0, _KINDS), ("node", -1, nodes))
    for name, least, behind in checks:
        column = getattr(kernels, name)
        if rows and not (least <= column.min() and column.max() < behind):
            raise Damage(f"column {name} points outside its table")


def finding_row(index: int, position: int, finding: Finding) -> Row:
    """A row of the table `findings`."""
    more = json.dumps({str(key): str(text) for key, text in finding.more.items()})
    node = None if finding.node is None else int(finding.node)
    texts = storable(finding.kind), storable(finding.message)
    return (index, position, *texts, node, storable(finding.file), int(finding.line), more)


def finding(row: Row, nodes: int) -> Finding:
    """A row of FINDINGS; raises Damage."""
    _, kind, message, node, file, line, more = row
    if node is not None and not (isinstance(node, int) and 0 <= node < nodes):
        raise Damage(f"it speaks of node {node!r}, and there are {nodes}")
    return Finding(
        kind=expect(str, kind, "its kind"),
        message=expect(str, message, "its message"),
        node=None if node is None else NodeId(node),
        file=expect(str, file, "its file"),
        line=expect(int, line, "its line"),
        more=texts(expect(dict, parse_json(expect(str, more, "more")), "more")),
    )
