"""What is installed is what stands in the repository, and it works without Qt and without any framework."""

import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from graphreel.graph import parse
from graphreel.tracefile import IterationRecord, Status, TraceInfo, TraceWriter

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())


def folder_of(package: str) -> Path:
    """The folder that setuptools takes a package from: the longest mapped name before it, then its own parts."""
    mapping = SETTINGS["tool"]["setuptools"]["package-dir"]
    mapped = package
    while mapped not in mapping:
        mapped = mapped.rpartition(".")[0]
    return ROOT / mapping[mapped] / package.removeprefix(mapped).strip(".").replace(".", "/")


def test_the_package_list_is_the_disk() -> None:
    listed = {folder_of(package) for package in SETTINGS["tool"]["setuptools"]["packages"]}
    tops = {ROOT / folder for folder in SETTINGS["tool"]["setuptools"]["package-dir"].values()}
    on_disk = {path.parent for top in tops for path in top.rglob("*.py")}
    assert listed == on_disk


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the files that git tracks and nothing else."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            copy = tree / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(tree)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that holds the wheel and its bare dependencies."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", wheel], check=True, capture_output=True)
    return environment / "bin"


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, check=False)


def test_the_wheel_holds_every_module_and_every_asset(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    for package in SETTINGS["tool"]["setuptools"]["packages"]:
        folder = folder_of(package)
        wanted = {path.name for path in folder.glob("*.py")}
        if package == "graphreel.assets":
            wanted |= {str(path.relative_to(folder)) for path in folder.rglob("*.[jst][sovtx][ogftn]*")}
        for name in wanted:
            assert f"{package.replace('.', '/')}/{name}" in held
    assert "graphreel/py.typed" in held
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_the_base_install_exports_a_picture_without_qt_or_a_framework(installed: Path, tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "run.reel", TraceInfo(source="torch"))
    graph = parse("in -> block/a:relu -> block/b:mm -> out; in -> out")
    writer.put(IterationRecord(graph, Status.COMPLETE, started_ns=1, duration_ns=1), 0)
    writer.close()

    version = run(installed / "graphreel", "--version", cwd=tmp_path)
    assert version.stdout.split()[-1] == SETTINGS["project"]["version"], version.stderr
    export = run(installed / "graphreel", "export", "run.reel", "--expand", "block", "-o", "run.svg", cwd=tmp_path)
    assert export.returncode == 0, export.stderr
    assert "mm" in (tmp_path / "run.svg").read_text()

    listed = run(installed / "python", "-m", "pip", "list", "--format=freeze", cwd=tmp_path).stdout.lower()
    names = {line.partition("==")[0] for line in listed.split()}
    assert names & {"torch", "onnx", "tensorflow", "pyside6-essentials", "pyside6_essentials"} == set()
    assert {"graphreel", "numpy", "click", "rich"} <= names


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (["graphreel", "open"], "gui"),
        (["graphreel", "demo"], "torch"),
        (["graphreel", "record", "train.py"], "torch"),
        (["graphreel", "export", "model.onnx", "-o", "model.svg"], "onnx"),
        (["graphreel", "export", "run.reel", "-o", "run.png"], "gui"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else part,
)
def test_a_missing_extra_is_one_line_with_the_command_that_brings_it(
    installed: Path, tmp_path: Path, command: list[str], extra: str
) -> None:
    (tmp_path / "train.py").write_text("print('hello')")
    (tmp_path / "model.onnx").write_bytes(MODEL)
    writer = TraceWriter(tmp_path / "run.reel", TraceInfo(source="torch"))
    writer.put(IterationRecord(parse("a -> b"), Status.COMPLETE, started_ns=1, duration_ns=1), 0)
    writer.close()
    done = run(installed / command[0], *command[1:], cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert f"pip install 'graphreel[{extra}]'" in done.stderr


MODEL = bytes.fromhex("08083a1a0a0f0a0178120179220452656c7512016762050a01785a0062050a0179")
"""The first bytes of an ONNX model: enough to be known as one."""
