"""Opening files: the registry, and one clear line for whatever cannot be opened."""

import os
import sqlite3
from pathlib import Path

import pytest

from graphreel.capture.errors import BrokenFile, CaptureError, UnknownFile, UnreadableFile
from graphreel.capture.sources import accepted_kinds, open_trace
from graphreel.graph import Cancelled, structure_hash
from graphreel.tracefile import IterationRecord, Status, TraceError, TraceInfo, TraceWriter

from .samples import IF, onnx_text, save, training_step, weighted_mlp


def one_line(error: BaseException, path: Path) -> str:
    text = str(error)
    assert "\n" not in text
    assert path.name in text
    return text


def write_reel(path: Path) -> Path:
    writer = TraceWriter(path, TraceInfo(source="test"))
    writer.put(IterationRecord(training_step(), Status.COMPLETE, 0, 10), 0)
    writer.close()
    return path


def test_an_onnx_model_opens_as_a_trace_of_one_iteration(tmp_path: Path) -> None:
    trace = open_trace(save(weighted_mlp(), tmp_path / "net.onnx"))
    assert [iteration.index for iteration in trace.iterations] == [0]
    assert trace.iterations[0].status is Status.COMPLETE
    assert trace.info.source == "onnx"
    assert trace.info.versions["opsets"] == "ai.onnx 20, local 1"
    assert [node.op for node in map(trace.graph(0).node, range(3))] == ["MatMul", "Relu", "MatMul"]
    trace.close()


def test_a_recording_opens(tmp_path: Path) -> None:
    trace = open_trace(write_reel(tmp_path / "run.reel"))
    assert structure_hash(trace.graph(0)) == structure_hash(training_step())
    trace.close()


@pytest.mark.parametrize("name", ["renamed.onnx", "renamed.bin", "renamed"])
def test_content_counts_more_than_the_ending(tmp_path: Path, name: str) -> None:
    reel = open_trace(write_reel(tmp_path / name))
    assert reel.info.source == "test"
    reel.close()
    (tmp_path / name).unlink()
    model = open_trace(save(onnx_text(IF), tmp_path / name.replace("onnx", "reel")))
    assert model.info.source == "onnx"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone.reel"
    with pytest.raises(UnreadableFile) as caught:
        open_trace(path)
    assert "no such file" in one_line(caught.value, path)


def test_a_path_with_a_zero_byte_is_a_missing_file() -> None:
    with pytest.raises(UnreadableFile, match="no such file"):
        open_trace(Path("a\0b.onnx"))


def test_a_folder_is_told_from_a_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile) as caught:
        open_trace(tmp_path)
    text = one_line(caught.value, tmp_path)
    assert "folder" in text
    assert all(kind in text for kind in accepted_kinds())


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    path = tmp_path / "nothing.onnx"
    path.touch()
    with pytest.raises(UnreadableFile) as caught:
        open_trace(path)
    assert "empty" in one_line(caught.value, path)


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.onnx"
    os.mkfifo(path)
    with pytest.raises(UnreadableFile) as caught:
        open_trace(path)
    assert "not a regular file" in one_line(caught.value, path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = save(weighted_mlp(), tmp_path / "secret.onnx")
    path.chmod(0)
    with pytest.raises(UnreadableFile) as caught:
        open_trace(path)
    assert "Permission denied" in one_line(caught.value, path)


def test_a_name_longer_than_the_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 5000)
    with pytest.raises(UnreadableFile, match="cannot be read: File name too long"):
        open_trace(path)


@pytest.mark.parametrize("content", [b"hello, this is text", b"\x89PNG\r\n\x1a\n", b"\x00"])
def test_an_unknown_kind_says_what_would_be_accepted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(UnknownFile) as caught:
        open_trace(path)
    text = one_line(caught.value, path)
    assert all(kind in text for kind in accepted_kinds())


@pytest.mark.parametrize("content", [b"hello, this is text", b"{}", b"\x89PNG\r\n\x1a\n", b"\x08\x09"])
def test_an_ending_with_other_content_is_a_broken_file_of_that_kind(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(BrokenFile) as caught:
        open_trace(path)
    assert "not a valid ONNX model: " in one_line(caught.value, path)


def test_a_reel_ending_with_other_content_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.reel"
    path.write_bytes(b"hello, this is text")
    with pytest.raises(TraceError) as caught:
        open_trace(path)
    one_line(caught.value, path)


def test_another_database_is_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as database:
        database.execute("create table t (a)")
    database.close()
    with pytest.raises((CaptureError, TraceError)) as caught:
        open_trace(path)
    one_line(caught.value, path)


def test_reading_can_be_cancelled(tmp_path: Path) -> None:
    class Impatient:
        def step(self, done: int, total: int) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        open_trace(save(weighted_mlp(), tmp_path / "net.onnx"), Impatient())
