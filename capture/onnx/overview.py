"""What a model says of itself as a whole."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from graphreel.capture.onnx.functions import domain_of
from graphreel.capture.onnx.small_tensors import SHOWN_TEXT

if TYPE_CHECKING:
    from onnx import ModelProto, OperatorSetIdProto

_SHOWN_PROPERTIES = 32


def describe_model(model: "ModelProto") -> dict[str, str]:
    """Producer, versions, opsets (`ai.onnx 20, com.microsoft 1`) and the file's own metadata, shortened."""
    opsets = ", ".join(
        f"{domain or 'ai.onnx'} {version}" for domain, version in opset_versions(model.opset_import).items()
    )
    found = {
        "framework": "onnx",
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "ir_version": str(model.ir_version),
        "opsets": opsets,
        "domain": model.domain,
        "model_version": str(model.model_version or ""),
        "name": model.graph.name,
        "doc": model.doc_string or model.graph.doc_string,
    }
    for entry in [*model.metadata_props, *model.graph.metadata_props][:_SHOWN_PROPERTIES]:
        found.setdefault(entry.key, entry.value)
    return {key: text[:SHOWN_TEXT] for key, text in found.items() if text}


def opset_versions(imports: "Iterable[OperatorSetIdProto]") -> dict[str, int]:
    """The version imported of each domain; onnx's own domain is the empty one."""
    return {domain_of(entry.domain): entry.version for entry in imports}
