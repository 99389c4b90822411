"""From a placed graph to the Scene that the canvas and the SVG writer draw."""

from collections.abc import Collection

import numpy as np

from graphreel.graph import Graph, Progress, ScopeId, Unwatched, node_keys
from graphreel.layout import lay_out, visible
from graphreel.layout.types import SCOPE_KINDS, BoxKind, Placement, VisibleGraph
from graphreel.render.classify import box_classes, edge_classes
from graphreel.render.edge_labels import edge_labels
from graphreel.render.labels import labels, measure, place
from graphreel.render.scene import Scene, Texts
from graphreel.render.titles import box_titles, edge_titles


def picture(graph: Graph, expanded: Collection[ScopeId], progress: Progress = Unwatched()) -> Scene:
    """The graph's picture with these scopes expanded: measured, laid out and built in one call."""
    view = visible(graph, expanded)
    return build_scene(view, lay_out(view, measure(view), progress=progress))


def build_scene(view: VisibleGraph, placement: Placement) -> Scene:
    """Everything that is to be drawn of a placed graph, whatever the theme."""
    return Scene(
        view=view,
        placement=placement,
        box_class=box_classes(view),
        edge_class=edge_classes(view),
        keys=_keys(view),
        titles=box_titles(view),
        texts=_texts(view, placement),
        edge_titles=edge_titles(view),
        edge_labels=edge_labels(view, placement),
    )


def _keys(view: VisibleGraph) -> tuple[str, ...]:
    graph = view.graph
    keys = node_keys(graph)
    found: list[str] = []
    for kind, ref in zip(view.kind.tolist(), view.ref.tolist(), strict=True):
        if kind == BoxKind.NODE:
            found.append(keys[ref])
        elif kind in SCOPE_KINDS:
            found.append(graph.paths[ref])
        else:
            found.append(graph.strings[graph.values.name[ref]])
    return tuple(found)


def _texts(view: VisibleGraph, placement: Placement) -> Texts:
    boxes: list[int] = []
    spans: list[tuple[float, float, float]] = []
    styles: list[int] = []
    texts: list[str] = []
    widths = placement.rects[:, 2].tolist()
    for box, (label, kind, width) in enumerate(zip(labels(view), view.kind.tolist(), widths, strict=True)):
        for x, y, across, style, text in place(label, kind, width):
            boxes.append(box)
            spans.append((x, y, across))
            styles.append(style)
            texts.append(text)
    owner = np.array(boxes, dtype=np.int32)
    offsets = np.array(spans, dtype=np.float64).reshape(-1, 3)
    corners = placement.rects[owner]
    return Texts(
        box=owner,
        x=corners[:, 0] + offsets[:, 0],
        y=corners[:, 1] + offsets[:, 1],
        width=offsets[:, 2],
        style=np.array(styles, dtype=np.uint8),
        text=tuple(texts),
    )
