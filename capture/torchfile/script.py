"""From a TorchScript module to a graph: calls are followed into module and function scopes, blocks become bodies.

Only the code is walked; nothing of the module is run.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from graphreel.capture.torchfile.building import NODES_A_STEP
from graphreel.capture.torchfile.naming import scope_parts, sparse_text
from graphreel.capture.torchfile.script_calls import function_graph
from graphreel.capture.torchfile.script_frames import Frame, ModuleRef, Opaque
from graphreel.capture.torchfile.script_ops import Schemas, is_in_place, op_name
from graphreel.capture.torchfile.script_sources import Sources
from graphreel.capture.torchfile.script_values import attributes_of, constant_of, plain_constant, type_info
from graphreel.graph import NONE, ROOT, Graph, GraphBuilder, Progress, ScopeId, ScopeKind, ValueId, ValueKind

LARGEST_EXPANSION = 200_000
"""Nodes that calls may add up to; further ones stay closed, since calls of calls can grow without bound."""


def read_module(module: Any, progress: Progress, meta: Mapping[str, str]) -> tuple[Graph, dict[str, str]]:
    """The graph of a ScriptModule's `forward`, else of its first method, and what it tells of its source texts."""
    reader = _Reader(module, progress, meta, frozenset())
    found = reader.read()
    # Which memory is written becomes known while reading, but has to be said when a value is made: a second reading.
    return _Reader(module, progress, meta, frozenset(reader.written)).read() if reader.written else found


class _Reader:
    """Reads one graph of PyTorch's after the other with a stack of its own."""

    def __init__(
        self, module: Any, progress: Progress, meta: Mapping[str, str], has_storage: frozenset[ValueId]
    ) -> None:
        self.module = module
        self.progress = progress
        self.builder = GraphBuilder(meta=meta)
        self.sources = Sources(self.builder)
        self.schemas = Schemas()
        self.parameters: dict[str, ValueId] = {}
        self.names = {name for name, _ in module.named_parameters()}
        self.buffers = {name for name, _ in module.named_buffers()}
        self.containers: dict[tuple[ScopeId, str], ScopeId] = {}
        self.homes: dict[ValueId, tuple[ScopeId, ...]] = {}
        self.entered: set[tuple[ScopeId, ValueId]] = set()
        self.not_opened = 0
        self.has_storage = has_storage
        self.written: set[ValueId] = set()
        self.memory: dict[ValueId, tuple[int, int]] = {}

    def read(self) -> tuple[Graph, dict[str, str]]:
        """The graph and the texts."""
        cpp = self.module._c
        method = "forward" if cpp._has_method("forward") else next(iter(cpp._method_names()))
        graph = cpp._get_method(method).graph
        scope = self.builder.scope(cpp._type().name(), ROOT, ScopeKind.MODULE, type=cpp._type().name())
        frame = Frame(scope, ModuleRef(cpp, ""), method, nodes=graph.nodes())
        inputs = list(graph.inputs())
        frame.things[inputs[0].debugName()] = frame.module
        for given in inputs[1:]:
            frame.things[given.debugName()] = self._value(frame, given, ValueKind.INPUT, _plain_name(given))
        frames = [frame]
        while frames:
            at = frames[-1]
            node = next(at.nodes, None)
            if node is None:
                frames.pop()
                if at.finish is not None:
                    at.finish()
                continue
            if self.builder.node_count % NODES_A_STEP == 0:
                # How many there will be is known only when the last call was followed.
                self.progress.step(self.builder.node_count, self.builder.node_count + 1)
            frames.extend(reversed(self._add(at, node)))
        for output in graph.outputs():
            self.builder.output(self._use(frame, output))
        if self.not_opened:
            self.builder.meta["calls_not_opened"] = str(self.not_opened)
        return self.builder.build(), {file: sparse_text(told) for file, told in self.sources.texts.items()}

    def _value(self, frame: Frame, value: Any, kind: ValueKind, name: str = "", **more: Any) -> ValueId:
        dtype, shape, device = type_info(value.type())
        return self._made(frame.bodies, dtype, shape, name=name, kind=kind, device=device, **more)

    def _made(self, home: tuple[ScopeId, ...], dtype: str, shape: Any, **more: Any) -> ValueId:
        """A new value. `has_storage` are those that some operation writes, by the number that this one gets."""
        number = ValueId(len(self.homes))
        storage, version = more.pop("memory", None) or (number if number in self.has_storage else NONE, 0)
        made = self.builder.value(dtype, shape, storage=storage, version=version, **more)
        self.homes[made], self.memory[made] = home, (storage, version)
        return made

    def _use(self, frame: Frame, value: Any) -> ValueId:
        """The value that a name stands for; a constant becomes one here."""
        thing = frame.find(value.debugName())
        if isinstance(thing, int):
            return self._cross(frame, ValueId(thing))
        told: dict[str, Any] = {}
        if isinstance(thing, Opaque):
            told = {"value": thing.told}
        elif isinstance(thing, ModuleRef):
            told = {"module": thing.path}
        return self._value(frame, value, ValueKind.CONSTANT, _plain_name(value), attributes=told)

    def _cross(self, frame: Frame, value: ValueId) -> ValueId:
        """Let a value enter the bodies that stand between its home and here."""
        home = self.homes[value]
        for body in frame.bodies[len(home) :]:
            if (body, value) not in self.entered:
                self.entered.add((body, value))
                self.builder.enter(body, value, value)
        return value

    def _add(self, frame: Frame, node: Any) -> list[Frame]:
        """Read one node; gives the frames that it opens."""
        kind = node.kind()
        if kind == "prim::Constant":
            return self._constant(frame, node)
        if kind == "prim::GetAttr":
            return self._get_attribute(frame, node)
        if kind == "prim::CallMethod":
            target = frame.find(next(node.inputs()).debugName())
            if isinstance(target, ModuleRef) and target.module._has_method(node.s("name")) and self._may_open():
                return [self._call(frame, node, target)]
        elif kind == "prim::CallFunction" and self._may_open():
            return [self._call_function(frame, node)]
        elif kind in ("prim::ListConstruct", "prim::TupleConstruct") and self._constant_list(frame, node):
            return []
        return self._operation(frame, node)

    def _may_open(self) -> bool:
        if self.builder.node_count > LARGEST_EXPANSION:
            self.not_opened += 1
            return False
        return True

    def _constant(self, frame: Frame, node: Any) -> list[Frame]:
        output = node.output()
        found = constant_of(node)
        if found is not None and hasattr(found, "untyped_storage"):
            shape = tuple(found.shape)
            told = plain_constant(found)
            dtype, name = str(found.dtype).removeprefix("torch."), _plain_name(output)
            attributes = None if told is None else {"value": told}
            value = self._made(frame.bodies, dtype, shape, name=name, kind=ValueKind.CONSTANT, attributes=attributes)
            frame.things[output.debugName()] = value
        else:
            frame.things[output.debugName()] = Opaque(plain_constant(found))
        return []

    def _constant_list(self, frame: Frame, node: Any) -> bool:
        """Whether a list has constants only, which then is a constant itself."""
        things = [frame.find(value.debugName()) for value in node.inputs()]
        if not all(isinstance(thing, Opaque) for thing in things):
            return False
        frame.things[node.output().debugName()] = Opaque([thing.told for thing in things if isinstance(thing, Opaque)])
        return True

    def _get_attribute(self, frame: Frame, node: Any) -> list[Frame]:
        target = frame.find(next(node.inputs()).debugName())
        name, output = node.s("name"), node.output()
        if not isinstance(target, ModuleRef) or not target.module.hasattr(name):
            return self._operation(frame, node)
        path = f"{target.path}.{name}" if target.path else name
        found = target.module.getattr(name)
        if hasattr(found, "_get_method") or hasattr(found, "_c"):
            frame.things[output.debugName()] = ModuleRef(getattr(found, "_c", found), path)
        elif hasattr(found, "untyped_storage"):
            frame.things[output.debugName()] = self._parameter(path, found)
        else:
            frame.things[output.debugName()] = Opaque(plain_constant(found))
        return []

    def _parameter(self, path: str, tensor: Any) -> ValueId:
        if path not in self.parameters:
            kind = ValueKind.BUFFER if path in self.buffers else ValueKind.CONSTANT
            kind = ValueKind.PARAMETER if path in self.names else kind
            dtype = str(tensor.dtype).removeprefix("torch.")
            self.parameters[path] = self._made((), dtype, tuple(tensor.shape), name=path, kind=kind)
        return self.parameters[path]

    def _call(self, frame: Frame, node: Any, target: ModuleRef) -> Frame:
        """Follow a call of a method: into the scope of its module, or for one of the same module into a function's."""
        name = node.s("name")
        graph = target.module._get_method(name).graph
        source = self.sources.of(frame, node)
        type_name = target.module._type().name()
        if target.path == frame.module.path:
            scope = self.builder.scope(name, frame.scope, ScopeKind.FUNCTION, source=source)
        else:
            *containers, last = scope_parts(frame.module.path, target.path, type_name)
            scope = frame.scope
            for part in containers:
                if (scope, part) not in self.containers:
                    self.containers[scope, part] = self.builder.scope(part, scope, ScopeKind.MODULE)
                scope = self.containers[scope, part]
            scope = self.builder.scope(last, scope, ScopeKind.MODULE, type=type_name)
        return self._inlined(frame, node, graph, Frame(scope, target, name), list(node.inputs()), source)

    def _call_function(self, frame: Frame, node: Any) -> Frame:
        graph, name = function_graph(node)
        source = self.sources.of(frame, node)
        scope = self.builder.scope(name, frame.scope, ScopeKind.FUNCTION, source=source)
        return self._inlined(frame, node, graph, Frame(scope, frame.module, name), list(node.inputs())[1:], source)

    def _inlined(self, frame: Frame, node: Any, graph: Any, inner: Frame, given: Sequence[Any], source: int) -> Frame:
        inner.nodes, inner.bodies, inner.caller, inner.keep = graph.nodes(), frame.bodies, source, graph
        for parameter, argument in zip(graph.inputs(), given, strict=True):
            inner.things[parameter.debugName()] = frame.find(argument.debugName())
        outputs = [output.debugName() for output in node.outputs()]

        def finish() -> None:
            for name, result in zip(outputs, graph.outputs(), strict=True):
                frame.things[name] = inner.find(result.debugName())

        inner.finish = finish
        return inner

    def _operation(self, frame: Frame, node: Any) -> list[Frame]:
        """Append a node; gives the frames of its blocks."""
        op = op_name(node)
        taken, labels, attributes = self._arguments(frame, node)
        target = taken[0] if taken and labels[0] == "self" and is_in_place(op) else None
        row = self.builder.node(
            op, taken, scope=frame.scope, source=self.sources.of(frame, node), input_names=labels,
            attributes=attributes, writes=[0] if target in self.has_storage else (),
        )  # fmt: skip
        outputs = []
        for port, output in enumerate(node.outputs()):
            more = self._next_version(target) if target is not None and port == 0 else {}
            name = _plain_name(output)
            value = self._value(frame, output, ValueKind.ACTIVATION, name, producer=row, port=port, **more)
            frame.things[output.debugName()] = value
            if more:
                frame.things[next(node.inputs()).debugName()] = value
            outputs.append(value)
        return [self._body(frame, node, row, outputs, at, block) for at, block in enumerate(node.blocks())]

    def _arguments(self, frame: Frame, node: Any) -> tuple[list[ValueId], list[str], dict[str, Any]]:
        """The values that a node takes, what they are called there, and the constants as attributes."""
        names = self.schemas.arguments(node)
        taken: list[ValueId] = []
        labels: list[str] = []
        attributes = attributes_of(node)
        for position, given in enumerate(node.inputs()):
            label = names[position] if position < len(names) else ""
            thing = frame.find(given.debugName())
            if isinstance(thing, Opaque):
                attributes[label or f"argument{position}"] = thing.told
            elif isinstance(thing, ModuleRef):
                attributes[label or f"argument{position}"] = thing.path or thing.module._type().name()
            else:
                taken.append(self._cross(frame, thing))
                labels.append(label)
        return taken, labels, attributes

    def _next_version(self, target: ValueId) -> dict[str, Any]:
        """What the result of an operation is that wrote `target`: the same memory with new content."""
        self.written.add(target)
        storage, version = self.memory[target]
        return {"previous": target, "memory": (storage, version + 1)} if storage != NONE else {}

    def _body(self, frame: Frame, node: Any, row: int, outputs: list[ValueId], at: int, block: Any) -> Frame:
        kind = {"prim::If": ScopeKind.BRANCH, "prim::Loop": ScopeKind.LOOP_BODY}.get(node.kind(), ScopeKind.FUNCTION)
        name = {ScopeKind.BRANCH: ("then", "else")[at % 2], ScopeKind.LOOP_BODY: "body"}.get(kind, f"block{at}")
        inputs, results = list(block.inputs()), list(block.outputs())
        loop = kind is ScopeKind.LOOP_BODY
        rounds = zip(results[1:], inputs[1:], strict=False) if loop else ()
        carried = {str(given.debugName()): str(taken.debugName()) for given, taken in rounds}
        scope = self.builder.scope(
            f"{node.kind().rpartition(':')[2]}.{name}", frame.scope, kind, owner=row,
            attributes={"carried": carried} if carried else None,
        )  # fmt: skip
        inner = Frame(scope, frame.module, frame.function, nodes=block.nodes(), outer=frame, caller=frame.caller)
        inner.bodies = (*frame.bodies, scope)
        given = list(node.inputs())[2:] if loop else []
        for position, parameter in enumerate(inputs):
            value = self._value(inner, parameter, ValueKind.ACTIVATION, _plain_name(parameter))
            inner.things[parameter.debugName()] = value
            if loop and 1 <= position <= len(given):
                self.builder.enter(scope, self._use(frame, given[position - 1]), value)

        def finish() -> None:
            for outer, result in zip(outputs, results[1:] if loop else results, strict=False):
                self.builder.leave(scope, outer, self._use(inner, result))

        inner.finish = finish
        return inner


def _plain_name(value: Any) -> str:
    """A value's name without the number after the dot, which PyTorch gives to the values of one variable."""
    name = str(value.debugName())
    return "" if name.isdigit() else name.partition(".")[0]
