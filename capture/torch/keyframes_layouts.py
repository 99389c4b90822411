"""How a tensor of any layout is written down as views of plain memory.

| layout | view |
| --- | --- |
| strided | `storage`, `stride`, `offset`; `about` has `conj` or `neg` where the tensor is such a view |
| `base` | as strided, but it looks at the memory of another value |
| `meta` | as strided, but without memory: the tensor is on the device `meta` |
| `quantized` | as strided, with the numbers that are stored; `about`: `qscheme`, and `scale`, `zero_point` |
| … per channel | `about`: `qscheme`, `axis`; parts `scales`, `zero_points` |
| `sparse_coo` | parts `indices`, `values`; `about`: `coalesced` |
| `sparse_csr`, `sparse_bsr` | parts `crow_indices`, `col_indices`, `values` |
| `sparse_csc`, `sparse_bsc` | parts `ccol_indices`, `row_indices`, `values` |
| `nested` | parts `buffer`, `sizes`, `strides`, `offsets` |
| `jagged` | `about`: `ragged_idx`; parts `values`, `offsets`, and what else of PyTorch's own parts it has |
| `mkldnn` | part `dense`, a copy |
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nested._internal.nested_tensor import NestedTensor

from graphreel.capture.torch.errors import CannotKeep
from graphreel.tracefile.tensors import TensorView

RowOf = Callable[[Tensor], int]
"""Where the memory of a strided tensor is kept; -1 where it is that of another value."""

_PACKED = (torch.quint4x2, torch.quint2x4)

_COMPRESSED = {
    torch.sparse_csr: ("crow_indices", "col_indices"),
    torch.sparse_bsr: ("crow_indices", "col_indices"),
    torch.sparse_csc: ("ccol_indices", "row_indices"),
    torch.sparse_bsc: ("ccol_indices", "row_indices"),
}


def view_of(tensor: Tensor, row_of: RowOf) -> TensorView:
    """Write a tensor down, keeping its memory by `row_of`.

    Raises CannotKeep for a tensor of a class with operations of its own, and for memory that cannot be read.
    """
    if isinstance(tensor, NestedTensor):
        return _jagged(tensor, row_of)
    if type(tensor).__torch_dispatch__ != Tensor.__torch_dispatch__:
        raise CannotKeep.own_class(type(tensor))
    if tensor.layout is torch.sparse_coo:
        parts = {"indices": tensor._indices(), "values": tensor._values()}
        return replace(_of_parts(tensor, "sparse_coo", parts, row_of), about={"coalesced": tensor.is_coalesced()})
    if tensor.layout in _COMPRESSED:
        names = (*_COMPRESSED[tensor.layout], "values")
        layout = str(tensor.layout).removeprefix("torch.")
        return _of_parts(tensor, layout, {name: getattr(tensor, name)() for name in names}, row_of)
    if tensor.is_mkldnn:
        return _of_parts(tensor, "mkldnn", {"dense": tensor.to_dense()}, row_of)
    if tensor.layout is not torch.strided or not torch._C._has_storage(tensor):
        raise CannotKeep.memory(str(tensor.layout), str(tensor.device))
    if tensor.is_nested:
        return _nested(tensor, row_of)
    if tensor.dtype in _PACKED:
        raise CannotKeep.memory(str(tensor.dtype), str(tensor.device))
    return _quantized(tensor, row_of) if tensor.is_quantized else _strided(tensor, row_of)


def dtype_name(tensor: Tensor) -> str:
    """A dtype as the graph writes it: `float32`."""
    return str(tensor.dtype).removeprefix("torch.")


def _strided(tensor: Tensor, row_of: RowOf) -> TensorView:
    flags = {"conj": tensor.is_conj(), "neg": tensor.is_neg()}
    row = -1 if tensor.is_meta else row_of(tensor)
    return TensorView(
        dtype=dtype_name(tensor),
        shape=tuple(tensor.shape),
        stride=tuple(tensor.stride()),
        offset=int(tensor.storage_offset()),
        storage=row,
        layout="meta" if tensor.is_meta else "strided" if row >= 0 else "base",
        about={name: True for name, raised in flags.items() if raised},
    )


def _of_parts(tensor: Tensor, layout: str, parts: dict[str, Tensor], row_of: RowOf) -> TensorView:
    shape = () if tensor.is_nested else tuple(tensor.shape)
    views = {name: view_of(part, row_of) for name, part in parts.items()}
    return TensorView(dtype_name(tensor), shape, (), layout=layout, parts=views)


def _quantized(tensor: Tensor, row_of: RowOf) -> TensorView:
    qscheme = tensor.qscheme()
    about: dict[str, object] = {"qscheme": str(qscheme).removeprefix("torch.")}
    parts: dict[str, TensorView] = {}
    if qscheme in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        about |= {"scale": tensor.q_scale(), "zero_point": tensor.q_zero_point()}
    else:
        about["axis"] = tensor.q_per_channel_axis()
        scales, points = tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points()
        parts = {"scales": view_of(scales, row_of), "zero_points": view_of(points, row_of)}
    return replace(_strided(tensor, row_of), layout="quantized", parts=parts, about=about)


def _nested(tensor: Tensor, row_of: RowOf) -> TensorView:
    storage = tensor.untyped_storage()
    count = storage.nbytes() // tensor.element_size()
    parts = {
        "buffer": torch.empty(0, dtype=tensor.dtype, device=tensor.device).set_(storage, 0, (count,), (1,)),
        "sizes": tensor._nested_tensor_size(),
        "strides": tensor._nested_tensor_strides(),
        "offsets": tensor._nested_tensor_storage_offsets(),
    }
    return _of_parts(tensor, "nested", parts, row_of)


def _jagged(tensor: NestedTensor, row_of: RowOf) -> TensorView:
    # What PyTorch itself takes such a tensor apart by; the shape is left open, since one size of it is a symbol.
    names, context = tensor.__tensor_flatten__()
    parts = {name.lstrip("_"): view_of(getattr(tensor, name), row_of) for name in names}
    about = {"ragged_idx": int(context["ragged_idx"])}
    return TensorView(dtype_name(tensor), (), (), layout="jagged", parts=parts, about=about)
