"""Options that choose nothing are told when the recording ends, by `graphreel.record` and by `graphreel record`."""

import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import graphreel
from graphreel.capture.torch import RecorderWarning
from graphreel.tracefile import open_reel
from tests.test_cli import TRAIN


def told(path: Path, **options: Any) -> list[str]:
    """What a recording of three iterations says in the end."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with graphreel.record(path, **options):
            model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for _ in range(3):
                optimizer.zero_grad()
                model(torch.ones(1, 2)).sum().backward()
                optimizer.step()
    return [str(each.message) for each in caught if each.category is RecorderWarning]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"level": "values", "values": "typo.*"}, "--values 'typo.*': matched no key of a node and no name of a value"),
        ({"level": "values", "values": ["0.*", "typo"]}, "--values 'typo': matched no key of a node"),
        ({"level": "values", "values": "*", "values_limit": 3}, "--values-limit 3B: no whole value was kept"),
        ({"iterations": "0,9=values", "values": "*"}, "--values '\\*': no iteration that keeps values came"),
        ({"keyframes": "7,9"}, "--keyframes 7,9: none of these came, .*; the 3 that were recorded are numbered 0 to 2"),
        ({"keyframes": "1,4", "iterations": ":2"}, "--keyframes 4: not among --iterations 0:2"),
        ({"keyframes": "0", "iterations": "1:"}, "--keyframes 0: not among --iterations 1:"),
        ({"keyframe_limit": 10}, "--keyframe-limit 10B: no iteration can be executed again: .* record with --keyframe"),
        (
            {"iterations": "5:"},
            "nothing was recorded: none of the 3 iterations that the program had is in --iterations 5:",
        ),
    ],
    ids=str,
)
def test_an_option_that_chose_nothing_is_one_line(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    (line,) = told(tmp_path / "run.reel", **options)
    assert "\n" not in line
    assert re.match(said, line), line


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"level": "values"},
        {"level": "values", "values": ["0.*", "aten.relu.*", "*.weight"]},
        {"level": "values", "values": ["0.*", "2.*"], "values_limit": 40},
        {"keyframes": "0,100:"},
        {"keyframes": "none"},
        {"keyframes": "1", "iterations": "1:"},
    ],
    ids=str,
)
def test_an_option_that_chose_something_is_not_told(tmp_path: Path, options: dict[str, Any]) -> None:
    assert told(tmp_path / "run.reel", **options) == []


def test_the_trace_says_it_too(tmp_path: Path) -> None:
    told(tmp_path / "run.reel", level="values", values="typo.*")
    trace = open_reel(tmp_path / "run.reel")
    found = [finding for finding in trace.findings(1) if finding.kind == "values-unmatched"]
    assert [finding.message for finding in found] == [
        "no value was kept: none of this iteration matches --values 'typo.*'"
    ]
    trace.close()


def test_warnings_that_are_errors_do_not_reach_the_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with graphreel.record(tmp_path / "run.reel", keyframes="7"):
            nn.Linear(2, 2)(torch.ones(1, 2))
    assert capsys.readouterr().err.startswith("graphreel: --keyframes 7: none of these came")


def test_the_command_tells_it_and_keeps_the_exit_code(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(f"{TRAIN}\nsys.exit(5)\n")
    command = [sys.executable, "-m", "graphreel", "record", "--keyframes", "7", "train.py", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 5
    (line,) = done.stderr.splitlines()
    assert line.startswith("graphreel: --keyframes 7: none of these came")
