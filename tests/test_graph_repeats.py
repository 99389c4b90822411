"""Which scopes are runs of repeated blocks."""

from graphreel.graph import Graph, GraphBuilder, Phase, ScopeKind, parse, repeats


def runs(graph: Graph) -> list[str]:
    """Each run as text."""
    found = repeats(graph)
    leads = sorted({int(first) for first in found.first.tolist() if first >= 0})
    return [" ".join(graph.paths[scope] for scope in found.members(lead)) for lead in leads]


def blocks(count: int) -> str:
    return "; ".join(f"h{n}/a -> h{n}/b" for n in range(count))


def test_three_scopes_alike_are_a_run_and_two_are_not() -> None:
    assert runs(parse(blocks(3))) == ["h0 h1 h2"]
    assert runs(parse(blocks(2))) == []
    assert repeats(parse(blocks(3))).count.tolist() == [1, 3, 1, 1]


def test_a_scope_that_computes_something_else_ends_a_run() -> None:
    text = "; ".join(f"h{n}/a -> h{n}/b" if n != 3 else "h3/a -> h3/b; h3/a -> h3/b" for n in range(8))
    assert runs(parse(text)) == ["h0 h1 h2", "h4 h5 h6 h7"]


def test_names_that_differ_in_more_than_numbers_are_no_run() -> None:
    assert runs(parse("q/a -> q/b; k/a -> k/b; v/a -> v/b")) == []


def test_runs_in_runs() -> None:
    text = "; ".join(f"h{n}/e{m}/a" for n in range(3) for m in range(3))
    assert runs(parse(text)) == ["h0 h1 h2", "h0/e0 h0/e1 h0/e2", "h1/e0 h1/e1 h1/e2", "h2/e0 h2/e1 h2/e2"]


def with_node_between(*, takes: bool, gives: bool) -> Graph:
    builder = GraphBuilder()
    value = builder.value()
    for block in range(6):
        value = builder.value(producer=builder.node("a", [value], scope=builder.scope(f"h{block}")))
        if block == 2:
            made = builder.value(producer=builder.node("between", [value] if takes else []))
            value = made if gives else value
    return builder.build()


def test_a_node_between_that_joins_blocks_ends_the_run_so_that_a_fold_closes_no_circle() -> None:
    assert runs(with_node_between(takes=True, gives=True)) == ["h0 h1 h2", "h3 h4 h5"]


def test_a_node_between_that_only_takes_or_only_gives_does_not() -> None:
    assert runs(with_node_between(takes=True, gives=False)) == ["h0 h1 h2 h3 h4 h5"]
    assert runs(with_node_between(takes=False, gives=True)) == ["h0 h1 h2 h3 h4 h5"]


def test_phases_and_branches_are_never_a_run() -> None:
    builder = GraphBuilder()
    for number in range(3):
        phase = builder.scope(f"phase{number}", kind=ScopeKind.PHASE)
        builder.node("a", scope=phase, phase=Phase.FORWARD)
    assert runs(builder.build()) == []


def test_visits_of_one_module_are_a_run() -> None:
    builder = GraphBuilder()
    for _ in range(3):
        builder.node("relu", scope=builder.scope("act"))
    assert runs(builder.build()) == ["act act:2 act:3"]
