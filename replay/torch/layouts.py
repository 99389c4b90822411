"""Makes tensors of parts: the inverse of `capture/torch/keyframes_layouts.py`, which has the table of layouts."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from graphreel.replay.torch.arguments import DTYPES
from graphreel.replay.torch.refused import Refused
from graphreel.tracefile.tensors import TensorView

Parts = Mapping[str, Tensor]

_PRIVATE: Any = torch
"""WORKAROUND: for what makes a tensor over memory that is there, of which little is public; the tests of exactness see
it go."""

_COMPRESSED = {
    "sparse_csr": ("crow_indices", "col_indices", torch.sparse_csr_tensor),
    "sparse_bsr": ("crow_indices", "col_indices", torch.sparse_bsr_tensor),
    "sparse_csc": ("ccol_indices", "row_indices", torch.sparse_csc_tensor),
    "sparse_bsc": ("ccol_indices", "row_indices", torch.sparse_bsc_tensor),
}


def assembled(view: TensorView, parts: Parts) -> Tensor:
    """The tensor that consists of these parts; that of a quantized one which holds its memory is `stored`.

    Raises Refused.
    """
    maker = _MAKERS.get(view.layout)
    if maker is None:
        raise Refused(f"a tensor of layout {view.layout[:40]!r} cannot be made again")
    try:
        return maker(view, parts)
    except KeyError as error:
        raise Refused(f"a tensor of layout {view.layout!r} lacks its part {error}") from error
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        what = str(error).partition("\n")[0]
        raise Refused(f"a tensor of layout {view.layout!r} cannot be made again: {what}") from error


def _sparse_coo(view: TensorView, parts: Parts) -> Tensor:
    found = torch.sparse_coo_tensor(parts["indices"], parts["values"], view.shape, check_invariants=True)
    return found._coalesced_(view.about.get("coalesced") is True)


def _compressed(view: TensorView, parts: Parts) -> Tensor:
    compressed, plain, make = _COMPRESSED[view.layout]
    return make(parts[compressed], parts[plain], parts["values"], size=view.shape, check_invariants=True)


def _quantized(view: TensorView, parts: Parts) -> Tensor:
    about = view.about
    given: dict[str, Any]
    make: Any = _PRIVATE._empty_affine_quantized
    if "scales" in parts:
        given = {"scales": parts["scales"], "zero_points": parts["zero_points"], "axis": int(about["axis"])}
        make = _PRIVATE._empty_per_channel_affine_quantized
    else:
        given = {"scale": float(about["scale"]), "zero_point": int(about["zero_point"])}
    stored = parts["stored"]
    found: Tensor = make(view.shape, dtype=DTYPES[view.dtype], device=stored.device, **given)
    return found.set_(stored.untyped_storage(), view.offset, view.shape, view.stride)


def _nested(view: TensorView, parts: Parts) -> Tensor:
    buffer, sizes, strides, offsets = (parts[name] for name in ("buffer", "sizes", "strides", "offsets"))
    # PyTorch does not look whether they fit.
    behind = offsets + ((sizes - 1) * strides).sum(1) + 1
    if (sizes < 0).any() or (strides < 0).any() or (offsets < 0).any() or (behind > len(buffer)).any():
        raise Refused("a nested tensor reaches beyond its buffer")
    found: Tensor = _PRIVATE._nested_view_from_buffer(buffer, sizes, strides, offsets)
    return found


def _jagged(view: TensorView, parts: Parts) -> Tensor:
    from torch.nested._internal.nested_tensor import NestedTensor

    # WORKAROUND: nothing public makes one over parts that are there; see NestedTensor.__tensor_unflatten__ in
    # torch/nested/_internal/nested_tensor.py, and the test that replays a model of nested tensors.
    known = {name.removesuffix("_tensor"): part for name, part in parts.items() if name.endswith("seqlen_tensor")}
    return NestedTensor(
        parts["values"],
        parts["offsets"],
        lengths=parts.get("lengths"),
        _ragged_idx=int(view.about.get("ragged_idx", 1)),
        _metadata_cache=known,
    )


def _mkldnn(view: TensorView, parts: Parts) -> Tensor:
    return parts["dense"].to_mkldnn()


_MAKERS: Mapping[str, Callable[[TensorView, Parts], Tensor]] = {
    "sparse_coo": _sparse_coo,
    **dict.fromkeys(_COMPRESSED, _compressed),
    "quantized": _quantized,
    "nested": _nested,
    "jagged": _jagged,
    "mkldnn": _mkldnn,
}
