"""What a layout costs and how good it is, beside its peers on the same graphs in the same run.

Run: python bench/layout.py [--limit 60] [--large]
Peers: igraph (pip install igraph) and Graphviz (the program `dot`); one that is not there is named and left out.
Seconds are of processor time. Peers know no groups, so they get every graph flat; ours is measured flat and nested.
"""

import argparse
import multiprocessing
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from graphreel.graph import Graph
from graphreel.layout import BoxKind, Placement, VisibleGraph, lay_out, visible
from graphreel.layout.quality import Quality, measured
from graphreel.layout.types import FloatColumn
from tests.layout_graphs import box_sizes, everything, training_step, transformer

_INCH = 72.0
_GAP = 24.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """One layout of one graph: processor seconds and what came out."""

    seconds: float
    quality: Quality


class NotThere(Exception):
    """A peer that is not installed."""


def main() -> None:
    """Print a table for each graph."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds after which a peer counts as not finished")
    parser.add_argument("--large", action="store_true", help="also the graphs that peers do not finish")
    options = parser.parse_args()
    graphs = {"transformer, 1k nodes": transformer(38), "training step, 1k nodes": training_step(18)}
    if options.large:
        graphs |= {"training step, 2k nodes": training_step(37), "transformer, 10k nodes": transformer(385)}
    for name, graph in graphs.items():
        compare(name, graph, options.limit)
    if options.large:
        graph = transformer(3850)
        show("transformer, 100k nodes", "graphreel, nested", time_ours(visible(graph, everything(graph))), None)


def compare(name: str, graph: Graph, limit: float) -> None:
    """Lay one graph out in every way."""
    nested = visible(graph, everything(graph))
    flat = without_groups(nested)
    ours = time_ours(flat)
    show(name, "graphreel, flat", ours, None)
    show(name, "graphreel, nested", time_ours(nested), ours)
    for peer, run in (("igraph sugiyama", by_igraph), ("graphviz dot", by_dot)):
        try:
            seconds, placement = within(limit, run, flat)
        except NotThere as missing:
            print(f"{name:26}{peer:20}left out: {missing}")
        except TimeoutError:
            print(f"{name:26}{peer:20}not within {limit:.0f} s")
        else:
            show(name, peer, Measurement(seconds, measured(flat, placement)), ours)


def show(name: str, way: str, found: Measurement, ours: Measurement | None) -> None:
    """One line; ratios are theirs to ours (flat), so over 1 is worse than ours."""
    quality = found.quality
    ratios = ""
    if ours is not None:
        crossings = quality.crossings / max(ours.quality.crossings, 1)
        ratios = f"   × {found.seconds / ours.seconds:.2f} time, × {crossings:.2f} crossings"
    print(
        f"{name:26}{way:20}{found.seconds:8.3f} s {quality.crossings:8} crossings {quality.through_boxes:6} through"
        f" {quality.overlaps:4} overlaps {quality.length / 1e6:8.2f} Mpx {quality.area / 1e6:9.1f} Mpx²{ratios}",
        flush=True,
    )


def time_ours(view: VisibleGraph) -> Measurement:
    """Best of three, as the machine may be busy."""
    sizes = box_sizes(view)
    seconds = float("inf")
    for _ in range(3):
        start = time.process_time()
        placement = lay_out(view, sizes)
        seconds = min(seconds, time.process_time() - start)
    return Measurement(seconds, measured(view, placement))


def without_groups(view: VisibleGraph) -> VisibleGraph:
    """The same boxes and edges, all beside each other."""
    kept = view.kind != BoxKind.GROUP
    number = np.cumsum(kept) - 1
    return replace(
        view,
        kind=view.kind[kept],
        ref=view.ref[kept],
        parent=np.full(int(kept.sum()), -1, np.int32),
        first=view.first[kept],
        edge_source=number[view.edge_source].astype(np.int32),
        edge_target=number[view.edge_target].astype(np.int32),
        node_box=number[view.node_box].astype(np.int32),
    )


Run = Callable[[VisibleGraph, FloatColumn], tuple[float, Placement]]


def within(limit: float, run: Run, view: VisibleGraph) -> tuple[float, Placement]:
    """Run a peer in a process of its own, which is ended at the limit."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def work() -> None:
        try:
            sender.send(run(view, box_sizes(view)))
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits, so that no fault looks like slowness
            sender.send(error)

    process = context.Process(target=work)
    process.start()
    if not receiver.poll(limit):
        # Its own children first: the program that it runs would go on without it.
        subprocess.run(["pkill", "-KILL", "-P", str(process.pid)], check=False)
        process.kill()
        process.join()
        raise TimeoutError
    sender.close()
    answer = receiver.recv()
    process.join()
    if isinstance(answer, Exception):
        raise answer
    seconds, placement = answer
    return seconds, placement


def by_igraph(view: VisibleGraph, sizes: FloatColumn) -> tuple[float, Placement]:
    """Sugiyama's method as igraph does it: points, not boxes; edges are broken lines."""
    try:
        import igraph
    except ImportError:
        raise NotThere("pip install igraph") from None
    count = len(view.kind)
    edges = list(zip(view.edge_source.tolist(), view.edge_target.tolist(), strict=True))
    graph = igraph.Graph(n=count, edges=edges, directed=True)
    start = time.process_time()
    layout = graph.layout_sugiyama(hgap=float(sizes[:, 0].max()) + _GAP, vgap=float(sizes[:, 1].max()) + 40.0)
    seconds = time.process_time() - start
    middles = np.array(layout.coords, dtype=np.float64)[:count]
    bends = getattr(layout, "edge_routing", None)
    if bends is None:
        raise NotThere("pip install 'igraph>=1'")
    routes = [
        np.array([middles[source], *way, middles[target]], dtype=np.float64)
        for (source, target), way in zip(edges, bends, strict=True)
    ]
    return seconds, as_placement(middles, sizes, [straight(route) for route in routes])


def straight(places: FloatColumn) -> FloatColumn:
    """A broken line as cubic segments."""
    parts = [places[:1]]
    for one, other in pairwise(places):
        parts.append(one + (other - one) * np.array([[1 / 3], [2 / 3], [1.0]]))
    return np.concatenate(parts)


def by_dot(view: VisibleGraph, sizes: FloatColumn) -> tuple[float, Placement]:
    """Graphviz, with boxes of our sizes and our distances."""
    if shutil.which("dot") is None:
        raise NotThere("apt-get install graphviz")
    lines = [f"digraph {{ node [shape=box fixedsize=true]; nodesep={_GAP / _INCH:.3f}; ranksep={40 / _INCH:.3f};"]
    lines += [f"{box} [width={w / _INCH:.4f} height={h / _INCH:.4f}];" for box, (w, h) in enumerate(sizes.tolist())]
    lines += [f"{s} -> {t};" for s, t in zip(view.edge_source.tolist(), view.edge_target.tolist(), strict=True)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    text = subprocess.run(
        ["dot", "-Tplain"], input="\n".join([*lines, "}"]), capture_output=True, text=True, check=True
    ).stdout
    seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
    middles = np.zeros((len(view.kind), 2))
    routes: dict[tuple[int, int], FloatColumn] = {}
    for line in text.replace("\\\n", "").splitlines():
        word = line.split()
        if word[0] == "node":
            middles[int(word[1])] = float(word[2]) * _INCH, -float(word[3]) * _INCH
        elif word[0] == "edge":
            points = np.array(word[4 : 4 + 2 * int(word[3])], dtype=np.float64).reshape(-1, 2)
            routes[int(word[1]), int(word[2])] = points * [_INCH, -_INCH]
    pairs = zip(view.edge_source.tolist(), view.edge_target.tolist(), strict=True)
    return seconds, as_placement(middles, sizes, [routes[pair] for pair in pairs])


def as_placement(middles: FloatColumn, sizes: FloatColumn, routes: list[FloatColumn]) -> Placement:
    """A peer's picture as ours, so that both are measured alike."""
    rects = np.concatenate((middles - sizes / 2, sizes), axis=1)
    corner = rects[:, :2].min(axis=0)
    rects[:, :2] -= corner
    start = np.cumsum([0, *map(len, routes)]).astype(np.int32)
    size = (rects[:, :2] + rects[:, 2:]).max(axis=0)
    return Placement(rects, start, np.concatenate(routes) - corner, (float(size[0]), float(size[1])))


if __name__ == "__main__":
    main()
