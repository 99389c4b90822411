"""`graphreel replay`: execute a recorded iteration again, as it was or changed."""

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from graphreel.cli.keys import Keys
    from graphreel.graph import Graph
    from graphreel.replay import Drift, Edit, Replay, ReplayResult
    from graphreel.tracefile import Trace

_ROWS = 20

IMPORT_HELP = (
    "Import a module that registers operators of yours, by its name or as path/to/file.py. This runs its code: name "
    "only what you trust. Nothing that a trace names is ever imported."
)


@click.command(
    "replay",
    epilog="Examples:  graphreel replay run.reel --iteration 3 --verify  |  graphreel replay run.reel --dtype float64"
    "  |  graphreel replay run.reel --set 'forward/Net/dropout/aten.native_dropout.default@net.py:7#1' p 0.0",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--iteration", type=int, help="Which iteration; without it the last that has a keyframe.")
@click.option("--until", metavar="KEY", help="Stop after the node with this key.")
@click.option("--verify", is_flag=True, help="Compare every value with what was recorded; exit with 1 at a difference.")
@click.option("--keep-going", is_flag=True, help="With --verify: go on after the first difference.")
@click.option("--dtype", default="", help="Compute in this dtype too, such as float64, and tell how far values drift.")
@click.option("--device", default="", help="Compute on this device too, such as cuda.")
@click.option("--set", "sets", nargs=3, multiple=True, metavar="KEY NAME JSON", help="Change an attribute of a node.")
@click.option("--set-value", nargs=2, multiple=True, metavar="KEY[:PORT] FILE.npy", help="Change what a node gives.")
@click.option("--set-dtype", nargs=2, multiple=True, metavar="KEY DTYPE", help="Compute one node in another dtype.")
@click.option("--replace", nargs=2, multiple=True, metavar="KEY OP", help="Execute another operator at a node.")
@click.option("--remove", multiple=True, metavar="KEY", help="Leave a node out; its first input goes on in its place.")
@click.option("--time", "timed", metavar="KEY", help="Execute one node alone, many times, and tell how long it takes.")
@click.option("--repeats", type=click.IntRange(min=1), default=1000, show_default=True, help="How often, for --time.")
@click.option("--import", "modules", multiple=True, metavar="MODULE", help=IMPORT_HELP)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def command(
    file: Path,
    iteration: int | None,
    until: str | None,
    verify: bool,
    keep_going: bool,
    dtype: str,
    device: str,
    sets: tuple[tuple[str, str, str], ...],
    set_value: tuple[tuple[str, str], ...],
    set_dtype: tuple[tuple[str, str], ...],
    replace: tuple[tuple[str, str], ...],
    remove: tuple[str, ...],
    timed: str | None,
    repeats: int,
    modules: tuple[str, ...],
    as_json: bool,
) -> None:
    """Execute an iteration of FILE again from its keyframe, in a process of its own."""
    from graphreel.capture.sources import open_trace
    from graphreel.cli.keys import Keys
    from graphreel.cli.progress import progress
    from graphreel.recording import need_torch
    from graphreel.replay import Replay

    need_torch()
    trace = open_trace(file)
    try:
        index = chosen_iteration(trace, iteration)
        keys = Keys(trace, index)
        graph = keys.graph
        last = None if until is None else keys.meant(until)
        edits = _edits(keys, sets, set_value, set_dtype, replace, remove)
        with (
            damage_told(trace, index),
            progress(f"Replaying iteration {index}") as shown,
            Replay(trace, index, modules=modules) as replay,
        ):
            if timed is not None:
                _tell_timing(replay, keys, timed, repeats, device, as_json=as_json)
                return
            result = replay.run(
                last, verify=verify, keep_going=keep_going, edits=edits, dtype=dtype, device=device, progress=shown
            )
    finally:
        trace.close()
    if as_json:
        click.echo(json.dumps(_as_json(graph, index, result), indent=2, ensure_ascii=False))
    else:
        _print(graph, index, result, verify=verify)
    if verify and not result.exact:
        sys.exit(1)


@contextmanager
def damage_told(trace: "Trace", index: int) -> Iterator[None]:
    """Where the trace is damaged, say also what else could be executed."""
    from graphreel.tracefile import DamagedTrace

    try:
        yield
    except DamagedTrace as error:
        others = [known for known in trace.keyframes if known != index]
        or_else = f"take another iteration, such as --iteration {others[-1]}, or " if others else ""
        raise DamagedTrace(f"{error}; {or_else}copy the file again, or record again") from error


def chosen_iteration(trace: "Trace", index: int | None) -> int:
    """The iteration that was asked for, or the last that can be executed again."""
    from graphreel.replay import NoKeyframe

    if index is not None:
        return index
    if trace.keyframes:
        return trace.keyframes[-1]
    if not trace.iterations:
        raise click.ClickException(f"{trace.path}: this trace holds no iterations")
    if trace.info.source != "torch":
        raise NoKeyframe.of_source(trace.path, trace.info.source)
    raise NoKeyframe.at(trace.path, trace.iterations[-1].index, ())


def _edits(
    keys: "Keys",
    sets: Sequence[tuple[str, str, str]],
    values: Sequence[tuple[str, str]],
    dtypes: Sequence[tuple[str, str]],
    replaced: Sequence[tuple[str, str]],
    removed: Sequence[str],
) -> "list[Edit]":
    from graphreel.replay import RemoveNode, ReplaceOp, SetAttribute, SetDtype, SetValue

    found: list[Edit] = [SetAttribute(keys.meant(key), name, _json(text)) for key, name, text in sets]
    found += [SetValue(keys.output(key), _array(path)) for key, path in values]
    found += [SetDtype(keys.meant(key), dtype) for key, dtype in dtypes]
    found += [ReplaceOp(keys.meant(key), op) for key, op in replaced]
    return found + [RemoveNode(keys.meant(key)) for key in removed]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text  # a bare word, such as a dtype


def _array(path: str) -> Any:
    import numpy as np

    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        # NumPy's own words would advise to unpickle it.
        raise click.ClickException(f"{path}: not an array of numbers as np.save writes it") from error


def _tell_timing(replay: "Replay", keys: "Keys", text: str, repeats: int, device: str, *, as_json: bool) -> None:
    node = keys.meant(text)
    timing, key = replay.time_operation(node, repeats, device=device), keys.all[node]
    if as_json:
        told = {"key": key, "device": timing.device, "durations_ns": list(timing.durations_ns)}
        click.echo(json.dumps(told | {"min_ns": timing.shortest_ns, "median_ns": timing.median_ns}, indent=2))
        return
    click.echo(f"{key}  on {timing.device}, {len(timing.durations_ns)} times")
    click.echo(f"  shortest {timing.shortest_ns / 1000:.1f} µs, median {timing.median_ns / 1000:.1f} µs")


def _as_json(graph: "Graph", index: int, result: "ReplayResult") -> dict[str, Any]:
    from graphreel.graph import node_keys

    keys = node_keys(graph)
    return {
        "iteration": index,
        "executed": result.executed,
        "nodes": result.total,
        "duration_ns": result.duration_ns,
        "verified": result.verified.value,
        "compared": result.compared,
        "comparable": result.comparable,
        "unwritten": result.unwritten,
        "not_compared": result.left_out,
        "exact": result.exact if result.comparable else None,
        "differences": [
            {
                "key": keys[each.node],
                "source": str(graph.node(each.node).source or ""),
                "value": each.value,
                "what": each.what,
                "recorded": _finite(each.recorded),
                "replayed": _finite(each.replayed),
                "repeats": each.repeats,
            }
            for each in result.differences
        ],
        "missing": [{"key": keys[m.node], "reason": m.reason, "behind": m.behind} for m in result.missing],
        "drift": [
            {"key": keys[d.node], "value": d.value, **_finite({"absolute": d.absolute, "relative": d.relative})}
            for d in result.drift
        ],
        "drift_of": result.drifted_of,
        "as_recorded": [{"key": keys[each.node], "reason": each.reason} for each in result.as_recorded],
        "notes": list(result.notes),
    }


def _finite(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON has no number for, as a text."""
    return {
        name: str(number) if isinstance(number, float) and not math.isfinite(number) else number
        for name, number in numbers.items()
    }


def _print(graph: "Graph", index: int, result: "ReplayResult", *, verify: bool) -> None:
    from graphreel.graph import node_keys

    keys = node_keys(graph)
    click.echo(f"iteration {index}: {result.executed} of {result.total} nodes in {result.duration_ns / 1e6:.1f} ms")
    for note in result.notes:
        click.echo(f"  ! {note}")
    for missing in result.missing:
        behind = f" ({missing.behind} more need it)" if missing.behind else ""
        click.echo(f"  ! not executed: {keys[missing.node]}: {missing.reason}{behind}")
    if verify:
        _print_differences(graph, result)
        click.echo(f"  {_verdict(result)}")
    _print_as_recorded(graph, keys, result)
    if result.drifted_of:
        _print_drift(keys, result)


def _verdict(result: "ReplayResult") -> str:
    """What came of the comparison, in one line: `verified` only where all was compared and is the same."""
    from graphreel.replay import Verified

    if not result.compared:
        of = f"none of {result.comparable:,} values was" if result.comparable else "no value was recorded that could be"
        return f"not verified: {of} compared"
    only = result.verified is Verified.SCALARS
    of = "numbers that the program read" if only else "values"
    beside = "; nothing else was recorded to compare with" if only else ""
    if result.unwritten:
        beside += f"; left out: {result.unwritten:,} in memory that nobody has written"
    if result.exact:
        return f"verified: all {result.compared:,} {of} are the same to the last bit{beside}"
    if result.left_out:
        beside += f"; {result.left_out:,} were not compared"
    apart = len(result.differences)
    said = f"{apart:,} of them {'is' if apart == 1 else 'are'} different" if apart else "the same to the last bit"
    return f"not verified: {result.compared:,} of {result.comparable:,} {of} were compared, {said}{beside}"


def _print_as_recorded(graph: "Graph", keys: Sequence[str], result: "ReplayResult") -> None:
    """The nodes that another dtype or device did not reach, those of one operator and one reason together."""
    alike: dict[tuple[str, str], list[str]] = {}
    for each in result.as_recorded:
        alike.setdefault((graph.node(each.node).op, each.reason), []).append(keys[each.node])
    for (op, reason), found in alike.items():
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        click.echo(f"  ! executed as recorded: {op}: {reason}")
        click.echo(f"      {found[0]}{more}")


def _print_differences(graph: "Graph", result: "ReplayResult") -> None:
    from graphreel.graph import node_keys

    for each in result.differences:
        node = graph.node(each.node)
        click.echo(f"  different ({each.what}): {node_keys(graph)[each.node]}")
        if node.source is not None:
            click.echo(f"    from {node.source}")
        for name in each.recorded:
            click.echo(f"    {name:<9} recorded {each.recorded[name]}, replayed {each.replayed.get(name)}")
        if not each.repeats:
            click.echo("    the operation does not give the same twice: it is not deterministic")


def _print_drift(keys: Sequence[str], result: "ReplayResult") -> None:
    if not result.drift:
        click.echo(f"  no drift: all {result.drifted_of} values stay the same to the last bit")
        return
    click.echo(f"  {len(result.drift)} of {result.drifted_of} values drift; the first: {keys[result.drift[0].node]}")
    click.echo(f"  {'relative':>10} {'absolute':>10}  farthest")
    farthest: dict[int, Drift] = {}
    for each in result.drift:
        if each.node not in farthest or each.relative > farthest[each.node].relative:
            farthest[each.node] = each
    ordered = sorted(farthest.values(), key=lambda each: -each.relative)
    for each in ordered[:_ROWS]:
        click.echo(f"  {each.relative:>10.2e} {each.absolute:>10.2e}  {keys[each.node]}")
    if len(ordered) > _ROWS:
        click.echo(f"  … and {len(ordered) - _ROWS} more nodes; --json has them all")
