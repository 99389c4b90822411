"""What can be told apart in a picture: classes of boxes and edges, and styles of text. No colours: see theme.py."""

from dataclasses import dataclass
from enum import IntEnum

from graphreel.render.colours import COLOUR_CLASSES


class BoxClass(IntEnum):
    """What a theme colours a box by: what kind of operation it is, or which phase a scope belongs to."""

    COMPUTE = 0
    """Matrix products, convolutions, attention, recurrent layers: where the arithmetic is."""
    ACTIVATION = 1
    NORMALIZATION = 2
    ELEMENTWISE = 3
    REDUCTION = 4
    """Sums, means, maxima, and losses."""
    SHAPE = 5
    """Views, transposes, slices, concatenations: no arithmetic."""
    UPDATE = 6
    """Writes in place and steps of an optimizer."""
    RANDOM = 7
    CONTROL = 8
    """Control flow, and where the host waits for the device."""
    DATA = 9
    """Makes, copies or converts tensors."""
    OTHER = 10
    SCOPE_FORWARD = 11
    SCOPE_BACKWARD = 12
    SCOPE_OPTIMIZER = 13
    SCOPE_OTHER = 14
    GROUP_FORWARD = 15
    GROUP_BACKWARD = 16
    GROUP_OPTIMIZER = 17
    GROUP_OTHER = 18
    INPUT = 19
    OUTPUT = 20


class EdgeClass(IntEnum):
    """What a theme colours an edge by."""

    DATA = 0
    GRADIENT = 1
    """A gradient, or another value of the backward phase."""
    SAVED = 2
    """A value of the forward phase that the backward phase reads."""
    UPDATE = 3
    """A parameter, buffer or optimizer state after it was written."""
    CONTROL = 4
    THROUGH = 5
    """A way through hidden nodes."""


def _words(kinds: type[IntEnum]) -> tuple[str, ...]:
    return tuple(kind.name.lower().replace("_", "-") for kind in kinds)


BOX_CLASSES = (*_words(BoxClass), *COLOUR_CLASSES)
"""The classes' names, as CSS spells them (`scope-forward`), by their index; those of coloured boxes come last."""

EDGE_CLASSES = _words(EdgeClass)


@dataclass(frozen=True, slots=True)
class TextStyle:
    """How a line of text is set: in the bundled font, `size` pixels at 100 %, weight 400 or 600.

    `muted` text has the theme's muted colour, other text that of its box.
    """

    name: str
    size: float
    weight: int
    italic: bool
    muted: bool


TEXT_STYLES = (
    TextStyle("title", 13.0, 600, italic=False, muted=False),
    TextStyle("detail", 11.0, 400, italic=False, muted=True),
    TextStyle("group-title", 12.5, 600, italic=False, muted=False),
    TextStyle("group-detail", 11.5, 400, italic=False, muted=True),
    TextStyle("name", 11.0, 400, italic=False, muted=False),
    TextStyle("count", 10.0, 600, italic=False, muted=True),
)
TITLE, DETAIL, GROUP_TITLE, GROUP_DETAIL, NAME, COUNT = range(6)
