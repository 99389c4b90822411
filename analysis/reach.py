"""What leads to what: ancestors and descendants of nodes, what lies between two, and how two are connected at all.

Each question looks at every edge that it can reach once, so it takes about as long as the graph is large.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from graphreel.graph import Graph, Progress, Unwatched
from graphreel.graph.flow import flow_edges
from graphreel.graph.types import IntColumn

Nodes = npt.NDArray[np.int64]
"""Nodes by number, in execution order, each once."""

_OFTEN = 4096
"""How many nodes are looked at between two questions whether anybody still wants the answer."""


class Way(Enum):
    """Which way edges are followed."""

    UP = "up"
    """To the nodes that give what a node takes."""
    DOWN = "down"
    """To the nodes that take what a node gives."""
    EITHER = "either"


@dataclass(frozen=True, eq=False)
class Flow:
    """The edges of a graph by the nodes at their ends.

    Attributes:
        source, target: The nodes at the ends of each edge.
        count: How many nodes the graph has.
    """

    source: IntColumn
    target: IntColumn
    count: int

    @cached_property
    def _lists(self) -> dict[Way, tuple[list[int], list[int]]]:
        both = np.concatenate([self.source, self.target]), np.concatenate([self.target, self.source])
        return {
            Way.UP: _grouped(self.target, self.source, self.count),
            Way.DOWN: _grouped(self.source, self.target, self.count),
            Way.EITHER: _grouped(*both, self.count),
        }

    def levels(
        self, seeds: Iterable[int], way: Way, steps: int | None = None, progress: Progress = Unwatched()
    ) -> dict[int, int]:
        """The nodes that can be reached from any of the seeds, and the seeds, each with the node it was reached from.

        That of a seed is -1. Nearest nodes come first; none is further away than `steps`, where that is given.
        """
        start, beyond = self._lists[way]
        found = dict.fromkeys(map(int, seeds), -1)
        edge, level = list(found), 0
        while edge and (steps is None or level < steps):
            following: list[int] = []
            for row, node in enumerate(edge):
                if row % _OFTEN == 0:
                    progress.step(len(found), self.count)
                for other in beyond[start[node] : start[node + 1]]:
                    if other not in found:
                        found[other] = node
                        following.append(other)
            edge, level = following, level + 1
        return found


def reached(
    graph: Graph, seeds: Iterable[int], way: Way, steps: int | None = None, progress: Progress = Unwatched()
) -> Nodes:
    """The ancestors (`UP`) or descendants (`DOWN`) of the seeds, with them; at most so many steps away."""
    return _sorted(flow(graph).levels(seeds, way, steps, progress))


def between(graph: Graph, one: Iterable[int], other: Iterable[int], progress: Progress = Unwatched()) -> Nodes:
    """The nodes on directed paths from one to the other, with both ends; the other way round where there is none.

    Nothing where no path leads either way.
    """
    ends, edges = (list(one), list(other)), flow(graph)
    for start, end in (ends, ends[::-1]):
        below = edges.levels(start, Way.DOWN, progress=progress)
        if any(node in below for node in end):
            above = edges.levels([node for node in end if node in below], Way.UP, progress=progress)
            return _sorted(above.keys() & below.keys())
    return _sorted(())


def shortest(graph: Graph, one: Iterable[int], other: Iterable[int], progress: Progress = Unwatched()) -> Nodes:
    """The nodes of a shortest connection, whichever way its edges run; nothing where there is none."""
    ends = set(map(int, other))
    found = flow(graph).levels(one, Way.EITHER, progress=progress)
    node = next((node for node in found if node in ends), -1)
    path: list[int] = []
    while node >= 0:
        path.append(node)
        node = found[node]
    return _sorted(path)


_known: "WeakKeyDictionary[Graph, Flow]" = WeakKeyDictionary()


def flow(graph: Graph) -> Flow:
    """The edges of a graph, kept beside it for the next question."""
    found = _known.get(graph)
    if found is None:
        edges = flow_edges(graph)
        found = _known[graph] = Flow(edges.source, edges.target, graph.node_count)
    return found


def _grouped(key: IntColumn, value: IntColumn, count: int) -> tuple[list[int], list[int]]:
    """The values of key k are `values[start[k]:start[k + 1]]`; as lists, for they are read one by one."""
    order = np.argsort(key, kind="stable")
    start = np.searchsorted(key[order], np.arange(count + 1))
    return start.tolist(), value[order].tolist()


def _sorted(nodes: Iterable[int]) -> Nodes:
    found: Nodes = np.sort(np.fromiter(nodes, dtype=np.int64))
    return found
