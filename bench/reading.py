"""What reading an ONNX file costs: beside onnx.load, which only parses, and onnx_ir, which makes a graph of it.

Run: python bench/reading.py [--sizes 3000 30000 100000] [--rounds 5]
Files: ONNX transformers with hierarchical names and without types, so ours has them inferred, which neither peer does;
onnx's inference is shown by itself too. Readers take turns; the least processor time of each counts, since whatever
else the machine does can only add to it. Then what is next asked of a new graph, and a fresh process, imports included.
"""

import argparse
import gc
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import onnx
from onnx.shape_inference import infer_shapes

from graphreel.capture.sources import open_trace
from graphreel.graph import Graph, lint, node_keys, structure_hash
from tests.large_graphs import transformer_file

FRESH = "import sys, pathlib; from graphreel.capture.sources import open_trace; open_trace(pathlib.Path(sys.argv[1]))"


def read(file: Path) -> Graph:
    """The graph of a file, as ours reads it."""
    return open_trace(file).graph(0)


def seconds(run: Callable[[], object]) -> float:
    """Processor time of one run."""
    gc.collect()
    start = time.process_time()
    run()
    return time.process_time() - start


def least(runs: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """The least processor time of each, taken in turns."""
    return [min(column) for column in zip(*([seconds(run) for run in runs] for _ in range(rounds)), strict=True)]


def fresh_seconds(file: Path) -> float:
    """Processor time of a process that reads a file, from its start to its end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", FRESH, str(file)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def readers(file: Path) -> dict[str, Callable[[], Any]]:
    """Everything that reads a file, by name, ours first."""
    found: dict[str, Callable[[], Any]] = {
        "graphreel": lambda: read(file),
        "onnx.load": lambda: onnx.load(file),
        "onnx.shape_inference": lambda: infer_shapes(file.read_bytes()),
    }
    if find_spec("onnx_ir") is None:
        print("onnx_ir is not installed: left out")
    else:
        import onnx_ir

        found["onnx_ir.load"] = lambda: onnx_ir.load(file)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[3000, 30_000, 100_000])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for size in options.sizes:
            file = transformer_file(Path(folder) / f"{size}.onnx", size)
            nodes = read(file).node_count
            runs = readers(file)
            times = dict(zip(runs, least(list(runs.values()), options.rounds), strict=True))
            print(f"{nodes:,} nodes, {file.stat().st_size / 1e6:.1f} MB")
            for name, taken in times.items():
                ratio = times["graphreel"] / taken
                print(f"  {name}: {taken:.3f} s, {taken / nodes * 1e6:.1f} µs a node, ours is {ratio:.2f} of it")
            for work in (structure_hash, node_keys, lint):
                # A new graph each time, since what is derived is kept.
                graphs = [read(file) for _ in range(options.rounds)]
                print(f"  {work.__name__}: {min(seconds(partial(work, graph)) for graph in graphs):.3f} s")
            print(f"  a fresh process: {min(fresh_seconds(file) for _ in range(options.rounds)):.3f} s")


if __name__ == "__main__":
    main()
