"""Where boxes stood in the picture before, which may show another version of the graph."""

import numpy as np
import numpy.typing as npt

from graphreel.graph import NONE, Graph, Progress, Unwatched
from graphreel.graph.types import IntColumn
from graphreel.layout.assembly import references
from graphreel.layout.columns import Tree
from graphreel.layout.groups import Before
from graphreel.layout.matching import match
from graphreel.layout.types import BoxKind, Placement, VisibleGraph


def before(view: VisibleGraph, tree: Tree, previous: Placement | None, progress: Progress) -> Before:
    """Where each box stood, by what the box stands for."""
    place = np.full(len(tree.parent), np.nan)
    row = np.zeros(len(tree.parent), dtype=np.int32)
    if previous is None or not len(previous.refs):
        return Before(place, row)
    refs = refs_in(previous, view.graph, progress)
    known, first = np.unique(_keys(refs), return_index=True)
    wanted = _keys(references(view))
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    there = np.flatnonzero(known[at] == wanted)
    old = first[at[there]]
    # Rounded, because equal places in a group may differ a little after all that stands around them was added.
    place[there] = np.round(previous.rects[old, 0] + previous.rects[old, 2] / 2, 2)
    if len(previous.rows) == len(previous.rects):
        row[there] = previous.rows[old]
    for frame in range(len(tree.parent) - 1, tree.boxes - 1, -1):
        inside = place[tree.parent == frame]
        place[frame] = np.nan if np.all(np.isnan(inside)) else np.nanmean(inside)
    return Before(place, row)


def _keys(refs: IntColumn) -> npt.NDArray[np.int64]:
    """One number for what a box stands for; none stands for -1."""
    return refs[:, 0].astype(np.int64) << 32 | (refs[:, 1].astype(np.int64) + 1)


def refs_in(previous: Placement, graph: Graph, progress: Progress = Unwatched()) -> IntColumn:
    """What the boxes of a picture stand for in this version of its graph; -1 for nothing."""
    if previous.graph is None or previous.graph is graph:
        return previous.refs
    same = match(previous.graph, graph, progress)
    found = previous.refs.copy()
    tables = {BoxKind.NODE: same.nodes, BoxKind.SCOPE: same.scopes}
    tables |= {BoxKind.INPUT: same.values, BoxKind.OUTPUT: same.values}
    for kind, table in tables.items():
        rows = previous.refs[:, 0] == kind
        found[rows, 1] = table[previous.refs[rows, 1]]
    found[found[:, 1] == NONE, 0] = NONE
    return found
