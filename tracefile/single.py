"""A trace of a single graph: what a static file, such as an ONNX model, opens as."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy.typing as npt

from graphreel.graph import Graph, ValueId, structure_hash
from graphreel.tracefile.errors import UnknownIteration
from graphreel.tracefile.extras import Finding, Kernels
from graphreel.tracefile.model import Iteration, Status, TraceInfo, edge_count
from graphreel.tracefile.tensors import Keyframe, RecordedTensor


class SingleGraphTrace:
    """One iteration, numbered 0 and complete, without columns; see Trace."""

    def __init__(
        self, path: Path, graph: Graph, info: TraceInfo, source_texts: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self._path = path
        self._graph = graph
        self._info = info
        self._source_texts = dict(source_texts)
        self._iteration = Iteration(
            index=0,
            status=Status.COMPLETE,
            graph=structure_hash(graph),
            nodes=graph.node_count,
            edges=edge_count(graph),
            started_ns=info.started_ns,
            duration_ns=0,
        )

    @property
    def path(self) -> Path:
        """The file it was opened from."""
        return self._path

    @property
    def info(self) -> TraceInfo:
        """What is known of the file as a whole."""
        return self._info

    @property
    def iterations(self) -> Sequence[Iteration]:
        """The one there is."""
        return (self._iteration,)

    @property
    def running(self) -> bool:
        """Always False: nobody records a static file."""
        return False

    @property
    def problems(self) -> Sequence[str]:
        """Always empty: a static file that is damaged does not open."""
        return ()

    def refresh(self) -> bool:
        """Always False: a static file does not grow."""
        return False

    def graph(self, index: int) -> Graph:
        """The graph; raises UnknownIteration unless the index is 0."""
        self._check(index)
        return self._graph

    def columns(self, index: int) -> Mapping[str, npt.NDArray[Any]]:
        """Always empty: nothing ran; raises UnknownIteration unless the index is 0."""
        self._check(index)
        return {}

    def value_columns(self, index: int) -> Mapping[str, npt.NDArray[Any]]:
        """Always empty: nothing ran; raises UnknownIteration unless the index is 0."""
        self._check(index)
        return {}

    @property
    def keyframes(self) -> Sequence[int]:
        """Always empty: nothing ran."""
        return ()

    def keyframe(self, index: int) -> Keyframe | None:
        """Always None: nothing ran; raises UnknownIteration unless the index is 0."""
        self._check(index)
        return None

    def tensors(self, index: int) -> Sequence[ValueId]:
        """Always empty: nothing ran; raises UnknownIteration unless the index is 0."""
        self._check(index)
        return ()

    def tensor(self, index: int, value: int) -> RecordedTensor | None:
        """Always None: nothing ran; raises UnknownIteration unless the index is 0."""
        self._check(index)
        return None

    def kernels(self, index: int) -> Kernels | None:
        """Always None: nothing ran; raises UnknownIteration unless the index is 0."""
        self._check(index)
        return None

    def findings(self, index: int) -> Sequence[Finding]:
        """Always empty: nothing ran; raises UnknownIteration unless the index is 0."""
        self._check(index)
        return ()

    def views(self, index: int) -> Sequence[str]:
        """Always empty: there is the one graph; raises UnknownIteration unless the index is 0."""
        self._check(index)
        return ()

    def view(self, index: int, name: str) -> Graph | None:
        """Always None: there is the one graph; raises UnknownIteration unless the index is 0."""
        self._check(index)
        return None

    def view_columns(self, index: int, name: str) -> Mapping[str, npt.NDArray[Any]]:
        """Always empty: nothing ran; raises UnknownIteration unless the index is 0."""
        self._check(index)
        return {}

    def source_text(self, file: str) -> str | None:
        """The text of a source file; None where it was not kept."""
        return self._source_texts.get(file)

    def close(self) -> None:
        """Do nothing: the file was read whole."""

    def _check(self, index: int) -> None:
        if index != 0:
            raise UnknownIteration.in_trace(index, self._path, (0,))
