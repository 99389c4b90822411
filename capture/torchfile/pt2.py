"""Programs that `torch.export.save` wrote, read as what they are: JSON. PyTorch is not needed, nothing is unpickled.

What is shown is in one entry of the archive; weights, constants and sample inputs are never opened.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from graphreel.capture.torchfile.bodies import SubGraph, bind
from graphreel.capture.torchfile.encoding import numbered
from graphreel.capture.torchfile.json_values import constant, names_of, text_of, value_infos
from graphreel.capture.torchfile.naming import NO_MODULE, readable, stack_of
from graphreel.capture.torchfile.program import Body, Input, Listing, ModuleCall, Operation, Program
from graphreel.graph import ValueKind

Json: TypeAlias = Mapping[str, Any]
_KINDS = {
    "parameter": ValueKind.PARAMETER,
    "buffer": ValueKind.BUFFER,
    "tensor_constant": ValueKind.CONSTANT,
    "custom_obj": ValueKind.CONSTANT,
    "constant_input": ValueKind.CONSTANT,
}
_MUTATIONS = {
    "buffer_mutation": "buffer_name",
    "parameter_mutation": "parameter_name",
    "user_input_mutation": "user_input_name",
}


def program_of(text: bytes) -> Program:
    """The program in an archive's JSON.

    Raises KeyError, TypeError, ValueError, AttributeError, IndexError or RecursionError where it does not follow the
    schema, as its parts are taken for what the schema says they are.
    """
    whole = json.loads(text)
    module = whole["graph_module"]
    signature = module["signature"]
    inputs, mutations = _signature_inputs(signature["input_specs"]), _mutations(signature["output_specs"])
    listing = _listing(module["graph"], inputs)
    return Program(listing, _meta(whole), mutations)


def _meta(whole: Json) -> dict[str, str]:
    schema = whole.get("schema_version") or {}
    meta = {
        "framework": "torch.export",
        "torch": str(whole.get("torch_version", "")),
        "schema": f"{schema.get('major', '?')}.{schema.get('minor', '?')}",
        "opsets": ", ".join(f"{name} {version}" for name, version in (whole.get("opset_version") or {}).items()),
    }
    for symbol, bounds in (whole.get("range_constraints") or {}).items():
        least, most = bounds.get("min_val"), bounds.get("max_val")
        meta[f"symbol {readable(symbol)}"] = f"{'-∞' if least is None else least} to {'∞' if most is None else most}"
    return {key: text for key, text in meta.items() if text}


def _signature_inputs(specs: Sequence[Json]) -> list[Input]:
    found: list[Input] = []
    for spec in specs:
        ((kind, told),) = spec.items()
        if kind == "constant_input":
            value = constant(told["value"])
            found.append(Input(text_of(told["name"]), ValueKind.CONSTANT, told["name"], {"value": value}))
            continue
        names = [text_of(told["arg"]["name"])] if "name" in told["arg"] else names_of(told["arg"])
        label = next((str(told[key]) for key in told if key.endswith("_name")), "")
        more = {"persistent": False} if told.get("persistent") is False else {}
        found.extend(Input(name, _KINDS.get(kind, ValueKind.INPUT), label or name, more) for name in names if name)
    return found


def _mutations(specs: Sequence[Json]) -> dict[str, str]:
    found: dict[str, str] = {}
    for spec in specs:
        ((kind, told),) = spec.items()
        if kind in _MUTATIONS:
            for name in [told["arg"]["name"]] if "name" in told["arg"] else names_of(told["arg"]):
                found[str(name)] = f"{kind.removesuffix('_mutation').replace('_', ' ')} {told[_MUTATIONS[kind]]}"
    return found


def _listing(graph: Json, inputs: Sequence[Input] | None = None) -> Listing:
    if inputs is None:
        names = [name for argument in graph["inputs"] for name in names_of(argument) if name]
        inputs = [Input(name, ValueKind.ACTIVATION, name) for name in names]
    outputs = [name for argument in graph["outputs"] for name in names_of(argument) if name]
    return Listing(inputs, [_operation(node) for node in graph["nodes"]], outputs, value_infos(graph))


def _operation(node: Json) -> Operation:
    op = text_of(node["target"]).removeprefix("torch.ops.").replace("_operator.", "operator.", 1)
    taken: list[tuple[str, str]] = []
    attributes: dict[str, Any] = {}
    graphs: list[SubGraph] = []
    groups: list[list[str | None]] = []
    for position, given in enumerate(node["inputs"]):
        argument, label = given["arg"], text_of(given["name"]) or f"argument{position}"
        if "as_graph" in argument:
            sub = argument["as_graph"]
            graphs.append(SubGraph(text_of(sub["name"]), _listing(sub["graph"])))
            groups.clear()
            continue
        names = names_of(argument)
        groups.append(names if names else [None])
        tensors = [name for name in names if name]
        taken.extend(zip(numbered(label, len(tensors)), tensors, strict=True))
        if len(tensors) < len(names) or not tensors:
            attributes[label] = constant(argument)
    outputs = [name for argument in node["outputs"] for name in names_of(argument) if name]
    told = node.get("metadata") or {}
    bodies: Sequence[Body] = bind(op, graphs, groups, len(outputs)) if graphs else ()
    return Operation(
        op, taken, outputs, attributes, _modules(told.get("nn_module_stack", "")),
        stack_of(told.get("stack_trace", "")), text_of(node.get("name") or ""), bodies,
    )  # fmt: skip


def _modules(text: str) -> tuple[ModuleCall, ...]:
    """From `key,path,class;…`, outermost first. Paths and classes have no comma of their own, keys may."""
    calls = []
    for entry in text.split(";") if text else []:
        key, path, cls = entry.rsplit(",", 2)
        if not key.startswith(NO_MODULE):
            calls.append(ModuleCall(key, path, cls.rpartition(".")[2]))
    return tuple(calls)
