"""What large ONNX files cost until their first picture is laid out: reading, grouping, finding what shows.

Run: python bench/grouping.py [--nodes 300 3000 10000 30000 100000]
Each size with hierarchical names and without any, then the awkward ones. Processor time.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parent.parent))

from graphreel.capture.sources import open_trace
from graphreel.graph import Graph, grouped
from graphreel.layout import default_expansion, lay_out, visible
from graphreel.render import measure
from tests.large_graphs import chain, crowded_scope, knotted, labelled, star, transformer_file, unrepeated

Result = TypeVar("Result")

AWKWARD: dict[str, Callable[[], Graph]] = {
    "20,000 scopes in one": crowded_scope,
    "star of 10,000": star,
    "chain of 10,000": chain,
    "30,000 that do not repeat": lambda: unrepeated(30_000),
    "circles": knotted,
    "labels": labelled,
}


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What it gives, and milliseconds of processor time."""
    start = time.process_time()
    result = work()
    return result, 1000 * (time.process_time() - start)


def show(name: str, read_ms: float, graph: Graph) -> None:
    """One row of the table."""
    shown, grouped_ms = timed(lambda: grouped(graph))
    expanded, expanded_ms = timed(lambda: default_expansion(shown))
    view, _ = timed(lambda: visible(shown, expanded))
    _, again_ms = timed(lambda: visible(shown, expanded))
    sizes = measure(view)
    _, layout_ms = timed(lambda: lay_out(view, sizes))
    counts = f"{graph.node_count:>7,} {graph.scope_count:>6,} {shown.scope_count:>6,} {len(view.kind):>5}"
    times = f"{read_ms:>8.0f} {grouped_ms:>7.0f} {expanded_ms:>8.0f} {again_ms:>8.1f} {layout_ms:>7.0f}"
    print(f"{name:<26} {counts} {times}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nodes", nargs="*", type=int, default=[300, 3000, 10_000, 30_000, 100_000])
    options = parser.parse_args()
    heads = f"{'nodes':>7} {'scopes':>6} {'groups':>6} {'boxes':>5} {'read':>8} {'group':>7} {'expand':>8}"
    print(f"{'ms of processor time':<26} {heads} {'visible':>8} {'layout':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for nodes in options.nodes:
            for named in (True, False):
                file = transformer_file(Path(folder) / "model.onnx", nodes, named=named)
                graph, read_ms = timed(lambda file=file: open_trace(file).graph(0))
                show(f"transformer, {'named' if named else 'flat'}", read_ms, graph)
    for name, make in AWKWARD.items():
        show(name, 0.0, make())


if __name__ == "__main__":
    main()
