"""Whole values of a pass, as far as they pass the filter and the limit.

Which node an event becomes, and so its key, is known only when the pass is over. So what an operation gives is copied
if by its module, its operator or its tensor's name it may pass the filter, and of that is kept what really does. Where
the pass does not know these yet (new states of an optimizer, gradients, some operations of backward), it is copied.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from graphreel.capture.filters import Filter
from graphreel.capture.torch.errors import CannotKeep
from graphreel.capture.torch.keyframes_layouts import view_of
from graphreel.capture.torch.keyframes_memory import Memory
from graphreel.capture.torch.keyframes_writes import Written, tensors_given
from graphreel.capture.torch.log import NO_NODE, PassLog
from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.quiet import NoFunctions, NoHistory, NoModes
from graphreel.capture.torch.spared import let_through
from graphreel.capture.torch.tensors import TensorTable
from graphreel.capture.torch.watch import Call, Numbering, Silent
from graphreel.graph import Graph, NodeId, ValueId, node_keys
from graphreel.tracefile.extras import Finding
from graphreel.tracefile.model import IterationRecord
from graphreel.tracefile.tensors import RecordedTensor, TensorView

_CANDIDATES = 4
"""How many times the limit may be copied of what may pass the filter."""

Key = tuple[int, int]
"""An event, and the number of a tensor that it gave or wrote."""


@dataclass(slots=True)
class _Copy:
    """A value that was copied; only its size where there was no room for it."""

    key: Key
    nbytes: int
    memory: Memory | None = None
    view: TensorView | None = None


class ValuesWatch(Silent):
    """Keeps whole values of one pass."""

    def __init__(self, globs: Sequence[str], limit: int, log: PassLog, table: TensorTable) -> None:
        self._filter, self._limit, self._log, self._table = Filter(globs), limit, log, table
        self._globs = globs
        self._chooses = bool(globs)
        self._gradients = any("grad" in glob for glob in globs)
        self._written = Written()
        self._copies: list[_Copy] = []
        self._nbytes = 0
        self._places: dict[tuple[int, int, int, bool], bool] = {}
        self._paths: dict[int, str] = {0: ""}
        self._scope_of: dict[int, int] = {}
        self._counter = 0

    def after(self, call: Call, out: Any, outputs: tuple[int, ...]) -> None:
        """Copy what an operation gave and what it wrote, if it may pass the filter."""
        event, info, args, kwargs, _ = call
        tensors = dict(zip(outputs, tensors_given(out), strict=True))
        for tensor in self._written.tensors(info, args, kwargs):
            tensors.setdefault(self._table.numbers.get(id(tensor), -1), tensor)
        passes = not self._chooses or self._may_take(event, info)
        for number, tensor in tensors.items():
            if passes or self._may_be_named(event, tensor):
                with NoFunctions(), NoModes(), NoHistory():
                    self._copy((event, number), tensor)

    def ended(self) -> None:
        """Bring what lies on devices into plain memory."""
        with NoFunctions(), NoModes(), NoHistory():
            for copy in self._copies:
                if copy.memory is not None:
                    copy.memory.read()

    def add_to(self, record: IterationRecord, numbering: Numbering) -> IterationRecord:
        """The iteration with the values that pass the filter, in order, up to the limit."""
        graph, keys = record.graph, node_keys(record.graph) if self._chooses else ()
        kept: list[RecordedTensor] = []
        room, left, left_bytes = self._limit, 0, 0
        for copy in self._copies:
            value = numbering.given.get(copy.key)
            node = numbering.nodes.get(copy.key[0])
            if value is None or node is None or not self._takes(graph, keys, node, value):
                continue
            if copy.view is None or copy.memory is None or copy.nbytes > room:
                left, left_bytes = left + 1, left_bytes + copy.nbytes
                continue
            room -= copy.nbytes
            storages = [copy.memory.storage(row) for row in range(len(copy.memory))]
            kept.append(RecordedTensor(replace(copy.view, value=ValueId(value)), storages))
        self._copies.clear()
        findings = (self._left_out(len(kept), left, left_bytes),) if left else ()
        if self._chooses and not kept and not left:
            shown = " ".join(f"--values {glob!r}" for glob in self._globs)
            findings = (Finding("values-unmatched", f"no value was kept: none of this iteration matches {shown}"),)
        return replace(record, tensors=(*record.tensors, *kept), findings=(*record.findings, *findings))

    def _takes(self, graph: Graph, keys: Sequence[str], node: int, value: int) -> bool:
        if not self._chooses:
            return True
        return self._filter.takes(keys[node], graph.node(NodeId(node)).scope.path, graph.value(ValueId(value)).name)

    def _copy(self, key: Key, tensor: Tensor) -> None:
        try:
            nbytes = tensor.numel() * tensor.element_size()
            if self._nbytes + nbytes > _CANDIDATES * self._limit:
                self._copies.append(_Copy(key, nbytes))
                return
            memory = Memory()
            view = view_of(_alone(tensor), memory.row_of)
        except (CannotKeep, RuntimeError, NotImplementedError) as error:
            let_through(error)
            # Nothing that could be shown: a class with rules of its own, or a tensor without memory.
            return
        self._nbytes += memory.nbytes
        self._copies.append(_Copy(key, memory.nbytes, memory, view))

    def _may_be_named(self, event: int, tensor: Tensor) -> bool:
        """Whether a tensor has, or may be given later, a name that passes."""
        step, autograd = self._log.events[event][6:8]
        for names in (self._table.members, self._table.names):
            if id(tensor) in names:
                return self._filter.may_take(names[id(tensor)][1])
        return step > 0 or (autograd is not None and self._gradients)

    def _may_take(self, event: int, info: OpInfo) -> bool:
        """Whether what an event gave may pass the filter, by its operator and the module that it belongs to."""
        raw = self._log.events[event]
        scope, step, autograd, number, counter = raw[5], raw[6], raw[7], raw[8], raw[9]
        for at in range(self._counter, counter):
            self._scope_of[at] = scope
        self._counter = max(self._counter, counter)
        backward = autograd is not None
        if backward:
            scope = self._scope_of.get(number, NO_NODE)
        if scope == NO_NODE:
            return True
        place = scope, info.index, step, backward
        known = self._places.get(place)
        if known is None:
            phase = "backward" if backward else "forward"
            path = f"optimizer.{self._log.steps[step]}.step" if step and not scope else f"{phase}.{self._path(scope)}"
            known = self._filter.may_take(f"{path}.{info.name}".replace("..", "."), path)
            self._places[place] = known
        return known

    def _path(self, scope: int) -> str:
        """The names of a module call, from the outermost on."""
        found = self._paths.get(scope)
        if found is None:
            note = self._log.scopes[scope]
            found = self._paths[scope] = ".".join(filter(None, (self._path(note.parent), *note.names)))
        return found

    def _left_out(self, kept: int, left: int, nbytes: int) -> Finding:
        message = (
            f"{left:,} values ({nbytes:,} bytes) were left out and {kept:,} are kept, within {self._limit:,} bytes; "
            "raise it with --values-limit, or choose fewer with --values 'layers.0.*'"
        )
        return Finding("values-left-out", message)


def _alone(tensor: Tensor) -> Tensor:
    """The elements that a tensor shows, without the rest of the memory that it shows them in."""
    if tensor.layout is not torch.strided or tensor.is_quantized or tensor.is_nested:
        return tensor
    return tensor.resolve_conj().resolve_neg().contiguous()
