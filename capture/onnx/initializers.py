"""The values that a graph of the file begins with: its inputs, its initializers and what is noted about them."""

from typing import TYPE_CHECKING, Any

from graphreel.capture.onnx.frames import Frame
from graphreel.capture.onnx.tensors import describe_sparse, describe_tensor, dtype_name
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
    stored = {tensor.name for tensor in graph.initializer}
    stored |= {tensor.values.name for tensor in graph.sparse_initializer}
    for info in graph.input:
        # Before IR version 4 each initializer was listed as an input too.
        if info.name not in stored:
            frame.declare(info.name, kind, attributes=notes.get(info.name))
    for tensor in graph.initializer:
        _declare(frame, tensor.name, describe_tensor(tensor), told.get(tensor.name) or _kind(tensor), notes)
    for sparse in graph.sparse_initializer:
        found = describe_sparse(sparse)
        name = sparse.values.name
        _declare(frame, name, found, told.get(name) or _kind(sparse.values, rank=len(sparse.dims)), notes)


def _declare(
    frame: Frame, name: str, described: dict[str, Any], kind: ValueKind, notes: dict[str, dict[str, str]]
) -> None:
    dtype, shape = described.pop("dtype"), described.pop("shape")
    attributes = described | notes.get(name, {})
    frame.values[name] = frame.builder.value(dtype, shape, name=name, kind=kind, attributes=attributes)


def _kind(tensor: "TensorProto", rank: int | None = None) -> ValueKind:
    """A guess, since ONNX does not say: what was trained is of a floating type and no scalar."""
    trained = dtype_name(tensor.data_type).startswith(_TRAINED)
    return ValueKind.PARAMETER if trained and (rank or len(tensor.dims)) else ValueKind.CONSTANT


def _told_kinds(graph: "GraphProto") -> dict[str, ValueKind]:
    """What torch.onnx.export tells of the initializers."""
    found: dict[str, ValueKind] = {}
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
