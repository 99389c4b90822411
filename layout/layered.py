"""One group laid out from its own content, in the phases of Sugiyama's method; or two beside each other."""

from graphreel.graph import Progress, Unwatched
from graphreel.layout.beside import beside
from graphreel.layout.cycles import Flows, acyclic
from graphreel.layout.heights import common, stacked
from graphreel.layout.layers import layers
from graphreel.layout.local import Arrangement, Pair, Problem
from graphreel.layout.ordering import order
from graphreel.layout.placing import place
from graphreel.layout.ranking import rank
from graphreel.layout.routing import Router
from graphreel.layout.rows_in_common import ranks_in_common
from graphreel.layout.types import LayoutOptions
from graphreel.layout.wrapping import wrap


def arrange(
    problem: Problem, options: LayoutOptions, progress: Progress = Unwatched(), flows: Flows | None = None
) -> Arrangement:
    """Lay out one group. The same problem always gives the same arrangement."""
    if problem.beside:
        return beside(problem, options)
    flow = acyclic(problem, progress, flows)
    ranks, wrapped = wrap(problem, flow, rank(problem, flow, progress), options)
    router = _routed(problem, ranks, options, progress, wrapped=wrapped)
    return router.arrangement(stacked(router.heights()), progress)


def arrange_pair(
    pair: Pair, options: LayoutOptions, progress: Progress = Unwatched(), flows: Flows | None = None
) -> tuple[Arrangement, Arrangement]:
    """Lay out a forward group and its backward group with rows in common, so that they get the same height."""
    found = ranks_in_common(pair, options, progress, Flows() if flows is None else flows)
    one = _routed(pair.forward, found.forward, options, progress, wrapped=found.wrapped, last=found.last)
    other = _routed(pair.backward, found.backward, options, progress, wrapped=found.wrapped, last=found.last)
    frame = stacked(common(one.heights(), other.heights().turned()))
    return (
        one.arrangement(frame, progress, middle=True),
        other.arrangement(frame.turned(), progress, middle=True),
    )


def _routed(
    problem: Problem, ranks: list[int], options: LayoutOptions, progress: Progress, *, wrapped: bool, last: int = 0
) -> Router:
    rows = layers(problem, ranks, progress, rows=last)
    order(rows, progress)
    return Router(rows, place(rows, options, progress, wrapped=wrapped), options, progress)
