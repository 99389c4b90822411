"""Peers of the layout, each given boxes of our sizes and our distances; what they give is measured as ours is.

One that is not there raises NotThere. The folder of peers holds what `pip install --target FOLDER igraph tulip-python`
and `npm install --prefix FOLDER @dagrejs/dagre elkjs` put there.
"""

import json
import multiprocessing
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np

from graphreel.layout import Placement, VisibleGraph
from graphreel.layout.types import FloatColumn
from tests.layout_graphs import box_sizes

_INCH = 72.0
_GAP = 24.0


class NotThere(Exception):
    """A peer that is not installed."""


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


def by_tulip(view: VisibleGraph, sizes: FloatColumn) -> tuple[float, Placement]:
    """Tulip's hierarchical layout; edges are broken lines."""
    try:
        from tulip import tlp
    except ImportError:
        raise NotThere("pip install tulip-python") from None
    graph = tlp.newGraph()
    nodes = graph.addNodes(len(view.kind))
    ends = zip(view.edge_source.tolist(), view.edge_target.tolist(), strict=True)
    edges = [graph.addEdge(nodes[source], nodes[target]) for source, target in ends]
    extents = graph.getSizeProperty("viewSize")
    for node, (width, height) in zip(nodes, sizes.tolist(), strict=True):
        extents[node] = tlp.Size(width, height, 1)
    layout = graph.getLayoutProperty("viewLayout")
    settings = tlp.getDefaultPluginParameters("Hierarchical Graph", graph)
    settings["layer spacing"], settings["node spacing"] = 40.0, _GAP
    settings["node size"] = extents
    start = time.process_time()
    graph.applyLayoutAlgorithm("Hierarchical Graph", layout, settings)
    seconds = time.process_time() - start
    middles = np.array([(layout[node][0], -layout[node][1]) for node in nodes])
    routes = [
        np.array([middles[s], *[(bend[0], -bend[1]) for bend in layout[edge]], middles[t]])
        for edge, s, t in zip(edges, view.edge_source.tolist(), view.edge_target.tolist(), strict=True)
    ]
    return seconds, as_placement(middles, sizes, [straight(route) for route in routes])


def by_node(engine: str, folder: Path) -> Run:
    """An engine of JavaScript's world, dagre or elkjs, run by node."""

    def run(view: VisibleGraph, sizes: FloatColumn) -> tuple[float, Placement]:
        package = {"dagre": "@dagrejs/dagre", "elk": "elkjs"}[engine]
        if shutil.which("node") is None or not (folder / "node_modules" / package).is_dir():
            raise NotThere(f"npm install --prefix {folder} {package}")
        edges = np.stack((view.edge_source, view.edge_target), axis=1).tolist()
        graph = json.dumps({"sizes": sizes.tolist(), "edges": edges, "gap": _GAP, "rank": 40.0})
        command = ["node", "--max-old-space-size=4096", str(Path(__file__).with_suffix(".mjs")), engine, str(folder)]
        answer = subprocess.run(command, input=graph, capture_output=True, text=True, check=True).stdout
        found = json.loads(answer)
        routes = [straight(np.array(route, dtype=np.float64)) for route in found["routes"]]
        return found["seconds"], as_placement(np.array(found["middles"], dtype=np.float64), sizes, routes)

    return run


def peers(folder: Path) -> dict[str, Run]:
    """All peers by name."""
    sys.path.append(str(folder))
    return {
        "igraph sugiyama": by_igraph,
        "graphviz dot": by_dot,
        "tulip hierarchical": by_tulip,
        "dagre": by_node("dagre", folder),
        "elk layered": by_node("elk", folder),
    }
