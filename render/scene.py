"""The picture before it is drawn: boxes, texts and edges as columns, each with a class that a theme colours.

The canvas and the SVG writer draw the same Scene, so what is exported is what is seen. Nothing here knows Qt, nor
any colour: a Scene is the same in every theme.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from graphreel.graph.types import ByteColumn, IntColumn
from graphreel.layout.types import FloatColumn, Placement, VisibleGraph
from graphreel.render.spatial import Whereabouts


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """One row a line of text, sorted by `box`, the box it stands in; x, y is the left end of its baseline.

    `width` is what the width table gives for it at its size, never more than the room it has; text that would not fit
    was shortened with `…` before. `style` is an index into `TEXT_STYLES`.
    """

    box: IntColumn
    x: FloatColumn
    y: FloatColumn
    width: FloatColumn
    style: ByteColumn
    text: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class EdgeLabels:
    """How many node-to-node edges an edge stands for, where that is more than one and there is room to say so.

    `rects` are x, y, width and height of the chips that the texts stand in, shape (labels, 4); `x`, `y` and `width`
    are those of the text, as in Texts. The text's style is COUNT.
    """

    edge: IntColumn
    rects: FloatColumn
    x: FloatColumn
    y: FloatColumn
    width: FloatColumn
    text: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class StubChips:
    """What stands beside boxes in place of edges that are not drawn, by the same indices as `placement.stubs`.

    Attributes:
        rects: x, y, width and height of the chips, shape (stubs, 4).
        x, y, width: Those of the text, as in Texts; its style is COUNT.
        text: The name of the other end, or how many there are.
        titles: The full text of each chip for a tooltip: all other ends, or the first ones.
        chip_class: Index into `EDGE_CLASSES`: that of the edges it stands for.
        end: The box at the other end, where there is one only; else -1.
    """

    rects: FloatColumn
    x: FloatColumn
    y: FloatColumn
    width: FloatColumn
    text: tuple[str, ...]
    titles: tuple[str, ...]
    chip_class: ByteColumn
    end: IntColumn


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One colour of a legend, as an index into COLOUR_CLASSES, what it stands for, and how many there are."""

    colour: int
    text: str
    count: str = ""


@dataclass(frozen=True, slots=True)
class Legend:
    """What the colours of boxes mean.

    Attributes:
        entries: Colours that each stand for one thing.
        scale: Smallest, median and largest number of a scale, as texts; empty for no scale.
        median: Where on the scale the median stands, from 0 to 1.
        note: What the colour of a closed group tells.
    """

    title: str
    entries: tuple[LegendEntry, ...] = ()
    scale: tuple[str, ...] = ()
    median: float = 0.5
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What to draw, back to front: groups, edges, their chips, boxes, texts, stubs.

    Attributes:
        view: The boxes and edges, by the same indices as in every column here.
        placement: Rectangles of the boxes and splines of the edges.
        box_class: Index into `BOX_CLASSES` of each box: what a theme colours it by.
        edge_class: Index into `EDGE_CLASSES` of each edge.
        keys: The node's stable key or the scope's path of each box; for a value its name.
        titles: The full text of each box for a tooltip, lines joined by newlines; made on demand.
        texts: The lines of text in boxes.
        edge_titles: The full text of each edge for a tooltip.
        edge_labels: The chips on edges.
        stub_chips: The chips in place of edges.
        where: What stands where.
        legend: What the boxes are coloured by, where that is not what they are.
    """

    view: VisibleGraph
    placement: Placement
    box_class: ByteColumn
    edge_class: ByteColumn
    keys: Sequence[str]
    titles: Sequence[str]
    texts: Texts
    edge_titles: Sequence[str]
    edge_labels: EdgeLabels
    stub_chips: StubChips
    where: Whereabouts
    legend: Legend | None = None
