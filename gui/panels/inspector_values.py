"""What the inspector says of values and of device work: statistics as recorded, kernels as the profiler saw them."""

import math
from collections.abc import Iterator
from html import escape

import numpy as np

from graphreel.graph import Value
from graphreel.gui.text import bytes_text, count_text, duration_text
from graphreel.gui.views import Shown

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
