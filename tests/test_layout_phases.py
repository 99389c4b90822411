"""Each phase on its own: text in, text out."""

import string
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphreel.layout import LayoutBug, LayoutOptions
from graphreel.layout.cycles import Flow, acyclic
from graphreel.layout.layers import LONGEST_SPAN, Layers, draw, layers
from graphreel.layout.local import Net, Problem
from graphreel.layout.ordering import crossings, inversions, order
from graphreel.layout.pen import Pen
from graphreel.layout.placing import check_places, place
from graphreel.layout.ranking import check_ranks, rank
from graphreel.layout.routing import route
from graphreel.layout.wrapping import wrap

OPTIONS = LayoutOptions()


def problem(text: str, width: float = 80.0) -> Problem:
    """`a b; a c` says that a feeds b, and a feeds c. `<` is an entry, `>` an exit; boxes are letters in order."""
    pairs = [tuple(pair.split()) for pair in text.split(";") if pair.strip()]
    letters = sorted({end for pair in pairs for end in pair if end in string.ascii_letters})
    count = 1 + max((string.ascii_letters.index(letter) for letter in letters), default=-1)
    entries = sorted({pair[0] for pair in pairs if pair[0].startswith("<")})
    exits = sorted({end for pair in pairs for end in pair[1:] if end.startswith(">")})

    def item(name: str) -> int:
        if name in entries:
            return count + entries.index(name)
        if name in exits:
            return count + len(entries) + exits.index(name)
        return string.ascii_letters.index(name)

    nets: dict[int, list[int]] = {}
    for pair in pairs:
        nets.setdefault(item(pair[0]), []).extend(item(end) for end in pair[1:])
    return Problem(
        sizes=((width, 40.0),) * count,
        entries=len(entries),
        exits=len(exits),
        nets=tuple(Net(tail, None, tuple((head, None) for head in heads)) for tail, heads in nets.items()),
    )


def ranked(text: str) -> Layers:
    found = problem(text)
    return layers(found, rank(found, acyclic(found)))


def letters(sequence: list[int]) -> str:
    return "".join(string.ascii_letters[box] for box in sequence)


@pytest.mark.parametrize(
    ("text", "sequence", "reversed_edges"),
    [
        ("a b; b c", "abc", ""),
        ("a b; b a", "ab", "ba"),
        ("a a; a b", "ab", ""),
        # b runs in order of its number, but nothing forces a circle to be cut: no edge is turned round.
        ("c a; a b", "cab", ""),
        # a only waits for the circle of b and c, so it comes after it, though it is the earliest.
        ("b c; c b; c a", "bca", "cb"),
    ],
)
def test_cycles(text: str, sequence: str, reversed_edges: str) -> None:
    flow = acyclic(problem(text))
    assert letters(flow.sequence) == sequence
    found = problem(text)
    turned = [
        letters([net.tail, head])
        for net in found.nets
        for head, _ in net.heads
        if net.tail in flow.below[head] and net.tail != head
    ]
    assert "".join(turned) == reversed_edges


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("a b; b c", "a / b / c"),
        ("a b; a c; b c", "a / . b / c"),
        # A source moves down to where it is needed.
        ("a b; b c; d c", "a / b d / c"),
        ("<0 a; a b; b >0; a >0", "<0 / a / . b / >0"),
    ],
)
def test_ranks_and_dummies(text: str, rows: str) -> None:
    assert draw(ranked(text)) == rows


def test_a_wrong_rank_is_a_layout_bug() -> None:
    with pytest.raises(LayoutBug, match="please report: an edge does not go to a lower row"):
        check_ranks([1, 1], Flow([0, 1], [[], [0]], [[1], []]))


def test_a_long_edge_has_no_dummies_but_a_lane() -> None:
    chain = "; ".join(f"{one} {other}" for one, other in pairwise(string.ascii_letters[:20]))
    found = ranked(f"{chain}; a t")
    assert all(not found.is_dummy(vertex) for row in found.rows for vertex in row)
    assert sum(map(len, found.far)) == 1
    assert LONGEST_SPAN < 19


def test_edges_of_one_source_share_their_dummies() -> None:
    found = ranked("a b; b c; c d; a c; a d")
    assert draw(found) == "a / . b / . c / d"


def test_ordering_takes_crossings_away() -> None:
    found = ranked("a d; b c; c e; d f; a b")
    order(found)
    assert crossings(found) == 0


def test_ordering_keeps_execution_order_where_nothing_is_gained() -> None:
    found = ranked("a b; a c; a d; b e; c e; d e")
    order(found)
    assert draw(found) == "a / b c d / e"


def test_ordering_the_complete_graph_ends() -> None:
    found = ranked("; ".join(f"{one} {other}" for one in "abcd" for other in "efgh"))
    order(found)
    assert crossings(found) == 36


@given(st.lists(st.integers(0, 9), max_size=60))
def test_inversions_are_the_pairs_in_the_wrong_order(numbers: list[int]) -> None:
    assert inversions(np.array(numbers, dtype=float)) == sum(one > other for one, other in combinations(numbers, 2))


def test_placing_draws_a_chain_and_a_long_edge_straight() -> None:
    found = ranked("a b; b c; c d; d e; a e")
    order(found)
    x = place(found, OPTIONS)
    chain = {x[box] for box in range(5)}
    dummies = {x[vertex] for row in found.rows for vertex in row if found.is_dummy(vertex)}
    assert len(chain) == 1
    assert len(dummies) == 1
    assert abs(chain.pop() - dummies.pop()) >= 40.0


def test_two_vertices_too_close_are_a_layout_bug() -> None:
    with pytest.raises(LayoutBug, match="too close"):
        check_places([(0, 1, 20.0)], [0.0, 10.0])


def test_many_single_boxes_are_set_in_lines_of_good_proportions() -> None:
    found = Problem(sizes=((80.0, 40.0),) * 2000, entries=0, exits=0, nets=())
    ranks, broken = wrap(found, acyclic(found), [1] * 2000, OPTIONS)
    per_row = max(ranks.count(row) for row in set(ranks))
    assert broken
    assert 1.0 < per_row * (80 + OPTIONS.node_gap) / (max(ranks) * (40 + OPTIONS.rank_gap)) < 2.5


def test_a_star_is_wrapped_below_its_centre() -> None:
    heads = tuple((head, None) for head in range(1, 301))
    found = Problem(sizes=((80.0, 40.0),) * 301, entries=0, exits=0, nets=(Net(0, None, heads),))
    ranks, broken = wrap(found, acyclic(found), [1, *([2] * 300)], OPTIONS)
    assert broken
    assert ranks[0] == 1
    assert max(ranks.count(row) for row in set(ranks)) < 25


def test_a_narrow_graph_is_not_wrapped() -> None:
    found = problem("a b; a c; a d")
    assert wrap(found, acyclic(found), [1, 2, 2, 2], OPTIONS) == ([1, 2, 2, 2], False)


def test_ports_lie_in_the_borders_and_legs_join_them() -> None:
    found = problem("<0 a; a b; b >0; <0 b")
    rows = layers(found, rank(found, acyclic(found)))
    order(rows)
    arrangement = route(rows, place(rows, OPTIONS), OPTIONS)
    legs = [arrangement.leg(number).tolist() for number in range(4)]
    assert legs[0][0] == [arrangement.entry_x[0], 0.0]
    assert [leg[0] for leg in legs].count([arrangement.entry_x[0], 0.0]) == 2
    assert [arrangement.exit_x[0], arrangement.height] in [leg[-1] for leg in legs]
    assert all(len(leg) % 3 == 1 for leg in legs)


def test_pen_joins_lines_and_keeps_corners_round() -> None:
    pen = Pen(0.0, 0.0)
    pen.down_to(10.0)
    pen.down_to(20.0)
    assert pen.points == [(0.0, 0.0), (0.0, 20 / 3), (0.0, 40 / 3), (0.0, 20.0)]
    pen.along(100.0, 30.0, 60.0)
    assert pen.points[-1] == (100.0, 60.0)
    assert max(y for _, y in pen.points) == 60.0
    assert len(pen.points) % 3 == 1
