"""Stepping follows the execution order and keeps its place when the graph changes."""

from hypothesis import given
from hypothesis import strategies as st

from graphreel.analysis import Cursor, carried, first, last, next_node, previous_node
from graphreel.graph import GraphBuilder, NodeId, parse

CHAIN = parse("a -> b -> c")
EMPTY = GraphBuilder().build()


def test_steps_forward_and_back_through_the_execution_order() -> None:
    cursor = Cursor(0)
    seen = []
    for _ in range(4):
        cursor = next_node(cursor, CHAIN)
        seen.append(cursor.node)
    assert seen == [0, 1, 2, 2]
    assert previous_node(cursor, CHAIN).node == 1
    assert previous_node(first(cursor, CHAIN), CHAIN).node == 0
    assert last(Cursor(0), CHAIN).node == 2
    assert previous_node(Cursor(0), CHAIN).node == 2


def test_a_graph_without_nodes_leaves_the_cursor_where_it_is() -> None:
    for step in (first, last, next_node, previous_node):
        assert step(Cursor(3), EMPTY) == Cursor(3)
    assert carried(Cursor(0, NodeId(2)), CHAIN, EMPTY, 1) == Cursor(1)


def test_the_cursor_is_carried_by_key_into_another_graph() -> None:
    longer = parse("x -> a -> b -> c")
    assert carried(Cursor(0, NodeId(1)), CHAIN, longer, 5) == Cursor(5, NodeId(2))


def test_a_node_that_is_gone_leaves_the_cursor_at_its_number() -> None:
    assert carried(Cursor(0, NodeId(2)), CHAIN, parse("a -> b"), 1) == Cursor(1, NodeId(1))
    assert carried(Cursor(0, NodeId(0)), CHAIN, parse("q -> r"), 1) == Cursor(1, NodeId(0))


@given(st.lists(st.sampled_from([first, last, next_node, previous_node]), max_size=30))
def test_no_walk_leaves_the_graph(steps: list) -> None:
    cursor = Cursor(0)
    for step in steps:
        cursor = step(cursor, CHAIN)
        assert cursor.node in (0, 1, 2)
