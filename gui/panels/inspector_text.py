"""What the inspector says of a node, a scope or a value, as rich text. Links lead to nodes, values and scopes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from types import MappingProxyType
from typing import Any

import numpy as np

from graphreel.graph import NONE, Access, Graph, Node, Scope, Value, node_keys, word
from graphreel.gui.panels.inspector_values import kernel_rows, kernels_of_scope, numbers_rows, statistics_line
from graphreel.gui.text import count_text, duration_text
from graphreel.gui.views import Known, Selection, Shown, What
from graphreel.render import Theme
from graphreel.render.theme import blend
from graphreel.tracefile import edge_count

_MANY = 60
"""How many rows of one kind are listed before the rest is only counted."""
_FEW = 3
"""Of how many outputs of an operation the numbers are offered."""
_LONG = 400
"""How many characters of one attribute are shown."""

_TIMES = {"start_ns": "starts at", "duration_ns": "took", "backward_ns": "backward"}
_COLUMNS = {"item": "gave number"}
"""What the columns of an iteration are called, where that is not their own name."""

NOTHING: Mapping[int, Known] = MappingProxyType({})
"""Nothing is known of any value's numbers."""

Row = tuple[str, str]
"""A name and what stands beside it, both as rich text."""


@dataclass(frozen=True, slots=True)
class Inspector:
    """Writes the rich text for one iteration in one theme's colours."""

    shown: Shown
    theme: Theme
    known: Mapping[int, Known] = field(default_factory=dict)

    def describe(self, selection: Selection) -> str:
        """All there is to say of what is selected; of the iteration where nothing is."""
        graph = self.shown.graph
        match selection.what:
            case What.NODE:
                return self.node(graph.node(selection.id))
            case What.SCOPE:
                return self.scope(graph.scope(selection.id))
            case What.VALUE:
                return self.value(graph.value(selection.id))
            case What.NOTHING:
                return self.iteration()

    def node(self, node: Node) -> str:
        """An operation: what it is, how long it took, what it takes and gives."""
        parts = [self._title(node.op, word(node.phase)), self._error(node.id)]
        rows: list[Row] = [("name", escape(node.name))] if node.name else []
        rows += [("scope", self._scope_link(node.scope)), ("number", str(node.id)), *self._columns(node.id)]
        if node.forward is not None:
            rows.append(("forward", self.node_link(node.forward)))
        rows.append(("key", self._quiet(node_keys(node.graph)[node.id])))
        parts.append(self._table(rows, above=8))
        parts.append(self._section("Noticed", self._findings(node.id)))
        parts.append(self._section("Attributes", self._attributes(node.attributes)))
        inputs = [
            (self._input_name(name, position, access), self._value_cell(value, value.producer, "from"))
            for position, (name, value, access) in enumerate(
                zip(node.input_names, node.inputs, node.accesses, strict=True)
            )
        ]
        parts.append(self._section("Inputs", inputs))
        outputs = [(str(value.port), self._value_cell(value, value.consumers, "to")) for value in node.outputs]
        parts.append(self._section("Outputs", outputs))
        for value in node.outputs[:_FEW]:
            parts.append(self._numbers(value, f" of output {value.port}" if len(node.outputs) > 1 else ""))
        parts.append(self._section("Kernels", list(kernel_rows(self.shown, node.id))))
        return "".join(parts)

    def scope(self, scope: Scope) -> str:
        """A group: what it is and what is in it."""
        inner = _below(scope)
        rows: list[Row] = [("kind", word(scope.kind)), ("path", escape(scope.path))]
        if scope.parent is not None and scope.parent.path:
            rows.append(("in", self._scope_link(scope.parent)))
        if scope.owner is not None:
            rows.append(("body of", self.node_link(scope.owner)))
        nodes = [node for node, its in enumerate(self.shown.graph.nodes.scope.tolist()) if its in inner]
        rows.append(("holds", count_text(len(nodes), "operation")))
        durations = self.shown.columns.get("duration_ns")
        if durations is not None and nodes:
            rows.append(("time", duration_text(int(durations[nodes].sum()))))
        if device_work := kernels_of_scope(self.shown, nodes):
            rows.append(("devices", device_work))
        children = [("", self._scope_link(child, child.name)) for child in scope.children]
        return "".join(
            [
                self._title(scope.name or "graph", scope.type or word(scope.kind)),
                self._table(rows, above=8),
                self._section("Attributes", self._attributes(scope.attributes)),
                self._section("Scopes in it", children),
                self._section("Enters", [("", self._value_cell(outer, None, "")) for outer, _ in scope.entries]),
                self._section("Leaves", [("", self._value_cell(outer, None, "")) for outer, _ in scope.exits]),
            ]
        )

    def value(self, value: Value) -> str:
        """A tensor: its type, where it lives, who makes it and who takes it."""
        rows: list[Row] = [("kind", word(value.kind)), ("dtype", escape(value.dtype) or "unknown")]
        rows.append(("shape", escape(_shape_text(value))))
        rows += [("device", escape(value.device))] if value.device else []
        if value.storage != NONE:
            rows.append(("storage", f"#{value.storage}, version {value.version}"))
        if value.base is not None:
            rows.append(("view of", self.value_link(value.base)))
        if value.producer is not None:
            rows.append(("made by", f"{self.node_link(value.producer)} · output {value.port}"))
        else:
            rows.append(("made by", self._quiet("outside the graph")))
        if value.previous is not None:
            rows.append(("was before", self.value_link(value.previous)))
        if line := statistics_line(self.shown, value, self.theme.error):
            rows.append(("statistics", line))
        return "".join(
            [
                self._title(value.name or value.type_text, word(value.kind)),
                self._table(rows, above=8),
                self._section("Attributes", self._attributes(value.attributes)),
                self._numbers(value, ""),
                self._section("Taken by", [("", self.node_link(node)) for node in value.consumers]),
            ]
        )

    def iteration(self) -> str:
        """The iteration as a whole, where nothing in it is selected."""
        iteration, graph = self.shown.iteration, self.shown.graph
        rows: list[Row] = [
            ("holds", f"{count_text(graph.node_count, 'node')}, {count_text(edge_count(graph), 'edge')}"),
            *([("time", duration_text(iteration.duration_ns))] if iteration.duration_ns else []),
            *((escape(name), f"{number:.6g}") for name, number in iteration.scalars.items()),
        ]
        meta = [(escape(name), escape(text)) for name, text in graph.meta.items()]
        findings = self._findings(None)
        hint = self._quiet("Click a box or an edge to see what it is.")
        return "".join(
            [
                self._title(f"Iteration {iteration.index}", iteration.status.value),
                self._error(None),
                self._table(rows, above=8),
                self._section("Noticed", findings),
                self._section("Graph", meta),
                f"<p>{hint}</p>",
            ]
        )

    def node_link(self, node: Node) -> str:
        """A link to an operation."""
        return self._link(f"node:{node.id}", node.name or node.op)

    def value_link(self, value: Value) -> str:
        """A link to a tensor."""
        return self._link(f"value:{value.id}", value.name or value.type_text)

    def _scope_link(self, scope: Scope, text: str = "") -> str:
        return self._link(f"scope:{scope.id}", text or scope.path) if scope.path else self._quiet("the root")

    def _value_cell(self, value: Value, ends: Node | Sequence[Node] | None, word_before: str) -> str:
        """A value's type as a link, its name and kind, and the operations at its other end."""
        lines = [self._link(f"value:{value.id}", value.type_text)]
        about = [escape(value.name)] if value.name else []
        about += [word(value.kind)] if value.kind.name != "ACTIVATION" else []
        about += [f"view of {self.value_link(value.base)}"] if value.base is not None else []
        about += [f"version {value.version}"] if value.version else []
        if about:
            lines.append(self._quiet(" · ".join(about), escaped=True))
        if statistics := statistics_line(self.shown, value, self.theme.error):
            lines.append(f"<small>{statistics}</small>")
        nodes = [] if ends is None else [ends] if isinstance(ends, Node) else list(ends)
        if nodes:
            links = ", ".join(self.node_link(node) for node in nodes[:4])
            more = f" and {len(nodes) - 4} more" if len(nodes) > 4 else ""
            lines.append(self._quiet(f"{word_before} {links}{more}", escaped=True))
        return "<br>".join(lines)

    def _columns(self, node: int) -> Iterable[Row]:
        for name, column in self.shown.columns.items():
            number = column[node]
            if np.issubdtype(column.dtype, np.floating) and np.isnan(number):
                continue  # this column has nothing to say of this node
            if name.endswith("_ns"):
                if number or name != "backward_ns":  # 0 where nothing ran backward for this node
                    yield _TIMES.get(name, escape(name.removesuffix("_ns"))), duration_text(int(number))
            else:
                yield (
                    _COLUMNS.get(name, escape(name)),
                    f"{number:.6g}" if isinstance(number.item(), float) else escape(str(number)),
                )

    def _error(self, node: int | None) -> str:
        """The exception of the iteration, where it concerns this node, or, for None, in any case."""
        error = self.shown.iteration.error
        if error is None or (node is not None and error.node != node):
            return ""
        where = (
            "" if error.node is None or node is not None else f"<br>{self.node_link(self.shown.graph.node(error.node))}"
        )
        message = f"<b>{escape(error.type)}</b><br>{escape(_cut(error.message)).replace(chr(10), '<br>')}{where}"
        ground = blend(self.theme.error, self.theme.panel, 0.12)
        return (
            f'<table width="100%" cellpadding="8" style="margin-top:8px"><tr><td bgcolor="{ground}" '
            f'style="color:{self.theme.error}">{message}</td></tr></table>'
        )

    def _numbers(self, value: Value, of: str) -> str:
        """The numbers of a value, or how they can be had. A view of the pass has none."""
        if self.shown.view:
            return ""
        return self._section(f"Numbers{of}", numbers_rows(self.shown, value, self.known, self.theme))

    def _findings(self, node: int | None) -> list[Row]:
        """What the recorder noticed of a node, or, for None, of the iteration as a whole."""
        graph, rows = self.shown.graph, list[Row]()
        for finding in self.shown.findings:
            if node in (None, finding.node):
                text = f"<b>{escape(finding.kind)}</b> {escape(_cut(finding.message)).replace(chr(10), '<br>')}"
                its = None if self.shown.view or node is not None else finding.node
                rows.append(("", text if its is None else f"{text}<br>{self.node_link(graph.node(its))}"))
        return rows

    def _attributes(self, attributes: dict[str, Any]) -> list[Row]:
        return [
            (escape(name), escape(_cut(text if isinstance(text, str) else json.dumps(text, ensure_ascii=False))))
            for name, text in attributes.items()
        ]

    def _input_name(self, name: str, position: int, access: Access) -> str:
        written = f'<br><span style="color:{self.theme.warning}">written</span>' if access is Access.WRITE else ""
        return f"{escape(name) or position}{written}"

    def _title(self, text: str, kind: str) -> str:
        return (
            f'<p style="margin:0; font-size:15px; font-weight:600; color:{self.theme.text}">{escape(text)}</p>'
            f'<p style="margin:0 0 8px 0; color:{self.theme.muted}">{escape(kind)}</p>'
        )

    def _section(self, title: str, rows: Sequence[Row]) -> str:
        if not rows:
            return ""
        more = f"<p>{self._quiet(f'and {len(rows) - _MANY:,} more')}</p>" if len(rows) > _MANY else ""
        return (
            f'<p style="margin:14px 0 2px 0; font-size:11px; font-weight:600; color:{self.theme.muted}">'
            f"{title.upper()}</p>{self._table(rows[:_MANY])}{more}"
        )

    def _table(self, rows: Sequence[Row], above: int = 0) -> str:
        lines = "".join(
            f'<tr><td width="76" style="color:{self.theme.muted}; padding:3px 10px 3px 0">{name}</td>'
            f'<td style="padding:3px 0">{text}</td></tr>'
            if name
            else f'<tr><td style="padding:3px 0">{text}</td></tr>'
            for name, text in rows
        )
        return f'<table cellspacing="0" width="100%" style="margin-top:{above}px">{lines}</table>'

    def _link(self, target: str, text: str) -> str:
        return f'<a href="{target}" style="color:{self.theme.accent}; text-decoration:none">{escape(text)}</a>'

    def _quiet(self, text: str, *, escaped: bool = False) -> str:
        return f'<span style="color:{self.theme.muted}">{text if escaped else escape(text)}</span>'


def _shape_text(value: Value) -> str:
    shape = value.shape
    if shape is None:
        return "unknown"
    return f"[{', '.join('?' if d is None else str(d) for d in shape)}]"


def _cut(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _below(scope: Scope) -> set[int]:
    """The scope and all scopes in it; parents stand before their children."""
    found = {int(scope.id)}
    for row, parent in enumerate(_parents(scope.graph)):
        if parent in found:
            found.add(row)
    return found


def _parents(graph: Graph) -> list[int]:
    parents: list[int] = graph.scopes.parent.tolist()
    return parents
