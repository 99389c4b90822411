"""A Scene as SVG: without Qt, without a display, and byte for byte the same on every machine.

Everything has a class, boxes have their `data-key`, and all colours stand in one style sheet at the top, so that the
picture can be restyled by whoever embeds it. Attributes stand in alphabetical order.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from graphreel.layout.types import BoxKind
from graphreel.render.labels import PADDING_X, title_middle
from graphreel.render.legend import placed
from graphreel.render.overlay import NO_MARKS, Mark, Overlay
from graphreel.render.scene import Scene
from graphreel.render.shapes import (
    arrow_heads,
    badge,
    badge_text_baseline,
    chevron,
    corner_radius,
    group_depths,
    mark_rect,
    stack,
)
from graphreel.render.styles import BOX_CLASSES, COUNT, EDGE_CLASSES, TEXT_STYLES, BoxClass
from graphreel.render.svg_legend import GAP, legend_lines
from graphreel.render.svg_style import style_sheet
from graphreel.render.theme import LIGHT, MOST_TONES, Theme
from graphreel.render.xml import escaped, number, numbers

MARGIN = 20.0
"""Room around the picture, in pixels at 100 %."""


def to_svg(scene: Scene, theme: Theme = LIGHT, overlay: Overlay = NO_MARKS, *, embed_font: bool = False) -> str:
    """The whole SVG document.

    It asks for the bundled font by name; a machine that lacks it shows another, squeezed or stretched to the same
    width. With `embed_font` the font goes into the file (about 220 KB) and the picture looks the same everywhere.
    """
    legend = None if scene.legend is None else placed(scene.legend)
    across, down = scene.placement.size
    whole = (max(across, legend.width), down + GAP + legend.height) if legend is not None else (across, down)
    width, height = (number(side + 2 * MARGIN) for side in whole)
    view_box = f"{number(-MARGIN)} {number(-MARGIN)} {width} {height}"
    head = (
        f'<svg class="graphreel {theme.name}" height="{height}" role="img" viewBox="{view_box}" width="{width}"'
        ' xmlns="http://www.w3.org/2000/svg">'
    )
    page = f'<rect class="page" height="{height}" width="{width}" x="{number(-MARGIN)}" y="{number(-MARGIN)}"/>'
    coloured = (
        None if legend is None else frozenset(scene.box_class.tolist() + [len(BoxClass) + f[4] for f in legend.fields])
    )
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', head, style_sheet(theme, coloured, embed_font=embed_font), page]
    layers = {
        "groups": _frames(scene),
        "edges": _edges(scene),
        "chips": _chips(scene),
        "headers": _headers(scene),
        "boxes": _boxes(scene),
        "stubs": _stubs(scene),
        "marks": _marks(scene, overlay),
    }
    for name, items in layers.items():
        lines += [f'<g class="{name}">', *items, "</g>"]
    lines += [] if legend is None else legend_lines(legend, down + GAP)
    return "\n".join([*lines, "</svg>", ""])


def _frames(scene: Scene) -> Iterator[str]:
    """Expanded scopes, outer before inner."""
    for box in np.flatnonzero(scene.view.kind == BoxKind.GROUP).tolist():
        yield f"{_opening(scene, box, frozenset())}{_title(scene.titles[box])}{_rect(scene, box)}</g>"


def _opening(scene: Scene, box: int, linked: frozenset[int]) -> str:
    kind = BoxKind(scene.view.kind[box]).name.lower()
    classes = f"box {kind} {BOX_CLASSES[scene.box_class[box]]}"
    anchor = f' id="box-{box}"' if box in linked else ""
    return f'<g class="{classes}" data-box="{box}" data-key="{escaped(scene.keys[box])}"{anchor}>'


def _title(text: str) -> str:
    return f"<title>{escaped(text)}</title>"


def _rect(scene: Scene, box: int) -> str:
    x, y, width, height = scene.placement.rects[box].tolist()
    return _rounded("shape", x, y, width, height, corner_radius(int(scene.view.kind[box]), width, height))


def _rounded(name: str, x: float, y: float, width: float, height: float, radius: float) -> str:
    return (
        f'<rect class="{name}" height="{number(height)}" rx="{number(radius)}" width="{number(width)}"'
        f' x="{number(x)}" y="{number(y)}"/>'
    )


def _edges(scene: Scene) -> Iterator[str]:
    """Splines with their arrow heads, as small as can be: these are most of a large picture."""
    view, placement = scene.view, scene.placement
    points = [numbers(point) for point in placement.route_points.tolist()]
    starts = placement.route_start.tolist()
    heads = arrow_heads(placement).tolist()
    ends = zip(view.edge_source.tolist(), view.edge_target.tolist(), scene.edge_class.tolist(), strict=True)
    for edge, (source, target, found) in enumerate(ends):
        if starts[edge] == starts[edge + 1]:
            continue
        first, *others = points[starts[edge] : starts[edge + 1]]
        yield (
            f'<g class="edge {EDGE_CLASSES[found]}" data-edge="{edge}" data-source="{source}" data-target="{target}">'
            f"{_title(scene.edge_titles[edge])}"
            f'<path class="line" d="M{first}C{" ".join(others)}"/>{_polygon("head", heads[edge])}</g>'
        )


def _polygon(name: str, corners: Sequence[Sequence[float]]) -> str:
    return f'<path class="{name}" d="M{"L".join(map(numbers, corners))}Z"/>'


def _chips(scene: Scene) -> Iterator[str]:
    """How many edges an edge stands for."""
    labels = scene.edge_labels
    rows = zip(labels.edge.tolist(), labels.rects.tolist(), labels.x, labels.y, labels.width, labels.text, strict=True)
    for edge, (x, y, width, height), text_x, text_y, text_width, text in rows:
        shape = _rounded("shape", x, y, width, height, height / 2)
        written = _text(COUNT, text_x, text_y, text_width, text)
        yield f'<g class="chip {EDGE_CLASSES[scene.edge_class[edge]]}" data-edge="{edge}">{shape}{written}</g>'


def _stubs(scene: Scene) -> Iterator[str]:
    """Chips in place of edges; a click on one that has a single other end goes there."""
    stubs, chips = scene.placement.stubs, scene.stub_chips
    kinds = zip(stubs.box.tolist(), stubs.leaves.tolist(), chips.chip_class.tolist(), chips.end.tolist(), strict=True)
    texts = zip(chips.rects.tolist(), chips.x, chips.y, chips.width, chips.text, chips.titles, strict=True)
    for (box, leaves, found, end), (rect, x, y, width, text, title) in zip(kinds, texts, strict=True):
        name = f"chip stub {'leaves' if leaves else 'enters'} {EDGE_CLASSES[found]}"
        shape = _rounded("shape", rect[0], rect[1], rect[2], rect[3], rect[3] / 2)
        written = f"{_title(title)}{shape}{_text(COUNT, x, y, width, text)}"
        whole = written if end < 0 else f'<a href="#box-{end}">{written}</a>'
        yield f'<g class="{name}" data-box="{box}">{whole}</g>'


def _text(style: int, x: float, y: float, width: float, text: str) -> str:
    return (
        f'<text class="{TEXT_STYLES[style].name}" lengthAdjust="spacingAndGlyphs" textLength="{number(width)}"'
        f' x="{number(x)}" y="{number(y)}">{escaped(text)}</text>'
    )


def _headers(scene: Scene) -> Iterator[str]:
    """The titles of expanded scopes, above the edges that run past them."""
    written, depths = _texts_by_box(scene), group_depths(scene.view)
    for box in np.flatnonzero(scene.view.kind == BoxKind.GROUP).tolist():
        name = f"{BOX_CLASSES[scene.box_class[box]]} depth-{min(depths[box], MOST_TONES)}"
        yield f'<g class="header {name}" data-box="{box}">{_chevron(scene, box)}{written[box]}</g>'


def _texts_by_box(scene: Scene) -> list[str]:
    texts = scene.texts
    found = [""] * len(scene.view.kind)
    columns = (column.tolist() for column in (texts.box, texts.style, texts.x, texts.y, texts.width))
    for box, style, x, y, width, text in zip(*columns, texts.text, strict=True):
        found[box] += _text(style, x, y, width, text)
    return found


def _chevron(scene: Scene, box: int) -> str:
    x, y, _, _ = scene.placement.rects[box].tolist()
    kind = int(scene.view.kind[box])
    points = chevron(x + PADDING_X, y + title_middle(kind), expanded=kind == BoxKind.GROUP)
    return f'<path class="chevron" d="M{"L".join(map(numbers, points))}"/>'


def _boxes(scene: Scene) -> Iterator[str]:
    written, linked = _texts_by_box(scene), frozenset(scene.stub_chips.end.tolist())
    for box in np.flatnonzero(scene.view.kind != BoxKind.GROUP).tolist():
        parts = [_opening(scene, box, linked), _title(scene.titles[box])]
        if scene.view.kind[box] in (BoxKind.SCOPE, BoxKind.FOLD):
            parts += [*_stack(scene, box), _rect(scene, box), _chevron(scene, box)]
        else:
            parts.append(_rect(scene, box))
        yield "".join([*parts, written[box], "</g>"])


def _stack(scene: Scene, box: int) -> Iterator[str]:
    """The outlines that show below a box: there is more inside."""
    kind = int(scene.view.kind[box])
    rect = scene.placement.rects[box].tolist()
    for outline in stack(kind, *rect):
        yield _rounded("stack", *outline, corner_radius(kind, *rect[2:]))


def _marks(scene: Scene, overlay: Overlay) -> Iterator[str]:
    for box, mark in overlay.marks(scene.view):
        rect = scene.placement.rects[box].tolist()
        kind = int(scene.view.kind[box])
        x, y, width, height = mark_rect(mark, *rect)
        parts = [_rounded("outline", x, y, width, height, corner_radius(kind, *rect[2:]) + rect[0] - x)]
        if mark == Mark.CURSOR:
            parts.append(_polygon("badge", badge(mark, *rect)))
        elif mark == Mark.FAILED:
            parts += _failure_badge(rect)
        yield f'<g class="mark {mark.name.lower()}" data-box="{box}">{"".join(parts)}</g>'


def _failure_badge(rect: Sequence[float]) -> list[str]:
    corners = badge(Mark.FAILED, *rect)
    (left, top), (right, bottom) = corners[0], corners[2]
    radius = (right - left) / 2
    centre = left + radius
    shape = f'<circle class="badge" cx="{number(centre)}" cy="{number((top + bottom) / 2)}" r="{number(radius)}"/>'
    y = number(badge_text_baseline(top, bottom))
    return [shape, f'<text class="sign" text-anchor="middle" x="{number(centre)}" y="{y}">!</text>']
