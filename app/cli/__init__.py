"""The command `graphreel`. One file a command; each is imported only when it is called, so that `--help` is quick."""

import importlib
import os
import sys

import click

from graphreel.graph.errors import GraphreelError

COMMANDS = {
    "record": "Run a script and record what its model does.",
    "open": "Open a trace or a model in the app.",
    "export": "Write a graph as SVG, PNG, PDF, JSON, DOT or GraphML.",
    "find": "List the operations that a query describes.",
    "info": "Tell what is in a file.",
    "replay": "Execute a recorded iteration again, and compare or change it.",
    "value": "Show one tensor of an iteration: statistics, numbers, histogram.",
    "demo": "Record a small training run and look at it.",
}


class _Commands(click.Group):
    """Commands by name, imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"graphreel.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Begin with: graphreel demo\n\n"
    "Exit codes: 0 done; 1 an error, told in one line on standard error, or a difference that --verify found; "
    "2 a command line that is not understood; 130 interrupted. record ends with the exit code of the script.",
)
@click.version_option(package_name="graphreel", prog_name="graphreel")
@click.option("--debug", is_flag=True, help="Show the traceback of an error instead of one line.")
def cli(debug: bool) -> None:
    """The debugger for computation graphs: record, look, compare, export."""


def main() -> None:
    """Run the command line and exit.

    Exit codes: 0 done, 1 an error told in one line on standard error, 2 a command line that is not understood, 130
    interrupted, 141 where nobody reads the output any more. `graphreel record` passes on the exit code of the script.
    """
    debug = "--debug" in sys.argv[1:2]
    try:
        cli.main(prog_name="graphreel", standalone_mode=False)
    except click.ClickException as error:
        _show(error)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output (`graphreel info … | head`) has seen enough; Python must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except (GraphreelError, OSError) as error:
        if debug:
            raise
        click.echo(f"graphreel: {_one_line(error)}", err=True)
        sys.exit(1)


def _show(error: click.ClickException) -> None:
    """Tell what is wrong with the command line as all else is told: in one line, which says where to read on."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    said = " ".join(error.format_message().split()).rstrip(".")
    said = said[:1].lower() + said[1:]
    if isinstance(error, click.UsageError):
        # Some of Click's errors do not know whose they are.
        named = next((given for given in sys.argv[1:] if given in COMMANDS), "")
        said += f"; see: {error.ctx.command_path if error.ctx else f'graphreel {named}'} --help"
    click.echo(f"graphreel: {said}", err=True)


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())
