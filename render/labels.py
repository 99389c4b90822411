"""What a box says, and how much room it takes to say it.

A label is a tuple of rows, a row a tuple of spans. Labels that say the same are one object, since a graph of
thousands of nodes has few different ones: whatever is worked out of a label is worked out once.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np

from graphreel.graph import Graph, ScopeKind, ValueKind, name_stem, repeats, word
from graphreel.layout.types import SCOPE_KINDS, BoxKind, FloatColumn, VisibleGraph
from graphreel.render.alike import Whole, alike, distinct, last_part, outside_inputs
from graphreel.render.classify import short_op
from graphreel.render.said import Said
from graphreel.render.shapes import CHEVRON
from graphreel.render.styles import DETAIL, GROUP_DETAIL, GROUP_TITLE, NAME, TEXT_STYLES, TITLE
from graphreel.render.text import one_line, shorten, text_width
from graphreel.render.type_texts import TypeTexts


class Span(NamedTuple):
    """A piece of text in one style (index into TEXT_STYLES)."""

    text: str
    style: int


Row: TypeAlias = tuple[Span, ...]
Label: TypeAlias = tuple[Row, ...]


class PlacedSpan(NamedTuple):
    """A span where it is drawn: the left end of its baseline, counted from the box's upper left corner."""

    x: float
    y: float
    width: float
    style: int
    text: str


PADDING_X, PADDING_Y = 12.0, 7.0
SPAN_GAP = 6.0
CHEVRON_ROOM = CHEVRON + 6.0
LEAST_WIDTH, MOST_WIDTH = 64.0, 320.0
MOST_WEIGHTS = 3
GROUP_BASELINE = 20.0
"""Of a group's title, counted from its top; LayoutOptions.group_header is the room there."""

# Height of a row and its baseline counted from its top, by the style of its first span.
_ROW_HEIGHT = {TITLE: 18.0, DETAIL: 15.0, NAME: 15.0}
_BASELINE = {TITLE: 13.5, DETAIL: 11.0, NAME: 11.0}
_NUMBER = re.compile(r"\d+(:\d+)?")


class Labels(NamedTuple):
    """What the boxes say: box i says `distinct[which[i]]`, and is of kind `kind[which[i]]`."""

    distinct: list[Label]
    kind: list[int]
    which: Whole


def labels(view: VisibleGraph, said: Said | None = None) -> Labels:
    """What each box says; `said` is what of nodes was chosen to be said."""
    makers: dict[int, Callable[[int, int], Label]] = {
        BoxKind.NODE: _NodeLabels(view.graph, said),
        BoxKind.SCOPE: _ScopeLabels(view),
        BoxKind.FOLD: _FoldLabels(view),
        BoxKind.GROUP: lambda box, scope: _group_label(view.graph, scope),
        BoxKind.INPUT: lambda box, value: _value_label(view.graph, value, "input"),
        BoxKind.OUTPUT: lambda box, value: _value_label(view.graph, value, "output"),
    }
    chosen, which = alike(view, MOST_WEIGHTS)
    if said is not None:
        chosen, which = distinct([which, said.rows_of(view)])
    kinds, refs = view.kind[chosen].tolist(), view.ref[chosen].tolist()
    rows = zip(chosen.tolist(), kinds, refs, strict=True)
    return Labels([makers[kind](box, ref) for box, kind, ref in rows], kinds, which)


def measure(view: VisibleGraph, said: Said | None = None) -> FloatColumn:
    """Width and height that each box needs, in whole pixels, shape (boxes, 2): what `lay_out` asks for.

    For a group it is the least width that its title needs, and 0.
    """
    found = labels(view, said)
    sizes = [_size(label, kind) for label, kind in zip(found.distinct, found.kind, strict=True)]
    return np.array(sizes, dtype=np.float64).reshape(-1, 2)[found.which]


@lru_cache(maxsize=1 << 14)
def _size(label: Label, kind: int) -> tuple[float, float]:
    inset = text_inset(kind)
    width = max((_row_width(row) for row in label), default=0.0) + inset + PADDING_X
    width = float(np.ceil(min(max(width, LEAST_WIDTH), MOST_WIDTH)))
    if kind == BoxKind.GROUP:
        return width, 0.0
    return width, float(np.ceil(2 * PADDING_Y + sum(_ROW_HEIGHT[row[0].style] for row in label)))


def _row_width(row: Row) -> float:
    return sum(map(_span_width, row)) + SPAN_GAP * (len(row) - 1)


def _span_width(span: Span) -> float:
    style = TEXT_STYLES[span.style]
    return text_width(span.text, style.size, style.weight)


def text_inset(kind: int) -> float:
    """How far from a box's left side its texts begin."""
    return PADDING_X + CHEVRON_ROOM if kind in SCOPE_KINDS else PADDING_X


def title_middle(kind: int) -> float:
    """How far below a box's top the middle of its title is: where the chevron stands."""
    return GROUP_BASELINE - 4.5 if kind == BoxKind.GROUP else PADDING_Y + _BASELINE[TITLE] - 4.5


@lru_cache(maxsize=1 << 14)
def place(label: Label, kind: int, width: float) -> tuple[PlacedSpan, ...]:
    """The spans of a label in a box of this width, shortened where they would leave it."""
    inset = text_inset(kind)
    room = width - inset - PADDING_X
    placed: list[PlacedSpan] = []
    top = PADDING_Y
    for row in label:
        baseline = GROUP_BASELINE if kind == BoxKind.GROUP else top + _BASELINE[row[0].style]
        x = inset
        for span in _fit(row, room):
            across = _span_width(span)
            placed.append(PlacedSpan(x, baseline, across, span.style, span.text))
            x += across + SPAN_GAP
        top += 0.0 if kind == BoxKind.GROUP else _ROW_HEIGHT[row[0].style]
    return tuple(span for span in placed if span.width > 0)


def _fit(row: Row, room: float) -> Row:
    """The row, shortened to its room: the first span keeps at least half of it, the second gets what that leaves."""
    if _row_width(row) <= room:
        return row
    first, *rest = row
    reserved = min(_row_width(tuple(rest)) + SPAN_GAP, room / 2) if rest else 0.0
    fitted = [_shortened(first, room - reserved)]
    left = room - _span_width(fitted[0])
    for span in rest:
        fitted.append(_shortened(span, left - SPAN_GAP))
        left -= _span_width(fitted[-1]) + SPAN_GAP
    return tuple(fitted)


def _shortened(span: Span, room: float) -> Span:
    style = TEXT_STYLES[span.style]
    # Of a name both ends tell something (`encoder.layers.0…weight`), of a type the beginning.
    middle = not style.muted
    return Span(shorten(span.text, room, style.size, style.weight, middle=middle), span.style)


class _NodeLabels:
    """Makes the labels of nodes: the operation, what it gives, and the weights that enter it from outside."""

    def __init__(self, graph: Graph, said: Said | None) -> None:
        self.graph, self.said = graph, said
        self.types = TypeTexts(graph)
        self.rows, self.start = outside_inputs(graph)
        self.known: dict[tuple[object, ...], Label] = {}

    def __call__(self, box: int, node: int) -> Label:
        graph = self.graph
        outputs = graph.outputs_of(node)
        given = self.types[int(outputs[0])] if len(outputs) else ""
        weights = self._weights(self.rows[self.start[node] : self.start[node + 1]].tolist())
        if self.said is not None:
            given, weights = self.said.type_text(given), weights if "parameters" in self.said.lines else ()
        key = (int(graph.nodes.op[node]), given, len(outputs), weights)
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = _node_label(graph.strings[key[0]], given, len(outputs), weights)
        return found if self.said is None else self.said.label(found, node)

    def _weights(self, rows: list[int]) -> tuple[tuple[str, str], ...]:
        """Name and type of the first few of these inputs; last, where there are more, how many."""
        shown = rows if len(rows) <= MOST_WEIGHTS else rows[: MOST_WEIGHTS - 1]
        found = [(self._name(row), self.types[int(self.graph.inputs.value[row])]) for row in shown]
        if len(shown) < len(rows):
            found.append((f"+{len(rows) - len(shown)} more", ""))
        return tuple(found)

    def _name(self, row: int) -> str:
        graph = self.graph
        value = int(graph.inputs.value[row])
        name = graph.strings[graph.values.name[value]]
        return last_part(name) or graph.strings[graph.inputs.name[row]] or word(ValueKind(graph.values.kind[value]))


def _node_label(op: str, given: str, outputs: int, weights: tuple[tuple[str, str], ...]) -> Label:
    rows: list[Row] = [(Span(one_line(short_op(op)) or "?", TITLE),)]
    if given or outputs > 1:
        others = "output" if outputs == 2 else "outputs"
        more = f"{given or 'tensor'} +{outputs - 1} {others}" if outputs > 1 else given
        rows.append((Span(more, DETAIL),))
    for name, kind in weights:
        rows.append((Span(one_line(name), NAME), Span(kind, DETAIL)) if kind else (Span(one_line(name), DETAIL),))
    return tuple(rows)


def _nodes_text(count: int) -> str:
    return f"{count:,} {'node' if count == 1 else 'nodes'}"


class _ScopeLabels:
    """Makes the labels of collapsed scopes: name, class and how much is inside."""

    def __init__(self, view: VisibleGraph) -> None:
        self.graph = view.graph
        inside = view.node_box[view.node_box >= 0]
        self.nodes = np.bincount(inside, minlength=len(view.kind))

    def __call__(self, box: int, scope: int) -> Label:
        count = int(self.nodes[box])
        said = [_scope_class(self.graph, scope), _nodes_text(count)]
        detail = " · ".join(part for part in said if part)
        return (Span(one_line(scope_title(self.graph, scope)), TITLE),), (Span(one_line(detail), DETAIL),)


class _FoldLabels(_ScopeLabels):
    """Makes the labels of folds: class and how many, which ones, and how much is inside."""

    def __call__(self, box: int, scope: int) -> Label:
        members = repeats(self.graph).members(scope)
        title = f"{_fold_class(self.graph, scope)} × {len(members)}"
        which = _fold_range(self.graph, members[0], members[-1])
        if self.graph.scopes.kind[scope] == ScopeKind.DETECTED:
            # Of blocks that were found the numbers say nothing; what is in them does.
            which = self.graph.strings[self.graph.scopes.type[scope]]
        detail = f"{which} · {_nodes_text(int(self.nodes[box]))}"
        return (Span(one_line(title), TITLE),), (Span(one_line(detail), DETAIL),)


def _fold_class(graph: Graph, scope: int) -> str:
    """What a run is made of: the class, else the names' common part, else the name of what is around."""
    written = "" if graph.scopes.kind[scope] == ScopeKind.DETECTED else _scope_class(graph, scope)
    if written:
        return written
    name: str = graph.strings[graph.scopes.name[scope]]
    common = name_stem(name).partition("#")[0].strip(" ._-:")
    around: str = graph.strings[graph.scopes.name[graph.scopes.parent[scope]]]
    return common or around or "block"


def _fold_range(graph: Graph, first: int, last: int) -> str:
    """`0–11`, or `layer_0 – layer_11`."""
    one, other = (graph.strings[graph.scopes.name[scope]] for scope in (first, last))
    return f"{one}–{other}" if _NUMBER.fullmatch(one) and _NUMBER.fullmatch(other) else f"{one} – {other}"


def _group_label(graph: Graph, scope: int) -> Label:
    title = Span(one_line(scope_title(graph, scope)), GROUP_TITLE)
    detail = _scope_class(graph, scope)
    return ((title, Span(one_line(detail), GROUP_DETAIL)),) if detail else ((title,),)


def scope_title(graph: Graph, scope: int) -> str:
    """The scope's name; with the name above it where it is but a number: `layers.0`."""
    names, parents = graph.scopes.name, graph.scopes.parent
    name: str = graph.strings[names[scope]]
    if scope and _NUMBER.fullmatch(name) and parents[scope]:
        return f"{graph.strings[names[parents[scope]]]}.{name}"
    return name or "graph"


def _scope_class(graph: Graph, scope: int) -> str:
    kind = ScopeKind(graph.scopes.kind[scope])
    written: str = graph.strings[graph.scopes.type[scope]]
    if written or kind in (ScopeKind.ROOT, ScopeKind.PHASE, ScopeKind.MODULE, ScopeKind.NAME_SCOPE):
        return written
    return word(kind)


def _value_label(graph: Graph, value: int, what: str) -> Label:
    name = one_line(graph.value(value).name) or what
    given = TypeTexts(graph)[value]
    title: Row = (Span(name, TITLE),)
    return (title, (Span(given, DETAIL),)) if given else (title,)
