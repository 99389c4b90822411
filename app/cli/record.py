"""`graphreel record`: run a script and keep what its model does."""

import sys
from pathlib import Path
from typing import Any

import click


@click.command(
    "record",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="Examples:  graphreel record train.py --epochs 3"
    "  |  graphreel record -o run.reel --iterations 0:3,100 -m package.train",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The trace to write; without it, SCRIPT's name with .reel, in this folder.",
)
@click.option(
    "--level",
    default="timing",
    show_default=True,
    help="What to keep of each node: graph, timing, light, kernels, stats or values.",
)
@click.option("--iterations", default="", help="Which iterations to record, such as 0:3=stats,100=values,500: (all).")
@click.option(
    "--keyframes",
    default="",
    help="Which iterations can be executed again, such as 0,100: or none (the first recorded, and powers of two).",
)
@click.option("--keyframe-limit", default="64MiB", show_default=True, help="Size above which no keyframe is kept.")
@click.option(
    "--values",
    multiple=True,
    help="What level values keeps whole, by key or name, such as 'layers.*' (all). May be given several times.",
)
@click.option("--values-limit", default="16MiB", show_default=True, help="Size of the whole values of one iteration.")
@click.option("--limit", help="Size of the file, such as 2GB, at which the recording ends; the script goes on.")
@click.option("-m", "module", is_flag=True, help="SCRIPT is a module's name, as in python -m.")
@click.argument("script")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def command(output: Path | None, module: bool, script: str, args: tuple[str, ...], **options: Any) -> None:
    """Run SCRIPT with ARGS, unchanged, and record every iteration of its training loop.

    The exit code and the output are the script's own.
    """
    from graphreel.capture.options import RecordOptions
    from graphreel.recording import record_script

    chosen = RecordOptions.parse(**options)
    name = script.rpartition(".")[2] if module else Path(script).stem
    path = output or Path(f"{name}.reel")
    sys.exit(record_script(path, [script, *args], module=module, options=chosen))
