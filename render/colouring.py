"""Colours boxes by what one wants to see: op, scope, dtype, device, phase, time, memory or a statistic.

A coloured picture is the same Scene with other classes and a legend, so that canvas, SVG, PNG and PDF show the same.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from graphreel.analysis.measures import MEASURES, Measure, Recorded, Unit, node_numbers, quantity_text
from graphreel.graph import NONE, Graph, Phase, ScopeKind, word
from graphreel.graph.types import ByteColumn
from graphreel.layout.types import BoxKind, FloatColumn, VisibleGraph
from graphreel.render.alike import first_outputs
from graphreel.render.classify import box_classes, short_op
from graphreel.render.colours import CATEGORIES, FIRST_HEAT, HEATS, MISSING, OTHERS
from graphreel.render.scene import Legend, LegendEntry, Scene
from graphreel.render.styles import BoxClass

Whole = npt.NDArray[np.integer[Any]]

_FIRST = len(BoxClass)
_MOST_SCOPES = 4
"""Scopes are told apart at the first depth that gives so many."""


@dataclass(frozen=True, slots=True)
class ColourBy:
    """Something to colour by: a category, or the number `measure`."""

    name: str
    text: str
    measure: str = ""


_ALL = (
    ColourBy("op", "Op"),
    ColourBy("scope", "Scope"),
    ColourBy("dtype", "Dtype"),
    ColourBy("device", "Device"),
    ColourBy("phase", "Phase"),
    ColourBy("time", "Time", "time"),
    ColourBy("device-time", "Time on devices", "device"),
    ColourBy("memory", "Memory of outputs", "bytes"),
    *(ColourBy(name, MEASURES[name].text, name) for name in ("nan", "inf", "zeros", "absmax", "min", "max")),
    *(ColourBy(name, MEASURES[name].text, name) for name in ("mean", "std")),
)
COLOUR_BY = {each.name: each for each in _ALL}
"""Everything that boxes can be coloured by, by name."""


def coloured(scene: Scene, by: str, recorded: Recorded) -> Scene:
    """The picture coloured by one of COLOUR_BY, with its legend; as it is by itself where `by` is empty."""
    classes = box_classes(scene.view)
    if not by:
        return replace(scene, box_class=classes, legend=None)
    chosen = COLOUR_BY[by]
    boxes = np.isin(scene.view.kind, (BoxKind.NODE, BoxKind.SCOPE, BoxKind.FOLD))
    found, legend = (_by_number if chosen.measure else _by_category)(scene.view, chosen, recorded)
    classes = np.where(boxes, _FIRST + found, classes).astype(np.uint8)
    return replace(scene, box_class=classes, legend=legend)


def _by_number(view: VisibleGraph, by: ColourBy, recorded: Recorded) -> tuple[ByteColumn, Legend]:
    measure = MEASURES[by.measure]
    numbers = node_numbers(view.graph, recorded, by.measure)
    if numbers is None:
        numbers = np.full(view.graph.node_count, np.nan)
    boxes = _gathered(view, numbers, adds=measure.adds)
    known = boxes[~np.isnan(boxes)]
    missing = int(np.isnan(numbers[view.node_box >= 0]).sum())
    said = _missing_text(missing, measure, kept=not np.all(np.isnan(numbers))) if missing else ""
    if not len(known):
        return np.full(len(boxes), MISSING, np.uint8), Legend(by.text, entries=(LegendEntry(MISSING, said),))
    low, high = float(known.min()), float(known.max())
    bends = measure.unit is not Unit.NUMBER or by.measure in ("absmax", "std")
    positive = known[known > 0]
    logarithmic = bends and len(positive) > 0 and high > 10 * float(positive.min())
    share = _share(boxes, float(positive.min()) if logarithmic else low, high, logarithmic=logarithmic)
    found = np.where(np.isnan(boxes), MISSING, FIRST_HEAT + share).astype(np.uint8)
    texts = tuple(quantity_text(number, measure.unit) for number in (low, float(np.median(known)), high))
    median = _share(
        np.array([np.median(known)]), float(positive.min()) if logarithmic else low, high, logarithmic=logarithmic
    )
    legend = Legend(
        by.text + (", logarithmic" if logarithmic else ""),
        scale=texts,
        median=float(median[0]) / (HEATS - 1),
        entries=(LegendEntry(MISSING, said),) if missing else (),
        note=f"A closed group: {'the sum' if measure.adds else 'the largest'} of what is in it",
    )
    return found, legend


def _share(numbers: FloatColumn, low: float, high: float, *, logarithmic: bool) -> npt.NDArray[np.int64]:
    """Which step of the scale each number has; the first where it has none."""
    if logarithmic:
        numbers, low, high = np.log(np.maximum(numbers, low)), np.log(low), np.log(high)
    share = (numbers - low) / (high - low) if high > low else np.full(len(numbers), 0.5)
    return np.nan_to_num(np.clip(np.nan_to_num(share), 0.0, 1.0) * (HEATS - 1)).round().astype(np.int64)


def _missing_text(count: int, measure: Measure, *, kept: bool) -> str:
    """That of some nothing is known; where of none is, how to have it recorded."""
    if kept or not measure.needs:
        return f"not known of {count:,}"
    return f"not recorded (needs --level {measure.needs})"


def _gathered(view: VisibleGraph, numbers: FloatColumn, *, adds: bool) -> FloatColumn:
    """The number of each box from those of the nodes in it; NaN where none of them has one."""
    known = np.flatnonzero(~np.isnan(numbers) & (view.node_box >= 0))
    boxes, count = view.node_box[known], len(view.kind)
    some = np.bincount(boxes, minlength=count) > 0
    if adds:
        return np.where(some, np.bincount(boxes, numbers[known], count), np.nan)
    found = np.full(count, -np.inf)
    np.maximum.at(found, boxes, numbers[known])
    return np.where(some, found, np.nan)


def _by_category(view: VisibleGraph, by: ColourBy, recorded: Recorded) -> tuple[ByteColumn, Legend]:
    names, which = _categories(view.graph, by.name)
    shown = view.node_box >= 0
    counts = np.bincount(which[shown & (which >= 0)], minlength=len(names))
    most = _most_frequent(view, which, len(names))
    boxes = np.bincount(most, minlength=len(names) + 1)[: len(names)]
    # What most boxes are comes first: a closed group of hundreds of nodes is one box on the screen.
    order = [row for row in np.lexsort((-counts, -boxes)).tolist() if counts[row]]
    colour = np.full(len(names) + 1, OTHERS)
    colour[order[:CATEGORIES]] = np.arange(min(len(order), CATEGORIES))
    colour[len(names)] = MISSING
    entries = [LegendEntry(int(colour[row]), names[row], f"{counts[row]:,}") for row in order[:CATEGORIES]]
    if rest := order[CATEGORIES:]:
        entries.append(LegendEntry(OTHERS, f"{len(rest):,} others", f"{int(counts[rest].sum()):,}"))
    if missing := int((which[shown] < 0).sum()):
        entries.append(LegendEntry(MISSING, "in none" if by.name == "scope" else "not known", f"{missing:,}"))
    note = "A closed group: the most frequent of what is in it"
    return colour[most].astype(np.uint8), Legend(by.text, entries=tuple(entries), note=note)


def _most_frequent(view: VisibleGraph, which: Whole, count: int) -> Whole:
    """The category that most nodes of each box have, the first of several; `count` where none has one."""
    known = np.flatnonzero((which >= 0) & (view.node_box >= 0))
    key, times = np.unique(view.node_box[known].astype(np.int64) * count + which[known], return_counts=True)
    box, category = np.divmod(key, max(count, 1))
    order = np.lexsort((-category, times, box))
    found = np.full(len(view.kind), count, dtype=np.int64)
    found[box[order]] = category[order]
    return found


def _categories(graph: Graph, by: str) -> tuple[list[str], Whole]:
    """The names of the categories, and which of them each node has, or -1."""
    if by == "phase":
        return [word(phase) for phase in Phase], graph.nodes.phase.astype(np.int64)
    if by == "scope":
        return _named(_scope_names(graph), graph.nodes.scope)
    if by == "op":
        return _named({op: short_op(graph.strings[op]) for op in np.unique(graph.nodes.op).tolist()}, graph.nodes.op)
    value, _ = first_outputs(graph)
    column = getattr(graph.values, by)
    strings = np.where(value == NONE, 0, column[value]) if graph.value_count else np.zeros_like(value)
    return _named({row: graph.strings[row] for row in np.unique(strings).tolist()}, strings)


def _named(names: dict[int, str], rows: Whole) -> tuple[list[str], Whole]:
    """Categories from the name that each row stands for; rows of an empty name have none."""
    numbers: dict[str, int] = {}
    table = np.full(max(names, default=0) + 1, NONE, dtype=np.int64)
    for row, name in names.items():
        if name:
            table[row] = numbers.setdefault(name, len(numbers))
    return list(numbers), table[rows]


def _scope_names(graph: Graph) -> dict[int, str]:
    """For each scope the part of its path that tells it from others: not so far down that there are ever more."""
    parents, kinds = graph.scopes.parent.tolist(), graph.scopes.kind.tolist()
    inner: list[tuple[str, ...]] = [()] * graph.scope_count
    for scope in range(1, graph.scope_count):
        # The same module is one thing in all phases, and of blocks that were found the names tell nothing.
        nameless = kinds[scope] in (ScopeKind.PHASE, ScopeKind.DETECTED)
        own = () if nameless else (graph.strings[graph.scopes.name[scope]],)
        inner[scope] = inner[parents[scope]] + own
    deepest = max(map(len, inner), default=0)
    used = [inner[scope] for scope in np.unique(graph.nodes.scope).tolist()]
    for depth in range(1, deepest + 1):
        if len({path[:depth] for path in used if path}) >= _MOST_SCOPES or depth == deepest:
            return {scope: "/".join(path[:depth]) for scope, path in enumerate(inner)}
    return dict.fromkeys(range(graph.scope_count), "")
