"""From a path to a ModelProto without weights and, as far as they can be had, with the types of all values."""

import mmap
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from graphreel.capture.errors import BrokenFile
from graphreel.capture.onnx.functions import LARGEST_EXPANSION, Functions
from graphreel.capture.onnx.texts import has_texts_only, mend_texts
from graphreel.capture.onnx.wire import BrokenWire, without_weights
from graphreel.graph import MissingExtra

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

KIND = "ONNX model"


def load_model(path: Path) -> "ModelProto":
    """The model in a file, without its weights, with inferred types where the file gives none.

    External data is never opened. Raises BrokenFile for what is no ONNX model, MissingExtra without the onnx package,
    OSError where the file cannot be read.
    """
    try:
        from google.protobuf.message import DecodeError
        from onnx import ModelProto
    except ImportError as error:
        raise MissingExtra.named("onnx", "onnx") from error
    try:
        kept = _bytes_without_weights(path)
        model = ModelProto.FromString(kept)
    except BrokenWire as error:
        raise BrokenFile.of_kind(path, KIND, str(error), "save or download it again") from error
    except DecodeError as error:
        reason = str(error).rpartition(": ")[2].lower() or "its parts are nested wrongly"
        raise BrokenFile.of_kind(path, KIND, f"protobuf says {reason!r}", "save or download it again") from error
    mended = not has_texts_only(kept)
    if mended:
        mend_texts(model)
    if not model.HasField("graph"):
        raise BrokenFile.of_kind(path, KIND, "it holds no graph", "save or download it again")
    return _with_types(model, model.SerializeToString() if mended else kept)


def _bytes_without_weights(path: Path) -> bytes:
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as data,
    ):
        return without_weights(data)


def _with_types(model: "ModelProto", written: bytes) -> "ModelProto":
    """The model with the types that onnx can infer from its bytes; as it is where that fails, since none is needed."""
    from onnx.shape_inference import InferenceError, infer_shapes

    functions = Functions(model.functions)
    if not _lacks_types(model.graph) or functions.largest_expansion() > LARGEST_EXPANSION:
        return model
    try:
        return infer_shapes(written, strict_mode=False, data_prop=False)
    except (InferenceError, RuntimeError, ValueError, TypeError):
        return model


def _lacks_types(graph: "GraphProto") -> bool:
    infos = chain(graph.value_info, graph.input, graph.output)
    typed = {info.name for info in infos if info.HasField("type")}
    return any(name and name not in typed for node in graph.node for name in node.output)
