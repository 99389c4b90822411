"""The autograd graph of a pass: walked when a backward starts, and watched while it runs.

Notes hold plain data. No autograd node, no tensor and no hook of ours outlives the backward it belongs to, and nothing
of the program's is called: what it saved is looked at as it lies there, and its hooks are counted, not run.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from threading import get_ident
from time import perf_counter_ns
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction
from torch.autograd.graph import GradientEdge
from torch.nn import Parameter
from torch.utils.hooks import RemovableHandle

from graphreel.capture.torch.autograd_notes import STOPPED, AutogradNotes, CallNote, HookCounts, LeafNote, NodeNote
from graphreel.capture.torch.autograd_saved import SavedTensors, number_of
from graphreel.capture.torch.log import NO_ALIAS, NO_TENSOR, PassLog, RawTensor
from graphreel.capture.torch.spared import Spared, let_through
from graphreel.capture.torch.tensors import TensorTable, note
from graphreel.graph import ValueKind

_NO_FORWARD = 1 << 63
"""Sequence numbers from here on belong to no operation (`AccumulateGrad` has the greatest of all)."""
_UNNAMED = (ValueKind.INPUT, "")


class BackwardWatch:
    """Walks the graph that a backward is about to run, and puts hooks on its nodes for as long as it runs.

    Attributes:
        notes: Of the pass under way; None while none of it is wanted.
    """

    def __init__(self, table: TensorTable) -> None:
        self.notes: AutogradNotes | None = None
        self._table, self._saved, self._thread = table, SavedTensors(table), get_ident()
        self._log: PassLog | None = None
        self._places: dict[tuple[object, ...], int] = {}
        self._hooked: set[int] = set()
        self._open: list[int] = []

    def begin(self, log: PassLog, base: int) -> AutogradNotes:
        """A pass begins whose autograd graph is wanted; `base` is what autograd's counter stands at."""
        self.notes, self._log = AutogradNotes(base), log
        self._places, self._hooked, self._open = {}, set(), []
        return self.notes

    def end(self) -> None:
        """The pass under way ends."""
        self.notes = self._log = None

    def backward_begins(self, outputs: Sequence[Any]) -> Callable[[], None] | None:
        """A backward is about to start from these tensors or edges; gives what is to be called once it ended."""
        notes, log = self.notes, self._log
        if notes is None or log is None or notes.fault or get_ident() != self._thread or _runs_compiled():
            return None
        call = CallNote(self._open[-1] if self._open else -1, begin_event=len(log.events))
        notes.calls.append(call)
        self._open.append(len(notes.calls) - 1)
        handles: list[RemovableHandle] = []
        hooked: list[int] = []
        # A tensor of the program's own class would be asked through that class else.
        with Spared(notes.give_up), torch._C.DisableTorchFunction():
            nodes, edges, roots = _reachable(outputs)
            places = self._placed(nodes)
            call.roots = tuple((places[at], number) for at, number in roots)
            self._note_all(notes, nodes, edges, places)
            for node, place in zip(nodes, places, strict=True):
                if place not in self._hooked:
                    self._hooked.add(place)
                    hooked.append(place)
                    self._hook(node, place, notes, log, handles)
        return partial(self._backward_ended, notes, log, call, handles, hooked)

    def _backward_ended(
        self, notes: AutogradNotes, log: PassLog, call: CallNote, handles: list[RemovableHandle], hooked: list[int]
    ) -> None:
        call.end_ns, call.end_event = perf_counter_ns(), len(log.events)
        for handle in handles:
            handle.remove()
        if notes is self.notes:
            self._hooked.difference_update(hooked)
            self._open.pop()

    def _placed(self, nodes: Sequence[Any]) -> list[int]:
        """For each node its place among the pass's nodes: the one it has from an earlier backward, or the next one."""
        places: list[int] = []
        seen: dict[tuple[object, ...], int] = {}
        for node in nodes:
            number, name = node._sequence_nr(), node.name()
            # Nodes are let go after the walk, so the next walk knows one by what stays of it.
            key = (number, name) if number < _NO_FORWARD else (name, *self._identity(getattr(node, "variable", None)))
            # Each thread counts for itself, so two nodes may have the same number.
            seen[key] = seen.get(key, 0) + 1
            places.append(self._places.setdefault((*key, seen[key]), len(self._places)))
        return places

    def _identity(self, variable: Any) -> tuple[int, int]:
        """What tells a tensor that a node adds to from all others; its `id` where no operation has met it."""
        number = NO_TENSOR if variable is None else number_of(self._table, variable)
        return number, id(variable) if number == NO_TENSOR else 0

    def _note_all(
        self,
        notes: AutogradNotes,
        nodes: Sequence[Any],
        edges: Sequence[Sequence[tuple[int, int]]],
        places: Sequence[int],
    ) -> None:
        """Note down the nodes that no earlier backward of the pass has met."""
        hooks = self._tensor_hooks()
        known = len(notes.nodes)
        for node, following, place in zip(nodes, edges, places, strict=True):
            if place >= known:
                given = tuple(STOPPED if at < 0 else (places[at], number) for at, number in following)
                notes.nodes.append(self._note(node, given, hooks.get(id(node), 0), notes))

    def _note(self, node: Any, edges: tuple[tuple[int, int], ...], hooks: int, notes: AutogradNotes) -> NodeNote:
        number = node._sequence_nr()
        leaf = None
        variable = getattr(node, "variable", None)
        if isinstance(variable, Tensor):
            kind, name = self._table.members.get(id(variable)) or self._table.names.get(id(variable)) or _UNNAMED
            leaf = LeafNote(number_of(self._table, variable), kind, name, note(variable, NO_ALIAS))
            hooks += len(variable._backward_hooks or ()) + len(variable._post_accumulate_grad_hooks or ())
        function = ""
        if isinstance(node, BackwardCFunction):
            custom = getattr(node, "_forward_cls", type(node))
            function = f"{custom.__module__}.{custom.__qualname__}"
        return NodeNote(
            op=node.name().rpartition("::")[2],
            number=number - notes.base if number < _NO_FORWARD else None,
            edges=edges,
            takes=tuple(map(_type_of, node._input_metadata)),
            saved=self._saved(node),
            leaf=leaf,
            hooks=HookCounts(tensor=hooks),
            function=function,
            call=len(notes.calls) - 1,
        )

    def _tensor_hooks(self) -> Mapping[int, int]:
        """How many hooks stand on the results of each autograd node, by the node's `id`."""
        counts: dict[int, int] = {}
        for key in self._table.numbers:
            tensor = self._table.known[key]()
            if (type(tensor) is Tensor or type(tensor) is Parameter) and tensor._backward_hooks:
                node = id(tensor.grad_fn)
                counts[node] = counts.get(node, 0) + len(tensor._backward_hooks)
        return counts

    def _hook(self, node: Any, place: int, notes: AutogradNotes, log: PassLog, handles: list[RemovableHandle]) -> None:
        """Be told when a node begins and ends to run; how many hooks it had before shows on this occasion."""
        handles.append(node.register_prehook(partial(_began, notes, log, place)))
        handles.append(node.register_hook(partial(_ended, notes, log, place)))
        before, after = (len(handle.hooks_dict_ref() or ()) - 1 for handle in handles[-2:])
        if before or after:
            hooks = notes.nodes[place].hooks
            notes.nodes[place] = notes.nodes[place]._replace(hooks=HookCounts(before, after, hooks.tensor))


def _began(notes: AutogradNotes, log: PassLog, place: int, taken: object) -> None:
    notes.begins.append((place, perf_counter_ns(), len(log.events)))


def _ended(notes: AutogradNotes, log: PassLog, place: int, given: object, taken: object) -> None:
    notes.ends.append((place, perf_counter_ns(), len(log.events)))


def _reachable(
    outputs: Sequence[Any],
) -> tuple[list[Any], list[list[tuple[int, int]]], list[tuple[int, int]]]:
    """The autograd nodes that a backward from these outputs may reach, their edges, and where it begins.

    Edges name nodes by their place; -1 is a next function that is None.
    """
    nodes: list[Any] = []
    places: dict[int, int] = {}

    def place(node: Any) -> int:
        found = places.get(id(node))
        if found is None:
            found = places[id(node)] = len(nodes)
            nodes.append(node)
        return found

    begins = [(each.node, each.output_nr) if isinstance(each, GradientEdge) else _edge(each) for each in outputs]
    roots = [(place(node), number) for node, number in begins if node is not None]
    edges: list[list[tuple[int, int]]] = []
    for node in nodes:  # it grows while it is walked
        edges.append([(-1, 0) if other is None else (place(other), nr) for other, nr in node.next_functions])
    return nodes, edges, roots


def _edge(tensor: Tensor) -> tuple[Any, int]:
    """Where the gradient of a tensor enters; nowhere for a leaf, whose node is made by the engine itself."""
    return tensor.grad_fn, tensor.output_nr


def _type_of(metadata: Any) -> RawTensor:
    """Dtype, shape and device of a gradient; open where the node has never given the tensor that it is of."""
    try:
        if metadata.is_nested_tensor:
            return metadata.dtype, None, metadata.device, NO_ALIAS
        sizes = tuple(size if type(size) is int else None for size in metadata.shape)
        return metadata.dtype, sizes, metadata.device, NO_ALIAS
    except (RuntimeError, TypeError, ValueError) as error:
        let_through(error)
        return None, None, None, NO_ALIAS


def _runs_compiled() -> bool:
    """Whether PyTorch compiles backward itself, which would compile hooks of ours along with it."""
    module = sys.modules.get("torch._dynamo.compiled_autograd")
    return bool(getattr(module, "compiled_autograd_enabled", False))
