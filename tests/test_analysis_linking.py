"""From a pass to its autograd graph and back."""

import pytest

from graphreel.analysis import node_of_pass, node_of_view
from graphreel.graph import Graph, GraphBuilder, NodeId


def autograd() -> Graph:
    """`MulBackward0` made by node 4 and running 9 and 10, `AccumulateGrad` running 11, and a node that says nothing."""
    builder = GraphBuilder()
    builder.node("MulBackward0", attributes={"forward": 4, "operations": [9, 10]})
    builder.node("AccumulateGrad", attributes={"operations": [11], "saved": {"forward": 1}})
    builder.node("Nothing", attributes={"forward": None, "operations": []})
    builder.node("Odd", attributes={"forward": "4", "operations": [True, -1, "x"]})
    return builder.build()


@pytest.mark.parametrize(("node", "belongs_to"), [(0, 4), (1, 11), (2, None), (3, None)])
def test_a_node_of_a_view_leads_to_the_pass(node: int, belongs_to: int | None) -> None:
    assert node_of_pass(NodeId(node), autograd()) == belongs_to


@pytest.mark.parametrize(("node", "found"), [(4, 0), (9, 0), (10, 0), (11, 1), (5, None)])
def test_a_node_of_the_pass_leads_to_the_view(node: int, found: int | None) -> None:
    assert node_of_view(NodeId(node), autograd()) == found


def test_a_graph_without_links_leads_nowhere() -> None:
    builder = GraphBuilder()
    builder.node("relu")
    assert node_of_view(NodeId(0), builder.build()) is None
