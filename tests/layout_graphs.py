"""Graphs with the shapes of real ones, for the layout's tests and bench: a transformer, and a training step of it."""

import random

import numpy as np

from graphreel.graph import ROOT, Graph, GraphBuilder, Phase, ScopeKind, ValueKind
from graphreel.layout import BoxKind, VisibleGraph
from graphreel.layout.types import FloatColumn


class _Transformer:
    """Builds a decoder block by block; flat graphs have no scopes."""

    def __init__(self, *, flat: bool) -> None:
        self.builder = GraphBuilder()
        self.flat = flat
        self.mask = self.builder.value(kind=ValueKind.INPUT, name="mask")

    def scope(self, name: str, parent: int) -> int:
        return ROOT if self.flat else self.builder.scope(name, parent)

    def op(self, name: str, *inputs: int, scope: int) -> int:
        return self.builder.value(producer=self.builder.node(name, inputs, scope=scope))

    def linear(self, name: str, value: int, parent: int) -> int:
        scope = self.scope(name, parent)
        return self.op("addmm", value, self.op("t", scope=scope), scope=scope)

    def attention(self, value: int, parent: int) -> int:
        scope = self.scope("attn", parent)
        q, k, v = (self.linear(name, value, scope) for name in "qkv")
        found = self.op("bmm", self.op("view", q, scope=scope), self.op("transpose", k, scope=scope), scope=scope)
        found = self.op("masked_fill", self.op("div", found, scope=scope), self.mask, scope=scope)
        found = self.op("dropout", self.op("softmax", found, scope=scope), scope=scope)
        return self.linear("out", self.op("bmm", found, self.op("view", v, scope=scope), scope=scope), scope)

    def block(self, value: int, name: str, parent: int) -> int:
        scope = self.scope(name, parent)
        normed = self.op("layer_norm", value, scope=self.scope("ln1", scope))
        value = self.op("add", value, self.attention(normed, scope), scope=scope)
        inner = self.op("layer_norm", value, scope=self.scope("ln2", scope))
        mlp = self.scope("mlp", scope)
        inner = self.linear("fc2", self.op("gelu", self.linear("fc1", inner, mlp), scope=mlp), mlp)
        return self.op("add", value, inner, scope=scope)


def transformer(blocks: int, *, flat: bool = False) -> Graph:
    """A decoder of 26 nodes a block, with residuals and a mask that every block takes."""
    made = _Transformer(flat=flat)
    tokens = made.builder.value(kind=ValueKind.INPUT, name="tokens")
    model = made.scope("model", ROOT)
    value = made.op("embedding", tokens, scope=made.scope("embed", model))
    layers = made.scope("layers", model)
    for block in range(blocks):
        value = made.block(value, str(block), layers)
    value = made.op("layer_norm", value, scope=made.scope("norm", model))
    made.builder.output(made.linear("head", value, model))
    return made.builder.build()


class _TrainingStep:
    """Mirrors a forward graph into a backward phase whose nodes take forward activations."""

    def __init__(self, forward: Graph) -> None:
        self.forward, self.builder = forward, GraphBuilder()
        add = self.builder.scope
        self.phases = [add(name, kind=ScopeKind.PHASE) for name in ("forward", "backward", "optimizer")]
        self.scopes: list[dict[int, int]] = [{ROOT: self.phases[0]}, {ROOT: self.phases[1]}]
        self.values: dict[int, int] = {}
        self.gradients: dict[int, list[int]] = {}
        self.updates: list[int] = []
        self.made: dict[int, int] = {}

    def scope(self, scope: int, phase: int) -> int:
        known = self.scopes[phase]
        missing = [scope]
        while missing[-1] not in known:
            missing.append(int(self.forward.scopes.parent[missing[-1]]))
        for inner in reversed(missing[:-1]):
            around = known[int(self.forward.scopes.parent[inner])]
            known[inner] = self.builder.scope(self.forward.scope(inner).name, around)
        return known[scope]

    def run_forward(self) -> None:
        graph = self.forward
        for value in np.flatnonzero(graph.values.producer < 0).tolist():
            self.values[value] = self.builder.value(kind=ValueKind.INPUT, name=graph.value(value).name)
        for node in range(graph.node_count):
            inputs = [self.values[int(value)] for value in graph.inputs_of(node)]
            made = self.builder.node(graph.node(node).op, inputs, scope=self.scope(int(graph.nodes.scope[node]), 0))
            self.made[node] = made
            self.values[int(graph.outputs_of(node)[0])] = self.builder.value(producer=made)
        loss = self.builder.node("nll_loss", [self.values[int(graph.outputs[0])]], scope=self.phases[0])
        seed = self.backward("ones_like", [self.builder.value(producer=loss)], self.phases[1])
        self.gradients[graph.node_count - 1] = [seed]

    def backward(self, op: str, inputs: list[int], scope: int, forward: int = -1) -> int:
        node = self.builder.node(op, inputs, scope=scope, phase=Phase.BACKWARD, forward=forward)
        return self.builder.value(producer=node)

    def run_backward(self) -> None:
        for node in range(self.forward.node_count - 1, -1, -1):
            gradients = self.gradients.get(node, [])
            if not gradients:
                continue
            scope = self.scope(int(self.forward.nodes.scope[node]), 1)
            whole = gradients[0]
            for other in gradients[1:]:
                whole = self.backward("add", [whole, other], scope)
            self.run_node_backward(node, whole, scope)

    def run_node_backward(self, node: int, gradient: int, scope: int) -> None:
        graph = self.forward
        op = graph.node(node).op
        producers = [int(graph.values.producer[value]) for value in graph.inputs_of(node)]
        if op == "t":
            self.updates.append(gradient)
            return
        saved = [self.values[int(value)] for value in graph.inputs_of(node)]
        result = (
            gradient if op == "add" else self.backward(f"{op}_backward", [gradient, *saved], scope, self.made[node])
        )
        for producer in producers:
            if producer >= 0:
                self.gradients.setdefault(producer, []).append(result)

    def run_optimizer(self) -> None:
        for gradient in self.updates:
            self.builder.node("add_", [gradient], scope=self.phases[2], phase=Phase.OPTIMIZER)


def training_step(blocks: int) -> Graph:
    """Forward, backward and optimizer of a transformer: about 71 nodes a block."""
    step = _TrainingStep(transformer(blocks))
    step.run_forward()
    step.run_backward()
    step.run_optimizer()
    return step.builder.build()


def box_sizes(view: VisibleGraph) -> FloatColumn:
    """Sizes as a renderer would give them: by the length of what is written in the box."""
    found: list[tuple[float, float]] = []
    for kind, ref in zip(view.kind.tolist(), view.ref.tolist(), strict=True):
        if kind == BoxKind.NODE:
            found.append((max(70.0, len(view.graph.node(ref).op) * 7.5 + 24), 40.0))
        elif kind == BoxKind.SCOPE:
            found.append((max(90.0, len(view.graph.scope(ref).name) * 7.5 + 40), 52.0))
        elif kind == BoxKind.GROUP:
            found.append((len(view.graph.scope(ref).name) * 8.0 + 60, 0.0))
        else:
            found.append((80.0, 28.0))
    return np.array(found, dtype=np.float64).reshape(-1, 2)


def everything(graph: Graph) -> range:
    """All scopes, to expand them."""
    return range(graph.scope_count)


def edited(graph: Graph, way: str, times: int) -> Graph:
    """The same graph with some nodes taken out, put in, or made others; what fed on a lost one feeds on its input."""
    chance = random.Random(times)
    inner = [node for node in range(graph.node_count) if len(graph.inputs_of(node)) and len(graph.outputs_of(node))]
    chosen = set() if way == "same" else set(chance.sample(inner, times))
    builder = GraphBuilder()
    scopes = {0: 0}
    for scope in range(1, graph.scope_count):
        row = graph.scope(scope)
        parent = int(graph.scopes.parent[scope])
        scopes[scope] = builder.scope(row.name, scopes[parent], kind=row.kind, type=row.type)
    values: dict[int, int] = {}
    nodes: dict[int, int] = {}
    for value in np.flatnonzero(graph.values.producer < 0).tolist():
        values[value] = builder.value(kind=graph.value(value).kind, name=graph.value(value).name)
    for node in range(graph.node_count):
        taken = [values[value] for value in graph.inputs_of(node).tolist()]
        outputs = graph.outputs_of(node).tolist()
        if way == "delete" and node in chosen:
            values.update(dict.fromkeys(outputs, taken[0]))
            continue
        row, forward = graph.node(node), int(graph.nodes.forward[node])
        if way == "insert" and node in chosen:
            made = builder.node("inserted", taken[:1], scope=scopes[row.scope.id], phase=row.phase)
            taken[0] = builder.value(producer=made)
        op = "replaced" if way == "replace" and node in chosen else row.op
        linked = {"forward": nodes[forward]} if forward in nodes else {}
        nodes[node] = builder.node(op, taken, scope=scopes[row.scope.id], phase=row.phase, **linked)
        for value in outputs:
            values[value] = builder.value(producer=nodes[node])
    for value in graph.outputs.tolist():
        builder.output(values[value])
    return builder.build()
