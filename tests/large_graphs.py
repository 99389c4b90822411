"""Large and awkward graphs as they come: ONNX transformers with and without names, huge scopes, stars, chains, circles,
and labels in every script.
"""

from collections.abc import Sequence
from pathlib import Path

from onnx import ModelProto, NodeProto, TensorProto, helper, save

from graphreel.graph import Graph, GraphBuilder, ValueKind

BLOCK = 30
"""Nodes of a transformer's block."""

LABELS = (
    "long " + "x" * 10_000,
    "مرحبا بالعالم",
    "שלום עולם",
    "漢字かな交じり文",
    "👩‍👩‍👧‍👦 🏳️‍🌈",
    "e\u0301\u0323\u0308" * 20,
    "\u202eright to left\u202c \u200f\u200e",
    "two\nlines\r\nand\ttab",
    "\x00\x01\x1b[31m\x7f\ufffe",
    "\ud800 a lone surrogate",
    "<script>&amp;\"'</script>",
)


def transformer_file(path: Path, nodes: int, *, named: bool = True) -> Path:
    """Write an ONNX transformer of about so many nodes, with hierarchical node names or without any."""
    save(transformer_model(nodes, named=named), str(path))
    return path


def transformer_model(nodes: int, *, named: bool = True) -> ModelProto:
    """An ONNX transformer of BLOCK nodes a block, an embedding before and a head behind; its weights are tiny."""
    writer = _Writer(named=named)
    at = writer.node("Gather", ["embedding.weight", "tokens"], "/model/embeddings/Gather")
    at = writer.node("Add", [at, "position.weight"], "/model/embeddings/Add")
    for block in range(max(1, (nodes - 6) // BLOCK)):
        at = _block(writer, f"/model/layers/{block}", f"layers.{block}", at)
    at = _norm(writer, "/model/norm", "norm", at)
    writer.node("MatMul", [at, "head.weight"], "/head/MatMul", "logits")
    tokens = helper.make_tensor_value_info("tokens", TensorProto.INT64, None)
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)
    weights = [helper.make_tensor(name, TensorProto.FLOAT, [1], [1.0]) for name in writer.weights]
    graph = helper.make_graph(writer.nodes, "transformer", [tokens], [logits], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


class _Writer:
    def __init__(self, *, named: bool) -> None:
        self.named = named
        self.nodes: list[NodeProto] = []
        self.weights: dict[str, None] = {}

    def node(self, op: str, inputs: Sequence[str], name: str, output: str = "") -> str:
        given = output or (f"{name}_output_0" if self.named else str(len(self.nodes)))
        self.weights.update(dict.fromkeys(value for value in inputs if value.endswith((".weight", ".bias"))))
        self.nodes.append(helper.make_node(op, inputs, [given], name=name if self.named else ""))
        return given


def _norm(writer: _Writer, path: str, weight: str, at: str) -> str:
    mean = writer.node("ReduceMean", [at], f"{path}/ReduceMean")
    centred = writer.node("Sub", [at, mean], f"{path}/Sub")
    return writer.node("Mul", [centred, f"{weight}.weight"], f"{path}/Mul")


def _linear(writer: _Writer, path: str, weight: str, at: str) -> str:
    product = writer.node("MatMul", [at, f"{weight}.weight"], f"{path}/MatMul")
    return writer.node("Add", [product, f"{weight}.bias"], f"{path}/Add")


def _block(writer: _Writer, path: str, weight: str, at: str) -> str:
    normed = _norm(writer, f"{path}/attn_norm", f"{weight}.attn_norm", at)
    heads: list[str] = []
    for name in ("q_proj", "k_proj", "v_proj"):
        flat = _linear(writer, f"{path}/attn/{name}", f"{weight}.attn.{name}", normed)
        heads.append(writer.node("Transpose", [flat], f"{path}/attn/{name}/Transpose"))
    query, key, value = heads
    turned = writer.node("Transpose", [key], f"{path}/attn/Transpose")
    scores = writer.node("MatMul", [query, turned], f"{path}/attn/MatMul")
    scaled = writer.node("Div", [scores, "scale.weight"], f"{path}/attn/Div")
    chances = writer.node("Softmax", [scaled], f"{path}/attn/Softmax")
    mixed = writer.node("MatMul", [chances, value], f"{path}/attn/MatMul_1")
    mixed = writer.node("Transpose", [mixed], f"{path}/attn/Transpose_1")
    out = _linear(writer, f"{path}/attn/o_proj", f"{weight}.attn.o_proj", mixed)
    at = writer.node("Add", [at, out], f"{path}/Add")
    normed = _norm(writer, f"{path}/mlp_norm", f"{weight}.mlp_norm", at)
    wide = _linear(writer, f"{path}/mlp/up", f"{weight}.mlp.up", normed)
    active = writer.node("Erf", [wide], f"{path}/mlp/Erf")
    active = writer.node("Mul", [wide, active], f"{path}/mlp/Mul")
    narrow = _linear(writer, f"{path}/mlp/down", f"{weight}.mlp.down", active)
    return writer.node("Add", [at, narrow], f"{path}/Add_1")


def _value(builder: GraphBuilder, op: str, inputs: Sequence[int], scope: int = 0, name: str = "") -> int:
    return builder.value(producer=builder.node(op, inputs, scope=scope, name=name))


def crowded_scope(children: int = 20_000, *, alike: bool = True) -> Graph:
    """One scope with so many scopes in it, each of two nodes, in a row; alike, or in no order that repeats."""
    builder = GraphBuilder()
    around = builder.scope("crowd")
    at = builder.value(kind=ValueKind.INPUT, name="x")
    for child in range(children):
        scope = builder.scope(f"child_{child}", around, type="Child")
        at = _value(builder, "MatMul" if alike else f"Op{child * child % 97}", [at], scope)
        at = _value(builder, "Relu", [at], scope)
    builder.output(at)
    return builder.build()


def star(points: int = 10_000) -> Graph:
    """One node that feeds all others."""
    builder = GraphBuilder()
    middle = _value(builder, "Split", [builder.value(kind=ValueKind.INPUT, name="x")])
    for _ in range(points):
        _value(builder, "Relu", [middle])
    return builder.build()


def chain(nodes: int = 10_000) -> Graph:
    """Each node feeds the next."""
    builder = GraphBuilder()
    at = builder.value(kind=ValueKind.INPUT, name="x")
    for _ in range(nodes):
        at = _value(builder, "Relu", [at])
    builder.output(at)
    return builder.build()


def unrepeated(nodes: int = 3000) -> Graph:
    """A flat graph in which nothing repeats, narrow at every 40th node."""
    builder = GraphBuilder()
    at = [builder.value(kind=ValueKind.INPUT, name="x")]
    for node in range(nodes):
        op = f"Op{pow(7, node, 1009) % 31}"
        taken = at[-1:] if node % 40 == 0 else at[-3:]
        made = _value(builder, op, taken)
        at = [made] if node % 40 == 0 else [*at, made]
    builder.output(at[-1])
    return builder.build()


def knotted() -> Graph:
    """Circles, nodes that feed themselves, several edges between the same two, and nodes that nothing joins."""
    builder = GraphBuilder()
    scope = builder.scope("knot")
    late = builder.value(name="late")
    first = _value(builder, "First", [late], scope)
    again = builder.value(name="self")
    loop = builder.node("Loop", [again, first, first, first], scope=scope)
    builder.produce(again, loop, 0)
    last = builder.node("Last", [again, again], scope=scope)
    builder.produce(late, last, 0)
    for _ in range(30):
        builder.node("Alone")
    return builder.build()


def labelled() -> Graph:
    """Scopes, nodes and values with names that are long, or hard to write."""
    builder = GraphBuilder()
    at = builder.value(kind=ValueKind.INPUT, name=LABELS[0])
    for label in LABELS:
        scope = builder.scope(label, type=label)
        made = builder.node(label, [at], scope=scope, name=label, attributes={"label": label})
        at = builder.value("float32", (1, 2), producer=made, name=label)
        at = _value(builder, "After", [at], name=label)
    builder.output(at)
    return builder.build()
