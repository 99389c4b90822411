"""Types, tensors and attributes of a model as plain data, always short whatever they hold."""

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from graphreel.capture.onnx.small_tensors import SHOWN_TEXT, SHOWN_VALUES, few_values, plain_text
from graphreel.graph.types import Dim

if TYPE_CHECKING:
    from onnx import AttributeProto, SparseTensorProto, TensorProto, TypeProto

SHOWN_ITEMS = 64


@cache
def dtype_name(number: int) -> str:
    """The element type as NumPy and PyTorch spell it: `float32`, `bfloat16`, `string`."""
    from onnx import TensorProto

    if number not in TensorProto.DataType.values():
        return f"type {number}"
    name = str(TensorProto.DataType.Name(number)).lower()
    return {"float": "float32", "double": "float64", "undefined": ""}.get(name, name)


def value_type(found: "TypeProto") -> tuple[str, tuple[Dim, ...] | None]:
    """Element type and shape of a value. Sequences, maps and optionals are named after what they hold, shapeless."""
    wrappers: list[str] = []
    # Loops, since a type may nest as deep as protobuf allows.
    while (kind := found.WhichOneof("value")) in {"sequence_type", "optional_type", "map_type"}:
        inner = getattr(found, kind)
        key = f"{dtype_name(inner.key_type)}, " if kind == "map_type" else ""
        wrappers.append(f"{kind.removesuffix('_type')}<{key}")
        found = inner.value_type if kind == "map_type" else inner.elem_type
    if kind not in {"tensor_type", "sparse_tensor_type"}:
        return "".join(wrappers) + ">" * len(wrappers), None
    tensor = getattr(found, kind)
    dtype = dtype_name(tensor.elem_type)
    shape = tuple(map(_dim, tensor.shape.dim)) if tensor.HasField("shape") else None
    if not wrappers:
        return dtype, shape
    dims = "…" if shape is None else ", ".join("?" if dim is None else str(dim) for dim in shape)
    return f"{''.join(wrappers)}{dtype}[{dims}]{'>' * len(wrappers)}", None


def _dim(dim: Any) -> Dim:
    if dim.WhichOneof("value") == "dim_param":
        return dim.dim_param or None
    if dim.WhichOneof("value") == "dim_value":
        return dim.dim_value if dim.dim_value >= 0 else None
    return None


def tensor_shape(dims: Any) -> tuple[Dim, ...]:
    """Dimensions of a stored tensor; what cannot be a size is unknown."""
    return tuple([dim if dim >= 0 else None for dim in dims[:]])


def describe_tensor(tensor: "TensorProto") -> dict[str, Any]:
    """Element type and shape, and the values where they are few: plain data for an attribute."""
    found: dict[str, Any] = {"dtype": dtype_name(tensor.data_type), "shape": list(tensor_shape(tensor.dims))}
    if tensor.data_location == tensor.EXTERNAL:
        found["stored in"] = stored_in(tensor)
        return found
    values = few_values(tensor)
    if values is not None:
        found["values"] = values
    return found


def stored_in(tensor: "TensorProto") -> str:
    """The file that holds the data of a tensor whose data is stored elsewhere."""
    return str(next((e.value for e in tensor.external_data if e.key == "location"), ""))[:SHOWN_TEXT]


def describe_sparse(tensor: "SparseTensorProto") -> dict[str, Any]:
    """As describe_tensor, with how many values are stored."""
    stored = math.prod(tensor.values.dims)
    return {
        "dtype": dtype_name(tensor.values.data_type),
        "shape": list(tensor_shape(tensor.dims)),
        "stored values": stored,
    }


def plain_attribute(attribute: "AttributeProto") -> Any:
    """An attribute as plain JSON data; None for a graph, which becomes a scope."""
    from onnx import AttributeProto

    kind = attribute.type or _guess(attribute)
    plain: dict[int, Callable[[], Any]] = {
        AttributeProto.FLOAT: lambda: _float(attribute.f),
        AttributeProto.INT: lambda: attribute.i,
        AttributeProto.STRING: lambda: plain_text(attribute.s),
        AttributeProto.TENSOR: lambda: describe_tensor(attribute.t),
        AttributeProto.SPARSE_TENSOR: lambda: describe_sparse(attribute.sparse_tensor),
        AttributeProto.TYPE_PROTO: lambda: _type_text(attribute.tp),
        AttributeProto.FLOATS: lambda: _items(attribute.floats, _float),
        AttributeProto.INTS: lambda: _items(attribute.ints, int),
        AttributeProto.STRINGS: lambda: _items(attribute.strings, plain_text),
        AttributeProto.TENSORS: lambda: _items(attribute.tensors, describe_tensor),
        AttributeProto.SPARSE_TENSORS: lambda: _items(attribute.sparse_tensors, describe_sparse),
        AttributeProto.TYPE_PROTOS: lambda: _items(attribute.type_protos, _type_text),
    }
    found = plain.get(kind)
    return found() if found is not None else None


def _guess(attribute: "AttributeProto") -> int:
    """The kind of an attribute that does not say it, as the first IR versions allowed."""
    from onnx import AttributeProto

    fields = {
        "f": AttributeProto.FLOAT,
        "i": AttributeProto.INT,
        "s": AttributeProto.STRING,
        "t": AttributeProto.TENSOR,
        "floats": AttributeProto.FLOATS,
        "ints": AttributeProto.INTS,
        "strings": AttributeProto.STRINGS,
        "tensors": AttributeProto.TENSORS,
    }
    present = {descriptor.name for descriptor, _ in attribute.ListFields()}
    return next((kind for name, kind in fields.items() if name in present), AttributeProto.UNDEFINED)


def _items(items: Any, plain: Any) -> Any:
    if len(items) <= SHOWN_ITEMS:
        return [plain(item) for item in items]
    return {"count": len(items), "first": [plain(item) for item in items[:SHOWN_VALUES]]}


def _float(number: float) -> float:
    return float(str(np.float32(number)))


def _type_text(found: "TypeProto") -> str:
    dtype, shape = value_type(found)
    return dtype if shape is None else f"{dtype}[{', '.join('?' if d is None else str(d) for d in shape)}]"
