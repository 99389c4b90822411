"""Makes the graph of a pass that differs from an earlier one by sizes only, as with a batch of another length.

All but the shapes of its values and some attributes of its nodes is that graph's, and need not be built again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from graphreel.capture.torch.arguments import Signature, Signatures
from graphreel.capture.torch.log import NO_TENSOR, PassLog, RawEvent, RawTensor, same_event
from graphreel.graph import Graph, attribute_text
from graphreel.graph.columns import ShapeColumns

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A graph that others may be variants of.

    Attributes:
        nodes: The node of each event that became one.
        tensors: The tensor that each value is.
    """

    log: PassLog
    graph: Graph
    nodes: Mapping[int, int]
    tensors: IntArray


def variant_of(model: Model, log: PassLog, signatures: Signatures) -> Graph | None:
    """The graph of a pass that is as the model's was but for sizes; None for any other."""
    other = model.log
    if (
        len(log.events) != len(other.events)
        or log.first
        or other.first
        or (log.preparation, log.steps, log.scopes, log.names, log.errors)
        != (other.preparation, other.steps, other.scopes, other.names, other.errors)
        or not _differ_by_shape(log.tensors, other.tensors)
    ):
        return None
    events = _changed(log.events, other.events)
    texts = None if events is None else _new_texts(model, log, events, signatures)
    if texts is None:
        return None
    graph = model.graph
    strings = dict(zip(graph.strings, range(len(graph.strings)), strict=True))
    text = graph.node_attributes.text.copy()
    for row, new in texts.items():
        text[row] = strings.setdefault(new, len(strings))
    rows, shapes = _shapes(model.tensors, log.tensors)
    return replace(
        graph,
        strings=tuple(strings),
        values=replace(graph.values, shape=rows),
        shapes=shapes,
        node_attributes=replace(graph.node_attributes, text=text),
    )


def _differ_by_shape(tensors: Sequence[RawTensor], others: Sequence[RawTensor]) -> bool:
    if len(tensors) != len(others):
        return False
    for one, other in zip(tensors, others, strict=True):
        if one is not other and (one[0] is not other[0] or one[2] != other[2] or one[3] != other[3]):
            return False
    return True


def _changed(events: Sequence[RawEvent], others: Sequence[RawEvent]) -> list[int] | None:
    """The events that have other arguments; None if they differ in anything else."""
    found: list[int] = []
    for at, (one, other) in enumerate(zip(events, others, strict=True)):
        if one is other or (one == other and same_event(one, other)):
            continue
        # The floats of an optimizer's operations stand elsewhere, in an order that its arguments tell.
        if one[:2] != other[:2] or one[4:] != other[4:] or one[6]:
            return None
        found.append(at)
    return found


def _new_texts(model: Model, log: PassLog, events: Sequence[int], signatures: Signatures) -> dict[int, str] | None:
    """The texts of attributes that differ, by their row; None if the operations have other arguments at all."""
    found: dict[int, str] = {}
    start = model.graph.node_attributes.start
    # The same few change in each layer. As texts, in which 1, 1.0 and True differ.
    known: dict[object, dict[int, str] | None] = {}
    for at in events:
        one, other = log.events[at], model.log.events[at]
        key = one[0], NO_TENSOR in one[1], repr(one[2:4]), repr(other[2:4])
        if key not in known:
            known[key] = _differing(signatures(log.event(at)), signatures(model.log.event(at)))
        texts = known[key]
        if texts is None:
            return None
        if at in model.nodes:
            first = int(start[model.nodes[at]])
            found.update((first + place, text) for place, text in texts.items())
    return found


def _differing(new: Signature, old: Signature) -> dict[int, str] | None:
    """The texts of attributes that differ, by their place; None if the arguments differ in anything else."""
    if replace(new, attributes=old.attributes) != old or list(new.attributes) != list(old.attributes):
        return None
    texts = map(attribute_text, new.attributes.values())
    before = map(attribute_text, old.attributes.values())
    return {at: text for at, (text, was) in enumerate(zip(texts, before, strict=True)) if text != was}


def _shapes(tensors: IntArray, notes: Sequence[RawTensor]) -> tuple[npt.NDArray[np.int32], ShapeColumns]:
    """The shapes of values: the row of each, and the table of all."""
    known: dict[tuple[int | None, ...] | None, int] = {}
    shapes = [note[1] for note in notes]
    rows = np.fromiter((known.setdefault(shape, len(known)) for shape in shapes), np.int32, len(shapes))
    table = [shape for shape in known if shape is not None]
    if len(table) < len(known):
        nowhere = known[None]
        rows = np.where(rows == nowhere, -1, rows - (rows > nowhere)).astype(np.int32)
    start = np.cumsum([0, *map(len, table)], dtype=np.int32)
    dims = np.array([-1 if dim is None else dim for shape in table for dim in shape], np.int64)
    return rows[tensors], ShapeColumns(start, dims)
