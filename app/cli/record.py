"""`graphreel record`: run a script and keep what its model does."""

import sys
from pathlib import Path

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
@click.option("--level", default="timing", show_default=True, help="What to keep of each node: graph or timing.")
@click.option("--iterations", default="", help="Which iterations to record, such as 0:3,100,500: (all).")
@click.option("-m", "module", is_flag=True, help="SCRIPT is a module's name, as in python -m.")
@click.argument("script")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def command(output: Path | None, level: str, iterations: str, module: bool, script: str, args: tuple[str, ...]) -> None:
    """Run SCRIPT with ARGS, unchanged, and record every iteration of its training loop.

    The exit code and the output are the script's own.
    """
    from graphreel.capture.options import RecordOptions
    from graphreel.recording import record_script

    options = RecordOptions.parse(level=level, iterations=iterations)
    name = script.rpartition(".")[2] if module else Path(script).stem
    path = output or Path(f"{name}.reel")
    sys.exit(record_script(path, [script, *args], module=module, options=options))
