"""`graphreel open`: the app."""

import sys
from pathlib import Path

import click


@click.command(
    "open",
    epilog="Examples:  graphreel open run.reel  |  graphreel open model.onnx  |  graphreel open",
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--theme", type=click.Choice(["light", "dark"]), help="Light or dark; else as the system has it.")
def command(file: Path | None, theme: str | None) -> None:
    """Open FILE, a .reel trace or a model, in the app; without FILE a page to begin from."""
    from graphreel.gui import run

    sys.exit(run(file, theme=theme))
