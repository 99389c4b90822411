"""Graphs and placements for the tests of render: real graphs, placed so simply that no layout can change the result."""

import numpy as np

from graphreel.graph import ROOT, Graph, GraphBuilder, Phase, ScopeId, ScopeKind, ValueKind
from graphreel.layout import BoxKind, Placement, VisibleGraph, visible
from graphreel.layout.types import FloatColumn
from graphreel.render import Scene, build_scene, measure

NASTY = (
    "W" * 10_000,
    "encoder.layers.0.self_attn.out_proj.some_very_long_name_that_goes_on.weight",
    "two\nlines\tand a tab\r\n",
    "null\x00 bell\x07 escape\x1b[31m \x85 \x9f",
    "lone \ud800 surrogate \udfff",
    "<b>&amp;</b> \"quoted\" 'single' ]]> <!-- -->",
    "مرحبا بالعالم عملية طويلة جدا في الشبكة العصبية",
    "שכבה עם שם ארוך מאוד",
    "卷积神经网络的第一层和它的权重与偏置项名称很长很长很长很长",
    "👩‍👩‍👧‍👦🔥 émoji 🏳️‍🌈",
    "Z̸̡̛͓a̷͉͝l̵͇̈g̶̱͂o̴̠͊ " * 5,
    "\u202eright to left override\u202c and \u2066isolates\u2069",
    "\ufffe\uffff\ufeff",
    " ",
    "",
    "-",
)


def training_step() -> Graph:
    """A forward, backward and optimizer phase of a small network, as a recorder writes it."""
    b = GraphBuilder()
    forward = b.scope("forward", kind=ScopeKind.PHASE)
    net = b.scope("Net", forward, type="Net")
    block = b.scope("0", b.scope("layers", net, type="ModuleList"), type="Linear")
    backward = b.scope("backward", kind=ScopeKind.PHASE)
    optimizer = b.scope("optimizer", kind=ScopeKind.PHASE, type="SGD")
    x = b.value("float32", [8, 16], name="x", kind=ValueKind.INPUT)
    weight = b.value("float32", [4, 16], name="layers.0.weight", kind=ValueKind.PARAMETER)
    bias = b.value("float32", [4], name="layers.0.bias", kind=ValueKind.PARAMETER)
    line = b.source("train.py", 12, "forward")

    def node(op: str, inputs: list[int], shape: list[int], scope: int, phase: Phase, kind: ValueKind) -> int:
        made = b.node(op, inputs, scope=scope, phase=phase, source=line)
        return b.value("float32", shape, producer=made, kind=kind)

    some = ValueKind.ACTIVATION
    turned = node("aten.t.default", [weight], [16, 4], block, Phase.FORWARD, some)
    hidden = node("aten.addmm.default", [bias, x, turned], [8, 4], block, Phase.FORWARD, some)
    active = node("aten.relu.default", [hidden], [8, 4], net, Phase.FORWARD, some)
    loss = node("aten.mean.default", [active], [], forward, Phase.FORWARD, some)
    slope = ValueKind.GRADIENT
    one = node("aten.ones_like.default", [loss], [], backward, Phase.BACKWARD, slope)
    down = node("aten.threshold_backward.default", [one, active], [8, 4], backward, Phase.BACKWARD, slope)
    by_weight = node("aten.mm.default", [down, x], [4, 16], backward, Phase.BACKWARD, slope)
    by_bias = node("aten.sum.dim_IntList", [down], [4], backward, Phase.BACKWARD, slope)
    kept = ValueKind.PARAMETER
    node("aten.add_.Tensor", [weight, by_weight], [4, 16], optimizer, Phase.OPTIMIZER, kept)
    node("aten.add_.Tensor", [bias, by_bias], [4], optimizer, Phase.OPTIMIZER, kept)
    b.output(loss)
    return b.build()


def nasty() -> Graph:
    """Every nasty text as op, node name, scope, class, value name, symbol and dtype."""
    b = GraphBuilder()
    previous = b.value("float32", [2], name="x", kind=ValueKind.INPUT)
    for text in NASTY:
        scope = b.scope(text, type=text)
        before = b.value(text, [text, None, 3], name=text, kind=ValueKind.INPUT)
        weight = b.value(text, None, name=text, kind=ValueKind.PARAMETER)
        node = b.node(text, [previous, before, weight], scope=scope, name=text, source=b.source(text, 1, text))
        previous = b.value(text, [text], producer=node, name=text)
        b.output(previous)
    return b.build()


def all_open(graph: Graph) -> frozenset[ScopeId]:
    """Every scope but the root."""
    return frozenset(ScopeId(scope) for scope in range(1, graph.scope_count))


def in_one_column(view: VisibleGraph, sizes: FloatColumn) -> Placement:
    """Every box below the one before, groups around what is in them, edges in bows along the right."""
    rects = np.zeros((len(view.kind), 4))
    y, depth = 0.0, 0
    # A group stands on the stack twice: to be opened, and (as ~box) to be closed.
    stack = _inside(view, -1)
    while stack:
        box = stack.pop()
        if box < 0:
            y, depth = y + 16.0, depth - 1
            _close(~box, rects, _inside(view, ~box), y)
        elif view.kind[box] == BoxKind.GROUP:
            rects[box] = 16.0 * depth, y, *sizes[box]
            stack += [~box, *_inside(view, box)]
            y, depth = y + 30.0, depth + 1
        else:
            rects[box] = 16.0 * depth, y, *sizes[box]
            y += sizes[box, 1] + 24.0
    starts = np.arange(len(view.edge_source) + 1, dtype=np.int32) * 4
    width = float(rects[:, 0].max(initial=0.0) + rects[:, 2].max(initial=0.0)) + 60.0
    return Placement(rects, starts, _bows(view, rects), (width, y))


def _inside(view: VisibleGraph, group: int) -> list[int]:
    """The boxes directly in a group, the last first."""
    return np.flatnonzero(view.parent == group)[::-1].tolist()


def _close(group: int, rects: FloatColumn, inside: list[int], y: float) -> None:
    right = max((rects[box, 0] + rects[box, 2] for box in inside), default=0.0)
    rects[group, 2] = max(rects[group, 2], right + 16.0 - rects[group, 0])
    rects[group, 3] = y - 8.0 - rects[group, 1]


def _bows(view: VisibleGraph, rects: FloatColumn) -> FloatColumn:
    points: list[list[float]] = []
    for source, target in zip(view.edge_source.tolist(), view.edge_target.tolist(), strict=True):
        (x1, y1, w1, h1), (x2, y2, w2, h2) = rects[source].tolist(), rects[target].tolist()
        start, end = (x1 + w1, y1 + h1 / 2), (x2 + w2, y2 + h2 / 2)
        out = max(start[0], end[0]) + 40.0
        points += [[*start], [out, start[1]], [out, end[1]], [*end]]
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def column_scene(graph: Graph, expanded: frozenset[ScopeId]) -> Scene:
    """The graph's scene, placed in one column."""
    view = visible(graph, expanded)
    return build_scene(view, in_one_column(view, measure(view)))


def check_texts_inside(scene: Scene) -> None:
    """Every line of text stands within its box, by the width table."""
    rects = scene.placement.rects[scene.texts.box]
    left, right = scene.texts.x, scene.texts.x + scene.texts.width
    assert np.all(left >= rects[:, 0])
    assert np.all(right <= rects[:, 0] + rects[:, 2] + 0.01)
    assert np.all(scene.texts.y > rects[:, 1])
    assert np.all(scene.texts.y < rects[:, 1] + rects[:, 3])


__all__ = ["NASTY", "ROOT", "all_open", "check_texts_inside", "column_scene", "in_one_column", "nasty", "training_step"]
