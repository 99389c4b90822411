"""ONNX models as a source of the registry: how one is told from other files, and read as a trace of one graph."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from graphreel.capture.onnx.loading import load_model
from graphreel.capture.onnx.reader import read_model
from graphreel.graph import Progress
from graphreel.tracefile import SingleGraphTrace, Trace, TraceInfo

_NEWEST_IR = 64
"""Far above every ir_version there is; below every printable character that a text could have as second byte."""


class OnnxSource:
    """ONNX models in protobuf form."""

    kind = "an .onnx model"
    suffixes = (".onnx",)

    def accepts(self, head: bytes, name: str) -> bool:
        """By the way every exporter begins: field 1, the IR version, then another field of a model."""
        if len(head) < 3 or head[0] != 0x08 or not 0 < head[1] < _NEWEST_IR:
            return False
        return head[2] in {0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72}

    def read(self, path: Path, progress: Progress) -> Trace:
        """The model as a trace of one iteration; raises BrokenFile, or MissingExtra without the onnx package."""
        with _garbage_left():
            graph = read_model(load_model(path), progress)
        versions = {name: graph.meta[name] for name in ("producer", "ir_version", "opsets") if name in graph.meta}
        return SingleGraphTrace(path, graph, TraceInfo(source="onnx", versions=versions))


@contextmanager
def _garbage_left() -> Iterator[None]:
    """Leave cycles of garbage for later: a file makes none, but a hundred thousand nodes have all looked through often.

    What is freed without the collector still is, and whoever had switched it off finds it off.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
