"""Types and constants of TorchScript as the graph model has them."""

from typing import Any

from graphreel.capture.torchfile.encoding import plain
from graphreel.graph.types import Dim

_FEW = 16
_PLAIN_KINDS = ("s", "ss", "i", "is", "f", "fs")


def type_info(found: Any) -> tuple[str, tuple[Dim, ...] | None, str]:
    """Element type, shape and device as far as the type tells them; `int`, `List[Tensor]` for what is no tensor."""
    if found.kind() != "TensorType":
        text = str(found.annotation_str)
        return text.rpartition(".")[2] if text.startswith("__torch__") else text, None, ""
    dtype, sizes, device = found.dtype(), found.sizes(), found.device()
    return (
        "" if dtype is None else str(dtype).removeprefix("torch."),
        None if sizes is None else tuple(sizes),
        "" if device is None else str(device),
    )


def constant_of(node: Any) -> Any:
    """What a `prim::Constant` holds: a tensor, plain data, the name of a function, or None."""
    names = node.attributeNames()
    if "value" in names:
        return node.output().toIValue()
    return node.s("name") if "name" in names else None


def attributes_of(node: Any) -> dict[str, Any]:
    """What a node has of its own, apart from graphs and tensors: `name` of a `prim::GetAttr`."""
    kinds = {name: node.kindOf(name) for name in node.attributeNames()}
    return {name: plain(getattr(node, kind)(name)) for name, kind in kinds.items() if kind in _PLAIN_KINDS}


def plain_constant(found: Any) -> Any:
    """A constant as plain data; a tensor's values where they are few and there."""
    if hasattr(found, "untyped_storage"):
        if found.device.type == "meta" or found.numel() > _FEW or found.is_sparse or found.is_quantized:
            return None
        return plain(found.tolist())
    return plain(found)
