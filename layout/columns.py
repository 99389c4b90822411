"""Training steps: forward, backward and optimizer stand side by side, each backward box beside its forward box.

The columns are frames that only the layout knows. What stands outside of them stands above or below.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from graphreel.graph import NONE, Graph, Phase, ScopeKind
from graphreel.graph.types import ROOT, ByteColumn, IntColumn
from graphreel.layout.ports import depths
from graphreel.layout.types import SCOPE_KINDS, BoxKind, VisibleGraph

_Mask: TypeAlias = npt.NDArray[np.bool_]

COLUMNS = (Phase.FORWARD, Phase.BACKWARD, Phase.OPTIMIZER)
"""From left to right."""


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """The boxes of a view and, behind them, frames without border or title around the columns of a training step.

    Attributes:
        boxes: How many of them are the view's.
        parent: The group or frame around each, or -1.
        is_group: Whether each is a group or a frame.
        column: The Phase of the column that each stands in or is; -1 outside of columns.
        partner: The box of the other phase that should stand in the same row, or -1.
        step: The frame around all columns, or -1.
        child, child_start: In group g stand `child[child_start[g + 1]:child_start[g + 2]]`, in execution order.
        local: The place of each in its group.
    """

    boxes: int
    parent: IntColumn
    is_group: ByteColumn
    column: IntColumn
    partner: IntColumn
    step: int
    child: IntColumn
    child_start: IntColumn
    local: IntColumn

    def is_frame(self, box: int) -> bool:
        """Whether a box is none of the view's."""
        return box >= self.boxes


def with_columns(view: VisibleGraph) -> Tree:
    """The tree to lay out: with columns where a forward and a backward phase show, else as the view has it."""
    column = _columns(view)
    parent, step = view.parent, NONE
    tops = view.parent == NONE
    if all(np.any(column[tops] == phase) for phase in (Phase.FORWARD, Phase.BACKWARD)):
        parent, column, step = _framed(view, column)
    else:
        column = np.full(len(parent), NONE, dtype=np.int32)
    count, boxes = len(parent), len(view.kind)
    is_group = np.append(view.kind == BoxKind.GROUP, np.ones(count - boxes, dtype=bool)).astype(np.uint8)
    child, child_start, local = _children(parent, boxes, column)
    partner = np.full(count, NONE, dtype=np.int32)
    if step != NONE:
        partner = _partners(view, parent, column, step)
    return Tree(boxes, parent, is_group, column, partner, step, child, child_start, local)


def _columns(view: VisibleGraph) -> IntColumn:
    """The phase of the outermost box around each; -1 where that is no part of a training step."""
    phases = view.graph.nodes.phase
    outermost = _outermost(view.parent)
    first = view.first[outermost]
    inside = (first >= 0) & (first < len(phases))
    found = np.full(len(first), NONE, dtype=np.int32)
    found[inside] = phases[first[inside]]
    kind = view.kind[outermost]
    outside = (kind == BoxKind.INPUT) | (kind == BoxKind.OUTPUT)
    found[_between(first, found) & ~outside] = Phase.OPTIMIZER
    found[(found == Phase.OTHER) | outside] = NONE
    return found


def _between(first: IntColumn, phase: IntColumn) -> _Mask:
    """What runs between backward and optimizer, such as clipping of gradients, belongs to the optimizer's column."""
    updates, gradients = first[phase == Phase.OPTIMIZER], first[phase == Phase.BACKWARD]
    if not len(updates) or not len(gradients):
        return np.zeros(len(first), dtype=bool)
    found: _Mask = (phase == Phase.OTHER) & (first > gradients.min()) & (first < updates.max())
    return found


def _outermost(parent: IntColumn) -> IntColumn:
    found = np.where(parent == NONE, np.arange(len(parent), dtype=np.int32), parent)
    while True:
        further = found[found]
        if np.array_equal(further, found):
            return found
        found = further


def _framed(view: VisibleGraph, column: IntColumn) -> tuple[IntColumn, IntColumn, int]:
    """Frames around the boxes of each phase, unless that is one box, and around all of them."""
    parent, columns = view.parent.tolist(), column.tolist()
    step = len(parent)
    parent.append(NONE)
    columns.append(NONE)
    for phase in COLUMNS:
        members = np.flatnonzero((view.parent == NONE) & (column == phase)).tolist()
        around = step
        if len(members) > 1:
            around = len(parent)
            parent.append(step)
            columns.append(int(phase))
        for box in members:
            parent[box] = around
    return np.array(parent, dtype=np.int32), np.array(columns, dtype=np.int32), step


def _children(parent: IntColumn, boxes: int, column: IntColumn) -> tuple[IntColumn, IntColumn, IntColumn]:
    """The children of each group in order: execution order; a frame stands where its first box does."""
    count = len(parent)
    place = np.arange(count, dtype=np.float64)
    for frame in range(count - 1, boxes - 1, -1):
        place[frame] = place[:frame][parent[:frame] == frame].min(initial=count) - 0.5
        place[frame] = min(place[frame], place[frame + 1 :][parent[frame + 1 :] == frame].min(initial=count) - 0.5)
    if count > boxes:
        columns = parent == boxes
        place[columns] = column[columns]
    child = np.lexsort((place, parent)).astype(np.int32)
    start = np.searchsorted(parent[child], np.arange(-1, count + 1)).astype(np.int32)
    local = np.empty(count, dtype=np.int32)
    local[child] = np.arange(count) - start[parent[child] + 1]
    return child, start, local


def _partners(view: VisibleGraph, parent: IntColumn, column: IntColumn, step: int) -> IntColumn:
    """From the outside in: a backward box's partner stands in the partner of the group around it.

    Scopes belong together by their paths, nodes by what the recorder knows. Of several nodes that belong to one, the
    middle one stands beside it.
    """
    found = np.full(len(parent), NONE, dtype=np.int32)
    ends = [np.flatnonzero((parent == step) & (column == phase)) for phase in (Phase.FORWARD, Phase.BACKWARD)]
    one, other = (int(end[0]) for end in ends)
    found[one], found[other] = other, one
    wanted = _wanted(view, column)
    depth = depths(parent.astype(np.int64))
    waiting = np.flatnonzero(wanted != NONE)
    waiting = waiting[np.argsort(depth[waiting], kind="stable")]
    bounds = np.searchsorted(depth[waiting], np.arange(int(depth.max(initial=0)) + 2))
    for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        boxes = waiting[low:high]
        boxes = boxes[found[parent[boxes]] == parent[wanted[boxes]]]
        if not len(boxes):
            continue
        boxes = boxes[np.lexsort((boxes, wanted[boxes]))]
        partners, first, counts = np.unique(wanted[boxes], return_index=True, return_counts=True)
        boxes = boxes[first + counts // 2]
        found[boxes], found[partners] = partners, boxes
    return found


def _wanted(view: VisibleGraph, column: IntColumn) -> IntColumn:
    """The forward box that each backward box belongs to, or -1, wherever it stands."""
    graph, boxes = view.graph, len(view.kind)
    found = np.full(len(column), NONE, dtype=np.int32)
    node = view.kind == BoxKind.NODE
    backward = column[:boxes] == Phase.BACKWARD
    chosen = np.flatnonzero(backward & node)
    forward = graph.nodes.forward[view.ref[chosen]]
    shown = view.node_box[np.maximum(forward, 0)]
    known = (forward != NONE) & (shown != NONE)
    known[known] = node[shown[known]] & (column[shown[known]] == Phase.FORWARD)
    found[chosen[known]] = shown[known]
    names = _names(view)
    scopes = np.flatnonzero(np.isin(view.kind, SCOPE_KINDS))
    by_name = {names(box): box for box in scopes[column[scopes] == Phase.FORWARD].tolist()}
    for box in scopes[column[scopes] == Phase.BACKWARD].tolist():
        found[box] = by_name.get(names(box), NONE)
    return found


def _names(view: VisibleGraph) -> Callable[[int], tuple[str, int]]:
    """What a scope is called in both phases: its path; a run of folded scopes by what is around it and its length."""
    graph = view.graph
    paths = _paths_within_phases(graph)

    def name(box: int) -> tuple[str, int]:
        scope = int(view.ref[box])
        if view.kind[box] == BoxKind.FOLD:
            return paths[graph.scopes.parent[scope]], int(view.repeats[box])
        return paths[scope], 0

    return name


def _paths_within_phases(graph: Graph) -> list[str]:
    """The path of each scope without that of the phase around it."""
    top = _outermost(np.where(graph.scopes.parent <= ROOT, NONE, graph.scopes.parent).astype(np.int32)).tolist()
    phase = (graph.scopes.kind == ScopeKind.PHASE).tolist()
    return [path[len(graph.paths[t]) :] if phase[t] else path for path, t in zip(graph.paths, top, strict=True)]
