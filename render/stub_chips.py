"""Chips that stand beside boxes in place of edges which would run far: what they say of the other ends."""

import numpy as np

from graphreel.graph import Graph, ScopeId
from graphreel.graph.types import ByteColumn, IntColumn
from graphreel.layout.types import SCOPE_KINDS, BoxKind, Placement, VisibleGraph
from graphreel.render.classify import short_op
from graphreel.render.labels import scope_title
from graphreel.render.scene import StubChips
from graphreel.render.styles import COUNT, TEXT_STYLES, EdgeClass
from graphreel.render.text import one_line, shorten, text_width

PADDING = 5.0
MOST_LINES = 12
"""Other ends that a tooltip names."""


def stub_chips(view: VisibleGraph, placement: Placement, edge_class: ByteColumn) -> StubChips:
    """The name of the other end, or how many there are."""
    stubs, style = placement.stubs, TEXT_STYLES[COUNT]
    owner = np.repeat(np.arange(len(stubs.box)), np.diff(stubs.start))
    others = np.where(stubs.leaves[owner] != 0, view.edge_target[stubs.edge], view.edge_source[stubs.edge])
    ends, starts = others.tolist(), stubs.start.tolist()
    names: dict[int, tuple[str, str]] = {}
    texts, titles, single = list[str](), list[str](), list[int]()
    for stub, leaves in enumerate(stubs.leaves.tolist()):
        its = list(dict.fromkeys(ends[starts[stub] : starts[stub + 1]]))
        for end in its[:MOST_LINES]:
            if end not in names:
                names[end] = _name(view, end)
        texts.append(names[its[0]][0] if len(its) == 1 else f"×{len(its)}")
        lines = ["goes to" if leaves else "comes from", *(names[end][1] for end in its[:MOST_LINES])]
        titles.append("\n".join([*lines, f"and {len(its) - MOST_LINES} more"] if len(its) > MOST_LINES else lines))
        single.append(its[0] if len(its) == 1 else -1)
    room = placement.stubs.rects[:, 2] - 2 * PADDING
    fitted = [shorten(text, space, style.size, style.weight) for text, space in zip(texts, room.tolist(), strict=True)]
    width = np.array([text_width(text, style.size, style.weight) for text in fitted], dtype=np.float64)
    rects = stubs.rects
    return StubChips(
        rects=rects,
        x=rects[:, 0] + (rects[:, 2] - width) / 2,
        y=rects[:, 1] + rects[:, 3] / 2 + style.size * 0.36,
        width=width,
        text=tuple(fitted),
        titles=tuple(titles),
        chip_class=_classes(edge_class[stubs.edge], stubs.start),
        end=np.array(single, dtype=np.int32),
    )


def _classes(edge_class: ByteColumn, start: IntColumn) -> ByteColumn:
    """The class of the edges of each stub; DATA where they differ."""
    if len(start) < 2:
        return np.zeros(0, dtype=np.uint8)
    low, high = np.minimum.reduceat(edge_class, start[:-1]), np.maximum.reduceat(edge_class, start[:-1])
    return np.where(low == high, low, EdgeClass.DATA).astype(np.uint8)


def _name(view: VisibleGraph, box: int) -> tuple[str, str]:
    """What a box is called, in short and with where it stands."""
    graph, kind, ref = view.graph, int(view.kind[box]), int(view.ref[box])
    if kind == BoxKind.NODE:
        return _node_name(graph, ref)
    if kind in SCOPE_KINDS:
        times = f" ×{view.repeats[box]}" if view.repeats[box] > 1 else ""
        return one_line(scope_title(graph, ScopeId(ref))) + times, one_line(graph.paths[ref]) + times
    name = one_line(graph.strings[graph.values.name[ref]])
    said = "input" if kind == BoxKind.INPUT else "output"
    return name or said, f"{said} {name}".rstrip()


def _node_name(graph: Graph, node: int) -> tuple[str, str]:
    op, path = graph.strings[graph.nodes.op[node]], graph.paths[graph.nodes.scope[node]]
    return one_line(short_op(op)), one_line(f"{op} in {path}" if path else op)
