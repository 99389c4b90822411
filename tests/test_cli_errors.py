"""What the command line says of bad input: one line with one prefix, whatever the command, and nothing hangs."""

import sqlite3
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.command_line import CommandLine, edited, recorded


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("errors") / "run.reel")


@pytest.fixture
def graphreel(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("frobnicate",), "no such command 'frobnicate'; see: graphreel --help"),
        (("--frob",), "no such option '--frob'; see: graphreel --help"),
        (("info",), "missing argument 'FILE'; see: graphreel info --help"),
        (("record",), "missing argument 'SCRIPT'; see: graphreel record --help"),
        (("export", "run.reel"), "missing option '-o' / '--output'"),
        (("export", "run.reel", "-o", "x.svg", "--theme", "blue"), "'blue' is not one of 'light', 'dark'; see: "),
        (("replay", "run.reel", "--repeats", "often"), "'often' is not a valid integer"),
        (("replay", "run.reel", "--set", "key"), "requires 3 arguments; see: graphreel replay --help"),
        (("value", "run.reel"), "missing option '--node'; see: graphreel value --help"),
        (("info", "run.reel", "--json", "--keys"), "--json or --keys"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_a_command_line_that_is_not_understood_is_one_line(
    graphreel: CommandLine, given: tuple[str, ...], said: str
) -> None:
    assert said in graphreel.error(*given, code=2)


def test_without_a_command_there_is_help_with_the_exit_codes(graphreel: CommandLine) -> None:
    assert "Commands:" in graphreel.run()[2]
    shown = " ".join(graphreel.run("--help")[1].split())
    assert "Exit codes: 0 done; 1 an error, told in one line on standard error" in shown
    assert "130 interrupted" in shown


COMMANDS = [
    ("info",),
    ("info", "--json"),
    ("info", "--keys"),
    ("export", "-o", "never.svg"),
    ("replay",),
    ("value", "--node", "relu"),
]


REASONS = {
    "absent.reel": "there is no such file",
    "folder": "this is a folder; name a file in it",
    "cut.reel": "the file is cut off; if it is a copy, copy it again",
    "zeros.reel": "the trace is damaged and nothing of it can be read",
}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("name", REASONS)
def test_a_file_of_which_nothing_can_be_read(
    trace: Path, graphreel: CommandLine, command: tuple[str, ...], name: str
) -> None:
    path = trace.with_name(name)
    trace.with_name("folder").mkdir(exist_ok=True)
    trace.with_name("cut.reel").write_bytes(trace.read_bytes()[:40_000])
    trace.with_name("zeros.reel").write_bytes(trace.read_bytes()[:100] + bytes(60_000))
    said = graphreel.error(command[0], path, *command[1:])
    assert str(path) in said
    reasons = {
        "absent.reel": "no such file",
        "folder": "a folder",
        "cut.reel": "copy it again",
        "zeros.reel": "damaged",
    }
    assert reasons[name] in said


DAMAGES = {
    "blobs-gone": "DELETE FROM blobs",
    "blobs-cut": "UPDATE blobs SET data = substr(data, 1, 8)",
    "keyframes-cut": "UPDATE keyframes SET data = substr(data, 1, 20)",
    "keyframes-other": "UPDATE keyframes SET data = x'00ff'",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_keyframe_is_named_with_what_else_there_is(trace: Path, graphreel: CommandLine, damage: str) -> None:
    path = edited(trace, f"{damage}.reel", DAMAGES[damage])
    for command in ("replay",), ("value", "--node", "1/relu"), ("replay", "--time", "1/relu"):
        said = graphreel.error(command[0], path, "--iteration", "2", *command[1:])
        assert f"{path}: the keyframe of iteration 2 is damaged: " in said
        assert said.endswith("; take another iteration, such as --iteration 1, or copy the file again, or record again")
    # What needs no keyframe is told all the same.
    assert graphreel.run("info", path)[0] == 0
    assert graphreel.run("export", path, "-o", path.with_suffix(".svg"))[0] == 0


def test_another_version_of_pytorch_is_told_and_executed(trace: Path, graphreel: CommandLine) -> None:
    older = "UPDATE info SET value = json_set(value, '$.torch', '1.99.0') WHERE key = 'versions'"
    code, out, err = graphreel.run("replay", edited(trace, "older.reel", older), "--iteration", "2", "--verify")
    assert (code, err) == (0, "")
    assert "! recorded with PyTorch 1.99.0, executed with " in out


@pytest.fixture(scope="module")
def foreign(trace: Path) -> Path:
    """A trace with an operator that this PyTorch does not have."""
    path = edited(trace, "foreign.reel", "UPDATE info SET value = value WHERE key = 'id'")
    connection = sqlite3.connect(path)
    for graph, data in connection.execute("SELECT graph, data FROM sections WHERE name = 'strings'").fetchall():
        changed = zlib.compress(zlib.decompress(data).replace(b"aten.relu.default", b"aten.rulu.default"))
        connection.execute("UPDATE sections SET data = ? WHERE graph = ? AND name = 'strings'", (changed, graph))
    connection.commit()
    connection.close()
    return path


def test_an_operator_that_this_pytorch_lacks_is_named(foreign: Path, graphreel: CommandLine) -> None:
    which = (foreign, "--iteration", "2")
    for command in ("value", "--node"), ("replay", "--time"):
        said = graphreel.error(command[0], *which, command[1], "1/rulu")
        assert "forward/Sequential/1/aten.rulu.default@" in said
        assert "has no operator aten.rulu.default; if a module of yours registers it, name that: --import " in said
    code, out, err = graphreel.run("replay", *which)
    assert (code, err) == (0, "")
    assert "! not executed: forward/Sequential/1/aten.rulu.default@" in out
    assert graphreel.run("replay", *which, "--verify")[0] == 1


def _kill_the_worker() -> Iterator[None]:
    """Kill the process that executes, once there is one and it has been asked to execute something."""
    ended = threading.Event()

    def kill() -> None:
        while not ended.wait(0.05):
            for child in psutil.Process().children():
                if "graphreel.replay.worker" in child.cmdline() and _node_of(child) >= 0:
                    child.kill()
                    return

    thread = threading.Thread(target=kill)
    thread.start()
    yield
    ended.set()
    thread.join()


def _node_of(worker: psutil.Process) -> int:
    place = Path(worker.cmdline()[-2])
    return int.from_bytes(place.read_bytes(), "little", signed=True) if place.exists() else -1


@pytest.fixture
def killed() -> Iterator[None]:
    yield from _kill_the_worker()


def test_a_worker_that_is_killed_is_told_with_where_it_was(
    trace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], killed: None
) -> None:
    graphreel = CommandLine(monkeypatch, capsys, worker=True)
    said = graphreel.error("replay", trace, "--iteration", "2", "--time", "1/relu", "--repeats", "100000000")
    assert "the process that executes forward/Sequential/" in said
    assert "(iteration 2) died: it was killed, as the system does when memory runs out; the trace is unharmed" in said


def test_a_change_that_takes_more_memory_than_there_is(trace: Path, graphreel: CommandLine) -> None:
    which = (trace, "--iteration", "2")
    keys = graphreel.run("info", *which, "--keys")[1].splitlines()
    ones = next(key for key in keys if key.startswith("aten.ones.default"))
    code, out, err = graphreel.run("replay", *which, "--set", ones, "size", f"[{1 << 30}, {1 << 20}]")
    assert (code, err) == (0, "")
    assert "! not executed: aten.ones.default@command_line.py:" in out
    assert "memory" in out


def test_arrays_and_parts_that_do_not_fit(trace: Path, graphreel: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "text.npy").write_text("hello")
    np.save(tmp_path / "wide.npy", np.zeros((2, 9)))
    change = ("replay", trace, "--iteration", "2", "--set-value", "1/relu")
    assert graphreel.error(*change, tmp_path / "text.npy").endswith("not an array of numbers as np.save writes it")
    assert "it is float32[2, 8], and the array is [2, 9]" in graphreel.error(*change, tmp_path / "wide.npy")
    assert "No such file" in graphreel.error(*change, tmp_path / "none.npy")
    look = ("value", trace, "--iteration", "2", "--node", "1/relu")
    assert "write for example '0,:3'" in graphreel.error(*look, "--slice", "all")
    assert "takes no 'weight'; it takes: self" in graphreel.error(*look, "--input", "weight")
