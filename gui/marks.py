"""Which boxes of a picture stand for what the session speaks of: selection, cursor, hits."""

import numpy as np

from graphreel.graph import ROOT, repeats
from graphreel.gui.session import Session
from graphreel.gui.views import Selection, What
from graphreel.layout.types import SCOPE_KINDS, BoxKind, VisibleGraph
from graphreel.render import Overlay


def box_of(view: VisibleGraph, selection: Selection) -> int | None:
    """The box that stands for what is selected: its own, or the collapsed scope's in which it is; None for none."""
    match selection.what:
        case What.NODE:
            return _shown(int(view.node_box[selection.id]))
        case What.SCOPE:
            return _box_of_scope(view, selection.id)
        case What.VALUE:
            return _box_of_value(view, selection.id)
        case What.NOTHING:
            return None


def boxes_of(view: VisibleGraph, selection: Selection) -> frozenset[int]:
    """The boxes that stand for all that is selected, as `box_of` does for one thing."""
    first = box_of(view, selection)
    if not selection.is_several:
        return frozenset() if first is None else frozenset({first})
    nodes = np.fromiter(selection.every_node, dtype=np.int64)
    scopes = (_box_of_scope(view, scope) for scope in selection.every_scope)
    own = np.unique(view.node_box[nodes])
    return frozenset(own[own >= 0].tolist()) | {box for box in scopes if box is not None}


def selection_of(view: VisibleGraph, box: int) -> Selection:
    """What a box stands for."""
    ref = int(view.ref[box])
    kind = view.kind[box]
    if kind == BoxKind.NODE:
        return Selection.of_node(ref)
    return Selection.of_scope(ref) if kind in SCOPE_KINDS else Selection.of_value(ref)


def overlay_of(session: Session) -> Overlay:
    """The marks on the session's picture; none while the picture is still that of another graph."""
    scene, shown = session.scene, session.shown
    if scene is None or shown is None or scene.view.graph is not shown.graph:
        return Overlay()
    hits = session.hits
    boxes = scene.view.node_box[hits.nodes] if hits is not None else np.zeros(0, np.int32)
    found, times = np.unique(boxes[boxes >= 0], return_counts=True)
    several = np.isin(scene.view.kind[found], (BoxKind.SCOPE, BoxKind.FOLD))
    return Overlay(
        cursor=session.cursor.node,
        selected=boxes_of(scene.view, session.selection),
        failed=session.failed_node,
        found=frozenset(found.tolist()),
        counts=dict(zip(found[several].tolist(), times[several].tolist(), strict=True)),
    )


def _box_of_scope(view: VisibleGraph, scope: int) -> int | None:
    is_scope = np.isin(view.kind, SCOPE_KINDS)
    runs = repeats(view.graph).first
    while scope != ROOT:
        found = np.flatnonzero(is_scope & (view.ref == scope))
        if not len(found) and runs[scope] >= 0:
            found = np.flatnonzero((view.kind == BoxKind.FOLD) & (view.ref == runs[scope]))
        if len(found):
            return int(found[0])
        scope = int(view.graph.scopes.parent[scope])
    return None


def _box_of_value(view: VisibleGraph, value: int) -> int | None:
    """The value's own box, where it has one; else its producer's, else its first consumer's."""
    own = np.flatnonzero(np.isin(view.kind, (BoxKind.INPUT, BoxKind.OUTPUT)) & (view.ref == value))
    if len(own):
        return int(own[0])
    producer = int(view.graph.values.producer[value])
    consumers = view.graph.consumers_of(value)
    node = producer if producer >= 0 else int(consumers[0]) if len(consumers) else -1
    return _shown(int(view.node_box[node])) if node >= 0 else None


def _shown(box: int) -> int | None:
    """A box, or None where what it would stand for is hidden."""
    return None if box < 0 else box
