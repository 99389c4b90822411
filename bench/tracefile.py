"""What the trace file costs, beside what one would write without it, in one run.

Run: python bench/tracefile.py [--iterations 1000] [--operations 5000] [--keyframe-mb 64]
The peers hold the same data, structure once: gzip'd JSON lines, and one pickled, compressed `.npz` an iteration. They
write on the recording thread, and promise nothing of what a kill leaves. Keyframes are measured beside `torch.save`
(where PyTorch is installed) and `numpy.savez`, a file for each.
"""

import argparse
import gzip
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
import numpy.typing as npt

from graphreel.graph import Graph, GraphBuilder, Phase, ScopeKind, ValueId, ValueKind, structure_hash
from graphreel.tracefile import IterationRecord, Status, TraceInfo, TraceWriter, open_reel
from graphreel.tracefile.tensors import Keyframe, Storage, TensorView

INFO = TraceInfo(source="bench")
Column = npt.NDArray[np.int64]
READS = 40


@dataclass
class Result:
    """Milliseconds, but for `bytes`: the size of the file for each iteration."""

    name: str
    recording: list[float] = field(default_factory=list)
    write: float = 0.0
    bytes: float = 0.0
    open: list[float] = field(default_factory=list)
    read: list[float] = field(default_factory=list)
    read_processor: list[float] = field(default_factory=list)
    """As `read`, without what other programs took of the machine meanwhile."""


@contextmanager
def timed(into: list[float], processor: list[float] | None = None) -> Iterator[None]:
    """Append the milliseconds that the block takes, and those of processor time."""
    start, used = time.perf_counter_ns(), time.process_time_ns()
    yield
    if processor is not None:
        processor.append((time.process_time_ns() - used) / 1e6)
    into.append((time.perf_counter_ns() - start) / 1e6)


def training_step(operations: int, seed: int = 0) -> Graph:
    """A graph like a transformer's step: layers of modules, parameters, attributes, sources, residuals."""
    chance = Random(seed)
    builder = GraphBuilder({"framework": "bench"})
    forward = builder.scope("forward", kind=ScopeKind.PHASE)
    ops = ("aten.addmm.default", "aten.view.default", "aten.native_layer_norm.default", "aten._softmax.default")
    values = [builder.value("float32", (8, 64, 256), name="x", kind=ValueKind.INPUT)]
    scope = forward
    for index in range(operations):
        if index % 20 == 0:
            scope = builder.scope(str(index // 20), forward, type="Linear")
        inputs = [values[-1], values[max(0, len(values) - 1 - chance.randrange(40))]]
        source = builder.source("model.py", 10 + index % 300, "forward")
        attributes = {"dim": chance.randrange(-1, 3), "size": [8, 64, chance.choice((64, 256, 1024))]}
        node = builder.node(
            ops[index % 4], inputs, scope=scope, phase=Phase.FORWARD, source=source, attributes=attributes
        )
        values.append(builder.value("float32", (8, 64, 256), producer=node, storage=index, device="cuda:0"))
    return builder.build()


def timings(operations: int, count: int) -> list[dict[str, Column]]:
    """Start and duration of each operation, iteration by iteration: lognormal around 10 µs."""
    random = np.random.default_rng(0)
    found: list[dict[str, Column]] = []
    for _ in range(count):
        duration = random.lognormal(9.2, 1, operations).astype(np.int64)
        found.append({"start_ns": np.cumsum(duration + 3000), "duration_ns": duration})
    return found


def record_of(graph: Graph, columns: dict[str, Column]) -> IterationRecord:
    """One iteration on its way into a trace."""
    return IterationRecord(graph, Status.COMPLETE, 0, 1, columns, {"loss": 0.5})


def measure_reel(folder: Path, graph: Graph, data: list[dict[str, Column]], pause: float) -> Result:
    """The trace file. The recording thread sleeps between iterations, as one does that waits for its computation."""
    result = Result(".reel")
    path = folder / "run.reel"
    writer = TraceWriter(path, INFO)
    for index, columns in enumerate(data[:READS]):
        with timed(result.recording):
            writer.put(record_of(graph, columns), index)
        time.sleep(pause)
    # The rest as fast as the writer takes it.
    rest: list[float] = []
    with timed(rest):
        for index, columns in enumerate(data[READS:], READS):
            writer.put(record_of(graph, columns), index)
        writer.close()
    result.write = rest[0] / max(1, len(data) - READS)
    result.bytes = path.stat().st_size / len(data)
    for index in chosen(len(data)):
        with timed(result.open):
            trace = open_reel(path)
        with timed(result.read, result.read_processor):
            found, read = trace.graph(index), trace.columns(index)
        assert found.node_count == graph.node_count
        np.testing.assert_array_equal(read["duration_ns"], data[index]["duration_ns"])
        trace.close()
    return result


def plain(graph: Graph) -> dict[str, object]:
    """The graph as JSON data."""
    tables = {name: {key: column.tolist() for key, column in table.items()} for name, table in graph.tables().items()}
    return {"strings": graph.strings, "tables": tables, "outputs": graph.outputs.tolist()}


def measure_json_lines(folder: Path, graph: Graph, data: list[dict[str, Column]], pause: float) -> Result:
    """One line an iteration, the graph in the first. Reading one means reading all before it."""
    result = Result("gzip'd JSON lines")
    path = folder / "run.jsonl.gz"
    with gzip.open(path, "wt", compresslevel=1) as file:
        file.write(json.dumps(plain(graph)) + "\n")
        for columns in data:
            with timed(result.recording):
                file.write(json.dumps({name: column.tolist() for name, column in columns.items()}) + "\n")
                file.flush()
            time.sleep(pause)
    result.write = statistics.median(result.recording)
    result.bytes = path.stat().st_size / len(data)
    for index in chosen(len(data))[:4]:
        with timed(result.open), gzip.open(path, "rt") as file:
            json.loads(file.readline())
        with timed(result.read, result.read_processor), gzip.open(path, "rt") as file:
            head = json.loads(file.readline())
            line = next(line for number, line in enumerate(file) if number == index)
            assert json.loads(line)["duration_ns"] == data[index]["duration_ns"].tolist()
        assert head["strings"][0] == ""
    return result


def measure_npz(folder: Path, graph: Graph, data: list[dict[str, Column]], pause: float) -> Result:
    """A file for the graph and one for each iteration; the graph pickled."""
    result = Result("pickled .npz files")
    # Pickled by NumPy: what everybody does, and what must never be opened from a stranger.
    np.savez_compressed(folder / "graph.npz", graph=np.array([plain(graph)], dtype=object))
    for index, columns in enumerate(data):
        with timed(result.recording):
            np.savez_compressed(folder / f"{index}.npz", allow_pickle=True, **columns)
        time.sleep(pause)
    result.write = statistics.median(result.recording)
    result.bytes = sum(file.stat().st_size for file in folder.glob("*.npz")) / len(data)
    for index in chosen(len(data)):
        with timed(result.open):
            names = list(folder.glob("*.npz"))
        with timed(result.read, result.read_processor):
            with np.load(folder / "graph.npz", allow_pickle=True) as file:
                found = file["graph"][0]
            with np.load(folder / f"{index}.npz") as file:
                duration = file["duration_ns"]
        assert found["strings"] == graph.strings
        assert len(names) == len(data) + 1
        np.testing.assert_array_equal(duration, data[index]["duration_ns"])
    return result


def chosen(count: int) -> list[int]:
    """Iterations to read, from all over the file."""
    return Random(1).sample(range(count), min(READS, count))


def measure_new_graphs(folder: Path, operations: int) -> tuple[float, float]:
    """Milliseconds for the writer, and bytes in the file, of an iteration whose graph is new."""
    graphs = [training_step(operations, seed) for seed in range(20)]
    columns = timings(operations, 1)[0]
    took: list[float] = []
    writer = TraceWriter(folder / "new.reel", INFO)
    with timed(took):
        for index, graph in enumerate(graphs):
            writer.put(record_of(graph, columns), index)
        writer.close()
    return took[0] / len(graphs), (folder / "new.reel").stat().st_size / len(graphs)


def keyframes(megabytes: int, count: int) -> list[list[npt.NDArray[np.uint8]]]:
    """Storages of some iterations: of each, an eighth is new, another changes in a few bytes, and half is zero."""
    chance = np.random.default_rng(0)
    sizes = [megabytes << 17] * 4
    kept = [chance.standard_normal(size // 4, np.float32).view(np.uint8) for size in sizes]
    zeros = [np.zeros(size, np.uint8) for size in sizes]
    found: list[list[npt.NDArray[np.uint8]]] = []
    for index in range(count):
        kept[0] = chance.standard_normal(sizes[0] // 4, np.float32).view(np.uint8)
        kept[1] = kept[1].copy()
        kept[1][index] ^= 1
        found.append([*kept, *zeros])
    return found


def keyframe_record(graph: Graph, storages: list[npt.NDArray[np.uint8]]) -> IterationRecord:
    """An iteration with a tensor of float32 for each storage."""
    views = [
        TensorView("float32", (len(data) // 4,), (1,), storage=row, value=ValueId(row))
        for row, data in enumerate(storages)
    ]
    keyframe = Keyframe(views, [Storage(data) for data in storages])
    return IterationRecord(graph, Status.COMPLETE, 0, 1, keyframe=keyframe)


def measure_keyframes(folder: Path, graph: Graph, data: list[list[npt.NDArray[np.uint8]]]) -> None:
    """Keyframes one after the other, each waited for; then each read again and compared."""
    path = folder / "keyframes.reel"
    write: list[float] = []
    read: list[float] = []
    writer = TraceWriter(path, INFO)
    for index, storages in enumerate(data):
        with timed(write):
            writer.put(keyframe_record(graph, storages), index)
            writer.flush()
    writer.close()
    trace = open_reel(path)
    for index, storages in enumerate(data):
        with timed(read):
            found = trace.keyframe(index)
        assert found is not None
        for one, other in zip(found.storages, storages, strict=True):
            np.testing.assert_array_equal(one.data, other)
    print_keyframes(".reel", write, read, path.stat().st_size)


def measure_keyframe_files(folder: Path, data: list[list[npt.NDArray[np.uint8]]]) -> None:
    """What one would write without a trace: a file for each iteration, with everything in it."""
    ways: dict[str, tuple[Callable[..., object], Callable[..., object]]] = {
        "numpy.savez": (lambda path, storages: np.savez(path, *storages), lambda path: [*np.load(path).values()]),
    }
    if find_spec("torch"):
        import torch

        ways["torch.save"] = (
            lambda path, storages: torch.save(list(map(torch.from_numpy, storages)), path),
            lambda path: torch.load(path, weights_only=True),
        )
    for name, (save, load) in ways.items():
        write: list[float] = []
        read: list[float] = []
        paths = [folder / f"{name}-{index}.npz" for index in range(len(data))]
        for path, storages in zip(paths, data, strict=True):
            with timed(write):
                save(path, storages)
        for path in paths:
            with timed(read):
                load(path)
        print_keyframes(name, write, read, sum(path.stat().st_size for path in paths))


def print_keyframes(name: str, write: list[float], read: list[float], size: int) -> None:
    """One line for each way."""
    later = statistics.median(write[1:])
    print(
        f"{name:14} writes the first {write[0]:7.0f} ms, each later {later:7.0f} ms;"
        f" reads {statistics.median(read):6.0f} ms; {size / 1e6:7.1f} MB in all"
    )


def print_table(results: list[Result]) -> None:
    """One line for each way; how many times the trace file's figure it is, in brackets."""
    rows: list[tuple[str, Callable[[Result], float]]] = [
        ("recording thread, median, ms", lambda result: statistics.median(result.recording)),
        ("recording thread, 95 %, ms", lambda result: statistics.quantiles(result.recording, n=20)[-1]),
        ("writing one, ms", lambda result: result.write),
        ("bytes an iteration", lambda result: result.bytes),
        ("opening, median, ms", lambda result: statistics.median(result.open)),
        ("reading any, median, ms", lambda result: statistics.median(result.read)),
        ("  the same, processor ms", lambda result: statistics.median(result.read_processor)),
        ("reading any, slowest, ms", lambda result: max(result.read)),
    ]
    print(f"{'':32}" + "".join(f"{result.name:>28}" for result in results))
    for title, figure in rows:
        cells = [f"{figure(results[0]):14.3f}{'':14}"]
        cells += [f"{figure(result):14.3f} ({figure(result) / figure(results[0]):8.1f} ×)" for result in results[1:]]
        print(f"{title:32}" + "".join(f"{cell:>28}" for cell in cells))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--operations", type=int, default=5000)
    parser.add_argument("--keyframe-mb", type=int, default=64)
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between iterations, where they are paced")
    options = parser.parse_args()
    graph = training_step(options.operations)
    data = timings(options.operations, options.iterations)
    print(f"{options.iterations} iterations of {options.operations} operations, graph {structure_hash(graph)[:8]}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measures = (measure_reel, measure_json_lines, measure_npz)
        pauses = (options.pause, 0.0, 0.0)
        print_table([measure(folder, graph, data, pause) for measure, pause in zip(measures, pauses, strict=True)])
        write, size = measure_new_graphs(folder, options.operations)
        print(f"a graph that is new each time: the writer takes {write:.1f} ms and {size:,.0f} bytes an iteration")
        count = 5
        print(f"{count} keyframes of {options.keyframe_mb} MB, of each an eighth new and half zero")
        data_of_keyframes = keyframes(options.keyframe_mb, count)
        measure_keyframes(folder, graph, data_of_keyframes)
        measure_keyframe_files(folder, data_of_keyframes)


if __name__ == "__main__":
    main()
