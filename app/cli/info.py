"""`graphreel info`: what is in a file."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from graphreel.tracefile import Iteration, Trace
    from graphreel.tracefile.extras import Finding


@click.command(
    "info",
    epilog="Examples:  graphreel info run.reel  |  graphreel info model.onnx --json"
    "  |  graphreel info run.reel --keys | grep addmm",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.option("--keys", "only_keys", is_flag=True, help="Only the keys of an iteration's nodes, a line for each.")
@click.option("--iteration", type=int, help="Which iteration, for --keys; without it the last.")
def command(file: Path, as_json: bool, only_keys: bool, iteration: int | None) -> None:
    """Tell what is in FILE: its source, versions and iterations."""
    from graphreel.capture.sources import open_trace
    from graphreel.cli.info_text import print_trace
    from graphreel.cli.progress import progress

    if iteration is not None and not only_keys:
        raise click.UsageError("--iteration chooses whose --keys are listed; add --keys")
    if as_json and only_keys:
        raise click.UsageError("--json or --keys; the keys as JSON are in: graphreel export FILE -o x.json")
    with progress(f"Reading {file.name}") as shown:
        trace = open_trace(file, shown)
    try:
        if as_json:
            click.echo(json.dumps(_as_json(trace), indent=2, ensure_ascii=False))
        elif only_keys:
            _print_keys(trace, iteration)
        else:
            print_trace(trace)
    finally:
        trace.close()


def _print_keys(trace: "Trace", index: int | None) -> None:
    from graphreel.graph import node_keys

    if index is None:
        if not trace.iterations:
            raise click.ClickException(f"{trace.path}: this trace holds no iterations")
        index = trace.iterations[-1].index
    for key in node_keys(trace.graph(index)):
        click.echo(key)


def _as_json(trace: "Trace") -> dict[str, Any]:
    info = trace.info
    return {
        "path": str(trace.path),
        "source": info.source,
        "versions": dict(info.versions),
        "command": list(info.command),
        "settings": dict(info.settings),
        "started": time_text(info.started_ns),
        "finished": info.finished,
        "running": trace.running,
        "problems": list(trace.problems),
        "keyframes": list(trace.keyframes),
        "findings": [_finding_as_json(index, finding) for index, finding in findings(trace)],
        "iterations": [_iteration_as_json(iteration, views) for iteration, views in with_views(trace)],
    }


def findings(trace: "Trace") -> list[tuple[int, "Finding"]]:
    """What the recorder noticed, and in which iteration."""
    return [(each.index, finding) for each in trace.iterations for finding in trace.findings(each.index)]


def _finding_as_json(index: int, finding: "Finding") -> dict[str, Any]:
    found: dict[str, Any] = {"iteration": index, "kind": finding.kind, "message": finding.message}
    found |= {"node": finding.node} if finding.node is not None else {}
    return found | ({"file": finding.file, "line": finding.line} if finding.file else {})


def with_views(trace: "Trace") -> list[tuple["Iteration", Sequence[str]]]:
    """Each iteration and the names of its views, which iterations with equal graphs share."""
    views: dict[str, Sequence[str]] = {}
    for iteration in trace.iterations:
        if iteration.graph not in views:
            views[iteration.graph] = trace.views(iteration.index)
    return [(iteration, views[iteration.graph]) for iteration in trace.iterations]


def _iteration_as_json(iteration: "Iteration", views: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "index": iteration.index,
        "status": str(iteration.status),
        "graph": iteration.graph,
        "nodes": iteration.nodes,
        "edges": iteration.edges,
        "duration_ns": iteration.duration_ns,
        "scalars": dict(iteration.scalars),
        "views": list(views),
    }
    if iteration.error is not None:
        error = iteration.error
        found["error"] = {"type": error.type, "message": error.message, "node": error.node}
    return found


def time_text(started_ns: int) -> str | None:
    """When a recording began, in the form of ISO 8601; None where that is not known."""
    if not started_ns:
        return None
    return datetime.fromtimestamp(started_ns / 1e9, UTC).isoformat(timespec="seconds")
