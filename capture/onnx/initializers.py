"""The values that a graph of the file begins with: its inputs, its initializers and what is noted about them."""

from typing import TYPE_CHECKING, Any

from graphreel.capture.onnx.frames import Frame
from graphreel.capture.onnx.small_tensors import few_values_text
from graphreel.capture.onnx.tensors import describe_sparse, dtype_name, stored_in, tensor_shape
from graphreel.graph import ValueKind

if TYPE_CHECKING:
    from onnx import GraphProto, TensorProto

_TRAINED = ("float", "bfloat", "double", "complex")
_INPUT_SPEC = "pkg.torch.export.graph_signature.InputSpec.kind"
_KINDS = {
    "PARAMETER": ValueKind.PARAMETER,
    "BUFFER": ValueKind.BUFFER,
    "CONSTANT_TENSOR": ValueKind.CONSTANT,
}


def declare_inputs(frame: Frame, graph: "GraphProto", kind: ValueKind) -> None:
    """Give the frame the graph's inputs, of the kind named, and its initializers, without their data."""
    notes = _quantization(graph)
    told = _told_kinds(graph)
    sparse = [tensor.values.name for tensor in graph.sparse_initializer]
    names = [tensor.name for tensor in graph.initializer]
    stored = {*names, *sparse}
    for info in graph.input:
        # Before IR version 4 each initializer was listed as an input too.
        if info.name not in stored:
            frame.declare(info.name, kind, attributes=notes.get(info.name))
    for name, tensor in zip(names, graph.initializer, strict=True):
        dtype, shape = dtype_name(tensor.data_type), tensor_shape(tensor.dims)
        attributes = _attributes(tensor) | notes.get(name, {}) if notes else _attributes(tensor)
        meaning = told.get(name) or _kind(dtype, len(shape))
        frame.values[name] = frame.builder.value(dtype, shape, name=name, kind=meaning, attributes=attributes)
    for name, tensor in zip(sparse, graph.sparse_initializer, strict=True):
        attributes = describe_sparse(tensor)
        dtype, shape = attributes.pop("dtype"), attributes.pop("shape")
        meaning = told.get(name) or _kind(dtype, len(shape) or len(tensor.values.dims))
        attributes |= notes.get(name, {})
        frame.values[name] = frame.builder.value(dtype, shape, name=name, kind=meaning, attributes=attributes)


def _attributes(tensor: "TensorProto") -> dict[str, Any]:
    values = few_values_text(tensor)
    if values is not None:
        return {"values": values}
    return {"stored in": stored_in(tensor)} if tensor.data_location == tensor.EXTERNAL else {}


def _kind(dtype: str, rank: int) -> ValueKind:
    """A guess, since ONNX does not say: what was trained is of a floating type and no scalar."""
    return ValueKind.PARAMETER if rank and dtype.startswith(_TRAINED) else ValueKind.CONSTANT


def _told_kinds(graph: "GraphProto") -> dict[str, ValueKind]:
    """What torch.onnx.export tells of the initializers."""
    found: dict[str, ValueKind] = {}
    if not graph.initializer and not graph.sparse_initializer:
        return found
    for info in graph.value_info:
        for entry in info.metadata_props:
            if entry.key == _INPUT_SPEC and entry.value in _KINDS:
                found[info.name] = _KINDS[entry.value]
    return found


def _quantization(graph: "GraphProto") -> dict[str, dict[str, str]]:
    """The parameters of quantization by the tensor that they are for: `{"SCALE_TENSOR": "x_scale"}`."""
    return {
        note.tensor_name: {entry.key: entry.value for entry in note.quant_parameter_tensor_names}
        for note in graph.quantization_annotation
    }
