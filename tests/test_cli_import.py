"""`--import`: operators of the user's own, from a module's name or a file's path, and what is said where that fails."""

from pathlib import Path

import pytest
import torch
from torch import nn

import graphreel as package
from tests.command_line import CommandLine

OPERATORS = """
import torch
import {helper}

library = torch.library.Library("{space}", "DEF")
library.define("twice(Tensor x) -> Tensor")
library.impl("twice", lambda x: x * {helper}.FACTOR, "CompositeExplicitAutograd")
"""


@pytest.fixture
def graphreel(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys, worker=True)


class Twice(nn.Module):
    """What the operator computes."""

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        doubled: torch.Tensor = torch.ops.cli_import.twice(given)
        return doubled


def recorded(folder: Path) -> Path:
    """A trace of a program with an operator of its own, which a module in another folder registers too."""
    (folder / "lib").mkdir()
    (folder / "lib" / "my_operators.py").write_text(OPERATORS.format(space="cli_import", helper="my_factor"))
    (folder / "lib" / "my_factor.py").write_text("FACTOR = 2\n")
    library = torch.library.Library("cli_import", "DEF")
    library.define("twice(Tensor x) -> Tensor")
    library.impl("twice", lambda x: x * 2, "CompositeExplicitAutograd")
    with package.record(folder / "run.reel"), torch.no_grad():
        Twice()(torch.ones(2))
    library._destroy()
    return folder / "run.reel"


def test_a_file_by_its_path_and_a_module_by_its_name(
    tmp_path: Path, graphreel: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = recorded(tmp_path)
    monkeypatch.chdir(tmp_path)
    code, out, err = graphreel.run("replay", trace, "--import", "lib/my_operators.py")
    assert (code, err) == (0, "")
    assert "not executed" not in out
    monkeypatch.chdir(tmp_path / "lib")
    code, out, _ = graphreel.run("value", trace, "--node", "twice", "--import", "my_operators")
    assert (code, "min 2" in out) == (0, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = (", "SyntaxError: "),
        ("import no_such_module_here", "ModuleNotFoundError: No module named 'no_such_module_here' (line 1)"),
        ("\n1 / 0", "ZeroDivisionError: division by zero (line 2)"),
        ("import sys\nsys.exit(3)", "SystemExit: 3 (line 2)"),
    ],
)
def test_a_module_that_does_not_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    trace, broken = recorded(tmp_path), tmp_path / "broken.py"
    broken.write_text(text)
    line = CommandLine(monkeypatch, capsys).error("replay", trace, "--import", broken)
    assert line.startswith(f"graphreel: --import {broken}: {said}")


def test_what_is_no_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    trace, graphreel = recorded(tmp_path), CommandLine(monkeypatch, capsys)
    assert "absent.py: there is no such file; give" in graphreel.error("replay", trace, "--import", "absent.py")
    assert "not a .py file; give a module's name" in graphreel.error("replay", trace, "--import", f"{tmp_path}/lib")
    said = graphreel.error("value", trace, "--node", "twice", "--import", "no_such_module")
    assert "there is no module 'no_such_module' here or among the installed ones; give the path of its" in said


def test_the_help_tells_that_it_runs_code(graphreel: CommandLine) -> None:
    for command in ("replay", "value"):
        assert "This runs its code: name only what you trust." in " ".join(graphreel.run(command, "--help")[1].split())
