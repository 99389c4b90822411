"""What searching, colouring and hiding cost on a large graph, beside looking at every string in plain Python.

Run: python bench/search.py [--nodes 100000] [--rounds 5]
The same graph, an ONNX transformer with hierarchical names, in the same run. Processor time, the median of the rounds;
the first search also makes the table of texts, which is kept.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from graphreel.analysis import Recorded, search
from graphreel.capture.sources import open_trace
from graphreel.graph import Graph, ScopeId
from graphreel.layout import Hidden, lay_out, visible
from graphreel.render import build_scene, coloured, measure

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.large_graphs import transformer_file

QUERIES = (
    "m",
    "matmul",
    "op:matmul scope:layers.3 -shape:1",
    "value:*weight",
    "scope:*.3.*",
    "-op:add OR (name:softmax 3)",
    "time>1ms",
)


def plain(graph: Graph, text: str) -> int:
    """How many nodes have a text in op, name or scope path, as one writes it without columns."""
    return sum(
        text in node.op.casefold() or text in node.name.casefold() or text in node.scope.path.casefold()
        for node in map(graph.node, range(graph.node_count))
    )


def spent(rounds: int, work: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """Milliseconds of this thread, the median; what comes before each round does not count."""
    found = []
    for _ in range(rounds):
        before()
        start = time.thread_time()
        work()
        found.append((time.thread_time() - start) * 1000)
    return statistics.median(found)


def main() -> None:
    """Print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trace = open_trace(transformer_file(Path(folder, "transformer.onnx"), chosen.nodes))
        graph = trace.graph(trace.iterations[0].index)
        trace.close()
    recorded = Recorded({"duration_ns": np.random.default_rng(0).integers(1000, 10**7, graph.node_count)})
    print(f"{graph.node_count:,} nodes, {len(graph.strings):,} strings")
    print(f"first search           {spent(1, lambda: search(graph, QUERIES[0], recorded=recorded)):8.1f} ms")
    for query in QUERIES:
        # The last word is kept; one who types asks for another each time.
        took = spent(chosen.rounds, partial(search, graph, query, recorded=recorded), partial(search, graph, "zq"))
        print(f"{query:<34} {took:8.1f} ms")
    ours = spent(chosen.rounds, partial(search, graph, "matmul"), partial(search, graph, "zq"))
    peer = spent(1, lambda: plain(graph, "matmul"))
    print(f"{'matmul, plain Python':<34} {peer:8.1f} ms   {peer / ours:.0f} ×")
    every = [ScopeId(scope) for scope in range(1, graph.scope_count)]
    view = visible(graph, every)
    scene = build_scene(view, lay_out(view, measure(view)))
    for by in ("op", "scope", "time", "memory"):
        print(f"{f'colour by {by}':<34} {spent(chosen.rounds, partial(coloured, scene, by, recorded)):8.1f} ms")
    gone = np.zeros(graph.node_count, dtype=bool)
    gone[search(graph, "op:add").nodes] = True
    took = spent(chosen.rounds, lambda: visible(graph, every, (), Hidden(gone)))
    print(f"{f'without {int(gone.sum()):,} hidden nodes':<34} {took:8.1f} ms")
    print(f"{'with all':<34} {spent(chosen.rounds, lambda: visible(graph, every)):8.1f} ms")


if __name__ == "__main__":
    main()
