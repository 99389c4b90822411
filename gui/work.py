"""What the jobs do: plain functions that run off the GUI thread and know no Qt."""

from collections.abc import Collection
from pathlib import Path

from graphreel.analysis import Hits, search
from graphreel.analysis.arrays import Histogram, excerpt
from graphreel.analysis.linking import links_of
from graphreel.capture.sources import open_trace
from graphreel.graph import Graph, Progress, ScopeId, ValueId, grouped, node_keys
from graphreel.gui.choices import Choices, recorded_of
from graphreel.gui.views import Numbers, Shown
from graphreel.layout import LayoutCache, default_expansion, lay_out, visible
from graphreel.render import Scene, build_scene, coloured, measure, said
from graphreel.replay import NoKeyframe, Replay
from graphreel.tracefile import Status, Trace, UnknownIteration
from graphreel.tracefile.tensors import to_numpy


def open_file(path: Path, progress: Progress) -> Trace:
    """The trace in a file."""
    return open_trace(path, progress)


def first_shown(trace: Trace) -> int | None:
    """The iteration to show first: the first that failed, for that is why one looks; else the first of all."""
    failed = [iteration.index for iteration in trace.iterations if iteration.status is Status.FAILED]
    every = [iteration.index for iteration in trace.iterations]
    return next(iter([*failed, *every]), None)


def load_iteration(trace: Trace, index: int, view: str, progress: Progress) -> Shown:
    """One iteration with its graph and columns, in this view where it has it; raises UnknownIteration."""
    progress.step(0, 3)
    listed = {iteration.index: iteration for iteration in trace.iterations}
    if index not in listed:
        raise UnknownIteration.in_trace(index, trace.path, sorted(listed))
    views = tuple(trace.views(index))
    other = trace.view(index, view) if view in views else None
    graph = grouped(trace.graph(index) if other is None else other)
    progress.step(1, 3)
    findings = tuple(trace.findings(index))
    progress.step(2, 3)
    # Keys and links are kept beside the graph from here on; asked for on the GUI thread, they would make it wait.
    node_keys(graph)
    if other is not None:
        links_of(graph)
        return Shown(listed[index], graph, {}, findings=findings, view=view, views=views)
    return Shown(
        listed[index],
        graph,
        trace.columns(index),
        trace.value_columns(index),
        trace.kernels(index),
        findings,
        views=views,
        has_keyframe=index in trace.keyframes,
        kept=frozenset(trace.tensors(index)),
    )


def expanded_at_first(graph: Graph) -> set[str]:
    """The paths of the scopes that stand open when a trace is new."""
    return {graph.paths[scope] for scope in default_expansion(graph)}


def scopes_at(graph: Graph, paths: Collection[str]) -> frozenset[ScopeId]:
    """The scopes with these paths, as far as the graph has them."""
    wanted = set(paths)
    return frozenset(ScopeId(scope) for scope, path in enumerate(graph.paths) if scope and path in wanted)


def find(shown: Shown, query: str, progress: Progress) -> Hits:
    """The nodes of an iteration that a query describes; raises QueryError."""
    return search(shown.graph, query, progress, recorded_of(shown))


def draw(
    shown: Shown,
    expanded: Collection[str],
    unfolded: Collection[str],
    choices: Choices,
    previous: Scene | None,
    cache: LayoutCache,
    progress: Progress,
) -> Scene:
    """The picture of a graph with the scopes at these paths open, staying near to the previous picture."""
    graph, recorded = shown.graph, recorded_of(shown)
    what = said(graph, choices.lines, recorded)
    view = visible(graph, scopes_at(graph, expanded), scopes_at(graph, unfolded), choices.hidden_nodes(graph))
    progress.step(0, 0)
    sizes = measure(view, what)
    progress.step(0, 0)
    before = None if previous is None else previous.placement
    placement = lay_out(view, sizes, previous=before, cache=cache, progress=progress)
    return colour(shown, choices, build_scene(view, placement, what), progress)


def colour(shown: Shown, choices: Choices, scene: Scene, progress: Progress) -> Scene:
    """The picture in the colours that are chosen."""
    progress.step(0, 0)
    return coloured(scene, choices.colour_by, recorded_of(shown)) if choices.colour_by or scene.legend else scene


def refresh(trace: Trace, progress: Progress) -> bool:
    """Whether the file has more in it than before; raises FileNotFoundError where it is gone."""
    progress.step(0, 0)
    trace.path.stat()
    return trace.refresh()


def replay_of(trace: Trace, index: int) -> Replay | None:
    """What executes an iteration again; None where it has no keyframe."""
    return Replay(trace, index) if index in trace.keyframes else None


def end_replay(replay: Replay, progress: Progress) -> None:
    """End the process of a replay."""
    replay.close()


def numbers(trace: Trace, index: int, value: int, replay: Replay | None, progress: Progress) -> Numbers:
    """What there is to see of a value: as the trace holds it, or from the iteration executed again.

    Raises NoKeyframe, and what executing raises.
    """
    found = trace.tensor(index, value) if replay is None else None
    if found is None:
        if replay is None:
            raise NoKeyframe.at(trace.path, index, trace.keyframes)
        wanted = ValueId(value)
        found = replay.values([wanted], progress)[wanted]
    array = to_numpy(found.view, found.storages)
    cells, whole = excerpt(array)
    return Numbers(Histogram.of(array), tuple(map(tuple, cells)), whole, array.shape, executed=replay is not None)
