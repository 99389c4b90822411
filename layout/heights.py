"""Rows and gaps: how much room a group needs from top to bottom, and where its rows lie then."""

from dataclasses import dataclass


@dataclass(slots=True)
class Heights:
    """How much room a group needs from top to bottom, in the direction of its edges.

    Attributes:
        rows: The height of each row.
        gaps: The height of the gap above each row.
        before, after: Room before the first and after the last row.
    """

    rows: list[float]
    gaps: list[float]
    before: float
    after: float

    def turned(self) -> "Heights":
        """The same seen from below."""
        return Heights(self.rows[::-1], [0.0, *self.gaps[:0:-1]], self.after, self.before)


@dataclass(slots=True)
class Frame:
    """Where rows lie: top and bottom of each; the frame's height."""

    tops: list[float]
    bottoms: list[float]
    height: float

    def turned(self) -> "Frame":
        """The same seen from below."""
        height = self.height
        return Frame([height - y for y in self.bottoms[::-1]], [height - y for y in self.tops[::-1]], height)


def stacked(heights: Heights) -> Frame:
    """Rows and gaps below each other."""
    y, tops, bottoms = heights.before, list[float](), list[float]()
    for row, gap in zip(heights.rows, heights.gaps, strict=True):
        y += gap
        tops.append(y)
        y += row
        bottoms.append(y)
    return Frame(tops, bottoms, y + heights.after)


def common(one: Heights, other: Heights) -> Heights:
    """The rows that two groups share: each row and each gap as high as both need."""
    return Heights(
        [max(pair) for pair in zip(one.rows, other.rows, strict=True)],
        [max(pair) for pair in zip(one.gaps, other.gaps, strict=True)],
        max(one.before, other.before),
        max(one.after, other.after),
    )
