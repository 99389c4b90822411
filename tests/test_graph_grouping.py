"""Groups for graphs that have none: what they hold, that they are readable, and that nothing else changes."""

import numpy as np
import pytest

from graphreel.analysis import search
from graphreel.graph import (
    Graph,
    GraphBuilder,
    Scope,
    ScopeKind,
    find_node,
    find_scopes,
    grouped,
    lint,
    node_keys,
    repeats,
)
from graphreel.graph.grouping import LARGEST, LONGEST_RUN
from tests.large_graphs import chain, crowded_scope, star, unrepeated


def flat_blocks(blocks: int, *, nodes: int = 12) -> Graph:
    """A graph without scopes: a head, equal blocks with a bypass each, a tail."""
    builder = GraphBuilder()
    value = builder.value(producer=builder.node("Gather"))
    for _ in range(blocks):
        around = value
        for node in range(nodes - 1):
            value = builder.value(producer=builder.node(f"Op{node}", [value]))
        value = builder.value(producer=builder.node("Add", [around, value]))
    builder.node("Softmax", [value])
    return builder.build()


def children(graph: Graph, scope: int) -> list[str]:
    """What stands in a scope: scopes by name, a run as one, and nodes as `·`."""
    runs = repeats(graph)
    inner = [graph.scope(child) for child in np.flatnonzero(graph.scopes.parent == scope).tolist() if child]
    shown = [child.name for child in inner if runs.first[child.id] in (-1, child.id)]
    return shown + ["·"] * int((graph.nodes.scope == scope).sum())


def detected(graph: Graph) -> list[Scope]:
    return [scope for scope in map(graph.scope, range(graph.scope_count)) if scope.kind is ScopeKind.DETECTED]


def test_repeated_blocks_are_found_and_begin_where_the_graph_is_narrow() -> None:
    graph = grouped(flat_blocks(40))
    blocks = [scope for scope in detected(graph) if scope.parent is not None and scope.parent.id == 0]
    assert [scope.name for scope in blocks] == [f"Block {number}" for number in range(1, 41)]
    assert {scope.type for scope in blocks} == {"Op0…Add"}
    assert repeats(graph).count[blocks[0].id] == 40
    assert children(graph, 0) == ["Block 1", "·", "·"]


def test_a_long_block_is_grouped_within_in_each_block_alike() -> None:
    graph = grouped(flat_blocks(4, nodes=200))
    assert children(graph, 0)[0] == "Block 1"
    inner = [children(graph, scope.id) for scope in detected(graph) if scope.path in ("Block 1", "Block 4")]
    assert inner[0] == inner[1]
    assert 2 <= len(inner[0]) <= LARGEST
    assert inner[0][0].startswith("part 1 of ")


LARGE = {
    "blocks": lambda: flat_blocks(30),
    "chain": lambda: chain(3000),
    "star": lambda: star(3000),
    "unrepeated": lambda: unrepeated(3000),
    "crowd": lambda: crowded_scope(3000),
    "crowd of different ones": lambda: crowded_scope(1500, alike=False),
}


@pytest.mark.parametrize("name", LARGE)
def test_no_group_is_too_large_to_read(name: str) -> None:
    graph = grouped(LARGE[name]())
    lint(graph)
    runs = repeats(graph)
    for scope in range(graph.scope_count):
        assert len(children(graph, scope)) <= LARGEST
    assert runs.count.max() <= LONGEST_RUN


@pytest.mark.parametrize("name", LARGE)
def test_keys_names_and_values_are_as_without_groups(name: str) -> None:
    graph = LARGE[name]()
    shown = grouped(graph)
    assert shown is not graph
    assert node_keys(shown) == node_keys(graph)
    assert [shown.node(node).op for node in range(0, graph.node_count, 97)] == [
        graph.node(node).op for node in range(0, graph.node_count, 97)
    ]
    assert shown.values is graph.values
    key = node_keys(graph)[graph.node_count // 2]
    assert find_node(shown, key) == graph.node_count // 2


def test_paths_of_the_sources_scopes_tell_of_no_group() -> None:
    graph = crowded_scope(1000)
    shown = grouped(graph)
    told = [scope for scope in range(shown.scope_count) if shown.scope(scope).kind is not ScopeKind.DETECTED]
    assert sorted(shown.paths[scope] for scope in told) == sorted(graph.paths)
    found = find_scopes(shown, "crowd.child_700")
    assert [shown.paths[scope] for scope in found] == ["crowd/child_700"]
    assert len(set(shown.paths)) == shown.scope_count


@pytest.mark.parametrize("query", ["scope:child_7", "scope:crowd", "scope:group", "scope:block", "Child", "relu"])
def test_search_finds_what_it_finds_without_groups(query: str) -> None:
    graph = crowded_scope(1000)
    assert search(grouped(graph), query).nodes.tolist() == search(graph, query).nodes.tolist()


def test_parts_are_cut_where_few_edges_cross() -> None:
    graph = grouped(unrepeated(400))
    firsts = {int(np.flatnonzero(graph.nodes.scope == scope.id)[0]) for scope in detected(graph)}
    assert all(first % 40 in (0, 1) for first in firsts)
    assert next(scope.name for scope in detected(graph)) == f"part 1 of {len(firsts)}"


def test_parts_say_what_they_begin_and_end_with() -> None:
    graph = grouped(unrepeated(400))
    for scope in detected(graph):
        nodes = np.flatnonzero(graph.nodes.scope == scope.id)
        assert scope.type == f"{graph.node(nodes[0]).op}…{graph.node(nodes[-1]).op}"


def test_a_graph_that_can_be_read_stays_as_it_is() -> None:
    graph = flat_blocks(5)
    assert grouped(graph) is graph


def test_the_same_graph_is_grouped_the_same_way() -> None:
    one, other = grouped(unrepeated(1500)), grouped(unrepeated(1500))
    assert one.paths == other.paths
    assert one.nodes.scope.tolist() == other.nodes.scope.tolist()


def test_a_group_does_not_take_the_name_of_a_scope() -> None:
    builder = GraphBuilder()
    builder.node("a", scope=builder.scope("Group 1"))
    value = builder.value()
    for _ in range(300):
        value = builder.value(producer=builder.node("Relu", [value]))
    graph = grouped(builder.build())
    lint(graph)
    assert {"Group 1", "Group 1′"} <= set(graph.paths)
