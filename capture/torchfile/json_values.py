"""Values and arguments as the JSON of torch.export writes them: unions with one key, `{"as_tensor": {"name": "x"}}`."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from graphreel.capture.torchfile.encoding import LAYOUTS, MEMORY_FORMATS, SCALAR_TYPES, plain
from graphreel.capture.torchfile.naming import readable
from graphreel.capture.torchfile.program import ValueInfo
from graphreel.graph.types import Dim

Json: TypeAlias = Mapping[str, Any]
_LARGEST = 2**62


def names_of(argument: Json) -> list[str | None]:
    """Names of the values of an argument, in order; None for an entry of a list that is a constant or nothing."""
    ((kind, told),) = argument.items()
    if kind in ("as_tensor", "as_custom_obj", "as_token"):
        return [text_of(told["name"])]
    if kind == "as_tensors":
        return [text_of(each["name"]) for each in told]
    if kind == "as_nested_tensors":
        return [text_of(each["name"]) for inner in told for each in inner]
    if kind in ("as_optional_tensor", "as_sym_int", "as_sym_float", "as_sym_bool"):
        return _named([told])
    if kind in ("as_optional_tensors", "as_sym_ints", "as_sym_floats", "as_sym_bools"):
        return _named(told)
    if kind == "as_string_to_argument":
        return [name for each in told.values() for name in names_of(each)]
    return []


def _named(entries: Sequence[Json]) -> list[str | None]:
    found: list[str | None] = []
    for entry in entries:
        ((kind, told),) = entry.items()
        found.append(text_of(told["name"]) if kind == "as_tensor" else text_of(told) if kind == "as_name" else None)
    # Numbers only, written as a list that could have held names: a constant.
    return found if any(found) else []


def text_of(name: Any) -> str:
    """The text that the schema says is there; raises TypeError where it is something else."""
    if not isinstance(name, str):
        raise TypeError(f"{name!r} is no name")
    return name


def constant(argument: Json) -> Any:
    """An argument as plain data; the values in it by their names."""
    ((kind, told),) = argument.items()
    if kind == "as_none":
        return None
    if kind in ("as_scalar_type", "as_layout", "as_memory_format"):
        table = {"as_scalar_type": SCALAR_TYPES, "as_layout": LAYOUTS}.get(kind, MEMORY_FORMATS)
        return table.get(told, f"type {told}")
    if kind == "as_device":
        return _device(told)
    if kind == "as_complex":
        return str(complex(told["real"], told["imag"]))
    if kind == "as_string_to_argument":
        return {str(key): constant(each) for key, each in told.items()}
    return plain(_without_unions(told) if kind.startswith(("as_sym", "as_optional", "as_tensor")) else told)


def _without_unions(told: Any) -> Any:
    if isinstance(told, list):
        return [_without_unions(each) for each in told]
    if not isinstance(told, dict):
        return told
    if "name" in told:
        return told["name"]
    ((kind, inner),) = told.items()
    return None if kind == "as_none" else _without_unions(inner)


def value_infos(graph: Json) -> dict[str, ValueInfo]:
    """What a graph says of its values, by name."""
    found = {name: _tensor(meta) for name, meta in graph["tensor_values"].items()}
    for key, dtype in (("sym_int_values", "int"), ("sym_float_values", "float"), ("sym_bool_values", "bool")):
        found.update((name, ValueInfo(dtype)) for name in graph.get(key) or {})
    for name, told in (graph.get("custom_obj_values") or {}).items():
        found[name] = ValueInfo(str(told.get("class_fqn", "")))
    return found


def _tensor(meta: Json) -> ValueInfo:
    dtype = SCALAR_TYPES.get(meta["dtype"], f"type {meta['dtype']}")
    return ValueInfo(dtype, tuple(_dim(size) for size in meta["sizes"]), _device(meta["device"]))


def _dim(size: Json) -> Dim:
    ((kind, told),) = size.items()
    if kind == "as_expr":
        return readable(text_of(told["expr_str"])) or None
    return told if isinstance(told, int) and 0 <= told < _LARGEST else None


def _device(told: Json) -> str:
    return text_of(told["type"]) if told.get("index") is None else f"{told['type']}:{told['index']}"
