"""From a placed graph to the Scene that the canvas and the SVG writer draw."""

from collections.abc import Collection

import numpy as np

from graphreel.graph import Graph, Progress, ScopeId, Unwatched, node_keys
from graphreel.layout import lay_out, visible
from graphreel.layout.types import SCOPE_KINDS, BoxKind, Placement, VisibleGraph
from graphreel.render.alike import distinct
from graphreel.render.classify import box_classes, edge_classes
from graphreel.render.columns import OnDemand, Repeated
from graphreel.render.edge_labels import edge_labels
from graphreel.render.labels import PlacedSpan, labels, measure, place
from graphreel.render.said import Said
from graphreel.render.scene import Scene, Texts
from graphreel.render.spatial import whereabouts
from graphreel.render.stub_chips import stub_chips
from graphreel.render.titles import box_titles, edge_titles


def picture(graph: Graph, expanded: Collection[ScopeId], progress: Progress = Unwatched()) -> Scene:
    """The graph's picture with these scopes expanded: measured, laid out and built in one call."""
    view = visible(graph, expanded)
    return build_scene(view, lay_out(view, measure(view), progress=progress))


def build_scene(view: VisibleGraph, placement: Placement, said: Said | None = None) -> Scene:
    """Everything that is to be drawn of a placed graph, whatever the theme; `said` is as `measure` was given it."""
    edge_class = edge_classes(view)
    return Scene(
        view=view,
        placement=placement,
        box_class=box_classes(view),
        edge_class=edge_class,
        keys=_keys(view),
        titles=box_titles(view),
        texts=_texts(view, placement, said),
        edge_titles=edge_titles(view),
        edge_labels=edge_labels(view, placement),
        stub_chips=stub_chips(view, placement, edge_class),
        where=whereabouts(view, placement),
    )


def _keys(view: VisibleGraph) -> OnDemand:
    graph = view.graph

    def key(box: int) -> str:
        kind, ref = int(view.kind[box]), int(view.ref[box])
        if kind == BoxKind.NODE:
            return node_keys(graph)[ref]
        return graph.paths[ref] if kind in SCOPE_KINDS else graph.strings[graph.values.name[ref]]

    return OnDemand(len(view.kind), key)


def _texts(view: VisibleGraph, placement: Placement, said: Said | None) -> Texts:
    """The lines of text in boxes: set once for each label and width, then repeated."""
    found = labels(view, said)
    _, wide = np.unique(placement.rects[:, 2], return_inverse=True)
    chosen, which = distinct([found.which, wide])
    spans: list[PlacedSpan] = []
    counts: list[int] = []
    for label, width in zip(found.which[chosen].tolist(), placement.rects[chosen, 2].tolist(), strict=True):
        placed = place(found.distinct[label], found.kind[label], width)
        spans += placed
        counts.append(len(placed))
    first = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)
    each = np.array(counts, dtype=np.int64)[which]
    owner = np.repeat(np.arange(len(which), dtype=np.int32), each)
    rows = np.arange(len(owner)) + np.repeat(first[which] - np.cumsum(each) + each, each)
    offsets = np.array([span[:3] for span in spans], dtype=np.float64).reshape(-1, 3)[rows]
    corners = placement.rects[owner]
    return Texts(
        box=owner,
        x=corners[:, 0] + offsets[:, 0],
        y=corners[:, 1] + offsets[:, 1],
        width=offsets[:, 2],
        style=np.array([span.style for span in spans], dtype=np.uint8)[rows],
        text=Repeated([span.text for span in spans], rows.astype(np.int32)),
    )
