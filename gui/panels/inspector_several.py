"""What the inspector says of several things that are selected, as rich text: how many, of which ops, what they cost."""

from collections import Counter
from html import escape

import numpy as np

from graphreel.analysis.measures import MEASURES, node_numbers, quantity_text
from graphreel.gui.choices import nodes_in, recorded_of
from graphreel.gui.panels.inspector_text import Row
from graphreel.gui.text import count_text
from graphreel.gui.views import Selection, Shown
from graphreel.render import Theme

_OPS = 20
"""How many ops are told apart before the rest is only counted."""
_LINKS = 30


def describe_several(shown: Shown, theme: Theme, selection: Selection) -> str:
    """Count, sums and ops of all operations that are selected, and of those in the scopes that are."""
    graph = shown.graph
    nodes = np.flatnonzero(nodes_in(graph, selection))
    rows: list[Row] = [("operations", f"{len(nodes):,}")]
    if selection.every_scope:
        rows.append(("scopes", f"{len(selection.every_scope):,}"))
    recorded = recorded_of(shown)
    for text, name in (("time", "time"), ("on devices", "device"), ("memory", "bytes")):
        numbers = node_numbers(graph, recorded, name)
        if numbers is not None and len(nodes) and not np.isnan(numbers[nodes]).all():
            total = float(np.nansum(numbers[nodes]))
            rows.append((text, quantity_text(total, MEASURES[name].unit)))
    numbers, counts = np.unique(graph.nodes.op[nodes], return_counts=True)
    ops = Counter(dict(zip(numbers.tolist(), counts.tolist(), strict=True))).most_common()
    listed = [(f"{count:,} ×", escape(graph.strings[op])) for op, count in ops[:_OPS]]
    if len(ops) > _OPS:
        listed.append(("", _quiet(theme, f"and {len(ops) - _OPS:,} more ops")))
    title = count_text(len(selection.every_node) + len(selection.every_scope), "thing")
    parts = [
        f'<p style="margin:0; font-size:15px; font-weight:600; color:{theme.text}">{title} selected</p>',
        _table(theme, rows),
        _heading(theme, "Ops"),
        _table(theme, listed),
        _heading(theme, "Selected"),
        _table(theme, _links(shown, theme, selection)),
    ]
    return "".join(parts)


def _links(shown: Shown, theme: Theme, selection: Selection) -> list[Row]:
    graph, rows = shown.graph, list[Row]()
    for scope in sorted(selection.every_scope):
        rows.append(("", _link(theme, f"scope:{scope}", graph.paths[scope])))
    for node in sorted(selection.every_node):
        if len(rows) >= _LINKS:
            break
        its = graph.node(node)
        rows.append((f"#{node}", _link(theme, f"node:{node}", its.name or its.op)))
    rest = len(selection.every_scope) + len(selection.every_node) - len(rows)
    if rest > 0:
        rows.append(("", _quiet(theme, f"and {rest:,} more")))
    return rows


def _link(theme: Theme, target: str, text: str) -> str:
    return f'<a href="{target}" style="color:{theme.accent}; text-decoration:none">{escape(text)}</a>'


def _quiet(theme: Theme, text: str) -> str:
    return f'<span style="color:{theme.muted}">{escape(text)}</span>'


def _heading(theme: Theme, text: str) -> str:
    style = f"margin:14px 0 2px 0; font-size:11px; font-weight:600; color:{theme.muted}"
    return f'<p style="{style}">{text.upper()}</p>'


def _table(theme: Theme, rows: list[Row]) -> str:
    lines = "".join(
        f'<tr><td width="76" style="color:{theme.muted}; padding:3px 10px 3px 0">{name}</td>'
        f'<td style="padding:3px 0">{text}</td></tr>'
        if name
        else f'<tr><td colspan="2" style="padding:3px 0">{text}</td></tr>'
        for name, text in rows
    )
    return f'<table cellspacing="0" width="100%" style="margin-top:6px">{lines}</table>'
