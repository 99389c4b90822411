"""From a ModelProto to a graph: each node, then the body that it has, in execution order.

Nothing of the file is executed or imported, weights are never touched, and what is wrong in a graph (a cycle, a name
that nothing gives, a name given twice) is shown rather than refused.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphreel.capture.onnx import naming
from graphreel.capture.onnx.bodies import Owner, open_body, open_function
from graphreel.capture.onnx.frames import Frame, graph_types
from graphreel.capture.onnx.functions import LARGEST_EXPANSION, Functions, all_nodes
from graphreel.capture.onnx.initializers import declare_inputs
from graphreel.capture.onnx.overview import describe_model, op_name, opset_versions
from graphreel.capture.onnx.schemas import Schemas
from graphreel.capture.onnx.settling import settle
from graphreel.capture.onnx.tensors import plain_attribute
from graphreel.graph import NONE, ROOT, Graph, GraphBuilder, Progress, ValueId, ValueKind

if TYPE_CHECKING:
    from onnx import AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto

_NODES_A_STEP = 1024


def read_model(model: "ModelProto", progress: Progress) -> Graph:
    """The graph of a model, with bodies and functions as scopes that their node owns."""
    return _Reader(model, progress).read()


class _Reader:
    """Reads graph after graph from a stack of its own, so that no nesting in a file is too deep for it."""

    def __init__(self, model: "ModelProto", progress: Progress) -> None:
        self.model = model
        self.progress = progress
        self.functions = Functions(model.functions)
        self.builder = GraphBuilder(meta=describe_model(model))
        self.expanded = 0
        self.not_opened = 0
        self.undeclared = 0
        self.homeless: list[int] = []
        self.places_told = False
        # torch's old exporter names nodes after modules; in other files such names may be anything.
        self.module_names = model.producer_name == "pytorch"

    def read(self) -> Graph:
        """The whole graph."""
        model = self.model.graph
        root = Frame(self.builder, ROOT, Schemas(opset_versions(self.model.opset_import)), graph_types(model))
        declare_inputs(root, model, ValueKind.INPUT)
        root.set_nodes(model.node)
        self._read_frames(root)
        for output in model.output:
            self.builder.output(root.find(output.name))
        self._note("undeclared_values", self.undeclared + root.undeclared)
        self._note("functions_not_opened", self.not_opened)
        graph = self.builder.build()
        return settle(graph, self.homeless) if self.places_told else graph

    def _read_frames(self, root: Frame) -> None:
        total = len(self.model.graph.node)
        frames = [root]
        while frames:
            frame = frames[-1]
            node = next(frame.nodes, None)
            if node is None:
                frames.pop()
                for outer, name in frame.exits:
                    self.builder.leave(frame.scope, outer, frame.find(name))
                self.undeclared += frame.undeclared if frame is not root else 0
                continue
            if self.builder.node_count % _NODES_A_STEP == 0:
                self.progress.step(min(self.builder.node_count, total), total)
            # The bodies run one after the other, before whatever comes after their owner.
            frames.extend(reversed(self._read_node(frame, node)))

    def _note(self, what: str, count: int) -> None:
        if count:
            self.builder.meta[what] = str(count)

    def _read_node(self, frame: Frame, node: "NodeProto") -> list[Frame]:
        """Append a node; gives the frames of the bodies that it owns, yet to be read."""
        function = self.functions.get(node)
        values, arguments = self._inputs(frame, node, function)
        told = {entry.key: entry.value for entry in node.metadata_props}
        key, short = naming.place_key(node.name, told, self.module_names)
        scope = frame.scope_at(key)
        attributes = list(frame.attributes_of(node))
        row = self.builder.node(
            op_name(node),
            values,
            scope=scope,
            source=self._source(told) if told else NONE,
            name=node.name,
            input_names=arguments,
            attributes=_plain_attributes(attributes),
        )
        if key == naming.NOWHERE and not node.name.startswith("/"):
            self.homeless.append(row)
        elif naming.tells_modules(key):
            self.places_told = True
        outputs = [frame.give(name, row, port) for port, name in enumerate(_without_tail(node.output))]
        bodies = [(name, graph) for name, each in attributes for graph in _graphs(each)]
        if not bodies and function is None:
            return []
        place = tuple(part.name for part in naming.parts_at(key))
        owner = Owner(frame, node, row, scope, outputs, short or node.op_type, place)
        opened = [open_body(owner, name, graph) for name, graph in bodies]
        if function is not None and self._may_expand(node, function):
            opened.append(open_function(owner, function))
        return opened

    def _inputs(
        self, frame: Frame, node: "NodeProto", function: "FunctionProto | None"
    ) -> tuple[list[ValueId], list[str]]:
        """The values taken and their arguments' names; optional inputs that are left out are skipped."""
        names = list(node.input)
        if function is None:
            arguments = frame.schemas.input_names(node.domain, node.op_type, len(names))
        else:
            arguments = [*function.input, *[""] * len(names)][: len(names)]
        if not all(names):
            arguments = [argument for argument, name in zip(arguments, names, strict=True) if name]
            names = [name for name in names if name]
        return [frame.find(name) for name in names], arguments

    def _may_expand(self, node: "NodeProto", function: "FunctionProto") -> bool:
        """Whether a function's body can be written out without going on for ever or growing too large."""
        if self.expanded + self.functions.expansion(node) > LARGEST_EXPANSION:
            self.not_opened += 1
            return False
        self.expanded += sum(1 for _ in all_nodes(function.node))
        return True

    def _source(self, told: Mapping[str, str]) -> int:
        source = NONE
        for line in naming.stack_of(told.get(naming.STACK_TRACE, "")):
            source = self.builder.source(line.file, line.line, line.function, source)
        return source


def _graphs(attribute: "AttributeProto") -> "list[GraphProto]":
    return [attribute.g] if attribute.HasField("g") else list(attribute.graphs)


def _plain_attributes(attributes: "list[tuple[str, AttributeProto]]") -> dict[str, Any]:
    plain = ((name, plain_attribute(each)) for name, each in attributes)
    return {name: found for name, found in plain if found is not None}


def _without_tail(names: Any) -> list[str]:
    """The names up to the last that is given: outputs that nobody wants are left empty."""
    found = list(names)
    while found and not found[-1]:
        found.pop()
    return found
