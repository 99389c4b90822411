"""Makes a graph of a program: module scopes, bodies with their boundary, sources, and versions of written values."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphreel.capture.torchfile.naming import scope_parts
from graphreel.capture.torchfile.program import UNKNOWN_VALUE, Body, Line, Listing, ModuleCall, Operation, Program
from graphreel.graph import NONE, ROOT, Graph, GraphBuilder, Progress, ScopeId, ScopeKind, ValueId, ValueKind

NODES_A_STEP = 1024
_IN_PLACE = re.compile(r"\w+\.\w*[^_\W]_\.\w+")
_INDEX = re.compile(r"\[\d+\]$")


def build_graph(program: Program, progress: Progress) -> Graph:
    """The graph of a program."""
    return _Building(program, progress).build()


@dataclass(slots=True)
class _Version:
    """A value that is written somewhere: which memory it is, and how many times that was written so far."""

    storage: int
    version: int
    kind: ValueKind


@dataclass(eq=False, slots=True)
class _Frame:
    """One listing under way, with the values that its names stand for just now."""

    listing: Listing
    scope: ScopeId
    outer: "_Frame | None" = None
    above: tuple[ModuleCall, ...] = ()
    values: dict[str, ValueId] = field(default_factory=dict)
    written: dict[str, _Version] = field(default_factory=dict)
    exits: list[tuple[ValueId, str]] = field(default_factory=list)
    operations: Iterator[Operation] = field(default_factory=lambda: iter(()))


class _Building:
    """Goes through listing after listing with a stack of its own, bodies right after their operation."""

    def __init__(self, program: Program, progress: Progress) -> None:
        self.program = program
        self.progress = progress
        self.builder = GraphBuilder(meta=program.meta)
        self.scopes: dict[tuple[ScopeId, tuple[str, ...]], ScopeId] = {}
        self.children: dict[tuple[ScopeId, str], ScopeId] = {}
        self.storages = 0

    def build(self) -> Graph:
        """The graph."""
        listing = self.program.listing
        root = self._frame(listing, ROOT)
        for given in listing.inputs:
            root.values[given.name] = self._value(root, given.name, given.kind, given.label, given.attributes)
        frames = [root]
        while frames:
            frame = frames[-1]
            operation = next(frame.operations, None)
            if operation is None:
                frames.pop()
                for outer, name in frame.exits:
                    self.builder.leave(frame.scope, outer, self._find(frame, name))
                continue
            if self.builder.node_count % NODES_A_STEP == 0:
                total = len(listing.operations)
                self.progress.step(min(self.builder.node_count, total), total)
            frames.extend(reversed(self._add(frame, operation)))
        for name in listing.outputs:
            self.builder.output(self._find(root, name))
        return self.builder.build()

    def _frame(self, listing: Listing, scope: ScopeId, outer: _Frame | None = None) -> _Frame:
        frame = _Frame(listing, scope, outer, operations=iter(listing.operations))
        for operation in listing.operations:
            for position in _written(operation):
                name = operation.inputs[position][1]
                if name not in frame.written:
                    frame.written[name] = _Version(self.storages, 0, ValueKind.ACTIVATION)
                    self.storages += 1
        return frame

    def _value(
        self, frame: _Frame, name: str, kind: ValueKind, label: str = "", attributes: Any = None, **more: Any
    ) -> ValueId:
        info = frame.listing.infos.get(name, UNKNOWN_VALUE)
        memory = frame.written.get(name)
        if memory is not None and "storage" not in more:
            memory.kind = kind
            more["storage"] = memory.storage
        told = dict(attributes or {})
        if frame.outer is None and name in self.program.mutations:
            told["becomes"] = self.program.mutations[name]
        return self.builder.value(
            info.dtype, info.shape, name=label or name, kind=kind, device=info.device, attributes=told, **more
        )

    def _find(self, frame: _Frame, name: str) -> ValueId:
        """The value of a name, here or around; one that nothing gives becomes a value without a producer."""
        crossed: list[_Frame] = []
        at: _Frame | None = frame
        while at is not None and name not in at.values:
            crossed.append(at)
            at = at.outer
        if at is None:
            outermost = crossed.pop()
            value = self._value(outermost, name, ValueKind.INPUT, attributes={"undeclared": True})
            outermost.values[name] = value
        else:
            value = at.values[name]
        for inner in crossed:
            self.builder.enter(inner.scope, value, value)
            inner.values[name] = value
        return value

    def _add(self, frame: _Frame, operation: Operation) -> list[_Frame]:
        """Append a node; gives the frames of its bodies."""
        taken = [self._find(frame, name) for _, name in operation.inputs]
        written = [position for position in _written(operation) if operation.inputs[position][1] in frame.written]
        scope = self._scope(frame, operation.modules)
        node = self.builder.node(
            operation.op,
            taken,
            scope=scope,
            source=self._source(operation.stack),
            name=operation.name,
            input_names=[label for label, _ in operation.inputs],
            writes=written,
            attributes=operation.attributes,
        )
        outputs = self._give(frame, operation, node, [taken[at] for at in written], written)
        return [self._open(frame, operation, node, scope, outputs, body) for body in operation.bodies]

    def _give(
        self, frame: _Frame, operation: Operation, node: int, bases: Sequence[ValueId], written: Sequence[int]
    ) -> list[ValueId]:
        """Add what a node gives; the first outputs are the new versions of what it wrote."""
        outputs: list[ValueId] = []
        for port, name in enumerate(operation.outputs):
            if port >= len(written):
                value = self._value(frame, name, ValueKind.ACTIVATION, producer=node, port=port)
            else:
                target = operation.inputs[written[port]][1]
                memory = frame.written[name] = frame.written[target]
                memory.version += 1
                place: dict[str, Any] = {"storage": memory.storage, "version": memory.version, "previous": bases[port]}
                value = self._value(frame, name, memory.kind, producer=node, port=port, **place)
                frame.values[target] = value
            frame.values[name] = value
            outputs.append(value)
        return outputs

    def _open(
        self, frame: _Frame, operation: Operation, node: int, scope: ScopeId, outputs: list[ValueId], body: Body
    ) -> _Frame:
        within = self.builder.scope(
            f"{operation.name or operation.op}.{body.name}",
            scope,
            body.kind,
            owner=node,
            attributes={"carried": dict(body.carried)} if body.carried else None,
        )
        inner = self._frame(body.listing, within, frame)
        inner.above = operation.modules
        for given in body.listing.inputs:
            inner.values[given.name] = self._value(inner, given.name, given.kind, given.label, given.attributes)
        for outer, name in body.entries:
            self.builder.enter(within, self._find(frame, outer), inner.values[name])
        inner.exits = [(outputs[at], name) for at, name in body.exits if at < len(outputs)]
        return inner

    def _source(self, stack: Iterable[Line]) -> int:
        source = NONE
        for line in stack:
            source = self.builder.source(line.file, line.line, line.function, source)
        return source

    def _scope(self, frame: _Frame, modules: tuple[ModuleCall, ...]) -> ScopeId:
        """The scope of the modules that ran; inside of a body only those beyond its operation's own."""
        same = 0
        while same < min(len(modules), len(frame.above)) and modules[same].path == frame.above[same].path:
            same += 1
        key = frame.scope, tuple(call.key for call in modules[same:])
        found = self.scopes.get(key)
        if found is not None:
            return found
        scope = frame.scope
        above = modules[same - 1].path if same else None
        for at in range(same, len(modules)):
            call = modules[at]
            key = frame.scope, tuple(each.key for each in modules[same : at + 1])
            if key not in self.scopes:
                *containers, name = scope_parts(above, call.path, call.type)
                for part in containers:
                    scope = self._container(scope, part)
                self.scopes[key] = self.builder.scope(name, scope, ScopeKind.MODULE, type=call.type)
            scope = self.scopes[key]
            above = call.path
        return scope

    def _container(self, scope: ScopeId, name: str) -> ScopeId:
        """A module that is never called itself, such as a list of layers."""
        if (scope, name) not in self.children:
            self.children[scope, name] = self.builder.scope(name, scope, ScopeKind.MODULE)
        return self.children[scope, name]


def _written(operation: Operation) -> list[int]:
    """Positions of the inputs that an operation writes: by its name's last letter, and those named `out`."""
    in_place = _IN_PLACE.fullmatch(operation.op) is not None and bool(operation.inputs)
    first = _INDEX.sub("", operation.inputs[0][0]) if in_place else "out"
    return [at for at, (label, _) in enumerate(operation.inputs) if _INDEX.sub("", label) in (first, "out")]
