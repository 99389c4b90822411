"""Structure hashes: of a whole graph, and of every scope.

The graph's hash covers all that a graph holds but its `meta`, so that the same pass is stored once. A scope's hash
covers what the scope computes, but not what it is called nor where it stands, so that repeated blocks have one hash.
"""

from hashlib import blake2b

import numpy as np

from graphreel.graph.columns import AttributeColumns
from graphreel.graph.model import Graph
from graphreel.graph.types import NONE, HashColumn, IntColumn

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def structure_hash(graph: Graph) -> str:
    """The graph's hash: 32 hexadecimal digits, equal for equal graphs whatever the numbering of their strings."""
    texts = _string_hashes(graph)
    digest = blake2b(digest_size=16)
    for table, columns in graph.tables().items():
        for name, column in columns.items():
            found = column
            if (table, name) in _STRING_COLUMNS:
                found = texts[column]
            elif (table, name) == ("shapes", "dim"):
                found = _dim_hashes(graph, texts)
            digest.update(f"{table}.{name}:{len(found)}:".encode())
            digest.update(np.ascontiguousarray(found).data)
    digest.update(np.ascontiguousarray(graph.outputs).data)
    return digest.hexdigest()


_STRING_COLUMNS = {
    ("nodes", "op"),
    ("nodes", "name"),
    ("inputs", "name"),
    ("values", "name"),
    ("values", "dtype"),
    ("values", "device"),
    ("scopes", "name"),
    ("scopes", "type"),
    ("sources", "file"),
    ("sources", "function"),
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
    through them in one go.
    """
    texts = _string_hashes(graph)
    first = _first_nodes(graph)
    total = np.zeros(graph.scope_count, dtype=np.uint64)
    scope = graph.nodes.scope
    place = (np.arange(graph.node_count) - first[scope]).astype(np.uint64)
    np.add.at(total, scope, _mix(_node_hashes(graph, texts), place))
    _add_edges(graph, first, total)
    # Deepest first, so that a child's hash is whole before its parent takes it in.
    depth = _depths(graph)
    names = texts[graph.scopes.name]
    types = texts[graph.scopes.type]
    for level in range(int(depth.max(initial=0)), 0, -1):
        children = np.flatnonzero(depth == level)
        parents = graph.scopes.parent[children]
        since = (first[children] - first[parents]).astype(np.uint64)
        total[children] = _mix(total[children], types[children], graph.scopes.kind[children].astype(np.uint64))
        np.add.at(total, parents, _mix(total[children], names[children], since))
    return total


def _node_hashes(graph: Graph, texts: HashColumn) -> HashColumn:
    """What each node is, without its neighbours: op, phase, attributes, and the types of what it takes and gives."""
    found = _mix(texts[graph.nodes.op], graph.nodes.phase.astype(np.uint64))
    found = _mix(found, _attribute_hashes(graph.node_attributes, texts, graph.node_count))
    shapes = np.append(_shape_hashes(graph, texts), np.uint64(1))
    values = graph.values
    types = _mix(texts[values.dtype], shapes[values.shape], values.kind.astype(np.uint64), texts[values.device])
    owner, position = _input_places(graph)
    access = graph.inputs.access.astype(np.uint64)
    np.add.at(found, owner, _mix(types[graph.inputs.value], position, access, texts[graph.inputs.name]))
    made = values.producer != NONE
    np.add.at(found, values.producer[made], _mix(types[made], values.port[made].astype(np.uint64), _GOLDEN))
    return found


def _add_edges(graph: Graph, first: IntColumn, total: HashColumn) -> None:
    """Add each edge to the innermost scope that holds both of its ends."""
    owner, position = _input_places(graph)
    producer = graph.values.producer[graph.inputs.value]
    kept = producer != NONE
    source, target, position = producer[kept], owner[kept], position[kept]
    port = graph.values.port[graph.inputs.value[kept]].astype(np.uint64)
    common = common_scopes(graph, graph.nodes.scope[source], graph.nodes.scope[target])
    since = first[common]
    ends = _mix((source - since).astype(np.uint64), (target - since).astype(np.uint64), position, port)
    np.add.at(total, common, ends)


def common_scopes(graph: Graph, one: IntColumn, other: IntColumn) -> IntColumn:
    """The innermost scope that holds both, for each pair of scopes."""
    depth = _depths(graph)
    parent = graph.scopes.parent
    left, right = one.copy(), other.copy()
    while np.any(apart := left != right):
        deeper = depth[left] - depth[right]
        up_left, up_right = apart & (deeper >= 0), apart & (deeper <= 0)
        left[up_left] = parent[left[up_left]]
        right[up_right] = parent[right[up_right]]
    return left


def _depths(graph: Graph) -> IntColumn:
    depth = np.zeros(graph.scope_count, dtype=np.int32)
    at = graph.scopes.parent.copy()
    inside = np.arange(graph.scope_count) != 0
    while np.any(inside):
        depth[inside] += 1
        inside &= at != 0
        at = graph.scopes.parent[at]
    return depth


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
    np.add.at(found, owner, _mix(texts[table.key], texts[table.text]))
    return found


def _shape_hashes(graph: Graph, texts: HashColumn) -> HashColumn:
    counts = np.diff(graph.shapes.start)
    found = _mix(counts.astype(np.uint64), _GOLDEN)
    shape = np.repeat(np.arange(len(counts)), counts)
    position = (np.arange(len(shape)) - graph.shapes.start[shape]).astype(np.uint64)
    np.add.at(found, shape, _mix(_dim_hashes(graph, texts), position))
    return found


def _dim_hashes(graph: Graph, texts: HashColumn) -> HashColumn:
    """Sizes as they are, symbols by their name."""
    dim = graph.shapes.dim
    found = dim.astype(np.uint64)
    symbols = dim < -1
    found[symbols] = texts[-2 - dim[symbols]]
    return found


def _string_hashes(graph: Graph) -> HashColumn:
    joined = b"".join(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in graph.strings)
    return np.frombuffer(joined, dtype="<u8").astype(np.uint64)


def _mix(*parts: HashColumn | np.uint64) -> HashColumn:
    """One well-spread 64-bit number for each row (the finalizer of splitmix64, applied part by part)."""
    found = np.zeros(1, dtype=np.uint64)
    for part in parts:
        found = (found ^ part) + _GOLDEN
        found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found = found ^ (found >> np.uint64(31))
    return found
