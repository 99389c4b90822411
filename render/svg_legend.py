"""The legend of a coloured picture, below it."""

from collections.abc import Iterator

from graphreel.render.colours import COLOUR_CLASSES
from graphreel.render.legend import LegendPicture
from graphreel.render.styles import TEXT_STYLES
from graphreel.render.xml import escaped, number

GAP = 16.0
"""Between the picture and its legend."""


def legend_lines(legend: LegendPicture, top: float) -> Iterator[str]:
    """The elements of a legend whose upper left corner is at 0, `top`."""
    yield f'<g class="legend" transform="translate(0 {number(top)})">'
    yield f'<rect class="ground" height="{number(legend.height)}" rx="8" width="{number(legend.width)}"/>'
    for x, y, width, height, colour in legend.fields:
        # Fields of a scale touch each other; a hair more hides the seams.
        extra = 0.3 if COLOUR_CLASSES[colour].startswith("heat") else 0.0
        yield (
            f'<rect class="field {COLOUR_CLASSES[colour]}" height="{number(height)}" width="{number(width + extra)}"'
            f' x="{number(x)}" y="{number(y)}"/>'
        )
    if legend.tick is not None:
        across, above, below = (number(place) for place in legend.tick)
        yield f'<path class="tick" d="M{across} {above}V{below}"/>'
    for text in legend.texts:
        yield (
            f'<text class="{TEXT_STYLES[text.style].name}" lengthAdjust="spacingAndGlyphs"'
            f' textLength="{number(text.width)}" x="{number(text.x)}" y="{number(text.y)}">{escaped(text.text)}</text>'
        )
    yield "</g>"
