"""`graphreel info`: what is in a file."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

    from graphreel.tracefile import Iteration, Trace
    from graphreel.tracefile.extras import Finding

_MOST_FINDINGS, _MOST_NUMBERS = 20, 12


@click.command("info", epilog="Examples:  graphreel info run.reel  |  graphreel info model.onnx --json")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def command(file: Path, as_json: bool) -> None:
    """Tell what is in FILE: its source, versions and iterations."""
    from graphreel.capture.sources import open_trace
    from graphreel.cli.progress import progress

    with progress(f"Reading {file.name}") as shown:
        trace = open_trace(file, shown)
    try:
        if as_json:
            click.echo(json.dumps(_as_json(trace), indent=2, ensure_ascii=False))
        else:
            _print(trace)
    finally:
        trace.close()


def _as_json(trace: "Trace") -> dict[str, Any]:
    info = trace.info
    return {
        "path": str(trace.path),
        "source": info.source,
        "versions": dict(info.versions),
        "command": list(info.command),
        "settings": dict(info.settings),
        "started": _time(info.started_ns),
        "finished": info.finished,
        "running": trace.running,
        "problems": list(trace.problems),
        "keyframes": list(trace.keyframes),
        "findings": [_finding_as_json(index, finding) for index, finding in _findings(trace)],
        "iterations": [_iteration_as_json(iteration, views) for iteration, views in _with_views(trace)],
    }


def _findings(trace: "Trace") -> list[tuple[int, "Finding"]]:
    """What the recorder noticed, and in which iteration."""
    return [(each.index, finding) for each in trace.iterations for finding in trace.findings(each.index)]


def _finding_as_json(index: int, finding: "Finding") -> dict[str, Any]:
    found: dict[str, Any] = {"iteration": index, "kind": finding.kind, "message": finding.message}
    found |= {"node": finding.node} if finding.node is not None else {}
    return found | ({"file": finding.file, "line": finding.line} if finding.file else {})


def _with_views(trace: "Trace") -> list[tuple["Iteration", Sequence[str]]]:
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


def _print(trace: "Trace") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    info = trace.info
    console.print(Text(str(trace.path), style="bold"))
    rows = {
        "source": info.source,
        "versions": ", ".join(f"{name} {version}" for name, version in info.versions.items()),
        "command": " ".join(info.command),
        "recorded": _time(info.started_ns) or "",
        **info.settings,
        "keyframes of": _numbers_text(trace.keyframes),
    }
    width = max(map(len, rows))
    for name, text in rows.items():
        if text:
            console.print(Text(f"  {name:<{width}}  ", style="dim") + Text(text))
    if trace.running:
        console.print(Text("  … still being recorded", style="green"))
    for problem in trace.problems:
        console.print(Text(f"  ! {problem}", style="yellow"))
    console.print()
    if not trace.iterations:
        console.print("  no iterations")
        return
    table = Table(box=None, pad_edge=True, header_style="dim")
    for heading in ("iteration", "graph", "nodes", "edges", "duration"):
        table.add_column(heading, justify="left" if heading == "graph" else "right")
    table.add_column("status")
    iterations = _with_views(trace)
    has_views = any(views for _, views in iterations)
    if has_views:
        table.add_column("views")
    for iteration, views in iterations:
        table.add_row(*_cells(iteration), *([", ".join(views)] if has_views else []))
    console.print(table)
    _print_findings(console, trace)


def _print_findings(console: "Console", trace: "Trace") -> None:
    """One line for each finding, and how often it came again in later iterations."""
    from rich.text import Text

    first: dict[tuple[str, str, str, int], int] = {}
    times: Counter[tuple[str, str, str, int]] = Counter()
    for index, finding in _findings(trace):
        same = finding.kind, finding.message, finding.file, finding.line
        first.setdefault(same, index)
        times[same] += 1
    if first:
        console.print()
    for same, index in list(first.items())[:_MOST_FINDINGS]:
        kind, message, file, line = same
        again = f" (in {times[same]} iterations)" if times[same] > 1 else ""
        where = f"{PurePath(file).name}:{line}  " if file else ""
        console.print(
            Text(f"  iteration {index}  {kind}  ", style="yellow") + Text(where + message.splitlines()[0] + again)
        )
    if len(first) > _MOST_FINDINGS:
        console.print(Text(f"  … and {len(first) - _MOST_FINDINGS} more; --json has all", style="dim"))


def _cells(iteration: "Iteration") -> list[str]:
    status = str(iteration.status)
    if iteration.error is not None:
        told = ": ".join(filter(None, (iteration.error.type, iteration.error.message)))
        status = f"[red]{status}[/]: {_escape(told)}"
    duration = f"{iteration.duration_ns / 1e6:.1f} ms" if iteration.duration_ns else ""
    return [str(iteration.index), iteration.graph[:8], str(iteration.nodes), str(iteration.edges), duration, status]


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(" ".join(text.split()))


def _time(started_ns: int) -> str | None:
    if not started_ns:
        return None
    return datetime.fromtimestamp(started_ns / 1e9, UTC).isoformat(timespec="seconds")


def _numbers_text(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_MOST_NUMBERS]))
    return f"{shown}, … {numbers[-1]}" if len(numbers) > _MOST_NUMBERS else shown
