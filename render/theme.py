"""Colours, in one place: the canvas, the SVG writer and the window all take them from a Theme.

Colours are `#rrggbb`. Every text has a contrast of at least 4.5 : 1 with what it stands on (WCAG 2.2, level AA),
every outline and edge one of at least 3 : 1 with the page where it tells something that its fill does not.
"""

from dataclasses import dataclass

from graphreel.render.colours import fills
from graphreel.render.overlay import Mark
from graphreel.render.styles import BOX_CLASSES, EDGE_CLASSES, BoxClass


@dataclass(frozen=True, slots=True)
class BoxPaint:
    """How a class of boxes is painted. Groups have an `opacity` below 1, so that nested ones grow deeper in tone."""

    fill: str
    stroke: str
    text: str
    opacity: float = 1.0


@dataclass(frozen=True, slots=True)
class EdgePaint:
    """How a class of edges is painted: `width` in pixels at 100 %, `dash` as lengths on and off, empty if solid."""

    stroke: str
    width: float = 1.25
    dash: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Theme:
    """One set of colours for the picture and the window.

    Attributes:
        page: What the picture stands on.
        window, panel, raised: The window's ground, its panels, and what lifts off them (buttons, menus, headers).
        border: Lines between areas; `control` is the outline of fields and buttons.
        text, muted: Writing on any of these, and writing of lesser weight.
        accent, on_accent: What can be acted on, and writing on it.
        selection: Ground of a selected row; `text` stands on it.
        cursor: Where stepping stands.
        error, warning, ok: Writing and marks that say so.
        found: What a search has found; `on_mark` is writing on a badge in this, cursor's, accent's or error's colour.
        boxes, edges: Paint by index into BOX_CLASSES and EDGE_CLASSES.
    """

    name: str
    dark: bool
    page: str
    window: str
    panel: str
    raised: str
    border: str
    control: str
    text: str
    muted: str
    accent: str
    on_accent: str
    selection: str
    cursor: str
    error: str
    warning: str
    ok: str
    found: str
    on_mark: str
    boxes: tuple[BoxPaint, ...]
    edges: tuple[EdgePaint, ...]

    def mark_colour(self, mark: Mark) -> str:
        """The colour of a mark's outline and badge."""
        colours = {
            Mark.FOUND: self.found,
            Mark.SELECTED: self.accent,
            Mark.FAILED: self.error,
            Mark.CURSOR: self.cursor,
        }
        return colours[mark]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG defines it, from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def blend(over: str, under: str, opacity: float) -> str:
    """The colour that `over` gives when it is laid on `under`."""
    pairs = zip(_channels(over), _channels(under), strict=True)
    return "#" + "".join(f"{round(top * opacity + bottom * (1 - opacity)):02x}" for top, bottom in pairs)


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def _luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (b / 255 for b in _channels(colour))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _boxes(page: str, *, dark: bool, **paints: BoxPaint) -> tuple[BoxPaint, ...]:
    own = [paints[name.replace("-", "_")] for name in BOX_CLASSES[: len(BoxClass)]]
    return (*own, *(_colour_paint(fill, page, dark=dark) for fill in fills(dark=dark)))


def _colour_paint(fill: str, page: str, *, dark: bool) -> BoxPaint:
    """A coloured box: writing in black or white, whichever is easier to read, and an outline that shows on the page."""
    text = max("#000000", "#ffffff", key=lambda ink: contrast(ink, fill))
    strokes = (blend("#ffffff" if dark else "#000000", fill, share / 20) for share in range(4, 21))
    return BoxPaint(fill, next(stroke for stroke in strokes if contrast(stroke, page) >= 3.05), text)


def _edges(**paints: EdgePaint) -> tuple[EdgePaint, ...]:
    return tuple(paints[name] for name in EDGE_CLASSES)


LIGHT = Theme(
    name="light",
    dark=False,
    page="#fbfcfd",
    window="#eef0f3",
    panel="#ffffff",
    raised="#f5f6f8",
    border="#d9dde3",
    control="#868f9c",
    text="#1b222d",
    muted="#545e6c",
    accent="#2563d9",
    on_accent="#ffffff",
    selection="#d8e5fc",
    cursor="#c2410c",
    error="#c81e32",
    warning="#8f5600",
    ok="#1c7a3c",
    found="#8a2fc0",
    on_mark="#ffffff",
    boxes=_boxes(
        "#fbfcfd",
        dark=False,
        compute=BoxPaint("#dce8fd", "#4f82e3", "#143c80"),
        activation=BoxPaint("#fdebcd", "#b97d12", "#694200"),
        normalization=BoxPaint("#d4f1ec", "#2b9a8b", "#0a5047"),
        elementwise=BoxPaint("#e7e6f8", "#837fcc", "#393582"),
        reduction=BoxPaint("#fce0e7", "#d6597c", "#7d1d3d"),
        shape=BoxPaint("#eceff3", "#818c9c", "#374150"),
        update=BoxPaint("#dff3db", "#4f9f48", "#1d5218"),
        random=BoxPaint("#f4e0fa", "#b25fd0", "#61207a"),
        control=BoxPaint("#faf2c3", "#a98f14", "#544600"),
        data=BoxPaint("#daf1fa", "#3395bd", "#0b4961"),
        other=BoxPaint("#f0f2f4", "#858f9e", "#2d3643"),
        scope_forward=BoxPaint("#edf3fc", "#6f8ec2", "#1f3b69"),
        scope_backward=BoxPaint("#fcf1e9", "#b98156", "#6b3912"),
        scope_optimizer=BoxPaint("#edf6eb", "#6c9963", "#285320"),
        scope_other=BoxPaint("#eff2f6", "#8390a3", "#2b3749"),
        group_forward=BoxPaint("#5b86cf", "#9fb5d9", "#1f3b69", 0.055),
        group_backward=BoxPaint("#d58a4c", "#dcb899", "#6b3912", 0.06),
        group_optimizer=BoxPaint("#66a55b", "#a8c8a1", "#285320", 0.065),
        group_other=BoxPaint("#64789b", "#b7c0ce", "#2b3749", 0.055),
        input=BoxPaint("#ffffff", "#3395bd", "#0b4961"),
        output=BoxPaint("#ffffff", "#545e6c", "#2d3643"),
    ),
    edges=_edges(
        data=EdgePaint("#6b7684"),
        gradient=EdgePaint("#b5651d"),
        saved=EdgePaint("#7f91ad", 1.0, (5.0, 3.0)),
        update=EdgePaint("#468f3f"),
        control=EdgePaint("#7f8a9b", 1.0, (2.0, 3.0)),
        through=EdgePaint("#8a63b8", 1.25, (7.0, 4.0)),
    ),
)
"""Dark writing on light ground."""

DARK = Theme(
    name="dark",
    dark=True,
    page="#13161b",
    window="#0e1115",
    panel="#181c22",
    raised="#21262e",
    border="#2d343e",
    control="#6f7a89",
    text="#e7eaef",
    muted="#a7b1be",
    accent="#6ea0ff",
    on_accent="#0b1730",
    selection="#22375c",
    cursor="#ffab5e",
    error="#ff7b86",
    warning="#f0b653",
    ok="#6fcf87",
    found="#d69bff",
    on_mark="#14171c",
    boxes=_boxes(
        "#13161b",
        dark=True,
        compute=BoxPaint("#1b2f52", "#5a8cec", "#d3e2ff"),
        activation=BoxPaint("#42310f", "#cf972f", "#ffe3b0"),
        normalization=BoxPaint("#113b36", "#3aa999", "#bff0e7"),
        elementwise=BoxPaint("#2b2a4d", "#8d89dd", "#dddcff"),
        reduction=BoxPaint("#47202e", "#dd6f8d", "#ffd5e0"),
        shape=BoxPaint("#282e37", "#7b8797", "#dde2ea"),
        update=BoxPaint("#1b3a1a", "#5cad54", "#cdf0c8"),
        random=BoxPaint("#3d2149", "#ba71d6", "#f3d6ff"),
        control=BoxPaint("#3a340f", "#b59c2a", "#f6eaa8"),
        data=BoxPaint("#12364a", "#41a2ca", "#c6ecfb"),
        other=BoxPaint("#23282f", "#7b8797", "#dde2ea"),
        scope_forward=BoxPaint("#1a2433", "#5f7ba8", "#cfdef6"),
        scope_backward=BoxPaint("#2d2219", "#a8774f", "#f6dcc6"),
        scope_optimizer=BoxPaint("#1b2a1a", "#658f5d", "#d3ebce"),
        scope_other=BoxPaint("#1f252e", "#6f7c8f", "#dde2ea"),
        group_forward=BoxPaint("#5b86cf", "#3d5377", "#cfdef6", 0.075),
        group_backward=BoxPaint("#d58a4c", "#6c4d33", "#f6dcc6", 0.07),
        group_optimizer=BoxPaint("#66a55b", "#40603a", "#d3ebce", 0.07),
        group_other=BoxPaint("#8396b3", "#454f5e", "#dde2ea", 0.07),
        input=BoxPaint("#181c22", "#41a2ca", "#c6ecfb"),
        output=BoxPaint("#181c22", "#a7b1be", "#dde2ea"),
    ),
    edges=_edges(
        data=EdgePaint("#8b96a5"),
        gradient=EdgePaint("#d98f4e"),
        saved=EdgePaint("#5d6f8a", 1.0, (5.0, 3.0)),
        update=EdgePaint("#66b35d"),
        control=EdgePaint("#7b8797", 1.0, (2.0, 3.0)),
        through=EdgePaint("#a987d4", 1.25, (7.0, 4.0)),
    ),
)
"""Light writing on dark ground."""

THEMES = {theme.name: theme for theme in (LIGHT, DARK)}


MOST_TONES = 8
"""Groups nested deeper than this are as deep in tone for `halo_colour`."""


def halo_colour(group: BoxPaint, page: str, depth: int) -> str:
    """The tone of a group that stands `depth` groups deep (1 is outermost), to keep its title apart from edges."""
    return blend(group.fill, page, 1 - (1 - group.opacity) ** min(depth, MOST_TONES))
