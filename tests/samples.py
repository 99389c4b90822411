"""Graphs and ONNX models that many tests look at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper, parser

from graphreel.graph import ROOT, Graph, GraphBuilder, Phase, ScopeKind, ValueKind


def training_step(blocks: int = 2) -> Graph:
    """Forward, backward and optimizer of a few linear blocks, with sources, shapes, storages and attributes."""
    builder = GraphBuilder(meta={"framework": "sample"})
    model = builder.scope("Net", builder.scope("forward", kind=ScopeKind.PHASE), type="Net")
    layers = builder.scope("layers", model)
    called = builder.source("train.py", 20, "main")
    line = builder.source("model.py", 7, "forward", called)
    at = builder.value("float32", ("batch", 8), kind=ValueKind.INPUT, name="x")
    weights, made = [], []
    for block in range(blocks):
        scope = builder.scope(str(block), layers, type="Block")
        weight = builder.value("float32", (8, 8), kind=ValueKind.PARAMETER, name=f"{block}.weight", storage=block)
        node = builder.node("linear", (at, weight), scope=scope, source=line, input_names=("input", "weight"))
        hidden = builder.value("float32", ("batch", 8), producer=node)
        relu = builder.node("relu", (hidden,), scope=scope, source=line, attributes={"inplace": False, "slope": -0.0})
        at = builder.value("float32", ("batch", 8), producer=relu)
        weights.append(weight)
        made.append(node)
    backward = builder.scope("backward", kind=ScopeKind.PHASE)
    gradients = []
    for node in reversed(made):
        back = builder.node("linear_backward", (at,), scope=backward, phase=Phase.BACKWARD, forward=node)
        at = builder.value("float32", ("batch", 8), producer=back, kind=ValueKind.GRADIENT)
        gradients.append(builder.value("float32", (8, 8), producer=back, port=1, kind=ValueKind.GRADIENT))
    step = builder.scope("optimizer", kind=ScopeKind.PHASE)
    for number, (weight, gradient) in enumerate(zip(weights, reversed(gradients), strict=True)):
        taken = weight, gradient
        node = builder.node("add_", taken, scope=step, phase=Phase.OPTIMIZER, writes=(0,), attributes={"alpha": -0.01})
        new = builder.value(
            "float32", (8, 8), producer=node, kind=ValueKind.PARAMETER, storage=number, version=1, previous=weight
        )
        builder.output(new)
    return builder.build()


def bodies(depth: int = 1) -> Graph:
    """A value that passes through `depth` loops, each the body of the one before, and in the innermost an If.

    The operations: `make`, then the owners `Loop` …, `If`, its branches `double` and `negate`, and at last `use`.
    """
    builder = GraphBuilder()
    make = builder.node("make")
    outside = builder.value(producer=make)
    around: list[tuple[int, int]] = []
    scope, at = ROOT, outside
    for _ in range(depth):
        loop = builder.node("Loop", (at,), scope=scope)
        result = builder.value(producer=loop)
        scope = builder.scope("Loop.body", scope, ScopeKind.LOOP_BODY, owner=loop)
        inner = builder.value()
        builder.enter(scope, at, inner)
        around.append((scope, result))
        at = inner
    owner = builder.node("If", (at,), scope=scope)
    given = builder.value(producer=owner)
    for op in ("double", "negate"):
        branch = builder.scope(f"If.{op}", scope, ScopeKind.BRANCH, owner=owner)
        builder.enter(branch, at, at)
        node = builder.node(op, (at,), scope=branch)
        builder.leave(branch, given, builder.value(producer=node))
    for body, result in reversed(around):
        builder.leave(body, result, given)
        given = result
    use = builder.node("use", (given,))
    builder.output(builder.value(producer=use))
    return builder.build()


def chain(length: int) -> Graph:
    """Nodes in a row, each taking what the one before gives."""
    builder = GraphBuilder()
    at = builder.value("float32", (4,), kind=ValueKind.INPUT)
    for _ in range(length):
        at = builder.value("float32", (4,), producer=builder.node("relu", (at,)))
    builder.output(at)
    return builder.build()


def nested(depth: int) -> Graph:
    """Scopes within scopes, a node in each."""
    builder = GraphBuilder()
    scope, at = ROOT, builder.value(kind=ValueKind.INPUT)
    for _ in range(depth):
        scope = builder.scope("s", scope)
        at = builder.value(producer=builder.node("relu", (at,), scope=scope))
    return builder.build()


def edges_by_op(graph: Graph, source: Sequence[int], target: Sequence[int]) -> set[tuple[str, str]]:
    """Edges as pairs of ops."""
    return {(graph.node(one).op, graph.node(other).op) for one, other in zip(source, target, strict=True)}


def save(model: onnx.ModelProto, path: Path) -> Path:
    """The model as a file; gives its path."""
    path.write_bytes(model.SerializeToString())
    return path


def onnx_text(text: str, opset: int = 20) -> onnx.ModelProto:
    """A model from ONNX's own text form: the graph, and functions where there are any."""
    return parser.parse_model(f'<ir_version: 9, opset_import: ["" : {opset}, "local" : 1]>\n{text}')


def weighted_mlp(size: int = 8) -> onnx.ModelProto:
    """Two layers with real weights, named as hierarchical modules are."""
    model = onnx_text(f"""
        net (float[batch, {size}] x) => (float[batch, {size}] y) {{
            h = MatMul(x, w0)
            r = Relu(h)
            y = MatMul(r, w1)
        }}""")
    for node, name in zip(model.graph.node, ("/layers.0/fc/MatMul", "/layers.0/Relu", "/head/MatMul"), strict=True):
        node.name = name
    for name in ("w0", "w1"):
        weight = np.random.default_rng(0).standard_normal((size, size), dtype=np.float32)
        model.graph.initializer.append(numpy_helper.from_array(weight, name))
    return model


IF = """
    choose (bool c, float[2] x) => (float[2] y) {
        z = Relu(x)
        y = If (c) <
            then_branch = then_graph () => (float[2] t) { t = Add(z, x) },
            else_branch = else_graph () => (float[2] e) { e = Neg(z) }
        >
    }"""

LOOP = """
    repeat (int64 n, bool go, float[2] x) => (float[2] last, float[k, 2] all) {
        last, all = Loop (n, go, x) <
            body = body_graph (int64 i, bool again, float[2] a) => (bool next, float[2] b, float[2] seen) {
                next = Identity(again)
                b = Add(a, x)
                seen = Neg(b)
            }
        >
    }"""

SCAN = """
    sums (float[2] start, float[5, 2] xs) => (float[2] last, float[5, 2] all) {
        last, all = Scan <num_scan_inputs = 1,
            body = body_graph (float[2] total, float[2] x) => (float[2] next, float[2] seen) {
                next = Add(total, x)
                seen = Identity(next)
            }
        > (start, xs)
    }"""

FUNCTIONS = """
    net (float[2] x) => (float[2] y) {
        a = local.twice <by = 3> (x)
        y = local.outer (a)
    }
    <domain: "local", opset_import: ["" : 20]>
    twice <by> (v) => (w) {
        k = Constant <value_int: int = @by> ()
        c = Cast <to = 1> (k)
        w = Mul (v, c)
    }
    <domain: "local", opset_import: ["" : 20, "local" : 1]>
    outer (v) => (w) {
        m = local.twice <by = 5> (v)
        w = Relu (m)
    }"""
