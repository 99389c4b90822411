"""What the tests of the command line share: a trace that has much to tell, and the command within this process."""

import sqlite3
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import graphreel
from graphreel.cli import main
from graphreel.replay import api


def program() -> None:
    """Three turns, of which the second catches an exception and the last has another graph; then one that raises."""
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    for step in range(3):
        if step == 1:
            with suppress(RuntimeError):
                model(torch.ones(2, 5))
        loss = model(torch.ones(2, 4)).square().mean()
        optimizer.zero_grad()
        (loss * 2 if step == 2 else loss).backward()
        optimizer.step()
        loss.item()
        optimizer.param_groups[0]["lr"] *= 0.1
    with pytest.raises(RuntimeError, match="shapes"):
        model(torch.ones(2, 7))
    raise ValueError("the end: " + "a long story " * 20)


def recorded(path: Path) -> Path:
    """The program's trace."""
    torch.manual_seed(0)
    with pytest.raises(ValueError, match="the end"), graphreel.record(path):
        program()
    return path


class CommandLine:
    """The command `graphreel` as a user types it, within this process; what it executes again, too, unless `worker`."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, worker: bool = False
    ) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        begin = api.Replay.__init__

        def begin_here(self: api.Replay, *args: Any, **more: Any) -> None:
            begin(self, *args, **more | {"in_process": True})

        if not worker:
            monkeypatch.setattr(api.Replay, "__init__", begin_here)

    def run(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Its exit code, output and errors."""
        self._monkeypatch.setattr(sys, "argv", ["graphreel", *map(str, arguments)])
        self._capsys.readouterr()
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        out, err = self._capsys.readouterr()
        assert isinstance(code, int)
        return code, out, err

    def error(self, *arguments: str | Path, code: int = 1) -> str:
        """What it says is wrong: one line."""
        found, out, err = self.run(*arguments)
        assert (found, out) == (code, ""), err
        (line,) = err.splitlines()
        assert line.startswith("graphreel: ")
        return line


def edited(trace: Path, name: str, *statements: str) -> Path:
    """A copy of a trace in which somebody changed something with sqlite3."""
    copy = trace.with_name(name)
    copy.write_bytes(trace.read_bytes())
    connection = sqlite3.connect(copy)
    for statement in statements:
        assert connection.execute(statement).rowcount > 0
    connection.commit()
    connection.close()
    return copy
