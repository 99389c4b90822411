"""Kernels, copies and fills of an iteration, each with the node that launched it.

An event of the profiler belongs to the node within whose call it began, on the clock that both share. Where the clocks
disagree, which the operators' names tell, the nodes and the events of equal names are paired in order instead.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from graphreel.capture.kineto.columns import UNKNOWN, Category, IntColumn, Profile
from graphreel.capture.kineto.correlation import device_work, enclosing
from graphreel.capture.torch.profiler import Piece, Profiler
from graphreel.capture.torch.profiler_events import profile_of
from graphreel.capture.torch.watch import Call, Numbering
from graphreel.graph import Graph
from graphreel.tracefile.extras import Finding, Kernels
from graphreel.tracefile.model import IterationRecord

_SLACK_NS = 1_000
"""How much earlier than its node an event may begin by the clocks' own error; measured: 1.5 to 4.5 µs later."""
_MODE = "PythonDispatchMode"
"""What PyTorch calls the time that a mode takes, in its profiles."""
_NEAR_NS = 50_000
"""What counts as near the middle of many differences of clocks; pairs farther off are no pairs."""
_AGREEING = 0.9
"""The part of the nodes whose first event must have their name, or the clocks are not trusted."""
_LATE = (
    "the kernels before this iteration's first module call are missing: the one before it was found to have ended "
    "within an operation, where no profile may begin; mark iterations with recorder.iteration() to have them all"
)
_KINDS = {Category.KERNEL: 0, Category.COPY: 1, Category.FILL: 2}


class KernelsWatch:
    """Profiles a pass. It looks at no tensor; the profiler does not hear of it."""

    follows = False

    def __init__(self, profiler: Profiler) -> None:
        self._profiler = profiler
        self._pieces: list[Piece] = []
        self._refused = ""
        self._late = not profiler.begin(self._pieces.append) and not profiler.refused

    def entered(self, number: int, tensor: Tensor) -> None:
        """As `Watch.entered`."""

    def before(self, call: Call) -> None:
        """As `Watch.before`."""

    def after(self, call: Call, out: Any, outputs: tuple[int, ...]) -> None:
        """As `Watch.after`."""

    def ended(self) -> None:
        """As `Watch.ended`."""
        self._profiler.end()
        self._refused = self._profiler.refused

    def add_to(self, record: IterationRecord, numbering: Numbering) -> IterationRecord:
        """As `Watch.add_to`."""
        findings: list[Finding] = []
        if self._refused:
            missing = "the rest of this iteration's kernels is" if self._pieces else "this iteration's kernels are"
            findings.append(Finding("no-kernels", f"{missing} missing: {self._refused}"))
        elif self._late:
            findings.append(Finding("no-kernels", _LATE))
        kernels = None
        if self._pieces:
            kernels, said = kernels_of(profile_of(self._pieces), record, numbering.begin_ns)
            findings += said
            self._pieces.clear()
        return replace(record, kernels=kernels, findings=(*record.findings, *findings))


def kernels_of(profile: Profile, record: IterationRecord, begin_ns: int) -> tuple[Kernels, list[Finding]]:
    """The work of devices with the node of each, and what is to be said of it.

    `begin_ns` is the iteration's begin on the profile's clock. Where no device took part, the work is the host's.
    """
    calls = _Calls(record)
    findings: list[Finding] = []
    rows = profile.rows(Category.OPERATION)
    start = profile.start_ns - begin_ns
    node = calls.at(start[rows])
    if calls.agreement(profile, rows, node) < _AGREEING:
        shift = calls.shift(profile, rows, start)
        start -= shift
        node = calls.at(start[rows])
        if calls.agreement(profile, rows, node) < _AGREEING:
            node[:] = UNKNOWN
            findings.append(Finding("unplaced-kernels", "the profiler's operations do not match those recorded"))
    node_of = np.full(len(profile), UNKNOWN, dtype=np.int64)
    node_of[rows] = node
    kernels = _device_kernels(profile, start, node_of, calls) or _host_kernels(profile, rows, start, node_of)
    unplaced = int(np.count_nonzero(kernels.node == UNKNOWN))
    if unplaced and not findings:
        what = "1 kernel belongs" if unplaced == 1 else f"{unplaced} kernels belong"
        findings.append(Finding("unplaced-kernels", f"{what} to no recorded operation, of {len(kernels.node)}"))
    return kernels, findings


class _Calls:
    """When the nodes of an iteration were called, counted from its begin."""

    def __init__(self, record: IterationRecord) -> None:
        graph, begin = record.graph, record.columns["start_ns"]
        self._order: IntColumn = np.argsort(begin, kind="stable")
        self._begin: IntColumn = begin[self._order]
        self._end: IntColumn = self._begin + record.columns["duration_ns"][self._order]
        self._names = _names(graph)
        one = np.zeros(len(self._begin), dtype=np.int64)
        nested = bool(np.any(self._begin[1:] < self._end[:-1]))
        self._above: IntColumn = enclosing(one, self._begin, self._end) if nested else one + UNKNOWN

    def at(self, times: IntColumn) -> IntColumn:
        """The innermost node whose call holds each time, or -1."""
        found = np.searchsorted(self._begin - _SLACK_NS, times, side="right") - 1
        while len(late := np.flatnonzero((found != UNKNOWN) & (self._end[found] < times))):
            found[late] = self._above[found[late]]
        return np.where(found == UNKNOWN, UNKNOWN, self._order[found])

    def agreement(self, profile: Profile, rows: IntColumn, node: IntColumn) -> float:
        """Which part of the nodes that have events begins with one of their name; 0 where none has any."""
        nodes, first = np.unique(node, return_index=True)
        nodes, first = nodes[nodes != UNKNOWN], first[nodes != UNKNOWN]
        if not len(nodes):
            return float(not len(self._order) or not len(rows))
        names = (profile.names[row] for row in profile.name[rows[first]])
        agreeing = [self._names[at] == name for at, name in zip(nodes.tolist(), names, strict=True)]
        return agreeing.count(True) / len(agreeing)

    def shift(self, profile: Profile, rows: IntColumn, start: IntColumn) -> int:
        """How far the profile's clock is ahead, by pairing nodes in order with events of their name below the recorder.

        Each operation shows twice: as the program called it, and within that, where the recorder let it run.
        """
        above = enclosing(profile.thread[rows], start[rows], start[rows] + profile.duration_ns[rows])
        held = np.where(above == UNKNOWN, UNKNOWN, profile.name[rows[above]])
        mode = profile.names.index(_MODE) if _MODE in profile.names else UNKNOWN
        inner = rows[(held == profile.name[rows]) | ((held == mode) & (mode != UNKNOWN))]
        found: list[npt.NDArray[np.int64]] = []
        for name in set(self._names):
            if name not in profile.names:
                continue
            events = start[inner[profile.name[inner] == profile.names.index(name)]]
            nodes = self._begin[[self._names[at] == name for at in self._order]]
            if len(events) == len(nodes):
                found.append(events - nodes)
        if not found:
            return 0
        apart = np.concatenate(found)
        # An event begins some microseconds after its node's call, which the recorder itself takes: the least counts.
        return int(apart[np.abs(apart - np.median(apart)) < _NEAR_NS].min())


def _names(graph: Graph) -> list[str]:
    """The profiler's name of each node's operator: `aten::addmm` for `aten.addmm.default`."""
    ops = [graph.strings[row] for row in graph.nodes.op]
    return [op.rpartition(".")[0].replace(".", "::", 1) for op in ops]


def _device_kernels(profile: Profile, start: IntColumn, node_of: IntColumn, calls: _Calls) -> Kernels | None:
    """The work of devices; None where there is none."""
    work = device_work(profile)
    if not len(work.event):
        return None
    launched = work.launch != UNKNOWN
    node = np.where(work.operation == UNKNOWN, UNKNOWN, node_of[work.operation])
    direct = np.flatnonzero((work.operation == UNKNOWN) & launched)
    node[direct] = calls.at(start[work.launch[direct]])
    return _kernels(
        profile,
        work.event,
        kind=np.array([_KINDS[Category(kind)] for kind in profile.category[work.event]], dtype=np.int64),
        node=node,
        device=profile.device[work.event],
        stream=profile.stream[work.event],
        start_ns=start[work.event],
        launch_ns=np.where(launched, start[work.launch], UNKNOWN),
        nbytes=work.nbytes,
    )


def _host_kernels(profile: Profile, rows: IntColumn, start: IntColumn, node_of: IntColumn) -> Kernels:
    """What did the work of each node on the host: its operator, or those within that took most of its time.

    So no time counts twice and little is lost: `aten::mm` does its work itself, `aten::zeros` leaves it to others.
    """
    above = enclosing(profile.thread[rows], start[rows], start[rows] + profile.duration_ns[rows])
    inside = np.bincount(above[above != UNKNOWN], profile.duration_ns[rows[above != UNKNOWN]], len(rows))
    leaves_it = (2 * inside >= profile.duration_ns[rows]) & (inside > 0)
    node = node_of[rows]
    entered = np.zeros(len(rows), dtype=bool)
    # Of two that begin at once the outer one comes first.
    for at in np.lexsort((-profile.duration_ns[rows], start[rows])).tolist():
        up = above[at]
        top = up == UNKNOWN or node[up] != node[at]
        entered[at] = node[at] != UNKNOWN and (top or (entered[up] and leaves_it[up]))
    chosen = entered & ~leaves_it
    event = rows[chosen]
    _, stream = np.unique(profile.thread[event], return_inverse=True)
    nothing = np.zeros(len(event), dtype=np.int64)
    return _kernels(
        profile,
        event,
        kind=nothing,
        node=node[chosen],
        device=nothing + UNKNOWN,
        stream=stream.astype(np.int64),
        start_ns=start[event],
        launch_ns=nothing + UNKNOWN,
        nbytes=nothing,
    )


def _kernels(profile: Profile, event: IntColumn, **columns: IntColumn) -> Kernels:
    """The rows of the profile as kernels, with only the names that they use."""
    used, name = np.unique(profile.name[event], return_inverse=True)
    return Kernels(
        names=tuple(profile.names[row] for row in used),
        name=name.astype(np.int64),
        duration_ns=profile.duration_ns[event],
        **columns,
    )
