"""What the inspector says of values and of device work: statistics as recorded, kernels as the profiler saw them."""

import math
from collections.abc import Iterator, Mapping
from html import escape

import numpy as np

from graphreel.analysis.arrays import number_text
from graphreel.graph import Value
from graphreel.gui.text import bytes_text, count_text, duration_text
from graphreel.gui.views import Known, Numbers, Shown
from graphreel.render import Theme

NUMBERS, HISTOGRAM = "numbers", "histogram"
"""What a link that asks for numbers begins with, and what a picture of them is named."""
HISTOGRAM_SIZE = 240, 56
"""Width and height in pixels."""

_NUMBERS = ("min", "max", "mean", "std")
_COUNTS = (("nan", "NaN"), ("inf", "infinite"), ("zeros", "zero"))
_KERNEL_KINDS = ("kernel", "copy", "fill", "other")


def statistics_line(shown: Shown, value: Value, bad: str) -> str:
    """The recorded statistics of a value in one line of rich text; empty without. `bad` colours NaN and Inf."""
    columns, row = shown.value_columns, value.id
    if "counted" not in columns or not columns["counted"][row]:
        return ""
    parts = [
        f"{name} {number:.4g}"
        for name in _NUMBERS
        if name in columns and not math.isnan(number := float(columns[name][row]))
    ]
    for name, words in _COUNTS:
        count = int(columns[name][row]) if name in columns else 0
        if count:
            text = f"{count:,} {words}"
            parts.append(text if name == "zeros" else f'<span style="color:{bad}"><b>{text}</b></span>')
    return " · ".join(parts)


def kernel_rows(shown: Shown, node: int) -> Iterator[tuple[str, str]]:
    """The device work that a node launched: how long, what, and where."""
    kernels = shown.kernels
    if kernels is None:
        return
    for row in np.flatnonzero(kernels.node == node).tolist():
        name = escape(kernels.names[int(kernels.name[row])])
        place = f"device {int(kernels.device[row])}, stream" if kernels.device[row] >= 0 else "thread"
        about = [_KERNEL_KINDS[min(int(kernels.kind[row]), 3)], f"{place} {int(kernels.stream[row])}"]
        if kernels.nbytes[row]:
            about.append(bytes_text(int(kernels.nbytes[row])))
        yield duration_text(int(kernels.duration_ns[row])), f"{name}<br><small>{' · '.join(about)}</small>"


def kernels_of_scope(shown: Shown, nodes: list[int]) -> str:
    """How much device work the nodes of a scope launched; empty without any."""
    kernels = shown.kernels
    if kernels is None or not nodes:
        return ""
    rows = np.isin(kernels.node, nodes)
    if not rows.any():
        return ""
    return f"{duration_text(int(kernels.duration_ns[rows].sum()))} in {count_text(int(rows.sum()), 'kernel')}"


def numbers_rows(shown: Shown, value: Value, known: Mapping[int, Known], theme: Theme) -> list[tuple[str, str]]:
    """The numbers of a value where they are known; else a link that fetches them, or what would have kept them."""
    if value.id in known:
        found = known[value.id]
        if found is None:
            return [("", _quiet("executing the iteration again…" if value.id not in shown.kept else "reading…", theme))]
        if isinstance(found, str):
            return [("", f'<span style="color:{theme.error}">{escape(found).replace(chr(10), "<br>")}</span>')]
        return [("", "<br>".join(_numbers_lines(value.id, found, theme)))]
    link = f'<a href="{NUMBERS}:{value.id}" style="color:{theme.accent}; text-decoration:none">'
    if value.id in shown.kept:
        return [("", f"{link}show</a>")]
    if shown.has_keyframe:
        return [("", f"{link}execute the iteration again and show</a>")]
    if shown.graph.meta.get("framework") != "torch":
        return []
    hint = f"Not kept. Record with --keyframes {shown.iteration.index} to have them."
    return [("", _quiet(hint, theme))]


def _numbers_lines(value: int, found: Numbers, theme: Theme) -> Iterator[str]:
    """A histogram with its ends, and a table of the first numbers."""
    histogram = found.histogram
    width, height = HISTOGRAM_SIZE
    if histogram.counts:
        yield f'<img src="{HISTOGRAM}:{value}" width="{width}" height="{height}">'
        yield _quiet(f"{number_text(histogram.low)} to {number_text(histogram.high)}", theme)
    if histogram.finite < histogram.total:
        bad = f"{histogram.total - histogram.finite:,} of {histogram.total:,} are NaN or infinite"
        yield f'<span style="color:{theme.error}"><b>{bad}</b></span>'
    if not histogram.total:
        yield _quiet("no elements", theme)
    cells = "".join(
        "<tr>" + "".join(f'<td align="right" style="padding:1px 10px 1px 0">{cell}</td>' for cell in row) + "</tr>"
        for row in found.cells
    )
    where = "" if found.whole else _quiet("the first of " + " × ".join(map(str, found.shape)), theme)
    yield f'<table cellspacing="0">{cells}</table>{where}'


def _quiet(text: str, theme: Theme) -> str:
    return f'<span style="color:{theme.muted}">{escape(text)}</span>'
