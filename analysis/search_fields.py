"""What words are looked for in: the texts of a graph, field by field. Kept beside the graph once they were needed."""

import re
from functools import cached_property
from pathlib import PurePath
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from graphreel.analysis.query import Word
from graphreel.analysis.texts import BoolColumn, Texts, compiled
from graphreel.graph import NONE, Graph, Phase, ValueKind, word
from graphreel.graph.nesting import told_scopes
from graphreel.graph.types import IntColumn

_SHAPE = re.compile(r"\[.*|[\d*?]+(?:[x×,][\d*?]+)+")
_SHORT_DTYPE = re.compile(r"(bf|f|i|u)(?=\d)")
_LONG_DTYPE = {"bf": "bfloat", "f": "float", "i": "int", "u": "uint"}
_known: "WeakKeyDictionary[Graph, FieldTexts]" = WeakKeyDictionary()


def field_texts(graph: Graph) -> "FieldTexts":
    """The texts of a graph."""
    found = _known.get(graph)
    if found is None:
        found = _known[graph] = FieldTexts(graph)
    return found


def is_shape(text: str) -> bool:
    """Whether a word may be meant as a shape."""
    return _SHAPE.fullmatch(text) is not None


class FieldTexts:
    """Each method says of every node whether a word is found in one field of it."""

    def __init__(self, graph: Graph) -> None:
        # Not the graph itself: it is the key that this is kept by, and would never be let go.
        self.nodes, self.values, self.inputs = graph.nodes, graph.values, graph.inputs
        self._attributes = graph.node_attributes
        self._count = graph.node_count
        self._strings = Texts(graph.strings)
        self._paths = Texts([path.replace("/", ".") for path in graph.told_paths])
        self._scope_types = graph.scopes.type[told_scopes(graph)]
        rows = range(len(graph.shapes.start) - 1)
        self._shapes = [",".join("?" if d is None else str(d) for d in graph.shape(row) or ()) for row in rows]
        table = graph.sources
        files = [PurePath(graph.strings[file]).name for file in table.file.tolist()]
        self._files, self._lines = Texts(files), table.line
        self._places = Texts([f"{file}:{line}" for file, line in zip(files, table.line.tolist(), strict=True)])

    @cached_property
    def _owners(self) -> npt.NDArray[np.intp]:
        """The node that takes each input."""
        return np.repeat(np.arange(self._count), np.diff(self.inputs.start))

    @cached_property
    def _ops(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.intp]]:
        """The distinct ops, and the row of each node's in them."""
        return np.unique(self.nodes.op, return_inverse=True)

    def _held(self, column: IntColumn, wanted: Word) -> BoolColumn:
        """Which rows of a column of strings hold a word."""
        if not wanted.wild:
            held: BoolColumn = self._strings.holding(wanted.text)[column]
            return held
        used = np.zeros(len(self._strings), dtype=bool)
        used[column] = True
        found: BoolColumn = self._strings.like(wanted.text, used)[column]
        return found

    def op(self, wanted: Word) -> BoolColumn:
        """In the op."""
        return self._held(self.nodes.op, wanted)

    def op_exactly(self, wanted: Word) -> BoolColumn:
        """As the op, or as a whole part of it: `addmm` in `aten.addmm.default`."""
        ops, row = self._ops
        texts = [self._strings[op] for op in ops.tolist()]
        exact = np.array([wanted.text == text or wanted.text in text.split(".") for text in texts], dtype=bool)
        found: BoolColumn = exact[row]
        return found

    def name(self, wanted: Word) -> BoolColumn:
        """In the node's own name."""
        return self._held(self.nodes.name, wanted)

    def scope(self, wanted: Word) -> BoolColumn:
        """In the scope's path, or in the class of the innermost scope."""
        text = wanted.text.replace("/", ".")
        paths = self._paths.like(text) if wanted.wild else self._paths.holding(text)
        found: BoolColumn = (paths | self._held(self._scope_types, wanted))[self.nodes.scope]
        return found

    def value(self, wanted: Word) -> BoolColumn:
        """In the name of a value that it takes or gives."""
        return self._nodes_of(self._held(self.values.name, wanted))

    def shape(self, wanted: Word) -> BoolColumn:
        """In the shape of a value that it takes or gives."""
        matches = _shape_pattern(wanted).search
        matching = np.array([*(matches(shape) is not None for shape in self._shapes), False], dtype=bool)
        return self._nodes_of(matching[self.values.shape])

    def dtype(self, wanted: Word) -> BoolColumn:
        """At the beginning of the dtype of a value that it takes or gives; `f16` is `float16`."""
        text = _SHORT_DTYPE.sub(lambda match: _LONG_DTYPE[match[1]], wanted.text)
        return self._nodes_of(self._begun(self.values.dtype, Word(text, wild=wanted.wild)))

    def device(self, wanted: Word) -> BoolColumn:
        """At the beginning of the device of a value that it takes or gives."""
        return self._nodes_of(self._begun(self.values.device, wanted))

    def phase(self, wanted: Word) -> BoolColumn:
        """At the beginning of the phase."""
        found: BoolColumn = _named([word(phase) for phase in Phase], wanted)[self.nodes.phase]
        return found

    def kind(self, wanted: Word) -> BoolColumn:
        """At the beginning of the kind of a value that it takes or gives."""
        return self._nodes_of(_named([word(kind) for kind in ValueKind], wanted)[self.values.kind])

    def source(self, wanted: Word) -> BoolColumn:
        """In the file's name, or the file and line as a whole: `train.py:4` is not `train.py:41`."""
        if wanted.wild:
            matching = self._places.like(wanted.text)
        else:
            matching = self._places.ending(wanted.text) | self._files.holding(wanted.text)
        found: BoolColumn = np.append(matching, False)[self.nodes.source]
        return found

    def attribute(self, wanted: Word) -> BoolColumn:
        """In an attribute's name or value; with `=` in the value of that attribute."""
        table, (key, equals, text) = self._attributes, wanted.text.partition("=")
        if equals:
            rows = self._strings.being(key)[table.key] & self._held(table.text, Word(text, wild=wanted.wild))
        else:
            rows = self._held(table.key, wanted) | self._held(table.text, wanted)
        found = np.zeros(self._count, dtype=bool)
        found[np.repeat(np.arange(self._count), np.diff(table.start))[rows]] = True
        return found

    def _begun(self, column: IntColumn, wanted: Word) -> BoolColumn:
        if wanted.wild:
            return self._held(column, wanted)
        found: BoolColumn = self._strings.beginning(wanted.text)[column]
        return found

    def _nodes_of(self, values: BoolColumn) -> BoolColumn:
        """The nodes that make or take one of these values."""
        found = np.zeros(self._count, dtype=bool)
        producers = self.values.producer[values]
        found[producers[producers != NONE]] = True
        found[self._owners[values[self.inputs.value]]] = True
        return found


def _named(names: list[str], wanted: Word) -> BoolColumn:
    text = wanted.text.replace("_", " ").replace("-", " ")
    if wanted.wild:
        return np.array([compiled(text).search(name) is not None for name in names])
    return np.array([name.startswith(text) for name in names])


def _shape_pattern(wanted: Word) -> "re.Pattern[str]":
    """What finds a shape, as `8,16`: from whole sizes on, and up to whole ones where the word says where it ends."""
    text = wanted.text.replace(" ", "")
    opened, closed = text.startswith("["), text.endswith("]")
    text = re.sub(r"(?<=[\d*?])[x×]|[x×](?=[\d*?])", ",", text.removeprefix("[").removesuffix("]"))
    if wanted.wild:
        return compiled(text)
    return re.compile(("^" if opened else r"(?<![\w])") + re.escape(text) + ("$" if closed else ""))
