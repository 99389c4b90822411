"""Structure hashes: of a whole graph, and of every scope.

The graph's hash covers all that a graph holds but its `meta`, so that the same pass is stored once. A scope's hash
covers what the scope computes, but not what it is called nor where it stands, so that repeated blocks have one hash.
"""

from collections.abc import Sequence
from hashlib import blake2b
from weakref import WeakKeyDictionary

import numpy as np

from graphreel.graph.columns import AttributeColumns
from graphreel.graph.flow import input_origins
from graphreel.graph.model import Graph
from graphreel.graph.nesting import common_scopes, scope_depths
from graphreel.graph.types import NONE, ROOT, HashColumn, IntColumn, ScopeKind, ValueKind

_known: "WeakKeyDictionary[Graph, HashColumn]" = WeakKeyDictionary()

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def structure_hash(graph: Graph) -> str:
    """The graph's hash: 32 hexadecimal digits, equal for equal graphs.

    How strings, shapes and source lines are numbered does not count, nor those that nothing refers to.
    """
    texts = _string_hashes(graph)
    shapes = np.append(_shape_hashes(graph, texts), np.uint64(1))
    sources = np.append(_source_hashes(graph, texts), np.uint64(1))
    digest = blake2b(digest_size=16)
    for table, columns in graph.tables().items():
        if table in _POOLS:
            continue
        for name, column in columns.items():
            found = column
            if (table, name) in _STRING_COLUMNS:
                found = texts[column]
            elif (table, name) == ("values", "shape"):
                found = shapes[column]
            elif name == "source":
                found = sources[column]
            digest.update(f"{table}.{name}:{found.dtype.str}:{len(found)}:".encode())
            digest.update(np.ascontiguousarray(found).data)
    digest.update(np.ascontiguousarray(graph.outputs).data)
    return digest.hexdigest()


_POOLS = {"shapes", "sources"}
"""Tables whose rows count only where others refer to them."""
_STRING_COLUMNS = {
    ("nodes", "op"),
    ("nodes", "name"),
    ("inputs", "name"),
    ("values", "name"),
    ("values", "dtype"),
    ("values", "device"),
    ("scopes", "name"),
    ("scopes", "type"),
    ("node_attributes", "key"),
    ("node_attributes", "text"),
    ("value_attributes", "key"),
    ("value_attributes", "text"),
    ("scope_attributes", "key"),
    ("scope_attributes", "text"),
}


def scope_hashes(graph: Graph) -> HashColumn:
    """A 64-bit hash for each scope. Two scopes with the same operations, attributes, types and wiring have the same.

    Left out are the scope's own name, source lines, and whatever feeds the scope from outside beyond its type. Nodes
    are told apart by their place since the scope's first node, so equal scopes hash equally where execution runs
    through them in one go. Worked out once for each graph.
    """
    found = _known.get(graph)
    if found is None:
        found = _known[graph] = _scope_hashes(graph)
        found.flags.writeable = False
    return found


def _scope_hashes(graph: Graph) -> HashColumn:
    texts = content_hashes(graph)
    first = _first_nodes(graph)
    total = np.zeros(graph.scope_count, dtype=np.uint64)
    scope = graph.nodes.scope
    place = (np.arange(graph.node_count) - first[scope]).astype(np.uint64)
    np.add.at(total, scope, mix(node_hashes(graph, texts), place))
    depth = scope_depths(graph)
    _add_edges(graph, first, total)
    # Groups of equal blocks are equal, whatever they and the blocks are called.
    detected = graph.scopes.kind == ScopeKind.DETECTED
    names = np.where(detected | detected[graph.scopes.parent], np.uint64(0), texts[graph.scopes.name])
    types = np.where(detected, np.uint64(0), texts[graph.scopes.type])
    # Deepest first, so that a child's hash is whole before its parent takes it in.
    order = np.argsort(-depth, kind="stable")
    for children in np.split(order, np.flatnonzero(np.diff(depth[order])) + 1)[:-1]:
        parents = graph.scopes.parent[children]
        since = (first[children] - first[parents]).astype(np.uint64)
        total[children] = mix(total[children], types[children], graph.scopes.kind[children].astype(np.uint64))
        np.add.at(total, parents, mix(total[children], names[children], since))
    return total


def node_hashes(graph: Graph, texts: HashColumn) -> HashColumn:
    """A 64-bit hash of each node: its op, phase, attributes, and the types of what it takes and gives."""
    found = mix(texts[graph.nodes.op], graph.nodes.phase.astype(np.uint64))
    found = mix(found, _attribute_hashes(graph.node_attributes, texts, graph.node_count))
    shapes = np.append(_shape_hashes(graph, texts), np.uint64(1))
    values = graph.values
    # The first of equal blocks takes the graph's input where the others take what the block before gives.
    kind = np.where(values.kind == ValueKind.INPUT, ValueKind.ACTIVATION, values.kind).astype(np.uint64)
    types = mix(texts[values.dtype], shapes[values.shape], kind, texts[values.device])
    owner, position = _input_places(graph)
    access = graph.inputs.access.astype(np.uint64)
    np.add.at(found, owner, mix(types[graph.inputs.value], position, access, texts[graph.inputs.name]))
    made = values.producer != NONE
    np.add.at(found, values.producer[made], mix(types[made], values.port[made].astype(np.uint64), _GOLDEN))
    return found


def _add_edges(graph: Graph, first: IntColumn, total: HashColumn) -> None:
    """Add each edge to the innermost scope that holds both ends, and what comes from beyond to each scope it enters."""
    owner, position = _input_places(graph)
    row, value = input_origins(graph)
    target, position = owner[row], position[row]
    producer, port = graph.values.producer[value], graph.values.port[value].astype(np.uint64)
    inside = producer != NONE
    common = np.full(len(row), NONE, dtype=np.int32)
    common[inside] = common_scopes(graph, graph.nodes.scope[producer[inside]], graph.nodes.scope[target[inside]])
    _add_ends(first, total, common[inside], producer[inside], target[inside], position[inside], port[inside])
    before, after = graph.controls.before, graph.controls.after
    held = common_scopes(graph, graph.nodes.scope[before], graph.nodes.scope[after])
    _add_ends(first, total, held, before, after, np.full(len(before), _GOLDEN), np.zeros(len(before), np.uint64))
    _add_entering(graph, first, total, common, row, value)


def _add_ends(
    first: IntColumn,
    total: HashColumn,
    scope: IntColumn,
    source: IntColumn,
    target: IntColumn,
    position: HashColumn,
    port: HashColumn,
) -> None:
    since = first[scope]
    ends = mix((source - since).astype(np.uint64), (target - since).astype(np.uint64), position, port)
    np.add.at(total, scope, ends)


def _add_entering(
    graph: Graph, first: IntColumn, total: HashColumn, common: IntColumn, row: IntColumn, value: IntColumn
) -> None:
    """Tell one outer value taken twice from two: say of each such input where in the scope the value came first.

    Scope by scope, the deepest first, from the consumer's up to the one that holds the producer too.
    """
    starts, depth = graph.inputs.start[first], scope_depths(graph)
    at = np.repeat(graph.nodes.scope, np.diff(graph.inputs.start))[row]
    going = (at != common) & (np.bincount(value, minlength=graph.value_count) > 1)[value]
    at, row, value, common = at[going], row[going], value[going], common[going]
    level = int(depth[at].max(initial=0))
    while len(at):
        here = np.flatnonzero(depth[at] == level)
        scope, taken, place = at[here], value[here], row[here]
        # Rows ascend already, and a stable sort leaves it so within each pair of scope and value.
        pairs = scope.astype(np.int64) * graph.value_count + taken
        order = np.argsort(pairs, kind="stable")
        pairs, scope, place = pairs[order], scope[order], place[order]
        head = np.ones(len(order), dtype=bool)
        head[1:] = pairs[1:] != pairs[:-1]
        leader = place[np.maximum.accumulate(np.where(head, np.arange(len(order)), 0))]
        again, since = ~head, starts[scope]
        ends = mix((place - since)[again].astype(np.uint64), (leader - since)[again].astype(np.uint64), _GOLDEN)
        np.add.at(total, scope[again], ends)
        going = np.ones(len(at), dtype=bool)
        going[here] = at[here] != ROOT
        at[here] = graph.scopes.parent[at[here]]
        going &= at != common
        at, row, value, common = at[going], row[going], value[going], common[going]
        level -= 1


def _first_nodes(graph: Graph) -> IntColumn:
    """The first node in or below each scope; 0 for a scope without nodes."""
    first = np.full(graph.scope_count, graph.node_count, dtype=np.int64)
    np.minimum.at(first, graph.nodes.scope, np.arange(graph.node_count))
    parents = graph.scopes.parent.tolist()
    found = first.tolist()
    for scope in range(graph.scope_count - 1, 0, -1):
        found[parents[scope]] = min(found[parents[scope]], found[scope])
    rows: IntColumn = np.array(found, dtype=np.int32)
    rows[rows == graph.node_count] = 0
    return rows


def _input_places(graph: Graph) -> tuple[IntColumn, HashColumn]:
    """The node that each input row belongs to, and its position among that node's inputs."""
    counts = np.diff(graph.inputs.start)
    owner = np.repeat(np.arange(graph.node_count, dtype=np.int32), counts)
    position = np.arange(len(owner)) - graph.inputs.start[owner]
    return owner, position.astype(np.uint64)


def _attribute_hashes(table: AttributeColumns, texts: HashColumn, owners: int) -> HashColumn:
    found = np.zeros(owners, dtype=np.uint64)
    owner = np.repeat(np.arange(owners), np.diff(table.start))
    np.add.at(found, owner, mix(texts[table.key], texts[table.text]))
    return found


def _shape_hashes(graph: Graph, texts: HashColumn) -> HashColumn:
    counts = np.diff(graph.shapes.start)
    found = mix(counts.astype(np.uint64), _GOLDEN)
    shape = np.repeat(np.arange(len(counts)), counts)
    position = (np.arange(len(shape)) - graph.shapes.start[shape]).astype(np.uint64)
    np.add.at(found, shape, mix(_dim_hashes(graph, texts), position))
    return found


def _source_hashes(graph: Graph, texts: HashColumn) -> HashColumn:
    """Each line with the lines that called it; callers stand before what they call."""
    table = graph.sources
    own = mix(texts[table.file], table.line.astype(np.uint64), texts[table.function])
    found = own.copy()
    callers = table.caller.tolist()
    depths = [0] * len(callers)
    for row, caller in enumerate(callers):
        depths[row] = depths[caller] + 1 if caller != NONE else 0
    depth = np.array(depths, dtype=np.int64)
    order = np.argsort(depth, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(depth[order])) + 1)[1:]:
        found[rows] = mix(own[rows], found[table.caller[rows]])
    return found


def _dim_hashes(graph: Graph, texts: HashColumn) -> HashColumn:
    """Sizes as they are, symbols by their name."""
    dim = graph.shapes.dim
    found = dim.astype(np.uint64)
    symbols = dim < -1
    found[symbols] = texts[-2 - dim[symbols]]
    return found


def content_hashes(graph: Graph) -> HashColumn:
    """A 64-bit hash of each string that tells what nodes and scopes are; 0 for names of nodes and values."""
    symbols = graph.shapes.dim[graph.shapes.dim < -1]
    attributes = graph.node_attributes
    columns = (
        *(graph.nodes.op, graph.inputs.name, graph.values.dtype, graph.values.device, attributes.key, attributes.text),
        *(graph.scopes.name, graph.scopes.type, (-2 - symbols).astype(np.int32)),
    )
    used = np.unique(np.concatenate([np.unique(column) for column in columns]))
    found = np.zeros(len(graph.strings), dtype=np.uint64)
    found[used] = _hashes([graph.strings[text] for text in used.tolist()])
    return found


def _string_hashes(graph: Graph) -> HashColumn:
    return _hashes(graph.strings)


def _hashes(texts: Sequence[str]) -> HashColumn:
    joined = b"".join(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64)


def mix(*parts: HashColumn | np.uint64) -> HashColumn:
    """One well-spread 64-bit number for each row (the finalizer of splitmix64, applied part by part)."""
    found = np.zeros(1, dtype=np.uint64)
    for part in parts:
        found = (found ^ part) + _GOLDEN
        found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found = found ^ (found >> np.uint64(31))
    return found
