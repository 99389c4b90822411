"""A script that is recorded behaves as it does under `python script.py`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graphreel.capture.options import BadOption, IterationRanges
from graphreel.capture.script import CannotRun, find_script
from graphreel.tracefile import Status, Trace, TraceError, open_reel

TRAIN = """
import sys
import torch
from torch import nn

model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(4):
    width = 5 if step == 2 and "fail" in sys.argv else 4
    loss = model(torch.randn(3, width)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    loss.item()
"""


def run(folder: Path, *command: str, python: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a command line with Python, or with `graphreel record`, in a folder."""
    start = [] if python else ["-m", "graphreel", "record", "-o", "run.reel"]
    return subprocess.run(
        [sys.executable, *start, *command], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def trace(folder: Path) -> Trace:
    opened = open_reel(folder / "run.reel")
    assert list(opened.problems) == []
    return opened


SEEN = """
import json, os, pickle, sys
class Thing: pass
main = sys.modules["__main__"]
print(json.dumps({
    "name": __name__, "file": __file__, "argv": sys.argv, "path": sys.path[0], "package": __package__,
    "spec": getattr(__spec__, "name", None), "same": main.__dict__ is globals(), "doc": __doc__,
    "pickled": type(pickle.loads(pickle.dumps(Thing()))) is Thing, "annotated": "__annotations__" in globals(),
    "loader": type(__loader__).__name__, "torch": "torch" in sys.modules,
}))
"""


@pytest.mark.parametrize("way", ["file", "folder", "module", "package"])
def test_a_script_sees_what_it_would_see_without_us(tmp_path: Path, way: str) -> None:
    (tmp_path / "package").mkdir()
    for name in ("script.py", "package/__init__.py", "package/__main__.py", "package/train.py"):
        (tmp_path / name).write_text('"""A script."""\n' + ("" if name.endswith("__init__.py") else SEEN))
    command = {
        "file": ["script.py", "--a", "1"],
        "folder": ["package", "x"],
        "module": ["-m", "package.train", "--b"],
        "package": ["-m", "package"],
    }[way]
    plain, recorded = run(tmp_path, *command, python=True), run(tmp_path, *command)
    assert plain.returncode == 0, plain.stderr
    assert recorded.returncode == 0, recorded.stderr
    assert json.loads(recorded.stdout) == json.loads(plain.stdout)


def test_a_script_that_never_imports_torch_says_that_nothing_was_recorded(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import sys; print('hello'); sys.exit(7)")
    done = run(tmp_path, "script.py")
    assert (done.returncode, done.stdout) == (7, "hello\n")
    assert done.stderr.count("\n") == 1
    assert "nothing was recorded: the script never imported PyTorch" in done.stderr
    assert not (tmp_path / "run.reel").exists()


@pytest.mark.parametrize(
    ("program", "options", "why"),
    [
        ("import torch; print(torch.__name__)", (), "the script had no iteration, since no model ran"),
        (TRAIN, ("--iterations", "100:"), "none of the 4 iterations that the script had is in --iterations 100:"),
    ],
)
def test_why_nothing_was_recorded(tmp_path: Path, program: str, options: tuple[str, ...], why: str) -> None:
    (tmp_path / "script.py").write_text(program)
    done = run(tmp_path, *options, "script.py")
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert why in done.stderr
    assert not (tmp_path / "run.reel").exists()


def test_a_training_script_is_recorded_without_a_change(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    done = run(tmp_path, "--iterations", "1:", "train.py")
    assert (done.returncode, done.stderr) == (0, "")
    opened = trace(tmp_path)
    assert [(each.index, each.status) for each in opened.iterations] == [(i, Status.COMPLETE) for i in (1, 2, 3)]
    assert len({each.graph for each in opened.iterations}) == 1
    assert all("loss" in each.scalars for each in opened.iterations)
    assert opened.source_text(str((tmp_path / "train.py").absolute())) == TRAIN
    assert list(opened.info.command) == ["python", "train.py"]
    assert opened.info.settings["iterations"] == "1:"
    assert opened.info.finished


@pytest.mark.parametrize(
    ("code", "text"),
    [("sys.exit(3)", ""), ("sys.exit('bad weather')", "bad weather\n"), ("sys.exit()", ""), ("sys.exit(256 + 4)", "")],
)
def test_exit_codes_are_the_scripts_own(tmp_path: Path, code: str, text: str) -> None:
    (tmp_path / "script.py").write_text(f"import sys\nimport torch\ntorch.ones(2)\n{code}\n")
    plain, recorded = run(tmp_path, "script.py", python=True), run(tmp_path, "script.py")
    assert recorded.returncode == plain.returncode
    assert recorded.stderr == plain.stderr == text
    assert len(trace(tmp_path).iterations) == 1


def test_a_failing_script_keeps_its_traceback_and_what_was_recorded(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    plain, recorded = run(tmp_path, "train.py", "fail", python=True), run(tmp_path, "train.py", "fail")
    assert recorded.returncode == plain.returncode == 1

    def places(text: str) -> list[str]:
        # With any hook on modules, PyTorch itself calls `forward` by way of `inner`.
        lines = [line.split(", line")[0] for line in text.splitlines() if line.startswith("  File")]
        return list(dict.fromkeys(lines))

    assert places(recorded.stderr) == places(plain.stderr)
    assert recorded.stderr.splitlines()[-1] == plain.stderr.splitlines()[-1]
    assert "graphreel" not in recorded.stderr
    iterations = trace(tmp_path).iterations
    assert [each.status for each in iterations] == [Status.COMPLETE, Status.COMPLETE, Status.FAILED]
    failed = iterations[2]
    assert failed.error is not None
    assert failed.error.node == failed.nodes - 1


@pytest.mark.parametrize("text", ["def broken(:\n", "raise ValueError('first line')\n", "import no_such_thing\n"])
def test_errors_before_torch_look_as_python_prints_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "script.py").write_text(text)
    plain, recorded = run(tmp_path, "script.py", python=True), run(tmp_path, "script.py")
    assert recorded.returncode == plain.returncode == 1
    ours = [line for line in recorded.stderr.splitlines(keepends=True) if not line.startswith("graphreel: nothing")]
    assert "".join(ours) == plain.stderr


def test_what_cannot_be_run_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for command in (["missing.py"], ["folder"], ["-m", "no_such_module"], ["-m", "folder"]):
        done = run(tmp_path, *command)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.count("\n") == 1, done.stderr
        assert command[-1] in done.stderr
        assert not (tmp_path / "run.reel").exists()


def test_sigterm_ends_the_script_and_keeps_the_part_so_far(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN.replace("range(4)", "range(10**9)") + "\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "graphreel", "record", "-o", "run.reel", "train.py"], cwd=tmp_path
    )
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not written(tmp_path):
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()
    opened = open_reel(tmp_path / "run.reel")
    assert len(opened.iterations) > 2
    assert not opened.info.finished
    assert not (tmp_path / "run.reel-wal").exists()


def written(folder: Path) -> bool:
    """Whether the trace holds a few iterations already."""
    try:
        opened = open_reel(folder / "run.reel")
    except TraceError:
        # In the first moments there is no file, or one without a table in it.
        return False
    try:
        return len(opened.iterations) > 2
    finally:
        opened.close()


def test_children_that_are_spawned_find_the_script(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import multiprocessing, torch\n"
        "def work(n): return n * 2\n"
        "if __name__ == '__main__':\n"
        "    torch.ones(2).sum()\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool: print(pool.map(work, [1, 2]))\n"
    )
    done = run(tmp_path, "script.py")
    assert (done.returncode, done.stdout) == (0, "[2, 4]\n"), done.stderr


def test_a_script_finds_its_neighbours_and_its_environment_counts(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "helper.py").write_text("import torch\nNAME = 'helper'\n")
    (tmp_path / "inner" / "script.py").write_text(
        "import os\nos.environ['OMP_NUM_THREADS'] = '1'\nimport helper, torch\n"
        "print(helper.NAME, torch.get_num_threads(), torch.__spec__.loader.__class__.__name__)\n"
    )
    environment = {name: text for name, text in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-m", "graphreel", "record", "-o", "run.reel", "inner/script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.stdout == "helper 1 SourceFileLoader\n", done.stderr


def test_find_script_names_what_is_wrong() -> None:
    with pytest.raises(CannotRun, match="no script was named"):
        find_script([])
    with pytest.raises(CannotRun, match=r"nowhere\.py: there is no such script"):
        find_script(["nowhere.py"])


@pytest.mark.parametrize(
    ("text", "within", "without", "shown"),
    [
        ("", [0, 10**9], [], "0:"),
        ("0:3,100,500:", [0, 2, 100, 500, 10**6], [3, 99, 101, 499], "0:3,100,500:"),
        (":2", [0, 1], [2], "0:2"),
        ("5,1:3,2:6", [1, 2, 3, 4, 5], [0, 6], "1:6"),
        ("7:,9:12", [7, 11, 12], [6], "7:"),
    ],
)
def test_ranges_of_iterations(text: str, within: list[int], without: list[int], shown: str) -> None:
    ranges = IterationRanges.parse(text)
    assert all(index in ranges for index in within)
    assert not any(index in ranges for index in without)
    assert str(ranges) == shown
    assert IterationRanges.parse(str(ranges)) == ranges


@pytest.mark.parametrize("text", ["x", "1:2:3", "3:3", "5:2", "1,,2", "-1", "1.5"])
def test_ranges_that_make_no_sense(text: str) -> None:
    with pytest.raises(BadOption, match="write for example 0:3,100,500:"):
        IterationRanges.parse(text)
