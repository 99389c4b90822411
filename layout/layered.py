"""One group laid out from its own content, in the phases of Sugiyama's method."""

from graphreel.graph import Progress, Unwatched
from graphreel.layout.cycles import acyclic
from graphreel.layout.layers import layers
from graphreel.layout.local import Arrangement, Problem
from graphreel.layout.ordering import order
from graphreel.layout.placing import place
from graphreel.layout.ranking import rank
from graphreel.layout.routing import route
from graphreel.layout.types import LayoutOptions
from graphreel.layout.wrapping import wrap


def arrange(problem: Problem, options: LayoutOptions, progress: Progress = Unwatched()) -> Arrangement:
    """Lay out one group. The same problem always gives the same arrangement."""
    flow = acyclic(problem)
    ranks, wrapped = wrap(problem, flow, rank(problem, flow), options)
    rows = layers(problem, ranks)
    order(rows, progress)
    return route(rows, place(rows, options, wrapped=wrapped), options)
