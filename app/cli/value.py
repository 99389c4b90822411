"""`graphreel value`: one tensor of an iteration, stored or executed again."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphreel.cli.replay import IMPORT_HELP

if TYPE_CHECKING:
    from graphreel.cli.keys import Keys
    from graphreel.graph import ValueId
    from graphreel.tracefile import Trace
    from graphreel.tracefile.tensors import RecordedTensor

_BINS = 20
_WIDTH = 50
_INDEX = re.compile(r"\s*(-?\d{1,18}|\.\.\.|(-?\d{1,18})?:(-?\d{1,18})?(:-?\d{1,18})?)\s*")


@click.command(
    "value",
    epilog="Examples:  graphreel value run.reel --node 'forward/Net/fc/aten.addmm.default@net.py:9#1' --histogram"
    "  |  graphreel value run.reel --node KEY --slice '0,:3' --save out.npy",
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--node", "key", required=True, metavar="KEY", help="The node that gives the value.")
@click.option("--iteration", type=int, help="Which iteration; without it the last that has a keyframe.")
@click.option("--output", "port", type=int, help="Which of the node's outputs, from 0.")
@click.option("--input", "taken", metavar="NAME", help="Instead: what the node takes under this name, such as weight.")
@click.option("--slice", "part", metavar="INDEX", help="Show the numbers of a part, such as '0,:3'.")
@click.option("--histogram", is_flag=True, help="Show how the numbers are spread.")
@click.option("--save", type=click.Path(path_type=Path), help="Write the value, or the part, as .npy.")
@click.option("--import", "modules", multiple=True, metavar="MODULE", help=IMPORT_HELP)
def command(
    file: Path,
    key: str,
    iteration: int | None,
    port: int | None,
    taken: str | None,
    part: str | None,
    histogram: bool,
    save: Path | None,
    modules: tuple[str, ...],
) -> None:
    """Show a value of FILE: from the trace where it was kept whole, else by executing the iteration again."""
    import numpy as np

    from graphreel.capture.sources import open_trace
    from graphreel.cli.keys import Keys
    from graphreel.cli.replay import chosen_iteration, damage_told

    trace = open_trace(file)
    try:
        index = trace.iterations[-1].index if iteration is None and not trace.keyframes and trace.iterations else None
        index = chosen_iteration(trace, iteration) if index is None else index
        keys = Keys(trace, index)
        value = keys.output(key, port) if taken is None else _input(keys, key, taken)
        with damage_told(trace, index):
            found = _found(trace, index, value, modules)
    finally:
        trace.close()
    whole = _array(found)
    array = whole if part is None else _sliced(whole, part)
    shown, giver = keys.graph.value(value), int(keys.graph.values.producer[value])
    named = shown.name or (keys.all[giver] if giver >= 0 else key)
    click.echo(f"{named}: {shown.type_text}  (iteration {index})")
    _print_statistics(array)
    if histogram:
        _print_histogram(array)
    if part is not None:
        click.echo(np.array2string(array, threshold=1000))
    if save is not None:
        with save.open("wb") as target:  # given a path, NumPy would add an ending to it
            np.save(target, array)
        click.echo(f"written to {save}", err=True)


def _input(keys: "Keys", text: str, name: str) -> "ValueId":
    found = keys.meant(text)
    node = keys.graph.node(found)
    if name not in node.input_names:
        taken = ", ".join(node.input_names) or "nothing"
        raise click.ClickException(f"{keys.all[found]} takes no {name!r}; it takes: {taken}")
    return node.inputs[node.input_names.index(name)].id


def _found(trace: "Trace", index: int, value: "ValueId", modules: tuple[str, ...]) -> "RecordedTensor":
    kept = trace.tensor(index, value)
    if kept is not None:
        return kept
    from graphreel.cli.progress import progress
    from graphreel.recording import need_torch
    from graphreel.replay import Replay

    need_torch()
    with progress("Replaying") as shown, Replay(trace, index, modules=modules) as replay:
        return replay.values([value], shown)[value]


def _array(found: "RecordedTensor") -> Any:
    from graphreel.tracefile.tensors import to_numpy

    return to_numpy(found.view, found.storages)


def _sliced(array: Any, text: str) -> Any:
    """The part that an index as Python writes it shows; only numbers, colons and dots are read."""
    parts = text.split(",")
    if not all(_INDEX.fullmatch(each) for each in parts):
        raise click.ClickException(f"--slice {text!r}: write for example '0,:3' or '...,-1'")
    index = tuple(_one_index(each.strip()) for each in parts)
    try:
        return array[index]
    except (IndexError, ValueError) as error:
        raise click.ClickException(f"--slice {text!r}: {error}; the value is {list(array.shape)}") from error


def _one_index(text: str) -> Any:
    if text == "...":
        return Ellipsis
    if ":" not in text:
        return int(text)
    return slice(*(int(bound) if bound else None for bound in text.split(":")))


def _print_statistics(array: Any) -> None:
    import numpy as np

    numbers = np.abs(array) if array.dtype.kind == "c" else array
    wide = np.asarray(numbers, np.float64).reshape(-1)
    finite = wide[np.isfinite(wide)]
    nan, inf = int(np.isnan(wide).sum()), int(np.isinf(wide).sum())
    if len(finite):
        told = {"min": finite.min(), "max": finite.max(), "mean": finite.mean(), "std": finite.std()}
        click.echo("  " + "  ".join(f"{name} {number:.6g}" for name, number in told.items()))
    click.echo(f"  {wide.size} elements, {int((wide == 0).sum())} zeros, {nan} NaN, {inf} infinite")


def _print_histogram(array: Any) -> None:
    from graphreel.analysis.arrays import Histogram

    histogram = Histogram.of(array, _BINS)
    if not histogram.counts:
        click.echo("  no finite numbers")
    for row, count in enumerate(histogram.counts):
        bar = "█" * round(count / max(histogram.counts) * _WIDTH) or ("▏" if count else "")
        click.echo(f"  {histogram.bound(row):>12.5g} {bar} {count}")
