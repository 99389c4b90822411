"""The format document holds: its own reader, which knows nothing of Graphreel, reads what Graphreel writes."""

import json
import re
import sqlite3
import subprocess
import sys
import zlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from graphreel.tracefile import TraceWriter
from graphreel.tracefile.schema import APPLICATION_ID, TABLES, VERSION
from graphreel.tracefile.sections import SECTIONS
from tests.tracefile_samples import INFO, model, record, write

DOCUMENT = (Path(__file__).parent.parent / "docs" / "trace-format.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def reel(tmp_path: Path) -> Path:
    return write(tmp_path / "run.reel", [model(layers) for layers in (1, 2)])


def test_the_program_of_the_document_reads_a_trace_without_graphreel(tmp_path: Path, reel: Path) -> None:
    program = tmp_path / "read_reel.py"
    program.write_text(block("python"))
    # Isolated, without site-packages: neither Graphreel nor NumPy is there.
    command = [sys.executable, "-I", "-S", "-X", "utf8", str(program), str(reel)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8")
    lines = done.stdout.splitlines()
    assert lines[:2] == ["iteration 1 complete", "loss 0.5"]
    graph = model(2)
    expected = [
        f"{duration} {node.op} {node.scope.path} {node.source or ''} "
        f"{[value.producer.id if value.producer else -1 for value in node.inputs]}"
        for duration, node in zip((1001, 2001, 3001, 4001), map(graph.node, range(4)), strict=True)
    ]
    assert lines[2:] == expected[::-1]


def test_the_queries_of_the_document_answer(reel: Path) -> None:
    with closing(sqlite3.connect(reel)) as connection:
        losses, graphs, sources = (
            connection.execute(query).fetchall() for query in block("sql").split(";") if query.strip()
        )
    assert losses == [(0, "complete", 0.003, 1.0), (1, "complete", 0.010004, 0.5)]
    assert graphs == [(2, 1), (4, 1)]
    assert sources == [("import torch\nloss.backward()\n",)]


def test_the_document_names_every_table_column_section_and_key(reel: Path) -> None:
    for table in TABLES:
        row = re.search(rf"^\| `{table}` \|.*$", DOCUMENT, re.MULTILINE)
        assert row is not None, table
        with closing(sqlite3.connect(reel)) as connection:
            for _, column, *_ in connection.execute(f"PRAGMA table_info({table})"):
                assert f"`{column}`" in row[0], f"{table}.{column}"
    for section in SECTIONS:
        owner, _, part = section.name.partition(".")
        as_for_nodes = owner in ("value_attributes", "scope_attributes")
        documented = f"node_attributes.{part}" if as_for_nodes else section.name
        row = re.search(rf"^\|.*`{documented}`.* \| {section.type} \|", DOCUMENT, re.MULTILINE)
        assert row is not None, section.name
        assert not as_for_nodes or f"`{owner}.…`" in DOCUMENT
    with closing(sqlite3.connect(reel)) as connection:
        keys = [key for (key,) in connection.execute("SELECT key FROM info")]
    for key in keys:
        assert f"`{key}` (" in DOCUMENT or f"\n`{key}` (" in DOCUMENT, key


def test_the_numbers_of_the_document_are_those_of_the_file(reel: Path) -> None:
    head = reel.read_bytes()[:100]
    assert f"{APPLICATION_ID:#010x}".lower() in DOCUMENT.lower()
    assert head[68:72] == b"Reel"
    assert head[60:64] == bytes([0, 0, 0, VERSION])
    assert f"version {VERSION}" in DOCUMENT.splitlines()[0]


def test_an_iteration_is_followed_with_the_document_alone(tmp_path: Path) -> None:
    """Byte planes, laid out by hand."""
    path = tmp_path / "run.reel"
    writer = TraceWriter(path, INFO)
    writer.put(record(model(1), 0, columns={"bytes": np.array([1, -2], "i4"), "nan": np.array([0.5, 2], "f2")}), 0)
    writer.close()
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, type, size, data FROM columns ORDER BY name").fetchall()
        versions = json.loads(connection.execute("SELECT value FROM info WHERE key = 'versions'").fetchone()[0])
    assert [(name, kind, size, zlib.decompress(data)) for name, kind, size, data in rows] == [
        ("bytes", "i4", 8, bytes([1, 0xFE, 0, 0xFF, 0, 0xFF, 0, 0xFF])),
        ("nan", "f2", 4, bytes([0, 0, 0x38, 0x40])),
    ]
    assert versions == INFO.versions
