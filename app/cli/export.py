"""`graphreel export`: a graph as a picture or as data, without opening a window."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from graphreel.analysis import Recorded, find_meant
from graphreel.graph import (
    Graph,
    GraphreelError,
    NodeId,
    ScopeId,
    find_scopes,
    grouped,
    to_dot,
    to_graphml,
    to_json,
)
from graphreel.layout import default_expansion, lay_out, visible
from graphreel.render import COLOUR_BY, THEMES, Overlay, build_scene, coloured, measure, to_svg
from graphreel.tracefile import Iteration, Trace, UnknownIteration

PICTURES = (".svg", ".png", ".pdf")
DATA: dict[str, Callable[[Graph], str]] = {".json": to_json, ".dot": to_dot, ".graphml": to_graphml}


class ExportError(GraphreelError):
    """A request for an export that cannot be met."""

    @classmethod
    def unknown_kind(cls, output: Path) -> "ExportError":
        """Say which endings are accepted."""
        return cls(f"{output}: the ending says what to write; accepted: {', '.join((*PICTURES, *DATA))}")

    @classmethod
    def nothing_recorded(cls, path: Path) -> "ExportError":
        """Say that a trace holds no iteration."""
        return cls(f"{path}: this trace holds no iterations, so there is nothing to export")

    @classmethod
    def unknown_view(cls, trace: Trace, index: int, name: str) -> "ExportError":
        """Name the views there are, or how to come by one."""
        views = trace.views(index)
        if views:
            return cls(f"{trace.path}: iteration {index} has no view {name!r}; there are: {', '.join(views)}")
        if trace.info.source != "torch":
            return cls(f"{trace.path}: there is no view {name!r}: such a file holds one graph")
        return cls(
            f"{trace.path}: iteration {index} has no view {name!r}, and no other; the view autograd is recorded of "
            "each backward in the iterations that have a keyframe (0, 1, 2, 4, 8, …)"
        )

    @classmethod
    def cannot_write(cls, path: Path, error: OSError) -> "ExportError":
        """Say which file and why."""
        return cls(f"{path}: cannot be written: {error.strerror}")


@click.command(
    "export",
    epilog="Examples:  graphreel export run.reel --iteration 2 --expand 'layers.*' -o graph.svg"
    "  |  graphreel export run.reel --view autograd -o backward.svg  |  graphreel export model.onnx -o model.json",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    help="What to write; the ending says how: .svg .png .pdf .json .dot .graphml",
)
@click.option("--iteration", type=int, help="Which iteration; without it the last.")
@click.option("--view", metavar="NAME", help="Another graph of the iteration, such as autograd.")
@click.option(
    "--expand",
    multiple=True,
    metavar="PATTERN",
    help="Open the scopes that match, such as 'layers.*', and those around them. May be given several times.",
)
@click.option("--expand-all", is_flag=True, help="Open every scope.")
@click.option(
    "--unfold",
    multiple=True,
    metavar="PATTERN",
    help="Show repeated blocks that match one by one, not as one box, Block × 12.",
)
@click.option("--collapse", multiple=True, metavar="PATTERN", help="Keep the scopes that match closed.")
@click.option("--theme", type=click.Choice(["light", "dark"]), default="light", show_default=True)
@click.option("--embed-font", is_flag=True, help="Carry the font inside the SVG, so that it looks the same everywhere.")
@click.option(
    "--color-by",
    "--colour-by",
    "colour_by",
    metavar="WHAT",
    help="Colour boxes by op, scope, dtype, device, phase, time, device-time, memory, or a statistic: nan, absmax, …",
)
@click.option("--cursor", metavar="KEY", help="Mark the node with this key, as when stepping stands there.")
@click.option(
    "--scale", type=click.FloatRange(min=0.01, max=16), default=1.0, show_default=True, help="Pixels per unit, for PNG."
)
def command(
    file: Path,
    output: Path,
    iteration: int | None,
    view: str | None,
    expand: tuple[str, ...],
    expand_all: bool,
    unfold: tuple[str, ...],
    collapse: tuple[str, ...],
    theme: str,
    embed_font: bool,
    colour_by: str | None,
    cursor: str | None,
    scale: float,
) -> None:
    """Write one graph of FILE, a trace or a model, to a file."""
    from graphreel.capture.sources import open_trace
    from graphreel.cli.keys import listing
    from graphreel.cli.progress import progress

    kind = output.suffix.lower()
    if kind not in (*PICTURES, *DATA):
        raise ExportError.unknown_kind(output)
    if colour_by is not None and colour_by not in COLOUR_BY:
        raise click.UsageError(f"--color-by {colour_by!r} is nothing to colour by; accepted: {', '.join(COLOUR_BY)}")
    with progress(f"Exporting {file.name}") as shown:
        trace = open_trace(file, shown)
        try:
            row = chosen(trace, iteration)
            graph = _graph(trace, row.index, view)
            recorded = _recorded(trace, row.index, view) if colour_by else Recorded()
            look = listing(trace, row.index) if view is None else ""
            marked = None if cursor is None or kind in DATA else find_meant(graph, cursor, look)
        finally:
            trace.close()
        if kind in DATA:
            write_whole(output, DATA[kind](graph).encode("utf-8", "replace"))
            return
        # Nodes keep their numbers, so what was found in the graph holds in the grouped one.
        graph = grouped(graph)
        opened = _opened(graph, expand, expand_all=expand_all, collapse=collapse)
        failed = None if view is not None or row.error is None else row.error.node
        overlay = Overlay(cursor=marked, failed=failed)
        seen = visible(graph, opened, _unfolded(graph, unfold, [marked, failed]))
        scene = build_scene(seen, lay_out(seen, measure(seen), progress=shown))
        scene = coloured(scene, colour_by, recorded) if colour_by else scene
    if kind == ".svg":
        write_whole(output, to_svg(scene, THEMES[theme], overlay, embed_font=embed_font).encode())
    else:
        from graphreel.gui.export import save_picture

        save_picture(scene, output, theme=THEMES[theme], overlay=overlay, scale=scale)


def chosen(trace: Trace, index: int | None) -> Iteration:
    """The iteration asked for, or the last one."""
    rows = trace.iterations
    if index is None:
        if not rows:
            raise ExportError.nothing_recorded(trace.path)
        return rows[-1]
    for row in rows:
        if row.index == index:
            return row
    raise UnknownIteration.in_trace(index, trace.path, [row.index for row in rows])


def _graph(trace: Trace, index: int, view: str | None) -> Graph:
    """The graph of an iteration, or the view of it that is asked for."""
    if view is None:
        return trace.graph(index)
    found = trace.view(index, view)
    if found is None:
        raise ExportError.unknown_view(trace, index, view)
    return found


def _recorded(trace: Trace, index: int, view: str | None) -> Recorded:
    """What was recorded beside the graph of an iteration, or beside a view of it."""
    if view is not None:
        return Recorded(trace.view_columns(index, view))
    return Recorded(trace.columns(index), trace.value_columns(index), trace.kernels(index))


def _opened(graph: Graph, expand: Sequence[str], *, expand_all: bool, collapse: Sequence[str]) -> frozenset[ScopeId]:
    """The scopes to draw open: the usual ones, those asked for with all around them, less those to keep closed."""
    opened = set(map(ScopeId, range(1, graph.scope_count))) if expand_all else set(default_expansion(graph))
    for pattern in expand:
        for scope in find_scopes(graph, pattern):
            opened.update(graph.scope(scope).lineage)
    for pattern in collapse:
        opened.difference_update(find_scopes(graph, pattern))
    return frozenset(opened)


def _unfolded(graph: Graph, unfold: Sequence[str], marked: Sequence[NodeId | None]) -> frozenset[ScopeId]:
    """The scopes to draw beside those like them: those asked for, and those that hold something marked."""
    found = {scope for pattern in unfold for scope in find_scopes(graph, pattern)}
    for node in marked:
        if node is not None:
            found.update(graph.node(node).scope.lineage)
    return frozenset(found)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that a full disk or a crash leaves the old one, or none, but never half of the new one."""
    target = path.resolve()
    half = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.exists() and not target.is_file():
            # A device or a pipe, such as /dev/stdout: nothing to keep whole, and it must not be replaced.
            target.write_bytes(content)
            return
        try:
            half.write_bytes(content)
            half.replace(target)
        finally:
            half.unlink(missing_ok=True)
    except OSError as error:
        raise ExportError.cannot_write(path, error) from error
