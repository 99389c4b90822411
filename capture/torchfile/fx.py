"""From PyTorch's FX graphs in memory to a program: of torch.export, of symbolic tracing, of torch.compile."""

import inspect
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphreel.capture.torchfile.bodies import SubGraph, bind
from graphreel.capture.torchfile.encoding import plain
from graphreel.capture.torchfile.fx_values import Argument, arguments_of, info_of, parts_of, target_name
from graphreel.capture.torchfile.naming import NO_MODULE, stack_of
from graphreel.capture.torchfile.program import Body, Input, Listing, ModuleCall, Operation, Program, ValueInfo
from graphreel.graph import ValueKind

_KINDS = {
    "PARAMETER": ValueKind.PARAMETER,
    "BUFFER": ValueKind.BUFFER,
    "CONSTANT_TENSOR": ValueKind.CONSTANT,
    "CUSTOM_OBJ": ValueKind.CONSTANT,
}


def exported_program(program: Any) -> Program:
    """The program of a torch.export.ExportedProgram."""
    import torch

    signature = program.graph_signature
    inputs: dict[str, Input] = {}
    for spec in signature.input_specs:
        name, kind = spec.arg.name, _KINDS.get(spec.kind.name, ValueKind.INPUT)
        if type(spec.arg).__name__ == "ConstantArgument":
            inputs[name] = Input(name, ValueKind.CONSTANT, name, {"value": plain(spec.arg.value)})
            continue
        more = {"persistent": False} if spec.persistent is False else {}
        inputs[name] = Input(name, kind, spec.target or name, more)
    mutations = {
        spec.arg.name: f"{spec.kind.name.removesuffix('_MUTATION').replace('_', ' ').lower()} {spec.target}"
        for spec in signature.output_specs
        if spec.kind.name.endswith("_MUTATION")
    }
    meta = {"framework": "torch.export", "torch": torch.__version__}
    return Program(_Lister(program.graph_module, inputs).listing(), meta, mutations)


def graph_module(module: Any) -> Program:
    """The program of a torch.fx.GraphModule."""
    import torch

    outermost = type(module).__name__
    return Program(
        _Lister(module, {}, outermost=outermost).listing(), {"framework": "torch.fx", "torch": torch.__version__}
    )


@dataclass(eq=False)
class _Lister:
    """Lists the operations of one GraphModule; those of its sub-graphs through listers of their own."""

    module: Any
    told: Mapping[str, Input]
    inputs: list[Input] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    infos: dict[str, ValueInfo] = field(default_factory=dict)
    graphs: dict[str, SubGraph] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    inner: bool = False
    outermost: str = ""

    def listing(self) -> Listing:
        """The whole listing."""
        for node in self.module.graph.nodes:
            if node.op == "placeholder":
                kind = ValueKind.ACTIVATION if self.inner else ValueKind.INPUT
                self.inputs.append(self.told.get(node.name, Input(node.name, kind, node.name)))
                if "value" not in self.inputs[-1].attributes:
                    self.infos[node.name] = info_of(node)
            elif node.op == "get_attr":
                self._get_attribute(node)
            elif node.op == "output":
                given = arguments_of(node.args, {}, ())
                self.outputs = [self.renamed.get(each.value, each.value) for each in given if each.value]
            elif not self._is_part(node):
                self._operation(node)
        return Listing(self.inputs, self.operations, self.outputs, self.infos)

    def _get_attribute(self, node: Any) -> None:
        import torch

        found: Any = self.module
        for part in str(node.target).split("."):
            found = getattr(found, part, None)
        if isinstance(found, torch.fx.GraphModule):
            self.graphs[node.name] = SubGraph(node.name, _Lister(found, {}, inner=True).listing())
            return
        kind = ValueKind.PARAMETER if isinstance(found, torch.nn.Parameter) else ValueKind.CONSTANT
        if str(node.target) in dict(self.module.named_buffers()):
            kind = ValueKind.BUFFER
        self.inputs.append(Input(node.name, kind, str(node.target)))
        self.infos[node.name] = info_of(node, found)

    def _is_part(self, node: Any) -> bool:
        """Whether a node only takes one of several outputs apart, which here is a value of the operation itself."""
        return node.target is operator.getitem and node.name in self.renamed

    def _operation(self, node: Any) -> None:
        given = arguments_of(node.args, node.kwargs, _argument_names(node))
        attributes: dict[str, Any] = {}
        taken: list[tuple[str, str]] = []
        graphs: list[SubGraph] = []
        for argument in given:
            if argument.value in self.graphs:
                graphs.append(self.graphs[argument.value])
                continue
            name = self.renamed.get(argument.value, argument.value)
            if name:
                taken.append((argument.label, name))
            else:
                attributes[argument.label] = argument.constant
        op = self._op(node, taken, attributes)
        outputs = self._outputs(node)
        bodies: Sequence[Body] = bind(op, graphs, _grouped(given, self), len(outputs)) if graphs else ()
        modules = tuple(_modules(node, self.outermost))
        stack = stack_of(node.meta.get("stack_trace") or "")
        self.operations.append(Operation(op, taken, outputs, attributes, modules, stack, node.name, bodies))

    def _op(self, node: Any, taken: list[tuple[str, str]], attributes: dict[str, Any]) -> str:
        if node.op != "call_module":
            return target_name(node)
        # A module that tracing did not look into: one operation, which takes the module's own tensors.
        found = self.module.get_submodule(node.target)
        attributes["module"] = node.target
        own = [*found.named_parameters(recurse=False), *found.named_buffers(recurse=False)]
        parameters = {name for name, _ in found.named_parameters(recurse=False)}
        for name, tensor in own:
            key = f"{node.target}.{name}"
            if key not in self.infos:
                kind = ValueKind.PARAMETER if name in parameters else ValueKind.BUFFER
                self.inputs.append(Input(key, kind, key))
                self.infos[key] = info_of(node, tensor)
            taken.append((name, key))
        return type(found).__name__

    def _outputs(self, node: Any) -> list[str]:
        """Names of the values that a node gives; several where it gives a tuple that is taken apart."""
        parts = parts_of(node)
        for name, target in parts.renamed.items():
            self.renamed[name] = target
        self.infos.update(parts.infos)
        return parts.names


def _grouped(given: Sequence[Argument], lister: _Lister) -> list[list[str | None]]:
    """Arguments after the last sub-graph, as one list for each position."""
    last = max((at for at, each in enumerate(given) if each.value in lister.graphs), default=-1)
    groups: dict[int, list[str | None]] = {}
    for each in given[last + 1 :]:
        groups.setdefault(each.group, []).append(lister.renamed.get(each.value, each.value) or None)
    return list(groups.values())


def _argument_names(node: Any) -> tuple[str, ...]:
    """Names of a call's arguments, by the operator's schema or the Python function's signature."""
    if node.op != "call_function":
        return ()
    schema = getattr(node.target, "_schema", None)
    if schema is not None:
        return tuple(argument.name for argument in schema.arguments)
    # Of a higher-order operator the signature is that of its machinery.
    if hasattr(node.target, "namespace"):
        return ()
    try:
        return tuple(inspect.signature(node.target).parameters)
    except (ValueError, TypeError):
        return ()


def _modules(node: Any, outermost: str) -> list[ModuleCall]:
    """The modules that ran. Symbolic tracing does not tell the outermost one, which is of the class `outermost`."""
    calls = [
        ModuleCall(str(key), str(path), (cls if isinstance(cls, str) else cls.__name__).rpartition(".")[2])
        for key, (path, cls) in (node.meta.get("nn_module_stack") or {}).items()
        if not str(key).startswith(NO_MODULE)
    ]
    if outermost and not (calls and not calls[0].path):
        calls.insert(0, ModuleCall("", "", outermost))
    return calls
