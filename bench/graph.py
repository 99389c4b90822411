"""What a graph costs: time to build, bytes and time to hash, beside networkx building the same graph in the same run.

Run: python bench/graph.py [--nodes 100000] [--rounds 5]
Builders take turns, round after round, so that a busy machine is busy for both; the median counts. Processor time.
"""

import argparse
import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import networkx

from graphreel.graph import (
    ROOT,
    Graph,
    GraphBuilder,
    ValueKind,
    flow_edges,
    lint,
    node_keys,
    scope_hashes,
    structure_hash,
)

Built = TypeVar("Built")


def with_builder(nodes: int) -> Graph:
    """Linear layers in blocks of ten: two inputs, a source line and two attributes a node."""
    builder = GraphBuilder()
    at = builder.value("float32", (8, 16), kind=ValueKind.INPUT)
    scope: int = ROOT
    weight = at
    for number in range(nodes):
        if number % 10 == 0:
            scope = builder.scope(f"block{number}")
            weight = builder.value("float32", (16, 16), kind=ValueKind.PARAMETER, name=f"block{number}.weight")
        node = builder.node(
            "aten.addmm.default",
            (at, weight),
            scope=scope,
            source=builder.source("model.py", number % 100, "forward"),
            input_names=("input", "weight"),
            attributes={"alpha": 1, "place": number % 10},
        )
        at = builder.value("float32", (8, 16), producer=node)
    return builder.build()


def with_networkx(nodes: int) -> "networkx.MultiDiGraph[str]":
    """The same, as networkx users write it: values are nodes too, since several operations take a weight."""
    graph = networkx.MultiDiGraph()
    graph.add_node("x", kind="input", dtype="float32", shape=(8, 16))
    at, weight = "x", ""
    for number in range(nodes):
        if number % 10 == 0:
            weight = f"block{number}.weight"
            graph.add_node(weight, kind="parameter", dtype="float32", shape=(16, 16))
        name, value = f"node{number}", f"value{number}"
        place = {"file": "model.py", "line": number % 100, "function": "forward"}
        attributes = {"alpha": 1, "place": number % 10}
        graph.add_node(name, op="aten.addmm.default", scope=f"block{number // 10}", **place, attributes=attributes)
        graph.add_node(value, kind="activation", dtype="float32", shape=(8, 16))
        graph.add_edge(at, name, argument="input")
        graph.add_edge(weight, name, argument="weight")
        graph.add_edge(name, value)
        at = value
    return graph


def seconds(run: Callable[[], object]) -> float:
    """Processor time of one run."""
    gc.collect()
    start = time.process_time()
    run()
    return time.process_time() - start


def held_bytes(build: Callable[[], Built]) -> int:
    """Bytes that the result holds."""
    gc.collect()
    tracemalloc.start()
    kept = build()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del kept
    return held


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    ours, theirs = (lambda: with_builder(options.nodes)), (lambda: with_networkx(options.nodes))
    times = [(seconds(ours), seconds(theirs)) for _ in range(options.rounds)]
    mine, peer = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"build {options.nodes:,} nodes: {mine:.2f} s, networkx {peer:.2f} s, ratio {mine / peer:.2f}")
    held, peer_held = held_bytes(ours), held_bytes(theirs)
    print(f"held: {held / 1e6:.1f} MB, networkx {peer_held / 1e6:.1f} MB, ratio {held / peer_held:.3f}")
    graph = ours()
    print(f"nbytes: {graph.nbytes / 1e6:.1f} MB")
    for work in (structure_hash, scope_hashes, node_keys, flow_edges, lint):
        # A new graph each time, since what is derived is kept.
        found = [seconds(partial(work, ours())) for _ in range(options.rounds)]
        print(f"{work.__name__}: {statistics.median(found):.3f} s")


if __name__ == "__main__":
    main()
