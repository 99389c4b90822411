"""From a ModelProto to a graph: each node, then the body that it has, in execution order.

Nothing of the file is executed or imported, weights are never touched, and what is wrong in a graph (a cycle, a name
that nothing gives, a name given twice) is shown rather than refused.
"""

from typing import TYPE_CHECKING, Any

from graphreel.capture.onnx import naming
from graphreel.capture.onnx.bodies import Owner, open_body, open_function
from graphreel.capture.onnx.frames import Frame, graph_types
from graphreel.capture.onnx.functions import LARGEST_EXPANSION, Functions, all_nodes
from graphreel.capture.onnx.initializers import declare_inputs
from graphreel.capture.onnx.overview import describe_model, op_name, opset_versions
from graphreel.capture.onnx.schemas import Schemas
from graphreel.capture.onnx.tensors import plain_attribute
from graphreel.graph import NONE, ROOT, Graph, GraphBuilder, Progress, ValueKind

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
        return self.builder.build()

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
        taken = self._inputs(frame, node, function)
        parts, short = self._place(node)
        attributes = list(frame.attributes_of(node))
        scope = frame.scope_of(parts)
        row = self.builder.node(
            op_name(node),
            [value for value, _ in taken],
            scope=scope,
            source=self._source(node),
            name=node.name,
            input_names=[argument for _, argument in taken],
            attributes=_plain_attributes(attributes),
        )
        outputs = [frame.give(name, row, port) for port, name in enumerate(_without_tail(node.output))]
        bodies = [(name, graph) for name, each in attributes for graph in _graphs(each)]
        if not bodies and function is None:
            return []
        owner = Owner(frame, node, row, scope, outputs, short, tuple(part.name for part in parts))
        opened = [open_body(owner, name, graph) for name, graph in bodies]
        if function is not None and self._may_expand(node, function):
            opened.append(open_function(owner, function))
        return opened

    def _inputs(self, frame: Frame, node: "NodeProto", function: "FunctionProto | None") -> list[tuple[int, str]]:
        """Each value taken with its argument's name; optional inputs that are left out are skipped."""
        count = len(node.input)
        if function is None:
            names = frame.schemas.input_names(node.domain, node.op_type, count)
        else:
            names = [*function.input, *[""] * count][:count]
        return [(frame.find(name), argument) for name, argument in zip(node.input, names, strict=True) if name]

    def _may_expand(self, node: "NodeProto", function: "FunctionProto") -> bool:
        """Whether a function's body can be written out without going on for ever or growing too large."""
        if self.expanded + self.functions.expansion(node) > LARGEST_EXPANSION:
            self.not_opened += 1
            return False
        self.expanded += sum(1 for _ in all_nodes(function.node))
        return True

    def _place(self, node: "NodeProto") -> tuple[tuple[naming.ScopePart, ...], str]:
        """The scopes of a node, and what it is called within them."""
        prefix, short = naming.name_prefix(node.name)
        entries = node.metadata_props
        if not entries:
            return naming.parts_of_name(prefix, self.module_names), short or node.op_type
        told = {entry.key: entry.value for entry in entries}
        if naming.NAME_SCOPES in told:
            parts = naming.parts_of_hierarchy(told[naming.NAME_SCOPES], told.get(naming.CLASS_HIERARCHY, ""))
        elif naming.NAMESPACE in told:
            parts = naming.parts_of_namespace(told[naming.NAMESPACE])
        else:
            parts = naming.parts_of_name(prefix, self.module_names)
        return parts, short or node.op_type

    def _source(self, node: "NodeProto") -> int:
        source = NONE
        for entry in node.metadata_props:
            if entry.key == naming.STACK_TRACE:
                for line in naming.stack_of(entry.value):
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
