"""What a picture needs to know of a graph whatever is expanded in it; worked out once for each graph."""

from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np

from graphreel.graph import NONE, Direction, Graph, Repeats, ValueKind, flow_edges, repeats
from graphreel.graph.nesting import scope_depths
from graphreel.graph.repeats import first_nodes
from graphreel.graph.types import IntColumn


@dataclass(frozen=True, slots=True, eq=False)
class Facts:
    """A graph's hierarchy and edges, before anything is expanded.

    Attributes:
        depth: How many scopes stand around each scope; 0 for the root.
        first: The first node in or below each scope; the number of nodes where there is none.
        repeats: Which scopes are repeated blocks.
        source, target, value: Every edge from node to node.
        entering, consumer: Values that enter from outside, once for each node that takes them.
        inputs, input_first: The values that get an INPUT box, and the node that each comes before.
        outputs, producer: The values that get an OUTPUT box, and the node that makes each, or -1.
    """

    depth: IntColumn
    first: IntColumn
    repeats: Repeats
    source: IntColumn
    target: IntColumn
    value: IntColumn
    entering: IntColumn
    consumer: IntColumn
    inputs: IntColumn
    input_first: IntColumn
    outputs: IntColumn
    producer: IntColumn


_known: "WeakKeyDictionary[Graph, Facts]" = WeakKeyDictionary()


def facts(graph: Graph) -> Facts:
    """The facts of a graph."""
    found = _known.get(graph)
    if found is None:
        found = _known[graph] = _facts(graph)
    return found


def _facts(graph: Graph) -> Facts:
    flow = flow_edges(graph)
    entering, consumer = _entering(graph)
    inputs, input_first = _inputs(graph, entering, consumer)
    outputs = np.unique(graph.outputs).astype(np.int32)
    return Facts(
        depth=scope_depths(graph),
        first=first_nodes(graph),
        repeats=repeats(graph),
        source=flow.source,
        target=flow.target,
        value=flow.value,
        entering=entering,
        consumer=consumer,
        inputs=inputs,
        input_first=input_first,
        outputs=outputs,
        producer=_producers(graph, outputs),
    )


def _entering(graph: Graph) -> tuple[IntColumn, IntColumn]:
    """Values of kind input without a producer, with each node that takes them, also through bodies' boundaries."""
    source = np.arange(graph.value_count, dtype=np.int32)
    table = graph.boundaries
    enters = table.direction == Direction.ENTER
    source[table.inner[enters]] = table.outer[enters]
    source[table.outer[~enters]] = table.inner[~enters]
    made = graph.values.producer != NONE
    source[made] = np.flatnonzero(made)
    # Bodies nest: follow to the outermost value. Twice as far each time, and no further where a file has a circle.
    for _ in range(32):
        further = source[source]
        if np.array_equal(further, source):
            break
        source = further
    consumer = np.repeat(np.arange(graph.node_count, dtype=np.int32), np.diff(graph.inputs.start))
    value = source[graph.inputs.value]
    kept = (graph.values.kind[value] == ValueKind.INPUT) & (graph.values.producer[value] == NONE)
    return value[kept], consumer[kept]


def _inputs(graph: Graph, entering: IntColumn, consumer: IntColumn) -> tuple[IntColumn, IntColumn]:
    """The values that get an INPUT box, and the node that each comes before: its first consumer."""
    values, row = np.unique(entering, return_inverse=True)
    first = np.full(len(values), graph.node_count, dtype=np.int32)
    np.minimum.at(first, row, consumer)
    unused = np.setdiff1d(_given_back_untouched(graph), values)
    end = np.full(len(unused), max(graph.node_count - 1, 0), dtype=np.int32)
    return np.concatenate((values, unused)).astype(np.int32), np.concatenate((first, end))


def _given_back_untouched(graph: Graph) -> IntColumn:
    """Outputs of the graph that are inputs of the graph."""
    values = graph.values
    entering = (values.producer == NONE) & (values.kind == ValueKind.INPUT)
    found: IntColumn = graph.outputs[entering[graph.outputs]]
    return found


def _producers(graph: Graph, values: IntColumn) -> IntColumn:
    """The node that makes each value, seen through the boundaries that values leave bodies by; -1 for none."""
    at = values.copy()
    table = graph.boundaries
    leaves = table.direction == Direction.LEAVE
    inner = np.arange(graph.value_count, dtype=np.int32)
    inner[table.outer[leaves]] = table.inner[leaves]
    for _ in range(32):
        at = np.where(graph.values.producer[at] == NONE, inner[at], at)
    return graph.values.producer[at]
