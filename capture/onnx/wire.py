"""A model's bytes without its weights.

The file is walked as raw protobuf and every large payload of a tensor is left out, so that a model opens at the cost
of its structure whatever it weighs. Nothing here imports onnx: the field numbers are those of onnx.proto, which are
fixed for good.
"""

from dataclasses import dataclass, field

LARGE_BYTES = 1024
"""Tensor payloads up to this size stay: shapes, axes and the like, which shape inference needs."""

_BODIES: dict[tuple[str, int], str] = {
    ("model", 7): "graph",
    ("model", 25): "function",
    ("graph", 1): "node",
    ("graph", 5): "tensor",
    ("graph", 15): "sparse tensor",
    ("function", 7): "node",
    ("function", 11): "attribute",
    ("node", 5): "attribute",
    ("attribute", 5): "tensor",
    ("attribute", 6): "graph",
    ("attribute", 10): "tensor",
    ("attribute", 11): "graph",
    ("attribute", 22): "sparse tensor",
    ("attribute", 23): "sparse tensor",
    ("sparse tensor", 1): "tensor",
    ("sparse tensor", 2): "tensor",
}
_PAYLOADS: frozenset[tuple[str, int]] = frozenset(("tensor", number) for number in (4, 5, 6, 7, 9, 10, 11)) | {
    ("model", 20)  # training_info, which holds graphs of its own that are not read yet
}


_AHEAD = 2
"""Bytes beyond a tag that are read without a look at where the message ends."""


class BrokenWire(ValueError):
    """Bytes that are not whole protobuf."""


@dataclass(slots=True)
class _Message:
    """A message under way: what is kept of it, and up to where its bytes are dealt with."""

    kind: str
    end: int
    tag: int
    done: int
    kept: list[bytes] = field(default_factory=list)


def without_weights(data: memoryview) -> bytes:
    """The same ModelProto with every tensor payload over LARGE_BYTES left out; dims and types stay.

    Raises BrokenWire, saying at which byte, where the bytes end early or are no protobuf.
    """
    messages = [_Message("model", len(data), 0, 0)]
    at = 0
    while True:
        message = messages[-1]
        if at == message.end:
            message.kept.append(bytes(data[message.done : at]))
            whole = b"".join(message.kept)
            messages.pop()
            if not messages:
                return whole
            messages[-1].kept += (_varint(message.tag), _varint(len(whole)), whole)
            messages[-1].done = at
            continue
        at = _past_small_fields(data, at, message.end)
        if at == message.end:
            continue
        tag, start, end = _field(data, at, message.end)
        if end - start > LARGE_BYTES and tag & 7 == 2:
            place = message.kind, tag >> 3
            inner = _BODIES.get(place)
            if inner is not None or place in _PAYLOADS:
                message.kept.append(bytes(data[message.done : at]))
                message.done = end
            if inner is not None:
                messages.append(_Message(inner, end, tag, start))
                end = start
        at = end


def _past_small_fields(data: memoryview, at: int, limit: int) -> int:
    """The first place from here on that is no whole field of few bytes, which stay whatever they are.

    Most of a model is such fields, of a tag of one byte and a length of one or two.
    """
    limit -= _AHEAD
    while at < limit:
        tag, length = data[at], data[at + 1]
        # Fields 1 to 15 that have a length.
        if tag & 0x87 != 2 or tag < 8:
            break
        if length < 0x80:
            after = at + 2 + length
        elif (more := data[at + 2]) < LARGE_BYTES >> 7:
            after = at + 3 + (length & 0x7F | more << 7)
        else:
            break
        if after > limit:
            break
        at = after
    return at


def _field(data: memoryview, at: int, limit: int) -> tuple[int, int, int]:
    """Tag, and where the payload starts and ends, of the field at a position."""
    tag, start = _read_varint(data, at, limit)
    wire = tag & 7
    if wire == 2:
        length, start = _read_varint(data, start, limit)
        end = start + length
    elif wire == 0:
        end = _read_varint(data, start, limit)[1]
    elif wire in (1, 5):
        end = start + (8 if wire == 1 else 4)
    else:
        raise BrokenWire(f"there is no protobuf field at byte {at:,}")
    if not tag >> 3:
        raise BrokenWire(f"there is no protobuf field at byte {at:,}")
    if end > limit:
        raise BrokenWire(f"the field at byte {at:,} reaches {end - limit:,} bytes beyond the end: the file is cut off")
    return tag, start, end


def _read_varint(data: memoryview, at: int, limit: int) -> tuple[int, int]:
    found = shift = 0
    start = at
    while True:
        if at >= limit:
            raise BrokenWire(f"the number at byte {start:,} has no end: the file is cut off")
        byte = data[at]
        at += 1
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            return found, at
        shift += 7
        if shift > 63:
            raise BrokenWire(f"there is no protobuf number at byte {start:,}")


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
