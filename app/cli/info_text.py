"""What `graphreel info` shows to people: a head, a row for each iteration, its scalars, errors and findings."""

import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from graphreel.cli.info import findings, time_text, with_views

if TYPE_CHECKING:
    from graphreel.tracefile import Iteration, Trace

_MOST_FINDINGS, _MOST_NUMBERS, _MOST_SCALARS, _MOST_LINES = 20, 12, 12, 8
_HANGING = 6


def print_trace(trace: "Trace") -> None:
    """Print all of it to standard output, no line wider than the terminal."""
    console = Console(highlight=False)
    _print_head(console, trace)
    console.print()
    if not trace.iterations:
        console.print("  no iterations")
        return
    _print_iterations(console, trace)
    _print_scalars(console, trace.iterations)
    _print_errors(console, trace)
    _print_findings(console, trace)


def _print_head(console: Console, trace: "Trace") -> None:
    info = trace.info
    console.print(Text(str(trace.path), style="bold"))
    rows = {
        "source": info.source,
        "versions": ", ".join(f"{name} {version}" for name, version in info.versions.items()),
        "command": " ".join(info.command),
        "recorded": time_text(info.started_ns) or "",
        **info.settings,
        "keyframes of": _numbers_text(trace.keyframes),
    }
    width = max(map(len, rows))
    for name, text in rows.items():
        if text:
            _print_hanging(console, f"  {name:<{width}}  ", text, "dim", width + 4)
    if trace.running:
        console.print(Text("  … still being recorded", style="green"))
    for problem in trace.problems:
        _print_hanging(console, "  ! ", problem, "yellow", 4)


def _print_iterations(console: Console, trace: "Trace") -> None:
    table = Table(box=None, pad_edge=True, header_style="dim")
    for heading in ("iteration", "graph", "nodes", "edges", "duration"):
        table.add_column(heading, justify="left" if heading == "graph" else "right", no_wrap=True)
    table.add_column("status", no_wrap=True)
    iterations = with_views(trace)
    has_views = any(views for _, views in iterations)
    if has_views:
        table.add_column("views")
    for iteration, views in iterations:
        table.add_row(*_cells(iteration), *([", ".join(views)] if has_views else []))
    console.print(table)


def _cells(iteration: "Iteration") -> list[str]:
    status = str(iteration.status)
    status = f"[red]{status}[/]" if iteration.error is not None else status
    duration = f"{iteration.duration_ns / 1e6:.1f} ms" if iteration.duration_ns else ""
    return [str(iteration.index), iteration.graph[:8], str(iteration.nodes), str(iteration.edges), duration, status]


@dataclass(frozen=True, slots=True)
class _Series:
    """One scalar over the iterations that have it."""

    name: str
    numbers: Sequence[float]

    @property
    def cells(self) -> list[str]:
        """First, last, least and greatest number, and what is no number among them."""
        finite = [number for number in self.numbers if math.isfinite(number)]
        ends = (self.numbers[0], self.numbers[-1], min(finite, default=math.nan), max(finite, default=math.nan))
        return [self.name, *(f"{number:.6g}" for number in ends), self._other_text(len(self.numbers) - len(finite))]

    def _other_text(self, others: int) -> str:
        return f"{others} not finite" if others else ""


def _series(iterations: Sequence["Iteration"]) -> list[_Series]:
    found: dict[str, list[float]] = {}
    for iteration in iterations:
        for name, number in iteration.scalars.items():
            found.setdefault(name, []).append(number)
    return [_Series(name, numbers) for name, numbers in found.items()]


def _print_scalars(console: Console, iterations: Sequence["Iteration"]) -> None:
    """A row for each scalar: the loss, the learning rate."""
    series = _series(iterations)
    if not series:
        return
    table = Table(box=None, pad_edge=True, header_style="dim")
    table.add_column("scalar", no_wrap=True)
    for heading in ("first", "last", "min", "max"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", style="red", no_wrap=True)
    for each in series[:_MOST_SCALARS]:
        table.add_row(*map(Text, each.cells))
    console.print()
    console.print(table)
    if len(series) > _MOST_SCALARS:
        console.print(Text(f"  … and {len(series) - _MOST_SCALARS} more; --json has all", style="dim"))


def _print_errors(console: Console, trace: "Trace") -> None:
    """The exceptions that ended iterations; of many the last ones, which are those that a user asks about."""
    failed = [(iteration, iteration.error) for iteration in trace.iterations if iteration.error is not None]
    if failed:
        console.print()
    if len(failed) > _MOST_FINDINGS:
        console.print(Text(f"  {len(failed) - _MOST_FINDINGS} errors before these; --json has all", style="dim"))
    for iteration, error in failed[-_MOST_FINDINGS:]:
        told = ": ".join(filter(None, (error.type, error.message)))
        head = f"  iteration {iteration.index}  {iteration.status}  "
        _print_hanging(console, head, told, "red")
        if error.node is not None:
            _print_hanging(console, f"{'':{_HANGING}}at ", _key(trace, iteration.index, error.node), "dim")


def _key(trace: "Trace", index: int, node: int) -> str:
    from graphreel.graph import GraphreelError, node_keys

    try:
        return node_keys(trace.graph(index))[node]
    except (GraphreelError, IndexError):
        return f"node {node}"  # of a damaged file, the rest of which is still shown


def _print_findings(console: Console, trace: "Trace") -> None:
    """Each finding once, and how often it came again in later iterations."""
    first: dict[tuple[str, str, str, int], int] = {}
    times: Counter[tuple[str, str, str, int]] = Counter()
    for index, finding in findings(trace):
        same = finding.kind, finding.message, finding.file, finding.line
        first.setdefault(same, index)
        times[same] += 1
    if first:
        console.print()
    for same, index in list(first.items())[:_MOST_FINDINGS]:
        kind, message, file, line = same
        again = f" (in {times[same]} iterations)" if times[same] > 1 else ""
        where = f"{PurePath(file).name}:{line}: " if file else ""
        text = where + (message.splitlines() or [""])[0] + again
        _print_hanging(console, f"  iteration {index}  {kind}  ", text, "yellow")
    if len(first) > _MOST_FINDINGS:
        console.print(Text(f"  … and {len(first) - _MOST_FINDINGS} more; --json has all", style="dim"))


def _print_hanging(console: Console, head: str, text: str, style: str, hanging: int = _HANGING) -> None:
    """A styled head and a text behind it, whose further lines are indented."""
    width = max(console.width, hanging + 20)
    # A text of the program's own may hold anything; a tab or an escape would end up elsewhere on the line.
    told = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    lines = textwrap.wrap(
        told, width, initial_indent=" " * len(head), subsequent_indent=" " * hanging, break_on_hyphens=False
    )
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"{'':{hanging}}… (--json has all)"]
    for at, line in enumerate(lines or [head]):
        first = Text(head, style=style) + Text(line[len(head) :]) if at == 0 else Text(line)
        console.print(first, no_wrap=True, overflow="ignore", crop=False)


def _numbers_text(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:_MOST_NUMBERS]))
    return f"{shown}, … {numbers[-1]}" if len(numbers) > _MOST_NUMBERS else shown
