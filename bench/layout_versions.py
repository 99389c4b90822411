"""How steady a layout is from one version of a graph to the next, and what opening and closing a scope costs.

Run: python bench/layout_versions.py
Each version takes out, puts in or replaces a few nodes of a training step, a transformer with scopes or one without.
Swapped are the neighbours in a row of which the right one stands left of the other afterwards; moves are sideways,
from where the clicked scope, or the box with the least move, stands.
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from graphreel.graph import Graph
from graphreel.layout import Placement, lay_out, visible
from graphreel.layout.before import refs_in
from tests.layout_graphs import box_sizes, edited, everything, training_step, transformer


def main() -> None:
    """Print one line for each change."""
    graphs = {
        "training step, 1k nodes": training_step(18),
        "transformer, 1k nodes": transformer(38),
        "the same, flat": transformer(38, flat=True),
    }
    for name, graph in graphs.items():
        for way in ("same", "delete", "insert", "replace"):
            compare(f"{name}: {way} 5", graph, edited(graph, way, 5))


def compare(name: str, old: Graph, new: Graph) -> None:
    """Lay out the one, then the other near to it, and afresh."""
    views = [visible(graph, everything(graph), everything(graph)) for graph in (old, new)]
    before = lay_out(views[0], box_sizes(views[0]))
    start = time.process_time()
    after = lay_out(views[1], box_sizes(views[1]), previous=before)
    seconds = time.process_time() - start
    fresh = lay_out(views[1], box_sizes(views[1]))
    kept, anew = (stability(before, placement) for placement in (after, fresh))
    print(
        f"{name:40} {seconds:6.3f} s, {kept[1]:.2%} of {kept[2]} neighbours swapped ({anew[1]:.2%} laid out afresh),"
        f" moved {kept[0]:.1f} px ({anew[0]:.1f} px)",
        flush=True,
    )


def stability(old: Placement, new: Placement) -> tuple[float, float, int]:
    """Mean move sideways, from the one most others keep to; share of neighbours in a row that swapped; of how many."""
    assert new.graph is not None
    rows = {tuple(ref): row for row, ref in enumerate(refs_in(old, new.graph).tolist()) if ref[0] >= 0}
    both = [(rows[tuple(ref)], row) for row, ref in enumerate(new.refs.tolist()) if tuple(ref) in rows]
    one, other = np.array(both).T
    middles = [p.rects[r, 0] + p.rects[r, 2] / 2 for p, r in ((old, one), (new, other))]
    moves = middles[1] - middles[0]
    order = np.lexsort((middles[0], old.rects[one, 1]))
    beside = np.diff(old.rects[one[order], 1]) == 0
    swapped = np.diff(middles[1][order])[beside] < 0
    return float(np.abs(moves - np.median(moves)).mean()), float(swapped.mean()), int(beside.sum())


if __name__ == "__main__":
    main()
