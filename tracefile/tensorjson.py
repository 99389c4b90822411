"""Keyframes and whole values as the file describes them: JSON, with the bytes elsewhere.

Written out, never derived from the dataclasses; and what is read is checked field by field.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphreel.graph import NodeId, ValueId
from graphreel.tracefile.blobs import check_memory, check_stored
from graphreel.tracefile.codec import Damage, expect
from graphreel.tracefile.dtypes import ITEM_SIZES
from graphreel.tracefile.tensors import (
    STRIDED,
    Bytes,
    Change,
    GeneratorState,
    Keyframe,
    RecordedTensor,
    Storage,
    TensorView,
    check_view,
)

Json = dict[str, Any]
Put = Callable[[Bytes, int], Json]
"""Stores bytes that hold elements of so many bytes; says where."""
Get = Callable[[Mapping[str, Any]], Bytes]
"""The bytes that were stored there; raises Damage."""

_MOST_NESTED = 8  # far more than any layout has


def keyframe_json(keyframe: Keyframe, put: Put, nodes: int, values: int) -> Json:
    """A keyframe, its bytes put away. Raises Damage where it does not fit itself, or a graph of that size."""
    _check_keyframe(keyframe, nodes, values)
    return {
        "tensors": [_view_json(view) for view in keyframe.tensors],
        "storages": _storages_json(keyframe.storages, _views(keyframe), put),
        "changes": [
            {"node": int(change.node), "view": _view_json(change.view), "in_place": bool(change.in_place)}
            for change in keyframe.changes
        ],
        "generators": [
            {"node": int(state.node), "generator": state.generator, **put(state.state, 1)}
            for state in keyframe.generators
        ],
        "environment": dict(keyframe.environment),
        "problems": list(keyframe.problems),
    }


def tensor_json(tensor: RecordedTensor, put: Put) -> Json:
    """A whole value, its bytes put away. Raises Damage where its view does not lie within its storage."""
    check_view(tensor.view, tensor.storages)
    return {"view": _view_json(tensor.view), "storages": _storages_json(tensor.storages, (tensor.view,), put)}


def _storages_json(storages: Sequence[Storage], views: Sequence[TensorView], put: Put) -> list[Json]:
    # What the bytes are of matters for nothing but how well they compress.
    widths: dict[int, int] = {}
    waiting = list(views)
    while waiting:
        view = waiting.pop()
        widths.setdefault(view.storage, ITEM_SIZES.get(view.dtype, 1))
        waiting.extend(view.parts.values())
    return [{"device": storage.device, **put(storage.data, widths.get(row, 1))} for row, storage in enumerate(storages)]


def _view_json(view: TensorView) -> Json:
    """What is as it mostly is, is left out."""
    found: Json = {"dtype": view.dtype, "shape": _ints(view.shape), "stride": _ints(view.stride)}
    if view.offset:
        found["offset"] = int(view.offset)
    if view.storage != -1:
        found["storage"] = int(view.storage)
    if view.value != -1:
        found["value"] = int(view.value)
    if view.layout != STRIDED:
        found["layout"] = view.layout
    if view.parts:
        found["parts"] = {name: _view_json(part) for name, part in view.parts.items()}
    if view.about:
        found["about"] = dict(view.about)
    return found


def _ints(numbers: Sequence[int]) -> list[int]:
    return [int(number) for number in numbers]


def parse_keyframe(found: object, get: Get, nodes: int, values: int) -> Keyframe:
    """The keyframe of an iteration whose graph has so many nodes and values; raises Damage, naming the part."""
    data = _object(found, "it")
    views = [_parse_view(entry, 0) for entry in _list(data, "tensors")]
    storages, generators = _list(data, "storages"), _list(data, "generators")
    check_memory(sum(map(check_stored, (*storages, *generators))))
    keyframe = Keyframe(
        tensors=tuple(views),
        storages=tuple(_parse_storage(entry, row, get) for row, entry in enumerate(storages)),
        generators=tuple(_parse_generator(entry, row, get) for row, entry in enumerate(generators)),
        environment=_object(data.get("environment", {}), "its environment"),
        problems=tuple(str(line) for line in _list(data, "problems")),
        changes=tuple(map(_parse_change, _list(data, "changes"))),
    )
    _check_keyframe(keyframe, nodes, values)
    return keyframe


def _check_keyframe(keyframe: Keyframe, nodes: int, values: int) -> None:
    views = _views(keyframe)
    _check_ids([view.value for view in views], values, "value")
    _check_ids([state.node for state in keyframe.generators], nodes, "node")
    _check_ids([change.node for change in keyframe.changes], nodes, "node")
    for view in views:
        check_view(view, keyframe.storages)


def _views(keyframe: Keyframe) -> list[TensorView]:
    return [*keyframe.tensors, *(change.view for change in keyframe.changes)]


def parse_tensor(found: object, get: Get, value: int) -> RecordedTensor:
    """A whole value of that number; raises Damage, naming the part."""
    data = _object(found, "it")
    view = _parse_view(data.get("view"), 0)
    if view.value != value:
        raise Damage(f"it says that it is value {view.value}")
    storages = _list(data, "storages")
    check_memory(sum(map(check_stored, storages)))
    tensor = RecordedTensor(view, tuple(_parse_storage(entry, row, get) for row, entry in enumerate(storages)))
    check_view(view, tensor.storages)
    return tensor


def _parse_storage(entry: Json, row: int, get: Get) -> Storage:
    return Storage(_bytes(entry, get, f"storage {row}"), _text(entry, "device"))


def _parse_generator(entry: Json, row: int, get: Get) -> GeneratorState:
    state = _bytes(entry, get, f"generator state {row}")
    return GeneratorState(NodeId(_int(entry, "node", -1)), _text(entry, "generator"), state)


def _parse_change(found: object) -> Change:
    entry = _object(found, "a change")
    in_place = expect(bool, entry.get("in_place"), "in_place")
    return Change(NodeId(_int(entry, "node", -1)), _parse_view(entry.get("view"), 0), in_place)


def _bytes(entry: Json, get: Get, what: str) -> Bytes:
    try:
        return get(entry)
    except Damage as error:
        raise Damage(f"{what}: {error}") from error


def _parse_view(found: object, depth: int) -> TensorView:
    if depth > _MOST_NESTED:
        raise Damage("a tensor has parts within parts without end")
    entry = _object(found, "a tensor")
    parts = _object(entry.get("parts", {}), "parts")
    return TensorView(
        dtype=_text(entry, "dtype"),
        shape=_numbers(entry, "shape"),
        stride=_numbers(entry, "stride"),
        offset=_int(entry, "offset", 0),
        storage=_int(entry, "storage", -1),
        value=ValueId(_int(entry, "value", -1)),
        layout=_text(entry, "layout", STRIDED),
        parts={name: _parse_view(part, depth + 1) for name, part in parts.items()},
        about=_object(entry.get("about", {}), "about"),
    )


def _check_ids(ids: Sequence[int], count: int, what: str) -> None:
    for number in ids:
        if not 0 <= number < count:
            raise Damage(f"it speaks of {what} {number}, and there are {count}")


def _object(found: object, what: str) -> Json:
    return expect(dict, found, what)


def _list(data: Json, key: str) -> list[Any]:
    return expect(list, data.get(key, []), key)


def _text(data: Json, key: str, default: str | None = None) -> str:
    return expect(str, data.get(key, default), key)


def _int(data: Json, key: str, default: int) -> int:
    number = data.get(key, default)
    # True and False are integers to Python.
    if type(number) is not int:
        raise Damage(f"{key} is {type(number).__name__}, not int")
    return number


def _numbers(data: Json, key: str) -> tuple[int, ...]:
    found = _list(data, key)
    if not all(type(number) is int for number in found):
        raise Damage(f"{key} holds something other than integers")
    return tuple(found)
