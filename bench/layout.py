"""What a layout costs and how good it is, beside its peers on the same graphs in the same run.

Run: python bench/layout.py [--limit 60] [--large] [--peers FOLDER]
Peers: Graphviz (the program `dot`), and in the folder (see layout_peers.py) igraph, tulip, dagre and ELK; one that is
not there is named and left out. Seconds are of processor time. Peers know no groups and draw every edge, so they get
every graph flat; ours is measured flat and nested, and tells how many edges it draws whole. Since chips hide edges,
crossings are counted in two more ways: `all` with a straight line from middle to middle for each edge that chips tell,
`same` among those edges only that our flat layout draws whole.
"""

import argparse
import random
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from layout_peers import NotThere, Run, peers, within

from graphreel.graph import Graph, GraphBuilder
from graphreel.layout import BoxKind, LayoutCache, Placement, VisibleGraph, lay_out, visible
from graphreel.layout.quality import Quality, crossings_among, crossings_of_all, measured
from tests.layout_graphs import box_sizes, everything, training_step, transformer


@dataclass(frozen=True, slots=True)
class Measurement:
    """One layout of one graph: processor seconds and what came out; crossings of all edges, and of the same ones."""

    seconds: float
    quality: Quality | None
    all: int = 0
    same: int = 0


def main() -> None:
    """Print a table for each graph."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds after which a peer counts as not finished")
    parser.add_argument("--large", action="store_true", help="also the graphs that peers do not finish")
    parser.add_argument("--peers", type=Path, default=Path("peers"), help="the folder that peers were installed into")
    options = parser.parse_args()
    others = peers(options.peers)
    graphs = {"transformer, 1k nodes": transformer(38), "training step, 1k nodes": training_step(18)}
    if options.large:
        graphs |= {"training step, 2k nodes": training_step(37), "transformer, 10k nodes": transformer(385)}
    for name, graph in graphs.items():
        compare(name, graph, options.limit, others)
    for blocks in (30, 300, 3000):
        expand(blocks)
    if options.large:
        for name, graph, opened in large():
            show(name, "graphreel", time_ours(visible(graph, opened, everything(graph)), counted=False), None)


def large() -> list[tuple[str, Graph, "range | list[int]"]]:
    """Graphs that are large or ill-natured, and what to open in them."""
    step, nested, flat = training_step(141), transformer(3850), transformer(3850, flat=True)
    builder = GraphBuilder()
    centre = builder.value(producer=builder.node("centre"))
    for _ in range(10_000):
        builder.node("ray", [centre])
    found: list[tuple[str, Graph, range | list[int]]] = [
        ("training step, 10k nodes", step, everything(step)),
        ("transformer, 100k nodes", nested, everything(nested)),
        ("the same, flat", flat, []),
        ("a star of 10k edges", builder.build(), []),
        ("20k nodes in one scope", tangle(20_000, 30), range(2)),
        ("3k nodes, tangled", tangle(3_000, 3_000), range(2)),
    ]
    return found


def tangle(nodes: int, reach: int) -> Graph:
    """One scope whose nodes each take up to two of the values made shortly before."""
    builder, chance = GraphBuilder(), random.Random(1)
    scope = builder.scope("scope")
    values = [builder.value(producer=builder.node("op", scope=scope))]
    for _ in range(nodes - 1):
        taken = [values[max(0, len(values) - 1 - chance.randrange(reach))] for _ in range(chance.randrange(3))]
        values.append(builder.value(producer=builder.node("op", taken, scope=scope)))
    return builder.build()


def compare(name: str, graph: Graph, limit: float, others: dict[str, Run]) -> None:
    """Lay one graph out in every way."""
    nested = visible(graph, everything(graph), everything(graph))
    flat = without_groups(nested)
    ours = time_ours(flat)
    show(name, "graphreel, flat", ours, None)
    show(name, "graphreel, nested", time_ours(nested), ours)
    whole = np.diff(lay_out(flat, box_sizes(flat)).route_start) > 0
    for peer, run in others.items():
        try:
            seconds, placement = within(limit, run, flat)
        except NotThere as missing:
            print(f"{name:26}{peer:20}left out: {missing}")
        except TimeoutError:
            print(f"{name:26}{peer:20}not within {limit:.0f} s")
        except Exception as fault:  # noqa: BLE001 - a peer that breaks down is a result, not the end of the comparison
            print(f"{name:26}{peer:20}failed: {str(fault)[:80]}")
        else:
            quality = measured(flat, placement)
            show(name, peer, Measurement(seconds, quality, quality.crossings, crossings_among(placement, whole)), ours)


def show(name: str, way: str, found: Measurement, ours: Measurement | None) -> None:
    """One line; ratios are theirs to ours (flat), so over 1 is worse than ours."""
    quality, ratios = found.quality, ""
    if quality is None:
        print(f"{name:26}{way:20}{found.seconds:8.3f} s", flush=True)
        return
    if ours is not None and ours.quality is not None:
        crossings = quality.crossings / max(ours.quality.crossings, 1)
        ratios = f"   × {found.seconds / ours.seconds:.2f} time, × {crossings:.2f} crossings"
    print(
        f"{name:26}{way:20}{found.seconds:8.3f} s {quality.crossings:7} crossings"
        f" ({found.all} all, {found.same} same) {quality.through_boxes:6} through"
        f" {quality.overlaps:4} overlaps {quality.bends:6} bends {quality.length / 1e6:8.2f} Mpx"
        f" {quality.area / 1e6:9.1f} Mpx² {quality.drawn:.0%} drawn{ratios}",
        flush=True,
    )


def expand(blocks: int) -> None:
    """Open one of many blocks, and see what it costs and what moves."""
    graph = transformer(blocks)
    paths = list(graph.paths)
    opened = [paths.index("model"), paths.index("model/layers")]
    clicked = paths.index(f"model/layers/{blocks // 2}")
    before, after = (visible(graph, scopes, everything(graph)) for scopes in (opened, [*opened, clicked]))
    cache = LayoutCache()
    old = lay_out(before, box_sizes(before), cache=cache)
    seconds: list[float] = []
    for previous, view in ((old, after), (None, before)):
        sizes, start = box_sizes(view), time.process_time()
        new = lay_out(view, sizes, previous=previous, cache=cache if previous else LayoutCache())
        seconds.append(time.process_time() - start)
        if previous:
            moved, swapped = stability(old, new, clicked)
    print(
        f"{blocks} blocks: one opened in {1000 * seconds[0]:.0f} ms, all laid out anew in {1000 * seconds[1]:.0f} ms;"
        f" what did not change moved {moved:.1f} px sideways on average, {swapped:.2%} of neighbours swapped"
    )


def stability(old: Placement, new: Placement, clicked: int) -> tuple[float, float]:
    """How far boxes moved sideways from the middle of the clicked one, and how many neighbours in rows swapped."""
    rows = {tuple(ref): row for row, ref in enumerate(old.refs.tolist())}
    both = [(rows[tuple(ref)], row) for row, ref in enumerate(new.refs.tolist()) if tuple(ref) in rows]
    one, other = np.array(both).T
    centre = int(np.flatnonzero((old.refs[one] == [BoxKind.SCOPE, clicked]).all(axis=1))[0])
    middles = [p.rects[r, 0] + p.rects[r, 2] / 2 for p, r in ((old, one), (new, other))]
    moves = (middles[1] - middles[1][centre]) - (middles[0] - middles[0][centre])
    order = np.lexsort((middles[0], old.rects[one, 1]))
    beside = np.diff(old.rects[one[order], 1]) == 0
    swapped = np.diff(middles[1][order])[beside] < 0
    return float(np.abs(moves).mean()), float(swapped.mean()) if len(swapped) else 0.0


def time_ours(view: VisibleGraph, *, counted: bool = True) -> Measurement:
    """Best of three, as the machine may be busy."""
    sizes = box_sizes(view)
    seconds = float("inf")
    for _ in range(3):
        start = time.process_time()
        placement = lay_out(view, sizes)
        seconds = min(seconds, time.process_time() - start)
    if not counted:
        return Measurement(seconds, None)
    quality = measured(view, placement)
    return Measurement(seconds, quality, crossings_of_all(view, placement), quality.crossings)


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


if __name__ == "__main__":
    main()
