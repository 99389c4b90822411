"""Groups for what has none: a file without scopes, or a scope with thousands of things directly in it.

Repeated blocks become scopes, "Block 1", "Block 2", …, many of one thing become "Group 1", "Group 2", …, and what does
not repeat is cut where few edges cross, into "part 1 of 7", …. The scopes are of kind DETECTED. They change no node,
no value, no key and no path of anything else.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

import numpy as np

from graphreel.graph.columns import ScopeColumns
from graphreel.graph.flow import flow_edges
from graphreel.graph.hashing import content_hashes, mix, node_hashes, scope_hashes
from graphreel.graph.model import Graph
from graphreel.graph.nesting import lifted_ends, scope_depths
from graphreel.graph.repeats import LEAST_REPEATS, first_nodes, name_stem, repeats
from graphreel.graph.sequences import Block, Sequence, narrow_places, repeated_blocks
from graphreel.graph.types import NONE, ROOT, HashColumn, IntColumn, ScopeKind

LARGEST, MOST = 100, 60
"""A scope with more than LARGEST things directly in it gets groups, of at most MOST things each where they are cut."""
LONGEST_RUN = 400
"""More repeated scopes than this are too many to be looked at when their run is unfolded."""
_FILLING = 50
_GROUP = "Group"

_known: "WeakKeyDictionary[Graph, Graph | None]" = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class _Part:
    """A group to be: items from `start` up to `stop` of what it stands in, with groups in it, counted from `start`."""

    start: int
    stop: int
    name: str
    inner: "tuple[_Part, ...]" = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Crowd:
    """The items directly in one scope: a node by its number, or scope s as `node_count + s`.

    `unit` says which item of the sequence each is in; the scopes of a short run are one.
    """

    scope: int
    items: IntColumn
    unit: IntColumn
    sequence: Sequence


def grouped(graph: Graph) -> Graph:
    """The same graph with scopes of kind DETECTED, or the graph itself where no scope is crowded.

    Nodes, values, and all that refers to them keep their numbers; scopes are numbered anew. Always the same for the
    same graph; O(n log n).
    """
    if graph not in _known:
        crowds = list(_crowds(graph))
        _known[graph] = _with_scopes(graph, crowds) if crowds else None
    return _known[graph] or graph


def _crowds(graph: Graph) -> Iterator[_Crowd]:
    runs = repeats(graph)
    first = first_nodes(graph)
    # Of a run that is short enough to be looked at unfolded only the first scope counts.
    short = (runs.first != NONE) & (runs.count[runs.first] <= LONGEST_RUN)
    scopes = np.flatnonzero(first < graph.node_count)
    scopes = scopes[scopes != ROOT]
    leads = np.where(short, runs.first, np.arange(graph.scope_count))[scopes]
    counts = np.bincount(graph.nodes.scope, minlength=graph.scope_count)
    counts += np.bincount(graph.scopes.parent[scopes[leads == scopes]], minlength=graph.scope_count)
    crowded = counts > LARGEST
    if not crowded.any():
        return
    items = np.concatenate((np.arange(graph.node_count), graph.node_count + scopes))
    holder = np.concatenate((graph.nodes.scope, graph.scopes.parent[scopes]))
    place = np.concatenate((np.arange(graph.node_count), first[leads]))
    leader = np.concatenate((np.arange(graph.node_count), graph.node_count + leads))
    order = np.lexsort((items, place, holder))
    items, holder, leader = items[order], holder[order], leader[order]
    flow = flow_edges(graph)
    source, target, common = lifted_ends(graph, flow.source, flow.target)
    kept = np.flatnonzero(crowded[common] & (source != target))
    kept = kept[np.argsort(common[kept], kind="stable")]
    looks, exacts = _item_hashes(graph)
    number = np.zeros(graph.node_count + graph.scope_count, dtype=np.int64)
    for scope in np.flatnonzero(crowded).tolist():
        rows = slice(*np.searchsorted(holder, (scope, scope + 1)))
        own, head = items[rows], leader[rows] == items[rows]
        unit = np.cumsum(head) - 1
        number[own] = unit
        edges = kept[slice(*np.searchsorted(common[kept], (scope, scope + 1)))]
        ends = np.stack((number[source[edges]], number[target[edges]]))
        ends = np.unique(ends[:, ends[0] != ends[1]], axis=1).astype(np.int32)
        units = own[head]
        yield _Crowd(
            scope, own.astype(np.int32), unit.astype(np.int32), Sequence(looks[units], exacts[units], ends[0], ends[1])
        )


def _item_hashes(graph: Graph) -> tuple[HashColumn, HashColumn]:
    """What each item does, roughly, and what it is."""
    texts = content_hashes(graph)
    taken = np.diff(graph.inputs.start).astype(np.uint64)
    look = mix(texts[graph.nodes.op], taken)
    names = graph.scopes.name
    stems: dict[str, int] = {}
    stem = [stems.setdefault(name_stem(graph.strings[name]), len(stems)) for name in names.tolist()]
    types, kinds = texts[graph.scopes.type], graph.scopes.kind.astype(np.uint64)
    of_scope = mix(types, np.array(stem, dtype=np.uint64), kinds, _content(graph, mix(texts[graph.nodes.op])))
    exact = mix(scope_hashes(graph), np.array(stem, dtype=np.uint64))
    return np.concatenate((look, of_scope)), np.concatenate((node_hashes(graph, texts), exact))


def _content(graph: Graph, of_node: HashColumn) -> HashColumn:
    """The sum of what all nodes in and below each scope do."""
    found = np.zeros(graph.scope_count, dtype=np.uint64)
    np.add.at(found, graph.nodes.scope, of_node)
    depth = scope_depths(graph)
    for level in range(int(depth.max(initial=0)), 0, -1):
        scopes = np.flatnonzero(depth == level)
        np.add.at(found, graph.scopes.parent[scopes], found[scopes])
    return found


def _plan(sequence: Sequence) -> tuple[_Part, ...]:
    """The groups of a sequence; none where it is short enough to be read as it is."""
    if len(sequence) <= LARGEST:
        return ()
    crossing = sequence.crossing()
    units = _units(sequence, repeated_blocks(sequence, crossing, _FILLING))
    if len(units) <= MOST:
        return tuple(part for unit in units for part in unit if part.name)
    return _cut(units, crossing)


def _units(sequence: Sequence, blocks: list[Block]) -> list[list[_Part]]:
    """What shows as one box, in order: a lone item (a part without a name), a block, or a run of equal blocks."""
    found: list[list[_Part]] = []
    at, last, inner = 0, NONE, dict[int, tuple[_Part, ...]]()
    for number, block in enumerate(blocks, 1):
        found += [[_Part(item, item + 1, "")] for item in range(at, block.start)]
        key = hash((block.wiring, block.stop - block.start, sequence.look[block.start : block.stop].tobytes()))
        if key not in inner:
            inner[key] = _plan(sequence.part(block.start, block.stop))
        word = _GROUP if block.filled else "Block"
        part = _Part(block.start, block.stop, f"{word} {number}", inner[key])
        if found and block.start == at and block.exact == last:
            found[-1].append(part)
        else:
            found.append([part])
        at, last = block.stop, block.exact
    found += [[_Part(item, item + 1, "")] for item in range(at, len(sequence))]
    return [unit for run in found for unit in _nested(run)]


def _nested(run: list[_Part]) -> list[list[_Part]]:
    """A run as one unit; as several where too few are equal to fold, and in groups of equal size where it is long."""
    if len(run) < LEAST_REPEATS:
        return [[part] for part in run]
    longest = LARGEST if run[0].name.startswith(_GROUP) else LONGEST_RUN
    while len(run) > longest:
        # Groups of equal size fold; the last one may be smaller.
        near = np.sqrt(len(run))
        size = min(range(8, _FILLING + 1), key=lambda size: (-len(run) % size, abs(size - near)))
        several = [run[at : at + size] for at in range(0, len(run), size)]
        run = [_around(parts, _range(parts)) for parts in several]
    return [run]


def _range(parts: list[_Part]) -> str:
    """`Blocks 5–8` for blocks 5 to 8, or for groups of them."""
    numbers = [number for part in (parts[0], parts[-1]) for number in re.findall(r"\d+", part.name)]
    return f"{parts[0].name.split()[0].rstrip('s')}s {numbers[0]}–{numbers[-1]}"


def _around(parts: list[_Part], name: str) -> _Part:
    start = parts[0].start
    inner = tuple(_Part(part.start - start, part.stop - start, part.name, part.inner) for part in parts if part.name)
    return _Part(start, parts[-1].stop, name, inner)


def _cut(units: list[list[_Part]], crossing: IntColumn) -> tuple[_Part, ...]:
    """Parts of at most MOST units, and parts of parts, until there are few."""
    most = MOST
    while len(units) > MOST:
        starts = np.array([unit[0].start for unit in units], dtype=np.int32)
        heads = narrow_places(crossing, starts, most)
        ends = [*heads[1:], len(units)]
        parts = [[part for unit in units[a:b] for part in unit] for a, b in zip(heads, ends, strict=True)]
        units = [[_around(part, "part")] for part in parts]
        # Rather ten parts of six than one of fifty-five and one of five.
        most = MOST if len(units) > MOST * MOST else max(8, int(np.sqrt(len(units))))
    return tuple(part for unit in units for part in unit)


class _Scopes:
    """The new scopes, in the order in which they are made."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.count = graph, graph.scope_count
        self.strings: dict[str, int] = {}
        self.parent: list[int] = []
        self.name: list[int] = []
        self.type: list[int] = []
        self.around: list[int] = []
        self.holder = np.concatenate((graph.nodes.scope, graph.scopes.parent))

    def add(self, crowd: _Crowd) -> None:
        """Make the scopes of one crowd."""
        held = crowd.items[np.searchsorted(crowd.unit, np.arange(len(crowd.sequence)))]
        bounds = np.searchsorted(crowd.unit, np.arange(len(crowd.sequence) + 1))
        taken = {
            self.graph.strings[n] for n in self.graph.scopes.name[self.graph.scopes.parent == crowd.scope].tolist()
        }
        waiting = [(crowd.scope, 0, _plan(crowd.sequence))]
        while waiting:
            parent, offset, parts = waiting.pop()
            of = sum(part.name == "part" for part in parts)
            for number, part in enumerate(parts, 1):
                name = f"part {number} of {of}" if part.name == "part" else part.name
                # What the source names keeps its name.
                while parent == crowd.scope and name in taken:
                    name += "′"
                start, stop = offset + part.start, offset + part.stop
                scope = self._new(crowd.scope, parent, name, self._said(held[start], held[stop - 1]))
                self.holder[crowd.items[bounds[start] : bounds[stop]]] = scope
                if part.inner:
                    waiting.append((scope, start, part.inner))

    def _new(self, around: int, parent: int, name: str, said: str) -> int:
        self.around.append(around)
        self.parent.append(parent)
        self.name.append(self._string(name))
        self.type.append(self._string(said))
        return self.count + len(self.parent) - 1

    def _string(self, text: str) -> int:
        return self.strings.setdefault(text, len(self.graph.strings) + len(self.strings))

    def _said(self, first: int, last: int) -> str:
        one, other = self._title(int(first)), self._title(int(last))
        return one if one == other else f"{one}…{other}"

    def _title(self, item: int) -> str:
        """What an item is called: its operation without the library's name, or a scope's class or name."""
        graph = self.graph
        if item < graph.node_count:
            op: str = graph.strings[graph.nodes.op[item]].rpartition("::")[2]
            parts = op.split(".")
            return parts[1] if len(parts) == 3 and parts[0] in ("aten", "prims") else parts[-1]
        scope = item - graph.node_count
        name: str = graph.strings[graph.scopes.name[scope]]
        return graph.strings[graph.scopes.type[scope]] or name


def _with_scopes(graph: Graph, crowds: list[_Crowd]) -> Graph:
    """Put the new scopes behind the scope that they are in, for a parent stands before what is in it."""
    made = _Scopes(graph)
    for crowd in crowds:
        made.add(crowd)
    old, new = graph.scope_count, len(made.parent)
    nodes = graph.node_count
    order = np.lexsort((np.arange(old + new), np.concatenate((np.arange(old), made.around))))
    number = np.empty(old + new, dtype=np.int32)
    number[order] = np.arange(old + new)
    table = graph.scopes
    none = np.full(new, NONE, dtype=np.int32)

    def column(of_old: IntColumn, of_new: "IntColumn | list[int]") -> IntColumn:
        return np.concatenate((of_old, np.array(of_new, dtype=np.int32)))[order].astype(np.int32)

    scopes = ScopeColumns(
        parent=number[column(made.holder[nodes:], made.parent)],
        name=column(table.name, made.name),
        kind=column(table.kind.astype(np.int32), np.full(new, ScopeKind.DETECTED)).astype(np.uint8),
        type=column(table.type, made.type),
        source=column(table.source, none),
        owner=column(table.owner, none),
    )
    counts = column(np.diff(graph.scope_attributes.start), np.zeros(new, dtype=np.int32))
    return replace(
        graph,
        strings=(*graph.strings, *made.strings),
        nodes=replace(graph.nodes, scope=number[made.holder[:nodes]]),
        scopes=scopes,
        boundaries=replace(graph.boundaries, scope=number[graph.boundaries.scope]),
        scope_attributes=replace(
            graph.scope_attributes, start=np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
        ),
    )
