"""Colours that tell what a box is coloured by: categories, and a scale from little to much.

Categories are Paul Tol's light scheme, made for fields with writing in them, which people with any of the common kinds
of colour blindness tell apart. The scale is viridis (Smith and van der Walt): equal steps look equally large, also in
grey; in the light theme it is turned round, so that much is dark there, and bright in the dark theme.
"""

CATEGORIES, HEATS = 8, 32
"""How many categories have a colour of their own, and how many steps the scale has."""

COLOUR_CLASSES = (
    *(f"colour-{n}" for n in range(CATEGORIES)),
    "colour-others",
    "colour-none",
    *(f"heat-{n}" for n in range(HEATS)),
)
"""The classes of coloured boxes, as CSS spells them: after those of `BoxClass`, in this order."""

OTHERS, MISSING, FIRST_HEAT = CATEGORIES, CATEGORIES + 1, CATEGORIES + 2
"""Where in COLOUR_CLASSES stand categories without a colour of their own, what nothing is known of, and the scale."""

_CATEGORIES = ("#77aadd", "#ee8866", "#bbcc33", "#ffaabb", "#44bb99", "#eedd88", "#99ddff", "#aaaa00")
_VIRIDIS = (
    "#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725",
)  # fmt: skip


def fills(*, dark: bool) -> tuple[str, ...]:
    """The fill of each of COLOUR_CLASSES."""
    scale = tuple(_between(step / (HEATS - 1)) for step in range(HEATS))
    others, none = ("#69727f", "#272c34") if dark else ("#b4bcc8", "#e9ebee")
    return (*_CATEGORIES, others, none, *(scale if dark else scale[::-1]))


def _between(share: float) -> str:
    """The colour at a share of the way along the scale."""
    at = share * (len(_VIRIDIS) - 1)
    low = min(int(at), len(_VIRIDIS) - 2)
    pairs = zip(bytes.fromhex(_VIRIDIS[low][1:]), bytes.fromhex(_VIRIDIS[low + 1][1:]), strict=True)
    return "#" + "".join(f"{round(one + (other - one) * (at - low)):02x}" for one, other in pairs)
