"""Names and other texts of a model that are not UTF-8.

ONNX is defined in the old protobuf language, which lets any bytes pass for a text and then gives them out as bytes.
"""

from collections.abc import MutableSequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.message import Message


def has_texts_only(model: bytes) -> bool:
    """Whether every text of a serialized ModelProto is UTF-8; told by protobuf itself, at the cost of parsing."""
    from google.protobuf.message import DecodeError

    try:
        _strict_model().FromString(model)
    except DecodeError:
        return False
    return True


@cache
def _strict_model() -> Any:
    """ModelProto as the newer protobuf language has it, which differs in that a text must be UTF-8."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message_factory import GetMessageClass
    from onnx import ModelProto

    file = FileDescriptorProto()
    ModelProto.DESCRIPTOR.file.CopyToProto(file)
    file.syntax = "proto3"
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName(ModelProto.DESCRIPTOR.full_name))


def mend_texts(model: "Message") -> None:
    """Write the bytes that are no text as `\\xff`, in the whole model."""
    from google.protobuf.descriptor import FieldDescriptor

    waiting: list[Message] = [model]
    while waiting:
        message = waiting.pop()
        for field, found in message.ListFields():
            several = isinstance(found, MutableSequence)
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                waiting.extend(found if several else [found])
            elif field.type == FieldDescriptor.TYPE_STRING:
                if several:
                    found[:] = [_mended(text) for text in found]
                else:
                    setattr(message, field.name, _mended(found))


def _mended(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode("utf-8", "backslashreplace")
