"""Where everything in a legend stands: the canvas, the SVG writer and saved pictures draw the same."""

from dataclasses import dataclass

from graphreel.render.colours import FIRST_HEAT, HEATS
from graphreel.render.scene import Legend
from graphreel.render.styles import COUNT, DETAIL, NAME, TEXT_STYLES, TITLE
from graphreel.render.text import shorten, text_width

PADDING = 12.0
_SWATCH, _ROW, _HEAD = 11.0, 18.0, 16.0
_WIDE, _LEAST, _MOST = 240.0, 120.0, 300.0
_BAR = 12.0


@dataclass(frozen=True, slots=True)
class LegendText:
    """A line of text: the left end of its baseline, and the width it has. `muted` is as in `TextStyle`."""

    x: float
    y: float
    width: float
    style: int
    text: str


@dataclass(frozen=True, slots=True)
class LegendPicture:
    """A legend with everything in its place, counted from its upper left corner.

    Attributes:
        fields: x, y, width, height of each field of colour, and which of COLOUR_CLASSES it has.
        tick: Where the median stands on the scale: x, top and bottom; None where there is no scale.
    """

    width: float
    height: float
    fields: tuple[tuple[float, float, float, float, int], ...]
    texts: tuple[LegendText, ...]
    tick: tuple[float, float, float] | None = None


def placed(legend: Legend) -> LegendPicture:
    """Put a legend's parts in their places."""
    width = _width(legend)
    inner = width - 2 * PADDING
    y = PADDING + 10.0
    texts = [_text(PADDING, y, TITLE, legend.title, inner)]
    fields: list[tuple[float, float, float, float, int]] = []
    tick = None
    y += _HEAD - 6.0
    if legend.scale:
        step = inner / HEATS
        fields += [(PADDING + n * step, y, step, _BAR, FIRST_HEAT + n) for n in range(HEATS)]
        tick = PADDING + inner * min(max(legend.median, 0.01), 0.99), y - 2.0, y + _BAR + 2.0
        y += _BAR + 14.0
        low, median, high = legend.scale
        texts.append(_text(PADDING, y, DETAIL, low, inner))
        across = text_width(f"median {median}", 11.0)
        texts.append(_text(PADDING + (inner - across) / 2, y, DETAIL, f"median {median}", inner))
        texts.append(_text(width - PADDING - text_width(high, 11.0), y, DETAIL, high, inner))
        y += 6.0
    for entry in legend.entries:
        counted = text_width(entry.count, TEXT_STYLES[COUNT].size, TEXT_STYLES[COUNT].weight)
        fields.append((PADDING, y + 3.0, _SWATCH, _SWATCH, entry.colour))
        texts.append(_text(PADDING + _SWATCH + 7.0, y + 12.5, NAME, entry.text, inner - _SWATCH - 15.0 - counted))
        if entry.count:
            texts.append(_text(width - PADDING - counted, y + 12.5, COUNT, entry.count, inner))
        y += _ROW
    if legend.note:
        y += 14.0
        texts.append(_text(PADDING, y, DETAIL, legend.note, inner))
    return LegendPicture(width, y + PADDING, tuple(fields), tuple(texts), tick)


def _width(legend: Legend) -> float:
    rows = [text_width(legend.title, 13.0, 600), text_width(legend.note, 11.0)]
    rows += [_SWATCH + 19.0 + text_width(e.text, 11.0) + text_width(e.count, 10.0, 600) for e in legend.entries]
    if legend.scale:
        rows.append(max(_WIDE, sum(text_width(text, 11.0) for text in legend.scale) + 80.0))
    return min(max(*rows, _LEAST) + 2.0, _MOST) + 2 * PADDING


def _text(x: float, y: float, style: int, text: str, room: float) -> LegendText:
    chosen = TEXT_STYLES[style]
    short = shorten(text, room, chosen.size, chosen.weight)
    return LegendText(x, y, text_width(short, chosen.size, chosen.weight), style, short)
