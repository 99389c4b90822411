"""What goes between the app and the process that executes: JSON, and bytes behind it. Nothing is unpickled.

A message is the length of its JSON in eight bytes, the JSON, and then the arrays whose lengths the JSON names.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import IO, Any

import numpy as np

from graphreel.graph import NodeId, ValueId
from graphreel.replay.edits import Edit, RemoveNode, ReplaceOp, SetAttribute, SetDtype, SetValue
from graphreel.replay.results import AsRecorded, Difference, Drift, Missing, ReplayResult, Timing, Verified
from graphreel.tracefile.tensors import Bytes, RecordedTensor, Storage, TensorView

Json = dict[str, Any]

_LENGTH = 8
_LONGEST = 1 << 31


def send(stream: IO[bytes], message: Json, arrays: Sequence[Bytes] = ()) -> None:
    """Write a message."""
    text = json.dumps(message | {"bytes": [array.nbytes for array in arrays]}).encode()
    stream.write(len(text).to_bytes(_LENGTH, "little") + text)
    for array in arrays:
        stream.write(array.data if array.nbytes else b"")
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[Json, list[Bytes]] | None:
    """Read a message; None where the other side has gone."""
    head = stream.read(_LENGTH)
    if len(head) < _LENGTH or int.from_bytes(head, "little") > _LONGEST:
        return None
    text = stream.read(int.from_bytes(head, "little"))
    try:
        message = json.loads(text)
    except ValueError:
        return None
    arrays: list[Bytes] = []
    for size in message.pop("bytes"):
        data = stream.read(size)
        if len(data) < size:
            return None
        arrays.append(np.frombuffer(data, np.uint8))
    return message, arrays


def edits_message(edits: Sequence[Edit], arrays: list[Bytes]) -> list[Json]:
    """Edits as JSON; their arrays are added to the list."""
    found: list[Json] = []
    for edit in edits:
        if isinstance(edit, SetValue):
            array = np.ascontiguousarray(edit.array)
            about = {"value": int(edit.value), "dtype": array.dtype.str, "shape": list(array.shape), "at": len(arrays)}
            arrays.append(array.reshape(-1).view(np.uint8))
            found.append({"kind": "SetValue", **about})
        else:
            found.append({"kind": type(edit).__name__, **asdict(edit)})
    return found


def parse_edits(messages: Sequence[Json], arrays: Sequence[Bytes]) -> list[Edit]:
    """Edits as they were sent."""
    return [_parse_edit(dict(message), arrays) for message in messages]


def _parse_edit(message: Json, arrays: Sequence[Bytes]) -> Edit:
    kind = message.pop("kind")
    if kind == "SetValue":
        data = arrays[message["at"]].view(np.dtype(message["dtype"]))
        return SetValue(ValueId(message["value"]), data.reshape(message["shape"]))
    kinds: Mapping[str, Any] = {each.__name__: each for each in (SetAttribute, SetDtype, ReplaceOp, RemoveNode)}
    edit: Edit = kinds[kind](**message)
    return edit


def values_message(values: Mapping[ValueId, RecordedTensor], arrays: list[Bytes]) -> list[Json]:
    """Tensors as JSON; their bytes are added to the list."""
    found: list[Json] = []
    for value, tensor in values.items():
        storages = []
        for storage in tensor.storages:
            storages.append({"device": storage.device, "at": len(arrays)})
            arrays.append(storage.data)
        found.append({"value": int(value), "view": _view(tensor.view), "storages": storages})
    return found


def parse_values(messages: Sequence[Json], arrays: Sequence[Bytes]) -> dict[ValueId, RecordedTensor]:
    """Tensors as they were sent."""
    return {
        ValueId(message["value"]): RecordedTensor(
            _parse_view(message["view"]),
            tuple(Storage(arrays[each["at"]], each["device"]) for each in message["storages"]),
        )
        for message in messages
    }


def result_message(result: ReplayResult, arrays: list[Bytes]) -> Json:
    """A result as JSON; the bytes of its values are added to the list."""
    return {
        "executed": result.executed,
        "total": result.total,
        "verified": result.verified.value,
        "compared": result.compared,
        "comparable": result.comparable,
        "unwritten": result.unwritten,
        "differences": [asdict(each) for each in result.differences],
        "missing": [asdict(each) for each in result.missing],
        "values": values_message(result.values, arrays),
        "drift": [[each.node, each.value, each.absolute, each.relative] for each in result.drift],
        "drifted_of": result.drifted_of,
        "as_recorded": [asdict(each) for each in result.as_recorded],
        "notes": list(result.notes),
        "duration_ns": result.duration_ns,
    }


def parse_result(message: Json, arrays: Sequence[Bytes]) -> ReplayResult:
    """A result as it was sent."""
    counts = ("executed", "total", "compared", "comparable", "unwritten", "drifted_of", "duration_ns")
    more = {name: message[name] for name in counts}
    return ReplayResult(
        verified=Verified(message["verified"]),
        differences=tuple(Difference(**each) for each in message["differences"]),
        missing=tuple(Missing(**each) for each in message["missing"]),
        values=parse_values(message["values"], arrays),
        drift=tuple(Drift(NodeId(node), ValueId(value), *numbers) for node, value, *numbers in message["drift"]),
        as_recorded=tuple(AsRecorded(**each) for each in message["as_recorded"]),
        notes=tuple(message["notes"]),
        **more,
    )


def timing_message(timing: Timing) -> Json:
    """A timing as JSON."""
    return asdict(timing)


def parse_timing(message: Json) -> Timing:
    """A timing as it was sent."""
    return Timing(NodeId(message["node"]), message["device"], tuple(message["durations_ns"]))


def _view(view: TensorView) -> Json:
    return {
        "dtype": view.dtype,
        "shape": list(view.shape),
        "stride": list(view.stride),
        "offset": view.offset,
        "storage": view.storage,
        "layout": view.layout,
        "parts": {name: _view(part) for name, part in view.parts.items()},
        "about": dict(view.about),
    }


def _parse_view(message: Json) -> TensorView:
    parts = {name: _parse_view(part) for name, part in message["parts"].items()}
    shape, stride = tuple(message["shape"]), tuple(message["stride"])
    more = {name: message[name] for name in ("dtype", "offset", "storage", "layout", "about")}
    return TensorView(shape=shape, stride=stride, parts=parts, **more)
