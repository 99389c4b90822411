"""`graphreel demo`: the main job on a small real training run."""

import os
import sys
from pathlib import Path

import click


@click.command("demo", epilog="Examples:  graphreel demo  |  graphreel demo --record-only -o demo.reel")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo.reel"),
    show_default=True,
    help="The trace to write; its picture is written beside it, as .svg.",
)
@click.option("--record-only", is_flag=True, help="Record, and neither export nor open.")
def command(output: Path, record_only: bool) -> None:
    """Record a small transformer that trains, export its graph, and open the app where there is a display."""
    from graphreel import examples
    from graphreel.capture.options import RecordOptions
    from graphreel.recording import need_torch, record_script

    need_torch()
    click.echo(f"1. record   graphreel record -o {output} {examples.path('transformer').name}", err=True)
    script = str(examples.path("transformer"))
    code = record_script(output, [script], module=False, options=RecordOptions.parse(level="timing", iterations=""))
    if code or record_only:
        sys.exit(code)

    from graphreel.cli.export import command as export

    picture = output.with_suffix(".svg")
    click.echo(f"2. export   graphreel export {output} --expand 'layers.0' -o {picture}", err=True)
    export.main([str(output), "--expand", "layers.0", "-o", str(picture)], standalone_mode=False)
    if not has_display():
        click.echo(f"3. no display here: look at {picture}, or elsewhere: graphreel open {output}", err=True)
        return

    from graphreel.gui import run

    click.echo(f"3. open     graphreel open {output}", err=True)
    sys.exit(run(output))


def has_display() -> bool:
    """Whether a window can show: a Mac or Windows always can, elsewhere X11 or Wayland must be named."""
    return sys.platform in {"darwin", "win32"} or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
