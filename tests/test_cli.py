"""The command as a user types it: a process of its own, its output, its exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

TRAIN = """
import sys
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
steps = int(sys.argv[1]) if len(sys.argv) > 1 else 3
for step in range(steps):
    inputs = torch.randn(2, 4)
    loss = model(inputs).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, loss.item(), flush=True)
"""


def graphreel(*arguments: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "graphreel", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **environment}
    )


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """What a failed command said, which must be one line, with an exit code that is not zero."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    # Qt's offscreen plugin says on every window that it cannot do what no screen could.
    lines = [line for line in done.stderr.splitlines() if "propagateSizeHints" not in line]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("graphreel: ")
    return lines[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a training script and the trace of its run."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "train.py").write_text(TRAIN)
    done = graphreel("record", "-o", "run.reel", "train.py", "3", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["0", "1", "2"]
    return folder


def info(path: Path) -> dict[str, object]:
    done = graphreel("info", path.name, "--json", cwd=path.parent)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def test_record_prints_what_the_script_prints(folder: Path) -> None:
    bare = subprocess.run([sys.executable, "train.py", "3"], cwd=folder, capture_output=True, text=True, check=True)
    recorded = graphreel("record", "-o", "again.reel", "train.py", "3", cwd=folder)
    assert recorded.stdout == bare.stdout


def test_info_lists_the_iterations(folder: Path) -> None:
    found = info(folder / "run.reel")
    iterations = found["iterations"]
    assert found["source"] == "torch"
    assert found["command"] == ["python", "train.py", "3"]
    assert isinstance(iterations, list)
    assert [row["index"] for row in iterations] == [0, 1, 2]
    assert {row["status"] for row in iterations} == {"complete"}
    assert all(row["nodes"] > 10 and row["edges"] > 10 and row["duration_ns"] > 0 for row in iterations)
    assert iterations[1]["graph"] == iterations[2]["graph"]


def test_info_is_a_table_for_people(folder: Path) -> None:
    done = graphreel("info", "run.reel", cwd=folder)
    assert done.returncode == 0
    assert "complete" in done.stdout
    assert "torch" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("ending", ["svg", "png", "pdf", "json", "dot", "graphml"])
def test_export_writes_each_kind(folder: Path, ending: str) -> None:
    output = folder / f"graph.{ending}"
    done = graphreel("export", "run.reel", "--iteration", "2", "--expand", "forward.*", "-o", output, cwd=folder)
    assert done.returncode == 0, done.stderr
    content = output.read_bytes()
    begin = {"svg": b"<svg", "png": b"\x89PNG", "pdf": b"%PDF", "json": b"{", "dot": b"digraph", "graphml": b"<?xml"}
    assert begin[ending] in content[:200]
    if ending not in {"png", "pdf"}:
        assert b"addmm" in content


def test_export_is_the_same_bytes_each_time(folder: Path) -> None:
    for name, seed in (("one.svg", "1"), ("two.svg", "2")):
        graphreel("export", "run.reel", "--expand-all", "-o", name, cwd=folder, PYTHONHASHSEED=seed)
    assert (folder / "one.svg").read_bytes() == (folder / "two.svg").read_bytes()


def test_expanding_shows_more(folder: Path) -> None:
    graphreel("export", "run.reel", "--collapse", "*", "-o", "closed.svg", cwd=folder)
    graphreel("export", "run.reel", "--expand-all", "-o", "open.svg", cwd=folder)
    closed, opened = ((folder / name).read_text().count("data-key") for name in ("closed.svg", "open.svg"))
    assert 1 <= closed < opened


def test_an_exported_graph_reads_back_as_json(folder: Path) -> None:
    from graphreel.graph import from_json, structure_hash

    graphreel("export", "run.reel", "--iteration", "2", "-o", "graph2.json", cwd=folder)
    graph = from_json((folder / "graph2.json").read_text())
    iterations = info(folder / "run.reel")["iterations"]
    assert isinstance(iterations, list)
    assert structure_hash(graph) == iterations[2]["graph"]


def test_iterations_can_be_chosen(folder: Path) -> None:
    done = graphreel("record", "-o", "few.reel", "--iterations", "1,3:", "train.py", "5", cwd=folder)
    assert done.returncode == 0
    iterations = info(folder / "few.reel")["iterations"]
    assert isinstance(iterations, list)
    assert [row["index"] for row in iterations if row["status"] == "complete"] == [1, 3, 4]


# Bad input: one clear line and an exit code that is not zero, and nothing lost.


def own_lines(traceback: str) -> list[str]:
    """What a traceback says of the user's own file, and of the exception."""
    lines = traceback.splitlines()
    assert not [line for line in lines if "capture/" in line or "app/" in line], traceback
    return [line for line in lines if "raises.py" in line or line.startswith("RuntimeError")]


def test_a_script_that_raises_keeps_its_traceback_and_what_was_recorded(folder: Path) -> None:
    (folder / "raises.py").write_text(TRAIN + "\nmodel(torch.randn(2, 5))\n")
    bare = subprocess.run([sys.executable, "raises.py"], cwd=folder, capture_output=True, text=True, check=False)
    done = graphreel("record", "-o", "raises.reel", "raises.py", cwd=folder)
    assert done.returncode == bare.returncode == 1
    # Module hooks make torch take another way through its own module.py; everything else is as without us.
    assert own_lines(done.stderr) == own_lines(bare.stderr)
    assert len(own_lines(bare.stderr)) == 2
    iterations = info(folder / "raises.reel")["iterations"]
    assert isinstance(iterations, list)
    assert [row["status"] for row in iterations] == ["complete", "complete", "complete", "failed"]
    assert "mat1 and mat2" in iterations[3]["error"]["message"]


@pytest.mark.parametrize(
    ("ending", "code"),
    [("sys.exit(7)", 7), ("sys.exit()", 0), ("sys.exit('no data')", 1)],
    ids=["code", "none", "text"],
)
def test_the_exit_code_is_the_scripts_own(folder: Path, ending: str, code: int) -> None:
    name = f"exits{code}.py"
    (folder / name).write_text(f"{TRAIN}\n{ending}\n")
    done = graphreel("record", "-o", f"exits{code}.reel", name, "1", cwd=folder)
    assert done.returncode == code
    assert ("no data" in done.stderr) == (code == 1)
    assert info(folder / f"exits{code}.reel")["finished"] is True


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT], ids=lambda stop: stop.name)
def test_a_killed_script_keeps_what_was_recorded(folder: Path, stop: signal.Signals) -> None:
    path = folder / f"{stop.name}.reel"
    command = [sys.executable, "-m", "graphreel", "record", "-o", path.name, "train.py", "1000000"]
    script = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert script.stdout is not None
    for line in script.stdout:
        if line.startswith("20 "):
            break
    script.send_signal(stop)
    script.stdout.close()
    assert script.wait(timeout=60) != 0
    iterations = info(path)["iterations"]
    assert isinstance(iterations, list)
    assert len([row for row in iterations if row["status"] == "complete"]) >= 10


@pytest.mark.parametrize("script", ["x = (", "import torch, sys; sys.exit(2)"], ids=["syntax", "usage"])
def test_a_run_that_records_nothing_leaves_the_trace_of_the_run_before(folder: Path, script: str) -> None:
    kept = folder / "kept.reel"
    kept.write_bytes((folder / "run.reel").read_bytes())
    (folder / "nothing.py").write_text(script)
    done = graphreel("record", "-o", "kept.reel", "nothing.py", cwd=folder)
    assert done.returncode in (1, 2)
    assert kept.read_bytes() == (folder / "run.reel").read_bytes()
    assert not list(folder.glob(".kept*"))


def test_a_forked_child_that_ends_leaves_the_trace_to_its_parent(folder: Path) -> None:
    (folder / "forks.py").write_text("import os, sys, torch\nif os.fork() == 0: sys.exit(0)\nos.wait()\n" + TRAIN)
    done = graphreel("record", "-o", "forks.reel", "forks.py", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "nothing was recorded" not in done.stderr
    iterations = info(folder / "forks.reel")["iterations"]
    assert isinstance(iterations, list)
    assert len(iterations) == 3


def test_a_script_that_is_not_there(folder: Path) -> None:
    assert "missing.py" in one_line(graphreel("record", "missing.py", cwd=folder))
    assert not (folder / "missing.reel").exists()


def test_a_path_that_cannot_be_written(folder: Path) -> None:
    assert "nowhere/run.reel" in one_line(graphreel("record", "-o", "nowhere/run.reel", "train.py", cwd=folder))
    assert "nowhere/a.svg" in one_line(graphreel("export", "run.reel", "-o", "nowhere/a.svg", cwd=folder))


def test_a_file_that_must_not_be_overwritten(folder: Path) -> None:
    assert "train.py" in one_line(graphreel("record", "-o", "train.py", "train.py", cwd=folder))
    assert (folder / "train.py").read_text() == TRAIN


def limited(kilobytes: int, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command where no file may grow beyond a size, which the system reports as it does a full disk."""
    command = f"ulimit -f {kilobytes}; exec {sys.executable} -m graphreel {' '.join(arguments)}"
    return subprocess.run(["bash", "-c", command], cwd=cwd, capture_output=True, text=True, check=False, timeout=300)


def test_a_full_disk_does_not_stop_the_script_and_is_told(folder: Path) -> None:
    done = limited(160, "record", "-o", "full.reel", "train.py", "400", cwd=folder)
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(map(str, range(400)))
    assert done.returncode == 1
    assert "full.reel" in done.stderr
    assert "Traceback" not in done.stderr
    iterations = info(folder / "full.reel")["iterations"]
    assert isinstance(iterations, list)
    assert 0 < len(iterations) < 400


def test_a_full_disk_leaves_no_half_picture(folder: Path) -> None:
    (folder / "kept.svg").write_text("the old picture")
    assert "kept.svg" in one_line(limited(8, "export", "run.reel", "--expand-all", "-o", "kept.svg", cwd=folder))
    assert (folder / "kept.svg").read_text() == "the old picture"
    assert [path.name for path in folder.glob(".kept*")] == []


@pytest.mark.parametrize("command", ["info", "export", "open"])
@pytest.mark.parametrize("name", ["absent.reel", "text.reel", "text.onnx", "empty.reel", "cut.reel", ".", "photo.jpg"])
def test_a_file_that_is_none_of_ours(folder: Path, command: str, name: str) -> None:
    (folder / "text.reel").write_text("hello")
    (folder / "text.onnx").write_text("hello")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a graph")
    (folder / "empty.reel").write_bytes(b"")
    (folder / "cut.reel").write_bytes((folder / "run.reel").read_bytes()[:700])
    output = ("-o", "x.svg") if command == "export" else ()
    done = graphreel(command, name, *output, cwd=folder)
    assert name.strip(".") in one_line(done)
    assert not (folder / "x.svg").exists()


def test_an_iteration_a_scope_a_node_and_an_ending_that_are_not_there(folder: Path) -> None:
    assert "0 to 2" in one_line(graphreel("export", "run.reel", "--iteration", "9", "-o", "x.svg", cwd=folder))
    assert "forward" in one_line(graphreel("export", "run.reel", "--expand", "nope.*", "-o", "x.svg", cwd=folder))
    assert "nokey" in one_line(graphreel("export", "run.reel", "--cursor", "nokey", "-o", "x.svg", cwd=folder))
    assert ".svg" in one_line(graphreel("export", "run.reel", "-o", "x.bmp", cwd=folder))


def test_options_that_are_not_understood(folder: Path) -> None:
    assert "timing" in one_line(graphreel("record", "--level", "everything", "train.py", cwd=folder))
    assert "0:3" in one_line(graphreel("record", "--iterations", "soon", "train.py", cwd=folder))
    assert graphreel("frobnicate", cwd=folder).returncode == 2
    assert graphreel("export", "run.reel", cwd=folder).returncode == 2


def test_a_traceback_only_with_debug(folder: Path) -> None:
    assert "Traceback" in graphreel("--debug", "info", "absent.reel", cwd=folder).stderr


def test_help_is_quick_and_has_examples(folder: Path) -> None:
    for command in ("record", "open", "export", "info", "demo"):
        done = graphreel(command, "--help", cwd=folder)
        assert "Examples:" in done.stdout
        assert f"graphreel {command}" in done.stdout
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "graphreel", "--help"], capture_output=True, text=True, check=True
    ).stderr
    assert not any(f" {heavy}\n" in loaded for heavy in ("torch", "PySide6", "onnx", "networkx"))


def test_the_demo_records_and_exports_without_a_display(tmp_path: Path) -> None:
    done = graphreel("demo", "-o", "demo.reel", cwd=tmp_path, DISPLAY="", WAYLAND_DISPLAY="")
    assert done.returncode == 0, done.stderr
    iterations = info(tmp_path / "demo.reel")["iterations"]
    assert isinstance(iterations, list)
    assert len(iterations) >= 3
    assert "<svg" in (tmp_path / "demo.svg").read_text()


def test_a_trace_can_be_read_while_it_is_written(folder: Path) -> None:
    path = folder / "live.reel"
    command = [sys.executable, "-m", "graphreel", "record", "-o", path.name, "train.py", "1000000"]
    script = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        counts: list[int] = []
        deadline = time.monotonic() + 120
        while len(counts) < 3 and time.monotonic() < deadline:
            time.sleep(0.3)
            if not path.exists():
                continue
            done = graphreel("info", path.name, "--json", cwd=folder)
            if done.returncode == 0 and (found := json.loads(done.stdout))["iterations"]:
                assert found["finished"] is False
                assert found["running"] is True
                counts.append(len(found["iterations"]))
        assert len(counts) == 3
        assert counts[0] < counts[-1]
    finally:
        script.kill()
        script.wait()


def test_info_and_export_know_the_autograd_view(folder: Path) -> None:
    listed = json.loads(graphreel("info", "run.reel", "--json", cwd=folder).stdout)
    assert [iteration["views"] for iteration in listed["iterations"]] == [["autograd"]] * 3
    assert "autograd" in graphreel("info", "run.reel", cwd=folder).stdout
    done = graphreel("export", "run.reel", "--view", "autograd", "-o", "backward.json", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    ops = [node["op"] for node in json.loads((folder / "backward.json").read_text())["nodes"]]
    assert ops[0] == "MeanBackward0"
    assert "ReluBackward0" in ops
    done = graphreel("export", "run.reel", "--view", "autograd", "--expand-all", "-o", "backward.svg", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ReluBackward0" in (folder / "backward.svg").read_text()


def test_a_view_that_is_not_there_is_told_with_those_that_are(folder: Path) -> None:
    said = one_line(graphreel("export", "run.reel", "--view", "autogrd", "-o", "no.svg", cwd=folder))
    assert said.endswith("run.reel: iteration 2 has no view 'autogrd'; there are: autograd")
    (folder / "score.py").write_text("import torch\nfrom torch import nn\nnn.Linear(2, 2)(torch.ones(1, 2))\n")
    assert graphreel("record", "-o", "score.reel", "score.py", cwd=folder).returncode == 0
    said = one_line(graphreel("export", "score.reel", "--view", "autograd", "-o", "no.svg", cwd=folder))
    assert "iterations that have a keyframe" in said
    assert not (folder / "no.svg").exists()
