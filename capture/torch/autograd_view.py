"""The autograd graph of a pass as a graph of its own, with links to what ran forward and to what backward ran."""

from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np

from graphreel.capture.torch.autograd_links import Links, Times
from graphreel.capture.torch.autograd_notes import STOPPED, AutogradNotes, NodeNote, SavedNote
from graphreel.capture.torch.log import NO_ALIAS, PassLog, RawTensor
from graphreel.capture.torch.spared import Spared
from graphreel.capture.torch.watch import Numbering
from graphreel.graph import NONE, ROOT, Graph, GraphBuilder, Phase, ScopeKind, ValueKind
from graphreel.tracefile.extras import Finding
from graphreel.tracefile.model import IterationRecord

VIEW = "autograd"


class AutogradViews:
    """Adds the view `autograd` to iterations. One that is equal to the last is built once."""

    def __init__(self) -> None:
        self._last: _Built | None = None

    def add_to(
        self, record: IterationRecord, notes: AutogradNotes, log: PassLog, numbering: Numbering
    ) -> IterationRecord:
        """The iteration with its view and its times, and how long the backward of each forward operation took.

        The latter is the column `backward_ns` of the main graph, 0 where there was none; that of a custom function
        stands at its first operation.
        """
        if not notes.fault:
            with Spared(notes.give_up):
                return self._add(record, notes, log, numbering) if notes.nodes else record
        message = f"the autograd view of this iteration is missing by a bug, please report: {notes.fault}"
        return replace(record, findings=(*record.findings, Finding("recorder-fault", message)))

    def _add(
        self, record: IterationRecord, notes: AutogradNotes, log: PassLog, numbering: Numbering
    ) -> IterationRecord:
        built = self._built(record.graph, notes, log, numbering)
        record = replace(record, views={**record.views, VIEW: built.view})
        if "duration_ns" not in record.columns:
            return record
        times = Times.of(notes, numbering.begin_ns)
        columns = {
            "start_ns": times.start_ns[built.order],
            "duration_ns": times.duration_ns[built.order],
            "runs": times.runs[built.order],
        }
        backward = np.zeros(record.graph.node_count, np.int64)
        for place, forward in enumerate(built.forward):
            if forward:
                backward[forward[0]] += times.duration_ns[place]
        return replace(
            record,
            columns={**record.columns, "backward_ns": backward},
            view_columns={**record.view_columns, VIEW: columns},
        )

    def _built(self, main: Graph, notes: AutogradNotes, log: PassLog, numbering: Numbering) -> "_Built":
        seen = _without_times(notes)
        # Equal passes have the very same graph, and with it the same events and values.
        if self._last is None or self._last.main is not main or self._last.seen != seen:
            links = Links(notes, log, numbering, main)
            view = ViewOfPass(notes, main, links)
            self._last = _Built(main, seen, view.build(), view.order, links.forward)
        return self._last


@dataclass(frozen=True, slots=True)
class _Built:
    """A view, what it was made of, and the place in the notes of each of its nodes."""

    main: Graph
    seen: tuple[object, ...]
    view: Graph
    order: list[int]
    forward: list[list[int]]


def _without_times(notes: AutogradNotes) -> tuple[object, ...]:
    calls = [(call.outer, call.roots, call.begin_event, call.end_event) for call in notes.calls]
    begins = [(place, event) for place, _, event in notes.begins]
    return notes.nodes, calls, begins, [(place, event) for place, _, event in notes.ends]


class _Typed(TypedDict):
    dtype: str
    shape: tuple[int | None, ...] | None
    device: str


_UNKNOWN: RawTensor = (None, None, None, NO_ALIAS)


def _typed(noted: RawTensor) -> _Typed:
    """What a value is given of a tensor."""
    dtype, shape, device, _ = noted
    return {"dtype": _text(dtype), "shape": shape, "device": _text(device)}


def _text(what: object) -> str:
    return "" if what is None else str(what).removeprefix("torch.")


class ViewOfPass:
    """Builds the view. Its nodes stand in the order in which backward first ran them; those it did not run stand last.

    A value is a gradient on its way from one node to an input of another. What a node adds to is an input of it, too,
    and the sum its output. `order` has the place in the notes of each node of the graph.
    """

    def __init__(self, notes: AutogradNotes, main: Graph, links: Links) -> None:
        self._notes, self._main, self._links = notes, main, links
        self._builder = GraphBuilder({"framework": "torch", "view": "autograd"})
        ran = list(dict.fromkeys(place for place, _, _ in notes.begins))
        self.order = [*ran, *sorted(set(range(len(notes.nodes))).difference(ran))]
        self._ran = set(ran)
        self._taken: dict[int, list[tuple[int, str]]] = {}
        self._given: list[tuple[int, int, int]] = []
        self._givers: dict[int, list[int]] = {}
        self._scopes: dict[tuple[int, str], int] = {}
        self._phases: dict[int, int] = {}
        self._scope_of: dict[int, int] = {}
        self._sources: dict[int, int] = {NONE: NONE}

    def build(self) -> Graph:
        """The graph."""
        self._add_values()
        rows = {place: self._add(place) for place in self.order}
        for place, port, value in self._given:
            self._builder.produce(value, rows[place], port)
        for place, row in rows.items():
            self._add_sum(place, row)
        return self._builder.build()

    def _add_values(self) -> None:
        """All gradients on their way, before the nodes: a node may take what a later node gives, in a later call."""
        notes = self._notes
        for call in notes.calls:
            for place, number in call.roots:
                self._add_value(place, number, "grad_output")
        for place in self.order:
            port = 0
            for target, number in notes.nodes[place].edges:
                if target != STOPPED[0]:
                    self._given.append((place, port, self._add_value(target, number, "")))
                    self._givers.setdefault(target, []).append(place)
                    port += 1

    def _add_value(self, place: int, number: int, name: str) -> int:
        takes = self._notes.nodes[place].takes
        type_of = takes[number] if number < len(takes) else _UNKNOWN
        value = self._builder.value(**_typed(type_of), name=name, kind=ValueKind.GRADIENT)
        self._taken.setdefault(place, []).append((value, f"grad[{number}]" if len(takes) > 1 else "grad"))
        return value

    def _add(self, place: int) -> int:
        note = self._notes.nodes[place]
        taken = sorted(self._taken.get(place, ()), key=lambda entry: entry[1])
        forward = self._links.forward[place]
        if note.leaf is not None:
            leaf = self._builder.value(**_typed(note.leaf.type), name=note.leaf.name, kind=note.leaf.kind)
            taken.append((leaf, "variable"))
        source = int(self._main.nodes.source[forward[0]]) if forward else NONE
        return self._builder.node(
            note.op,
            [value for value, _ in taken],
            scope=self._scope(place, note),
            phase=Phase.BACKWARD,
            source=self._source(source),
            name=note.leaf.name if note.leaf is not None else "",
            input_names=[name for _, name in taken],
            attributes=self._attributes(place, note),
        )

    def _add_sum(self, place: int, row: int) -> None:
        leaf = self._notes.nodes[place].leaf
        if leaf is not None:
            name = f"{leaf.name}.grad" if leaf.name else ""
            value = self._builder.value(**_typed(leaf.type), producer=row, name=name, kind=ValueKind.GRADIENT)
            self._builder.output(value)

    def _attributes(self, place: int, note: NodeNote) -> dict[str, Any]:
        links = self._links
        found: dict[str, Any] = {
            "sequence": note.number,
            "forward": links.forward[place],
            "operations": links.operations[place],
            "function": note.function,
            "stopped": [at for at, edge in enumerate(note.edges) if edge == STOPPED],
            "saved": [self._saved(place, saved) for saved in note.saved],
            "saved_bytes": sum(max(saved.nbytes, 0) for saved in note.saved),
            "prehooks": note.hooks.before,
            "hooks": note.hooks.after,
            "tensor_hooks": note.hooks.tensor,
        }
        found = {key: given for key, given in found.items() if given or (key == "sequence" and given is not None)}
        if place not in self._ran:
            found["ran"] = False
        if note.leaf is not None and (value := links.value_at(note.leaf.tensor, note.call)) is not None:
            found["variable"] = value
        return found

    def _saved(self, place: int, saved: SavedNote) -> dict[str, Any]:
        found: dict[str, Any] = {"name": saved.name}
        if saved.type is not None:
            typed = _typed(saved.type)
            found |= {"dtype": typed["dtype"], "shape": list(typed["shape"] or ()), "device": typed["device"]}
        if saved.nbytes >= 0:
            found["bytes"] = saved.nbytes
        if saved.packed:
            found["packed"] = True
        if (value := self._links.saved_value(place, saved.tensor)) is not None:
            found |= {"value": value, "version": int(self._main.values.version[value])}
        return found

    def _scope(self, place: int, note: NodeNote) -> int:
        """The scope of the forward operation again, within the backward that first met the node."""
        phase = self._phase(note.call)
        forward = self._links.forward[place]
        if forward:
            scope = self._mirror(phase, int(self._main.nodes.scope[forward[0]]))
        else:
            # What belongs to no operation stands beside the node that gives it its gradient.
            scope = next(
                (self._scope_of[giver] for giver in self._givers.get(place, ()) if giver in self._scope_of), phase
            )
        self._scope_of[place] = scope
        return scope

    def _phase(self, call: int) -> int:
        """The scope of a call of backward; one within another belongs to it."""
        while self._notes.calls[call].outer >= 0:
            call = self._notes.calls[call].outer
        found = self._phases.get(call)
        if found is None:
            found = self._phases[call] = self._builder.scope("backward", ROOT, ScopeKind.PHASE)
        return found

    def _mirror(self, phase: int, scope: int) -> int:
        """A scope of the main graph, without its phase, within a backward."""
        main = self._main.scopes
        chain: list[int] = []
        while scope != ROOT and main.kind[scope] != ScopeKind.PHASE:
            chain.append(scope)
            scope = int(main.parent[scope])
        found = phase
        for each in reversed(chain):
            name = self._main.strings[main.name[each]]
            inner = self._scopes.get((found, name))
            if inner is None:
                kind, type_name = ScopeKind(int(main.kind[each])), self._main.strings[main.type[each]]
                source = self._source(int(main.source[each]))
                inner = self._builder.scope(name, found, kind, type=type_name, source=source)
                self._scopes[found, name] = inner
            found = inner
        return found

    def _source(self, source: int) -> int:
        """A row of the main graph's source locations, and those of its callers, in this graph."""
        rows = self._main.sources
        chain: list[int] = []
        while source not in self._sources:
            chain.append(source)
            source = int(rows.caller[source])
        found = self._sources[source]
        for each in reversed(chain):
            file, function = self._main.strings[rows.file[each]], self._main.strings[rows.function[each]]
            found = self._sources[each] = self._builder.source(file, int(rows.line[each]), function, found)
        return found
