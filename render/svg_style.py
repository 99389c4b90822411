"""The style sheet of an SVG: every colour, line and text style of a theme as CSS."""

from base64 import b64encode
from collections.abc import Iterator

from graphreel.assets import FONT_FAMILY, font_file
from graphreel.render.overlay import Mark
from graphreel.render.shapes import MARK_DASH, MARK_WIDTH
from graphreel.render.styles import BOX_CLASSES, EDGE_CLASSES, TEXT_STYLES, BoxClass
from graphreel.render.theme import MOST_TONES, BoxPaint, EdgePaint, Theme, halo_colour
from graphreel.render.xml import number, numbers

_FALLBACKS = 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


def style_sheet(theme: Theme, coloured: frozenset[int] | None = None, *, embed_font: bool = False) -> str:
    """The `<style>` element; of a coloured picture `coloured` are the classes of boxes that it has.

    Everything is said below `.graphreel.light` or `.graphreel.dark`: a page around the picture keeps its own styles,
    and may hold pictures in both themes.
    """
    rules = [
        f'text{{font-family:"{FONT_FAMILY}",{_FALLBACKS};font-kerning:none;font-variant-ligatures:none}}',
        f".page{{fill:{theme.page}}}",
        ".shape,.stack{stroke-width:1.25}",
        ".line,.chevron,.outline{fill:none}",
        ".chevron{stroke-linecap:round;stroke-linejoin:round;stroke-width:1.5}",
        *(rule for style in TEXT_STYLES for rule in _text_rules(style.name, style.size, style.weight, style.italic)),
        *(
            rule
            for name, paint in list(zip(BOX_CLASSES, theme.boxes, strict=True))[: len(BoxClass)]
            for rule in _box_rules(name, paint)
        ),
        *(rule for name, paint in zip(EDGE_CLASSES, theme.edges, strict=True) for rule in _edge_rules(name, paint)),
        f".chip .shape{{fill:{theme.page};stroke-width:1}}",
        *_halo_rules(theme),
        *(_muted(style.name, theme) for style in TEXT_STYLES if style.muted),
        *(rule for mark in Mark for rule in _mark_rules(mark, theme)),
        *_colour_rules(theme, coloured),
    ]
    fonts = [_font_face(weight) for weight in (400, 600)] if embed_font else []
    root = f".graphreel.{theme.name}"
    return "\n".join(["<style>", *fonts, *(_below(root, rule) for rule in rules), "</style>"])


def _below(root: str, rule: str) -> str:
    selectors, _, body = rule.partition("{")
    return ",".join(f"{root} {selector}" for selector in selectors.split(",")) + "{" + body


def _text_rules(name: str, size: float, weight: int, italic: bool) -> list[str]:
    slant = ";font-style:italic" if italic else ""
    return [f".{name}{{font-size:{number(size)}px;font-weight:{weight}{slant}}}"]


def _box_rules(name: str, paint: BoxPaint) -> list[str]:
    opacity = f";fill-opacity:{paint.opacity:g}" if paint.opacity < 1 else ""
    rules = [
        f".box.{name} rect{{fill:{paint.fill}{opacity};stroke:{paint.stroke}}}",
        f".box.{name} text,.header.{name} text{{fill:{paint.text}}}",
    ]
    if name.startswith(("scope", "group")):
        rules.append(f".box.{name} .chevron,.header.{name} .chevron{{stroke:{paint.text}}}")
    return rules


def _colour_rules(theme: Theme, coloured: frozenset[int] | None) -> Iterator[str]:
    """The classes of coloured boxes, whose writing all stands in one colour, and the legend's."""
    if coloured is None:
        return
    yield f".legend .ground{{fill:{theme.page};stroke:{theme.border}}}"
    yield f".legend text{{fill:{theme.text}}}"
    yield f".legend .detail,.legend .count{{fill:{theme.muted}}}"
    yield f".legend .tick{{stroke:{theme.text};stroke-width:1.5;fill:none}}"
    for row in sorted(coloured):
        if row >= len(BoxClass):
            name, paint = BOX_CLASSES[row], theme.boxes[row]
            yield f".box.{name} rect{{fill:{paint.fill};stroke:{paint.stroke}}}"
            yield f".box.{name} text,.box.{name} text.detail{{fill:{paint.text}}}"
            yield f".box.{name} .chevron{{stroke:{paint.text}}}"
            yield f".legend .field.{name}{{fill:{paint.fill}}}"


def _halo_rules(theme: Theme) -> list[str]:
    """Edges run past the titles of groups; a halo in the group's tone keeps the writing apart from them."""
    groups = [(name, paint) for name, paint in zip(BOX_CLASSES, theme.boxes, strict=True) if name.startswith("group")]
    return [".header text{paint-order:stroke;stroke-linejoin:round;stroke-width:4}"] + [
        f".header.{name}.depth-{depth} text{{stroke:{halo_colour(paint, theme.page, depth)}}}"
        for name, paint in groups
        for depth in range(1, MOST_TONES + 1)
    ]


def _edge_rules(name: str, paint: EdgePaint) -> list[str]:
    dash = f";stroke-dasharray:{numbers(paint.dash)}" if paint.dash else ""
    return [
        f".edge.{name} .line{{stroke:{paint.stroke};stroke-width:{number(paint.width)}{dash}}}",
        f".edge.{name} .head{{fill:{paint.stroke}}}",
        f".chip.{name} .shape{{stroke:{paint.stroke}}}",
    ]


def _muted(name: str, theme: Theme) -> str:
    # As specific as the rule of the box's class, and later.
    return f".box text.{name},.header text.{name},.chip text.{name}{{fill:{theme.muted}}}"


def _mark_rules(mark: Mark, theme: Theme) -> list[str]:
    name, colour = mark.name.lower(), theme.mark_colour(mark)
    dash = f";stroke-dasharray:{numbers(MARK_DASH[mark])}" if MARK_DASH[mark] else ""
    rules = [f".{name} .outline{{stroke:{colour};stroke-width:{number(MARK_WIDTH[mark])}{dash}}}"]
    if mark in (Mark.CURSOR, Mark.FAILED):
        rules.append(f".{name} .badge{{fill:{colour}}}")
    if mark == Mark.FAILED:
        rules.append(f".{name} .sign{{fill:{theme.on_mark};font-size:11px;font-weight:600}}")
    return rules


def _font_face(weight: int) -> str:
    data = b64encode(font_file(weight)).decode("ascii")
    source = f'url("data:font/ttf;base64,{data}") format("truetype")'
    return f'@font-face{{font-family:"{FONT_FAMILY}";font-weight:{weight};src:{source}}}'
