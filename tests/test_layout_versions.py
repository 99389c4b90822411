"""A picture stays as it was where the graph changed a little: the next iteration, an edited model, another run."""

import inspect
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphreel.graph import Cancelled, Graph, Unwatched, parse
from graphreel.layout import LayoutBug, LayoutCache, Placement, VisibleGraph, lay_out, visible
from graphreel.layout.before import refs_in
from graphreel.layout.matching import aligned, match
from tests.layout_graphs import box_sizes, edited, everything, training_step, transformer


def laid_out(graph: Graph, previous: Placement | None = None) -> tuple[VisibleGraph, Placement]:
    view = visible(graph, everything(graph), everything(graph))
    return view, lay_out(view, box_sizes(view), previous=previous)


def common(one: list[int], other: list[int]) -> int:
    """The length of the longest common subsequence."""
    before = [0] * (len(other) + 1)
    for item in one:
        row = [0]
        for place, there in enumerate(other):
            row.append(before[place] + 1 if item == there else max(before[place + 1], row[place]))
        before = row
    return before[-1]


@given(st.lists(st.integers(0, 3), max_size=20), st.lists(st.integers(0, 3), max_size=20))
def test_sequences_are_aligned_with_as_few_changes_as_possible(one: list[int], other: list[int]) -> None:
    places, others = aligned(np.array(one, dtype=np.int32), np.array(other, dtype=np.int32))
    assert [one[place] for place in places] == [other[place] for place in others]
    assert np.all(np.diff(places) > 0)
    assert np.all(np.diff(others) > 0)
    assert len(places) == common(one, other)


def test_two_sequences_with_nothing_in_common_in_order_are_still_matched_by_count() -> None:
    one, other = np.arange(2000, dtype=np.int32), np.arange(2000, dtype=np.int32)[::-1].copy()
    places, others = aligned(one, other)
    assert one[places].tolist() == other[others].tolist()
    assert len(places) == 2000


def test_nodes_scopes_and_values_are_known_again_whatever_their_numbers_are() -> None:
    old = parse("x -> g/a -> g/b; g/b -> h/c -> y; g/b -> h/d")
    new = parse("n -> x -> g/a; m -> f/q; g/a -> g/b; g/b -> h/c -> y; g/b -> h/d")
    same = match(old, new)
    for node in range(old.node_count):
        assert new.node(int(same.nodes[node])).op == old.node(node).op
    for scope in range(old.scope_count):
        assert new.paths[same.scopes[scope]] == old.paths[scope]
    for value in range(old.value_count):
        producer, there = old.value(value).producer, new.value(int(same.values[value])).producer
        assert (producer and producer.op) == (there and there.op)


def test_the_same_graph_recorded_again_is_drawn_the_same() -> None:
    _, first = laid_out(training_step(3))
    _, again = laid_out(training_step(3), first)
    assert again.rects.tobytes() == first.rects.tobytes()
    assert again.route_points.tobytes() == first.route_points.tobytes()


@pytest.mark.parametrize("way", ["delete", "insert", "replace"])
@pytest.mark.parametrize("make", [training_step, transformer], ids=["training step", "transformer"])
def test_neighbours_do_not_swap_where_a_few_nodes_change(way: str, make: Callable[[int], Graph]) -> None:
    old = make(5)
    _, before = laid_out(old)
    view, after = laid_out(edited(old, way, 4), before)
    now = {tuple(ref): row for row, ref in enumerate(after.refs.tolist())}
    known = refs_in(before, view.graph).tolist()
    pairs = [(row, now[tuple(ref)]) for row, ref in enumerate(known) if tuple(ref) in now]
    assert len(pairs) > 0.97 * len(before.refs)
    kept = 0
    by_row: dict[tuple[int, int], list[tuple[float, int]]] = {}
    for row, there in pairs:
        key = int(view.parent[there]), int(after.rows[there])
        by_row.setdefault(key, []).append((float(before.rects[row, 0]), there))
    for boxes in by_row.values():
        lefts = [after.rects[there, 0] for left, there in sorted(boxes)]
        kept += len(lefts) > 1
        assert lefts == sorted(lefts)
    assert kept > 8


class _Curious:
    """Notes in which modules somebody looks whether the layout is still wanted."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.looks = 0

    def step(self, done: int, total: int) -> None:
        self.looks += 1
        self.modules |= {frame.frame.f_globals["__name__"].split(".")[-1] for frame in inspect.stack()[1:9]}


def test_every_stage_of_a_layout_hears_that_it_is_no_longer_wanted() -> None:
    graph = transformer(80, flat=True)
    view, seen = visible(graph, []), _Curious()
    lay_out(view, box_sizes(view), progress=seen)
    stages = {"stubs", "cycles", "ranking", "layers", "ordering", "alignment", "placing", "routing"}
    assert stages | {"check", "sheets", "grid", "assembly", "bridges", "nested"} <= seen.modules
    # A cancel that comes at the very last moment still ends it.
    left = iter(range(seen.looks))

    class Late(Unwatched):
        def step(self, done: int, total: int) -> None:
            if next(left) == seen.looks - 1:
                raise Cancelled

    with pytest.raises(Cancelled):
        lay_out(view, box_sizes(view), progress=Late())


def test_what_is_faulty_does_not_stay_in_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    view, cache = visible(parse("a -> b"), []), LayoutCache()

    def fails(*_: object) -> None:
        raise LayoutBug.of("boxes overlap", 1)

    with monkeypatch.context() as patch:
        patch.setattr("graphreel.layout.nested.check_arrangements", fails)
        with pytest.raises(LayoutBug):
            lay_out(view, box_sizes(view), cache=cache)
    assert len(cache) == 0
