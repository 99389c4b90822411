"""Puts a keyframe together once the pass has become a graph, on the writer's thread. Touches no tensor."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from graphreel.capture.torch.keyframes_memory import Memory
from graphreel.capture.torch.log import PassLog
from graphreel.capture.torch.watch import Numbering
from graphreel.graph import Graph, NodeId, ValueId
from graphreel.tracefile.dtypes import ITEM_SIZES
from graphreel.tracefile.tensors import Bytes, Change, GeneratorState, Keyframe, Storage, TensorView

Kept = TensorView | str
"""A tensor as it was kept, or why it was not."""


class Collected:
    """What of a pass belongs into its keyframe, with ids of the graph, and only the memory that is needed."""

    def __init__(self, graph: Graph, memory: Memory, numbering: Numbering) -> None:
        self._graph, self._memory, self._numbering = graph, memory, numbering
        self._tensors: list[TensorView] = []
        self._storages: list[Storage] = []
        self._changes: list[Change] = []
        self._problems: list[str] = []
        self._rows: dict[int, int] = {}
        self._first: dict[int, int] | None = None

    def first_event(self, number: int, log: PassLog) -> int:
        """The first event that became a node and takes a tensor; one past the last where none does."""
        if self._first is None:
            self._first = {}
            for event in sorted(self._numbering.nodes):
                for taken in log.events[event][1]:
                    self._first.setdefault(taken, event)
        return self._first.get(number, len(log.events))

    def add(self, value: int, kept: Kept) -> None:
        """Add what entered as a value."""
        if isinstance(kept, str):
            self._problems.append(f"{self._name(value)} is not kept: {kept}")
        else:
            self._tensors.append(replace(self._settled(kept), value=ValueId(value)))

    def change(self, event: int, position: int, kept: Kept, *, in_place: bool) -> None:
        """Add what a tensor was changed to before an event that takes it."""
        node = self._numbering.nodes.get(event)
        if node is None:
            return
        inputs = self._graph.inputs
        value = int(inputs.value[inputs.start[node] + position])
        if isinstance(kept, str):
            self._problems.append(f"{self._name(value)} was changed before node {node}, and is not kept: {kept}")
        else:
            view = replace(self._settled(kept), value=ValueId(value))
            self._changes.append(Change(NodeId(node), view, in_place))

    def keyframe(self, random: Sequence[tuple[int, str, Bytes]], environment: Mapping[str, Any]) -> Keyframe:
        """All that was added, with the random generators' states by event."""
        nodes = self._numbering.nodes
        return Keyframe(
            tensors=tuple(sorted(self._tensors, key=lambda view: view.value)),
            storages=tuple(self._storages),
            generators=tuple(
                GeneratorState(NodeId(nodes[event]), name, state) for event, name, state in random if event in nodes
            ),
            environment=environment,
            problems=tuple(self._problems),
            changes=tuple(self._changes),
        )

    def _name(self, value: int) -> str:
        found = self._graph.value(ValueId(value))
        return f"{found.name or found.type_text} (value {value})"

    def _settled(self, view: TensorView) -> TensorView:
        """The view with the row and the offset that its memory has in the keyframe."""
        parts = {name: self._settled(part) for name, part in view.parts.items()}
        if view.storage < 0:
            return replace(view, parts=parts)
        if view.storage not in self._rows:
            self._rows[view.storage] = len(self._storages)
            self._storages.append(self._memory.storage(view.storage))
        begin = self._memory.begin_of(view.storage) // ITEM_SIZES.get(view.dtype, 1)
        return replace(view, parts=parts, storage=self._rows[view.storage], offset=max(view.offset - begin, 0))
