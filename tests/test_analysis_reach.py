"""Ancestors, descendants, and what lies between two operations."""

import pytest

from graphreel.analysis.reach import Way, between, reached, shortest
from graphreel.graph import Cancelled, Graph, GraphBuilder
from tests.large_graphs import chain, knotted
from tests.samples import bodies


@pytest.fixture
def diamond() -> Graph:
    """0 feeds 1 and 2, both feed 3, that feeds 4; 5 feeds 4 too, and 6 stands alone."""
    builder, outputs = GraphBuilder(), list[int]()
    for inputs in ((), (0,), (0,), (1, 2), (3,), (), ()):
        node = builder.node("op", [outputs[each] for each in inputs])
        outputs.append(builder.value("float32", [2], producer=node))
    builder.control(5, 4)
    return builder.build()


def test_ancestors_and_descendants_hold_the_seeds(diamond: Graph) -> None:
    assert reached(diamond, [3], Way.UP).tolist() == [0, 1, 2, 3]
    assert reached(diamond, [1], Way.DOWN).tolist() == [1, 3, 4]
    assert reached(diamond, [6], Way.DOWN).tolist() == [6]
    assert reached(diamond, [], Way.DOWN).tolist() == []


def test_steps_are_counted_from_the_nearest_seed(diamond: Graph) -> None:
    assert reached(diamond, [4], Way.UP, 1).tolist() == [3, 4, 5]
    assert reached(diamond, [4], Way.UP, 2).tolist() == [1, 2, 3, 4, 5]
    assert reached(diamond, [4, 1], Way.UP, 1).tolist() == [0, 1, 3, 4, 5]


def test_all_nodes_on_paths_lie_between_their_ends(diamond: Graph) -> None:
    assert between(diamond, [0], [4]).tolist() == [0, 1, 2, 3, 4]
    assert between(diamond, [4], [0]).tolist() == [0, 1, 2, 3, 4], "whichever is chosen first"
    assert between(diamond, [1], [2]).tolist() == []
    assert between(diamond, [0, 5], [3]).tolist() == [0, 1, 2, 3], "an end that leads nowhere is left out"


def test_a_shortest_connection_may_run_against_the_edges(diamond: Graph) -> None:
    assert shortest(diamond, [1], [2]).tolist() in ([0, 1, 2], [1, 2, 3])
    assert shortest(diamond, [0], [5]).tolist() in ([0, 1, 3, 4, 5], [0, 2, 3, 4, 5])
    assert shortest(diamond, [0], [6]).tolist() == []


def test_cycles_end_and_long_chains_are_followed_to_their_end() -> None:
    knot = knotted()
    everything = reached(knot, range(knot.node_count), Way.DOWN)
    assert everything.tolist() == list(range(knot.node_count))
    long = chain(10_000)
    assert len(reached(long, [0], Way.DOWN)) == long.node_count
    assert len(between(long, [10], [9000])) == 8991


def test_nobody_waits_for_what_is_no_longer_wanted() -> None:
    class Impatient:
        def step(self, done: int, total: int) -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        reached(chain(100), [0], Way.DOWN, progress=Impatient())


def test_flow_leads_through_the_borders_of_bodies() -> None:
    graph = bodies(3)
    inner = [node for node in range(graph.node_count) if graph.scopes.owner[graph.nodes.scope[node]] >= 0]
    assert set(inner) <= set(reached(graph, [0], Way.DOWN).tolist())
