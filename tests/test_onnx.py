"""ONNX models become graphs: operations, edges, types, scopes, bodies and functions, checked against the model."""

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from graphreel.capture.onnx.functions import all_nodes
from graphreel.capture.sources import open_trace
from graphreel.graph import (
    Graph,
    ScopeKind,
    ValueKind,
    find_scopes,
    flow_edges,
    lint,
    node_keys,
    structure_hash,
    walk,
)

from .samples import FUNCTIONS, IF, LOOP, SCAN, edges_by_op, onnx_text, save, weighted_mlp


def read(model: onnx.ModelProto, folder: Path) -> Graph:
    """The graph of a model, which keeps every invariant and comes out the same again."""
    path = save(model, folder / "model.onnx")
    graph = open_trace(path).graph(0)
    lint(graph)
    assert structure_hash(open_trace(path).graph(0)) == structure_hash(graph)
    return graph


def flow(graph: Graph) -> set[tuple[str, str]]:
    edges = flow_edges(graph)
    return edges_by_op(graph, edges.source.tolist(), edges.target.tolist())


def ops(graph: Graph) -> list[str]:
    return [node.op for node in walk(graph)]


def test_operations_values_and_types(tmp_path: Path) -> None:
    graph = read(weighted_mlp(), tmp_path)
    assert ops(graph) == ["MatMul", "Relu", "MatMul"]
    first = graph.node(0)
    assert first.input_names == ["A", "B"]
    assert [value.type_text for value in first.inputs] == ["float32[batch, 8]", "float32[8, 8]"]
    assert [value.kind for value in first.inputs] == [ValueKind.INPUT, ValueKind.PARAMETER]
    assert first.outputs[0].type_text == "float32[batch, 8]", "inferred, since the file does not say"
    assert [graph.value(value).name for value in graph.outputs.tolist()] == ["y"]
    assert graph.meta["opsets"] == "ai.onnx 20, local 1"


def test_names_become_scopes(tmp_path: Path) -> None:
    graph = read(weighted_mlp(), tmp_path)
    assert graph.paths == ("", "layers", "layers/0", "layers/0/fc", "head")
    assert node_keys(graph) == ("layers/0/fc/MatMul#1", "layers/0/Relu#1", "head/MatMul#1")
    assert [graph.paths[scope] for scope in find_scopes(graph, "layers.*")] == ["layers/0", "layers/0/fc"]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("MatMul_3", ""),
        ("/MatMul", ""),
        ("/layers.0/attn/MatMul", "layers/0/attn"),
        ("model.layers.0.attn", "model/layers/0"),
        ("model/dense/MatMul;model/dense/BiasAdd", "model/dense"),
        ("Conv.1", ""),
        ("v1.5/Add", "v1/5"),
        ("a//b/Add", "a/b"),
        ("..", ""),
        ("/", ""),
        ("///", ""),
    ],
)
def test_a_node_stands_where_its_name_says(tmp_path: Path, name: str, path: str) -> None:
    model = onnx_text("g (float[2] x) => (float[2] y) { y = Relu(x) }")
    model.graph.node[0].name = name
    graph = read(model, tmp_path)
    assert graph.node(0).scope.path == path
    assert graph.node(0).name == name


def test_attributes_are_plain_and_short(tmp_path: Path) -> None:
    model = onnx_text("g (float[1, 1, 8, 8] x) => (float[n, c, h, w] y) { y = Conv <pads = [1, 1, 1, 1]> (x, k) }")
    node = model.graph.node[0]
    small, large = np.array([0.1, -0.0], np.float32), np.zeros(100_000, np.float32)
    node.attribute.extend(
        [
            helper.make_attribute("alpha", 0.1),
            helper.make_attribute("mode", "same"),
            helper.make_attribute("bytes", b"\xff\x00"),
            helper.make_attribute("small", numpy_helper.from_array(small)),
            helper.make_attribute("large", numpy_helper.from_array(large)),
            helper.make_attribute("many", list(range(1000))),
            helper.make_attribute("long", "x" * 100_000),
            helper.make_attribute("type", helper.make_tensor_type_proto(TensorProto.INT64, ["n", 2, None])),
        ]
    )
    graph = read(model, tmp_path)
    found = graph.node(0).attributes
    assert found["pads"] == [1, 1, 1, 1]
    assert found["alpha"] == 0.1, "the digits that were written, not those of the nearest double"
    assert found["mode"] == "same"
    assert found["bytes"] == "\\xff\x00"
    assert found["small"] == {"dtype": "float32", "shape": [2], "values": [0.1, -0.0]}
    assert found["large"] == {"dtype": "float32", "shape": [100_000]}
    assert found["many"]["count"] == 1000
    assert len(found["long"]) < 3000
    assert found["type"] == "int64[n, 2, ?]"
    assert graph.nbytes < 50_000


def test_types_that_are_no_tensors(tmp_path: Path) -> None:
    model = onnx_text("g (seq(float[n]) s, optional(int64[2]) o) => (int64 y) { y = SequenceLength(s) }")
    graph = read(model, tmp_path)
    assert [graph.value(value).dtype for value in (0, 1)] == ["sequence<float32[n]>", "optional<int64[2]>"]


def test_initializers_are_parameters_or_constants_without_their_data(tmp_path: Path) -> None:
    model = onnx_text("g (float[4, 4] x) => (float[4, 4] y) { h = MatMul(x, w) r = Reshape(h, s) y = Add(r, w) }")
    weight = np.ones((4, 4), np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    model.graph.initializer.append(numpy_helper.from_array(np.array([4, 4]), "s"))
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 4]))
    graph = read(model, tmp_path)
    values = {value.name: value for value in map(graph.value, range(graph.value_count))}
    assert values["w"].kind is ValueKind.PARAMETER
    assert len(values["w"].consumers) == 2, "one value, though the file also lists it as an input"
    assert values["s"].kind is ValueKind.CONSTANT
    assert values["s"].attributes == {"values": [4, 4]}


def test_small_initializers_show_their_values_in_their_own_type(tmp_path: Path) -> None:
    given = [0.0, -0.0, 0.1]
    model = onnx_text("g (float[3] x) => (float[3] y) { y = Relu(x) }")
    for name in ("float16", "float32", "float64", "int32", "int64", "bool"):
        model.graph.initializer.append(numpy_helper.from_array(np.array(given, name), name))
    model.graph.initializer.append(helper.make_tensor("field", TensorProto.FLOAT, [3], given))
    graph = read(model, tmp_path)
    found = {value.name: value.attributes.get("values") for value in map(graph.value, range(graph.value_count))}
    assert repr(found["float32"]) == repr(found["float64"]) == repr(found["field"]) == "[0.0, -0.0, 0.1]"
    assert repr(found["float16"]) == "[0.0, -0.0, 0.1]"
    assert repr(found["int32"]) == repr(found["int64"]) == "[0, 0, 0]"
    assert repr(found["bool"]) == "[False, False, True]"


def test_sparse_and_external_initializers(tmp_path: Path) -> None:
    model = onnx_text("g (float[4] x) => (float[4] y) { h = Add(x, sparse) y = Add(h, away) }")
    values = helper.make_tensor("sparse", TensorProto.FLOAT, [2], [1.0, 2.0])
    model.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, helper.make_tensor("", TensorProto.INT64, [2], [0, 3]), [4])
    )
    away = model.graph.initializer.add(name="away", data_type=TensorProto.FLOAT, dims=[4])
    away.data_location = TensorProto.EXTERNAL
    away.external_data.add(key="location", value="../../etc/weights.bin")
    graph = read(model, tmp_path)
    sparse, external = graph.node(0).inputs[1], graph.node(1).inputs[1]
    assert (sparse.type_text, sparse.kind, sparse.attributes) == (
        "float32[4]",
        ValueKind.PARAMETER,
        {"stored values": 2},
    )
    assert external.type_text == "float32[4]"
    assert external.attributes == {"stored in": "../../etc/weights.bin"}, "told, never opened"


def test_quantization_annotations_are_told(tmp_path: Path) -> None:
    model = weighted_mlp()
    note = model.graph.quantization_annotation.add(tensor_name="w0")
    note.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="w0_scale")
    assert read(model, tmp_path).node(0).inputs[1].attributes == {"SCALE_TENSOR": "w0_scale"}


def test_optional_inputs_and_outputs_that_are_left_out(tmp_path: Path) -> None:
    model = onnx_text('g (float[4] x, float hi) => (float[4] y) { y = Clip(x, "", hi) }')
    model.graph.node[0].input[1] = ""
    model.graph.node.append(helper.make_node("LSTM", ["y", "y", "y"], ["", "h", ""]))
    graph = read(model, tmp_path)
    assert graph.node(0).input_names == ["input", "max"]
    assert [value.name for value in graph.node(1).outputs] == ["", "h"]


def test_repeated_parameters_are_numbered(tmp_path: Path) -> None:
    graph = read(onnx_text("g (float[2] a, float[2] b) => (float[4] y) { y = Concat <axis = 0> (a, b) }"), tmp_path)
    assert graph.node(0).input_names == ["inputs.0", "inputs.1"]


def test_operations_of_other_domains_keep_their_domain(tmp_path: Path) -> None:
    model = onnx_text("g (float[2] a) => (float[2] y) { y = com.example.Magic (a) }")
    graph = read(model, tmp_path)
    assert ops(graph) == ["com.example.Magic"]
    assert graph.node(0).input_names == [""]


def test_branches_of_an_if(tmp_path: Path) -> None:
    graph = read(onnx_text(IF), tmp_path)
    assert ops(graph) == ["Relu", "If", "Add", "Neg"]
    then, otherwise = (graph.scope(scope) for scope in (1, 2))
    assert [scope.name for scope in (then, otherwise)] == ["If.then_branch", "If.else_branch"]
    assert {scope.kind for scope in (then, otherwise)} == {ScopeKind.BRANCH}
    assert then.owner == otherwise.owner == graph.node(1)
    assert [(outer.name, inner.name) for outer, inner in then.entries] == [("z", "z"), ("x", "x")]
    assert [(outer.name, inner.name) for outer, inner in otherwise.exits] == [("y", "e")]
    assert flow(graph) == {("Relu", "Add"), ("Relu", "Neg"), ("If", "Add"), ("If", "Neg")}


def test_a_loop_and_what_is_carried_round(tmp_path: Path) -> None:
    graph = read(onnx_text(LOOP), tmp_path)
    assert ops(graph) == ["Loop", "Identity", "Add", "Neg"]
    body = graph.scope(1)
    assert (body.name, body.kind, body.owner) == ("Loop.body", ScopeKind.LOOP_BODY, graph.node(0))
    assert [(outer.name, inner.name) for outer, inner in body.entries] == [("go", "again"), ("x", "a"), ("x", "x")]
    assert [(outer.name, inner.name) for outer, inner in body.exits] == [("last", "b"), ("all", "seen")]
    assert body.attributes == {"carried": {"next": "again", "b": "a"}}


def test_a_scan(tmp_path: Path) -> None:
    graph = read(onnx_text(SCAN), tmp_path)
    body = graph.scope(1)
    assert [(outer.name, inner.name) for outer, inner in body.entries] == [("start", "total"), ("xs", "x")]
    assert [(outer.name, inner.name) for outer, inner in body.exits] == [("last", "next"), ("all", "seen")]
    assert body.attributes == {"carried": {"next": "total"}}


def test_functions_are_opened_at_each_call(tmp_path: Path) -> None:
    graph = read(onnx_text(FUNCTIONS), tmp_path)
    called = ["local.twice", "Constant", "Cast", "Mul"]
    assert ops(graph) == [*called, "local.outer", *called, "Relu"]
    assert [node.attributes["value_int"] for node in walk(graph) if node.op == "Constant"] == [3, 5]
    assert graph.node(0).attributes == {"by": 3}
    assert [(scope.type, scope.owner and scope.owner.id) for scope in map(graph.scope, range(1, 4))] == [
        ("local.twice", 0),
        ("local.outer", 4),
        ("local.twice", 5),
    ]
    assert graph.paths[1:] == ("twice", "outer", "outer/twice")
    # From the Mul of the first call to that of the second, through three borders.
    assert ("Mul", "Mul") in flow(graph)
    assert graph.node(0).input_names == ["v"]


def test_every_operation_of_nested_bodies_is_there(tmp_path: Path) -> None:
    inner = onnx_text(LOOP).graph.node[0]
    model = onnx_text(IF)
    branch = model.graph.node[1].attribute[0].g
    copied = branch.node.add()
    copied.CopyFrom(inner)
    copied.input[2] = "z"
    graph = read(model, tmp_path)
    assert Counter(ops(graph)) == Counter(node.op_type for node in all_nodes(model.graph.node))
    assert "If.then_branch/Loop.body" in graph.paths


def test_nodes_out_of_order_run_after_what_they_need(tmp_path: Path) -> None:
    model = onnx_text(IF)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(reversed(nodes))
    assert ops(read(model, tmp_path)) == ["Relu", "If", "Add", "Neg"]


def test_a_cycle_is_shown(tmp_path: Path) -> None:
    model = onnx_text("g (float[2] x) => (float[2] y) { a = Add(x, b) b = Neg(a) y = Relu(y) }")
    graph = read(model, tmp_path)
    assert flow(graph) == {("Add", "Neg"), ("Neg", "Add"), ("Relu", "Relu")}


def test_an_input_that_nothing_gives_is_marked(tmp_path: Path) -> None:
    graph = read(onnx_text("g (float[2] x) => (float[2] y, float[2] z) { y = Add(x, ghost) }"), tmp_path)
    ghost = graph.node(0).inputs[1]
    assert ghost.producer is None
    assert ghost.attributes == {"undeclared": True}
    assert graph.meta["undeclared_values"] == "2", "the graph's output z as well"


def test_names_given_twice(tmp_path: Path) -> None:
    model = onnx_text("g (float[2] x) => (float[2] y) { a = Neg(x) b = Relu(a) a = Abs(x) y = Add(a, b) }")
    for node in model.graph.node:
        node.name = "same"
    graph = read(model, tmp_path)
    assert flow(graph) == {("Neg", "Relu"), ("Relu", "Add"), ("Abs", "Add")}


def test_impossible_dimensions_are_unknown(tmp_path: Path) -> None:
    model = onnx_text("g (float[2] x) => (float[2] y) { y = Add(x, w) }")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -7
    model.graph.initializer.add(name="w", data_type=1, dims=[-3, 2])
    graph = read(model, tmp_path)
    assert [value.shape for value in graph.node(0).inputs] == [(None,), (None, 2)]


def test_functions_that_call_themselves_stay_closed(tmp_path: Path) -> None:
    model = onnx_text("""g (float[2] x) => (float[2] y) { y = local.a (x) }
        <domain: "local", opset_import: ["" : 20, "local" : 1]> a (v) => (w) { w = local.b (v) }
        <domain: "local", opset_import: ["" : 20, "local" : 1]> b (v) => (w) { w = local.a (v) }""")
    graph = read(model, tmp_path)
    assert ops(graph) == ["local.a"]
    assert graph.meta["functions_not_opened"] == "1"


def test_functions_that_double_without_end_stay_closed(tmp_path: Path) -> None:
    bodies = [
        f'<domain: "local", opset_import: ["" : 20, "local" : 1]> f{i} (v) => (w) '
        f"{{ a = local.f{i + 1} (v) w = local.f{i + 1} (a) }}"
        for i in range(40)
    ]
    last = '<domain: "local", opset_import: ["" : 20]> f40 (v) => (w) { w = Relu (v) }'
    model = onnx_text("g (float[2] x) => (float[2] y) { y = local.f0 (x) }\n" + "\n".join([*bodies, last]))
    assert ops(read(model, tmp_path)) == ["local.f0"]


def test_the_producers_own_metadata_is_kept(tmp_path: Path) -> None:
    model = weighted_mlp()
    model.producer_name, model.producer_version, model.doc_string = "maker", "1.2", "what it is"
    model.metadata_props.add(key="labels", value="cat,dog")
    meta = read(model, tmp_path).meta
    assert meta["producer"] == "maker 1.2"
    assert meta["doc"] == "what it is"
    assert meta["labels"] == "cat,dog"
