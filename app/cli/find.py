"""`graphreel find`: the operations that a query describes."""

import json
import math
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from graphreel.analysis import Hits, Recorded
    from graphreel.graph import Graph

_HEADS = ("number", "op", "scope", "shape", "time", "source")
_NUMBERS = (0, 4)
"""The columns that are aligned at the right."""
_WIDEST, _OUTPUTS = 60, 2


@click.command(
    "find",
    epilog="Examples:  graphreel find run.reel 'op:mm scope:layers.3 time>1ms'"
    "  |  graphreel find run.reel 'nan>0' --iteration 7  |  graphreel find model.onnx 'shape:*x768 -op:Add' --json",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("query")
@click.option("--iteration", type=int, help="Which iteration; without it the last.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs: also with the nodes' keys.")
def command(file: Path, query: str, iteration: int | None, as_json: bool) -> None:
    """List the operations of FILE that QUERY describes, best first; exit code 1 where there are none.

    Words must all match: in op, name, scope, values' names, source line or attributes. op: name: scope: value: shape:
    dtype: device: phase: source: attr: kind: look in one of these; * and ? are wildcards. Numbers are compared with
    > >= < <= = !=: time, self, total, device (1ms), bytes (1MB), numel, dim, calls, and nan, inf, zeros, min, max,
    absmax, mean, std where they were recorded. -word, OR, parentheses and quotes do what they do elsewhere.
    """
    from graphreel.analysis import QueryError, Recorded, search
    from graphreel.capture.sources import open_trace
    from graphreel.cli.export import chosen
    from graphreel.cli.progress import progress

    with progress(f"Searching {file.name}") as shown:
        trace = open_trace(file, shown)
        try:
            index = chosen(trace, iteration).index
            graph = trace.graph(index)
            recorded = Recorded(trace.columns(index), trace.value_columns(index), trace.kernels(index))
            try:
                hits = search(graph, query, shown, recorded)
            except QueryError as error:
                raise click.ClickException(f"the query, {error}") from error
            told = list(_rows(graph, hits, recorded))
        finally:
            trace.close()
    if as_json:
        click.echo(json.dumps({"iteration": index, "query": query, "found": told}, indent=2, ensure_ascii=False))
    else:
        _print(told)
        click.echo(f"{len(told):,} of {graph.node_count:,} operations of iteration {index}", err=True)
    if not told:
        raise SystemExit(1)


def _rows(graph: "Graph", hits: "Hits", recorded: "Recorded") -> Iterator[dict[str, Any]]:
    from graphreel.analysis.measures import node_numbers
    from graphreel.graph import node_keys

    keys = node_keys(graph)
    times: npt.NDArray[np.float64] | None = node_numbers(graph, recorded, "time")
    for number in hits.nodes.tolist():
        node = graph.node(number)
        time = math.nan if times is None else float(times[number])
        yield {
            "number": number,
            "op": node.op,
            "name": node.name,
            "scope": node.scope.path,
            "outputs": [value.type_text for value in node.outputs],
            "duration_ns": None if math.isnan(time) else int(time),
            "source": str(node.source or ""),
            "key": keys[number],
        }


def _print(rows: list[dict[str, Any]]) -> None:
    """A table as wide as its texts; what has no such column is left out."""
    from graphreel.analysis.measures import Unit, quantity_text

    cells: list[tuple[str, ...]] = [_HEADS]
    for row in rows:
        time = row["duration_ns"]
        file, colon, line = row["source"].rpartition(":")
        took = "" if time is None else quantity_text(time, Unit.TIME)
        shapes = ", ".join(row["outputs"][:_OUTPUTS])
        cells.append((str(row["number"]), row["op"], row["scope"], shapes, took, f"{PurePath(file).name}{colon}{line}"))
    kept = [column for column in range(len(_HEADS)) if any(line[column] for line in cells[1:])]
    widths = {column: min(max(len(line[column]) for line in cells), _WIDEST) for column in kept}
    for cell in cells if rows else []:
        aligned = (
            cell[column].rjust(widths[column]) if column in _NUMBERS else cell[column].ljust(widths[column])
            for column in kept
        )
        click.echo("  ".join(aligned).rstrip())
