"""The format document holds: its own reader, which knows nothing of Graphreel, reads what Graphreel writes."""

import hashlib
import json
import re
import sqlite3
import subprocess
import sys
import zlib
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from graphreel.graph import ValueId
from graphreel.tracefile import TraceWriter
from graphreel.tracefile.extrarows import KERNEL_COLUMNS
from graphreel.tracefile.extras import Finding
from graphreel.tracefile.schema import ADDED_TABLES, APPLICATION_ID, TABLES, VERSION
from graphreel.tracefile.sections import SECTIONS
from graphreel.tracefile.tensors import Change, GeneratorState, Keyframe, Storage, TensorView
from tests.tracefile_samples import INFO, keyframe, model, record, write

DOCUMENT = (Path(__file__).parent.parent / "docs" / "trace-format.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found is not None
    return found[1]


def output_of(program: Path, reel: Path) -> list[str]:
    """What the document's program prints of a trace."""
    program.write_text(block("python"))
    # Isolated, without site-packages: neither Graphreel nor NumPy is there.
    command = [sys.executable, "-I", "-S", "-X", "utf8", str(program), str(reel)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8")
    return done.stdout.splitlines()


@pytest.fixture
def reel(tmp_path: Path) -> Path:
    return write(tmp_path / "run.reel", [model(layers) for layers in (1, 2)])


def test_the_program_of_the_document_reads_a_trace_without_graphreel(tmp_path: Path, reel: Path) -> None:
    lines = output_of(tmp_path / "read_reel.py", reel)
    assert lines[:2] == ["iteration 1 complete", "loss 0.5"]
    graph = model(2)
    expected = [
        f"{duration} {node.op} {node.scope.path} {node.source or ''} "
        f"{[value.producer.id if value.producer else -1 for value in node.inputs]}"
        for duration, node in zip((1001, 2001, 3001, 4001), map(graph.node, range(4)), strict=True)
    ]
    assert lines[2:] == expected[::-1]


def test_the_program_of_the_document_reads_keyframes_and_first_files(tmp_path: Path) -> None:
    path = tmp_path / "run.reel"
    writer = TraceWriter(path, INFO)
    findings = [Finding("caught", "KeyError: 'x'")]
    writer.put(record(model(), 0, keyframe=keyframe(size=400), findings=findings), 0)
    writer.close()
    lines = output_of(tmp_path / "read_reel.py", path)
    assert lines[6:] == [
        "caught KeyError: 'x'",
        "value 0 float32 [100, 2] 1600",
        "value 1 float32 [100, 2] 1600",
        "value 2 float32 [9] -",
    ]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for table in ADDED_TABLES:
            connection.execute(f"DROP TABLE {table}")
    assert output_of(tmp_path / "read_reel.py", path) == lines[:6]


def test_the_queries_of_the_document_answer(reel: Path) -> None:
    with closing(sqlite3.connect(reel)) as connection:
        losses, graphs, sources, findings = (
            connection.execute(query).fetchall() for query in block("sql").split(";") if query.strip()
        )
    assert losses == [(0, "complete", 0.003, 1.0), (1, "complete", 0.010004, 0.5)]
    assert graphs == [(2, 1), (4, 1)]
    assert sources == [("import torch\nloss.backward()\n",)]
    assert findings == []


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
    for column in KERNEL_COLUMNS:
        assert re.search(rf"^\| .*`{column}`.* \|", DOCUMENT, re.MULTILINE), column
    for described in (Keyframe, TensorView, Storage, GeneratorState, Change):
        for field in fields(described):
            # Bytes stand in blobs.
            assert field.name in ("data", "state") or f"`{field.name}`" in DOCUMENT, field.name
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


def test_a_blob_is_followed_with_the_document_alone(tmp_path: Path) -> None:
    """Pieces, their types and both kinds of hash, put together by hand."""
    path = tmp_path / "run.reel"
    data = np.arange(1 << 21, dtype="<i4").view(np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, 300_000).astype(np.uint8)
    views = [
        TensorView("int32", (1 << 21,), (1,), storage=0, value=ValueId(0)),
        TensorView("uint8", (9,), (1,), 1, 1, ValueId(1)),
    ]
    storages = [Storage(data), Storage(noise, "cuda:1")]
    writer = TraceWriter(path, INFO)
    writer.put(record(model(1), 0, keyframe=Keyframe(views, storages)), 0)
    writer.close()
    with closing(sqlite3.connect(path)) as connection:
        blobs = {number: row for number, *row in connection.execute("SELECT id, type, size, data, hash FROM blobs")}
        ((kind, size, text),) = connection.execute("SELECT type, size, data FROM keyframes").fetchall()
    pieces = [data[: 1 << 22].tobytes(), data[1 << 22 :].tobytes(), noise.tobytes()]
    digests = [hashlib.blake2b(piece, digest_size=32).digest() for piece in pieces]
    assert [row[3] for row in blobs.values()] == digests
    assert [row[:2] for row in blobs.values()] == [["u4", 1 << 22], ["u4", 1 << 22], ["raw", 300_000]]
    planes = np.frombuffer(zlib.decompress(blobs[1][2]), np.uint8).reshape(4, -1)
    np.testing.assert_array_equal(planes.T.reshape(-1), data[: 1 << 22])
    assert blobs[3][2] == pieces[2]
    found = json.loads(zlib.decompress(text))
    assert (kind, size) == ("json", len(zlib.decompress(text)))
    assert found["storages"] == [
        {"device": device, "size": sum(map(len, pieces[part])), "blobs": ids, "hash": hashed(digests[part])}
        for device, part, ids in (("cpu", slice(2), [1, 2]), ("cuda:1", slice(2, 3), [3]))
    ]
    assert found["tensors"][1] == {"dtype": "uint8", "shape": [9], "stride": [1], "offset": 1, "storage": 1, "value": 1}


def hashed(digests: list[bytes]) -> str:
    return hashlib.blake2b(b"".join(digests), digest_size=8).hexdigest()


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
