"""Small traces that the tests of the trace file write and check."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from graphreel.graph import Graph, GraphBuilder, NodeId, Phase, ScopeKind, ValueId, ValueKind
from graphreel.tracefile import IterationRecord, Status, TraceInfo, TraceWriter
from graphreel.tracefile.tensors import Bytes, Change, GeneratorState, Keyframe, Storage, TensorView

NO_BYTES = np.zeros(0, np.uint8)

INFO = TraceInfo(
    source="torch",
    versions={"graphreel": "0.1.0", "torch": "2.13"},
    command=("train.py", "--lr", "0.1"),
    settings={"level": "timing"},
    started_ns=1_700_000_000_000_000_000,
)


def model(layers: int = 2, width: int = 8) -> Graph:
    """A little of everything: scopes, parameters, in-place writes, attributes, sources, control edges, boundaries."""
    builder = GraphBuilder({"framework": "torch"})
    forward = builder.scope("forward", kind=ScopeKind.PHASE)
    caller = builder.source("train.py", 41, "step")
    value = builder.value("float32", ("batch", width), name="x", kind=ValueKind.INPUT, storage=0)
    entering, last = value, -1
    for layer in range(layers):
        scope = builder.scope("layer", forward, type="Linear", source=builder.source("model.py", 7, "forward", caller))
        weight = builder.value("float32", (width, None), name=f"{layer}.weight", kind=ValueKind.PARAMETER, storage=9)
        node = builder.node(
            "aten.mm",
            [value, weight],
            scope=scope,
            source=caller,
            attributes={"alpha": 1.5, "dims": [layer, -1], "naïve": "größe"},
        )
        value = builder.value("float32", ("batch", width), producer=node, device="cuda:0", storage=layer + 1)
        relu = builder.node("aten.relu_", [value], scope=scope, phase=Phase.FORWARD, writes=[0], name="act")
        value = builder.value("float32", None, producer=relu, storage=layer + 1, version=1, previous=value)
        if last >= 0:
            builder.control(last, node)
        last = relu
    body = builder.scope("body", kind=ScopeKind.LOOP_BODY, owner=last)
    inner = builder.value("float32", (), name="inner")
    builder.enter(body, entering, inner)
    builder.output(value)
    return builder.build()


def record(graph: Graph, index: int, status: Status = Status.COMPLETE, **more: object) -> IterationRecord:
    """An iteration whose columns tell which one it is."""
    duration = (np.arange(graph.node_count, dtype=np.int64) + 1) * 1000 + index
    columns = {"start_ns": np.cumsum(duration) - duration, "duration_ns": duration}
    fields: dict[str, Any] = {"columns": columns, "scalars": {"loss": 1 / (index + 1)}, **more}
    return IterationRecord(graph, status, 1_000 + index, int(duration.sum()), **fields)


def bytes_of(array: np.ndarray[Any, np.dtype[Any]]) -> Bytes:
    """The array's elements as a storage holds them."""
    return np.frombuffer(array.tobytes(), np.uint8)


def keyframe(seed: int = 0, size: int = 64) -> Keyframe:
    """One for `model`: two tensors that share a storage, one sparse, one changed by nobody; generators; a problem."""
    noise = np.random.default_rng(seed)
    weights = noise.standard_normal(size, np.float32)
    shape = (size // 4, 2)
    parts = {
        "indices": TensorView("int64", (1, 2), (2, 1), storage=1),
        "values": TensorView("float32", (2,), (1,), storage=0, offset=2),
    }
    return Keyframe(
        tensors=(
            TensorView("float32", shape, (4, 2), 1, 0, ValueId(0)),
            TensorView("float32", shape, (0, 1), 3, 0, ValueId(1), about={"neg": True}),
            TensorView("float32", (9,), (), value=ValueId(2), layout="sparse_coo", parts=parts),
        ),
        storages=(Storage(bytes_of(weights), "cuda:0"), Storage(bytes_of(np.array([4, 7]))), Storage(NO_BYTES)),
        generators=(GeneratorState(NodeId(1), "cpu", noise.integers(0, 256, 5056).astype(np.uint8)),),
        environment={"num_threads": 2, "matmul": {"precision": "highest"}, "scale": math.inf},
        problems=("value 3 (batch): its layout mkldnn cannot be kept",),
        changes=(Change(NodeId(2), TensorView("float32", (2,), (1,), storage=0, value=ValueId(0)), in_place=True),),
    )


def write(path: Path, graphs: Sequence[Graph], *, finished: bool = True) -> Path:
    """A trace of one iteration for each graph."""
    writer = TraceWriter(path, INFO)
    writer.add_source("train.py", "import torch\nloss.backward()\n")
    for index, graph in enumerate(graphs):
        writer.put(record(graph, index), index)
    writer.close(finished=finished)
    return path
