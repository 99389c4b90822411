"""From a ModelProto to a graph: each node, then the body that it has, in execution order.

Nothing of the file is executed or imported, weights are never touched, and what is wrong in a graph (a cycle, a name
that nothing gives, a name given twice) is shown rather than refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from graphreel.capture.onnx import naming
from graphreel.capture.onnx.attributes import Attribute, Attributes
from graphreel.capture.onnx.bodies import Owner, open_body, open_function
from graphreel.capture.onnx.entries import Entry
from graphreel.capture.onnx.frames import Frame, Place, graph_types
from graphreel.capture.onnx.functions import LARGEST_EXPANSION, Functions, all_nodes
from graphreel.capture.onnx.initializers import declare_inputs
from graphreel.capture.onnx.overview import describe_model, opset_versions
from graphreel.capture.onnx.schemas import Schemas
from graphreel.capture.onnx.settling import settle
from graphreel.graph import NONE, ROOT, AttributeText, Graph, GraphBuilder, Progress, ValueKind

if TYPE_CHECKING:
    from onnx import FunctionProto, ModelProto, NodeProto

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
        self.sources: dict[str, int] = {}
        self.places_told = False
        # torch's old exporter names nodes after modules; in other files such names may be anything.
        self.module_names = model.producer_name == "pytorch"

    def read(self) -> Graph:
        """The whole graph."""
        model = self.model.graph
        schemas = Schemas(opset_versions(self.model.opset_import))
        root = Frame(self.builder, ROOT, schemas, graph_types(model), Attributes())
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
        frames = [root]
        while frames:
            frame = frames[-1]
            opened = self._read_until_body(frame)
            if opened:
                # The bodies run one after the other, before whatever comes after their owner.
                frames.extend(reversed(opened))
                continue
            frames.pop()
            for outer, name in frame.exits:
                self.builder.leave(frame.scope, outer, frame.find(name))
            self.undeclared += frame.undeclared if frame is not root else 0

    def _read_until_body(self, frame: Frame) -> list[Frame]:
        """Append a frame's nodes up to one that has bodies; gives their frames, none where the last node is read."""
        total = len(self.model.graph.node)
        for entry in frame.entries:
            if self.builder.node_count % _NODES_A_STEP == 0:
                self.progress.step(min(self.builder.node_count, total), total)
            opened = self._read_node(frame, entry)
            if opened:
                return opened
        return []

    def _note(self, what: str, count: int) -> None:
        if count:
            self.builder.meta[what] = str(count)

    def _read_node(self, frame: Frame, entry: Entry) -> list[Frame]:
        """Append a node; gives the frames of the bodies that it owns, yet to be read."""
        index, name, domain, op, takes, gives, held, told = entry
        place = frame.place_of(name, told, modules=self.module_names)
        operation = frame.schemas.operation(domain, op)
        values, arguments = frame.take(takes, operation)
        function = self.functions.get(frame.nodes[index]) if self.functions else None
        if function is not None:
            arguments = _arguments(function, takes)
        attributes = frame.told(held) if held else []
        row = self.builder.node(
            operation.name,
            values,
            scope=place.scope,
            source=self._source(told) if told else NONE,
            name=name,
            input_names=arguments,
            attributes=_texts(attributes) if attributes else None,
        )
        self._note_place(place, name, row)
        outputs = [frame.give(given, row, port) for port, given in enumerate(gives)]
        bodies = [(label, graph) for label, each in attributes for graph in each.graphs]
        if not bodies and function is None:
            return []
        node = frame.nodes[index]
        inner_place = tuple(part.name for part in naming.parts_at(place.key))
        short = naming.name_prefix(name)[1]
        owner = Owner(frame, node, row, place.scope, outputs, short or op, inner_place)
        opened = [open_body(owner, label, graph) for label, graph in bodies]
        if function is not None and self._may_expand(node, function):
            opened.append(open_function(owner, function))
        return opened

    def _note_place(self, place: Place, name: str, row: int) -> None:
        if place.key == naming.NOWHERE:
            if not name.startswith("/"):
                self.homeless.append(row)
        elif naming.tells_modules(place.key):
            self.places_told = True

    def _may_expand(self, node: "NodeProto", function: "FunctionProto") -> bool:
        """Whether a function's body can be written out without going on for ever or growing too large."""
        if self.expanded + self.functions.expansion(node) > LARGEST_EXPANSION:
            self.not_opened += 1
            return False
        self.expanded += sum(1 for _ in all_nodes(function.node))
        return True

    def _source(self, told: Mapping[str, str]) -> int:
        trace = told.get(naming.STACK_TRACE, "")
        source = self.sources.get(trace)
        if source is None:
            source = NONE
            for line in naming.stack_of(trace):
                source = self.builder.source(line.file, line.line, line.function, source)
            self.sources[trace] = source
        return source


def _arguments(function: "FunctionProto", takes: Sequence[str]) -> list[str]:
    """What a function calls the inputs that a call gives it."""
    parameters = [*function.input, *[""] * len(takes)]
    return [parameter for parameter, name in zip(parameters, takes, strict=False) if name]


def _texts(attributes: Iterable[tuple[str, Attribute]]) -> dict[str, AttributeText]:
    return {name: each.text for name, each in attributes if each.text is not None}
