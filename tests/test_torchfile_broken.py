"""Files of PyTorch's that are broken, hostile or no graph at all: one clear line, and nothing of them is ever run."""

import json
import pickle
import random
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from graphreel.capture.errors import BrokenFile, CaptureError, UnknownFile
from graphreel.capture.sources import accepted_kinds, open_trace
from graphreel.capture.torchfile.errors import PickledFile, RunsCode
from graphreel.capture.torchfile.naming import readable
from graphreel.graph import Graph, MissingExtra, lint

from .torchfile_models import Mlp, Rnn, exported, rewritten, save_exported, save_script, scripted


class Trap:
    """Makes a file named in it when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, (str(self.path), "w")


def complaint(path: Path, kind: type[Exception] = CaptureError) -> str:
    with pytest.raises(kind) as caught:
        open_trace(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith(f"{path}: ")
    return text


@pytest.fixture(scope="module")
def pt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_exported(exported("control"), tmp_path_factory.mktemp("whole") / "control.pt2")


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_script(scripted(Rnn()), tmp_path_factory.mktemp("whole") / "rnn.pt")


@pytest.mark.parametrize("new_format", [True, False], ids=["zip", "old"])
def test_a_pickled_module_is_never_unpickled(tmp_path: Path, new_format: bool) -> None:
    path, mark = tmp_path / "model.pt", tmp_path / "ran"
    torch.save({"model": Mlp(), "trap": Trap(mark)}, path, _use_new_zipfile_serialization=new_format)
    text = complaint(path, PickledFile)
    assert "pickled model" in text
    assert "torch.export.save" in text
    assert "torch.jit.save" in text
    assert "torch.onnx.export" in text
    assert not mark.exists()


def test_a_checkpoint_is_told_from_a_model(tmp_path: Path) -> None:
    torch.save(Mlp().state_dict(), tmp_path / "weights.pth")
    assert "checkpoint" in complaint(tmp_path / "weights.pth", PickledFile)


def test_a_plain_pickle_is_never_unpickled(tmp_path: Path) -> None:
    path, mark = tmp_path / "model.pkl", tmp_path / "ran"
    path.write_bytes(pickle.dumps(Trap(mark)))
    assert "pickled model" in complaint(path, PickledFile)
    assert not mark.exists()


def test_pickles_inside_a_program_are_never_opened(tmp_path: Path, pt2: Path) -> None:
    mark = tmp_path / "ran"
    trap = pickle.dumps(Trap(mark))
    hidden = ("sample_inputs", "weight_", "constants/")
    path = rewritten(pt2, lambda name, content: trap if any(h in name for h in hidden) else content, tmp_path / "t.pt2")
    graph = open_trace(path).graph(0)
    lint(graph)
    assert not mark.exists()


def crafted(script: Path, tmp_path: Path, change: Callable[[str], str]) -> Path:
    """A TorchScript file whose main code is changed."""

    def changed(name: str, content: bytes) -> bytes:
        return change(content.decode()).encode() if name.endswith("torchfile_models.py") else content

    return rewritten(script, changed, tmp_path / "crafted.pt")


def test_constants_that_would_be_computed_while_loading_are_refused(tmp_path: Path, script: Path) -> None:
    mark = tmp_path / "ran"
    evil = f'  k : Final[int] = torch.numel(torch.from_file("{mark}", True, 16))\n'
    path = crafted(script, tmp_path, lambda text: text.replace("  training : bool\n", "  training : bool\n" + evil, 1))
    assert "has code outside of functions, which PyTorch would run while loading" in complaint(path, RunsCode)
    assert not mark.exists()
    with warnings.catch_warnings(action="ignore"):
        torch.jit.load(path)
    assert mark.exists(), "PyTorch runs it: should it stop doing so, the check may go"


@pytest.mark.parametrize(
    "line",
    [
        "  k : Final[List[int]] = [0] * 99999999999",
        "  k : Final[int] = 3; l : Final[int] = torch.numel(x)",
        "  k : Final[int] = (torch.numel)(x)",
        "    k : Final[int] = torch.numel(x)",
        "  k = torch.numel(x)",
        "k : Final[int] = torch.numel(x)",
    ],
)
def test_ways_around_the_check(tmp_path: Path, script: Path, line: str) -> None:
    path = crafted(
        script, tmp_path, lambda text: text.replace("  training : bool\n", f"  training : bool\n{line}\n", 1)
    )
    complaint(path, RunsCode)


@pytest.mark.parametrize("text", ['x = """', "a \\\n", "\tdef", "\r", "\x0c"])
def test_code_that_pytorch_would_not_write_is_refused(tmp_path: Path, script: Path, text: str) -> None:
    assert "not written as PyTorch writes" in complaint(crafted(script, tmp_path, lambda code: code + text), BrokenFile)


def test_deep_brackets_are_refused(tmp_path: Path, script: Path) -> None:
    deep = "def f(x: int) -> int:\n  return " + "(" * 5000 + "x" + ")" * 5000 + "\n"
    # Balanced within a line is no depth; broken over lines it is.
    path = crafted(script, tmp_path, lambda code: code + deep.replace("(((((", "(((((\n  "))
    assert "brackets" in complaint(path, BrokenFile)
    assert "brackets" in complaint(crafted(script, tmp_path, lambda code: code + deep), BrokenFile)


class Restores(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + 1

    @torch.jit.export
    def __getstate__(self) -> bool:
        return self.training

    @torch.jit.export
    def __setstate__(self, state: bool) -> None:
        self.training = state


def test_a_module_that_restores_itself_by_code_is_refused(tmp_path: Path) -> None:
    path = save_script(scripted(Restores()), tmp_path / "restores.pt")
    assert "__setstate__" in complaint(path, RunsCode)


def test_constants_that_are_plain_pass(tmp_path: Path) -> None:
    class Plain(torch.nn.Module):
        __constants__ = ("pair", "small", "text", "none")

        def __init__(self) -> None:
            super().__init__()
            self.pair, self.small, self.text, self.none = (1, -2), -1e-05, 'a "(" b', None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.pair[0] + self.small

    path = save_script(scripted(Plain()), tmp_path / "plain.pt")
    lint(open_trace(path).graph(0))


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_off_says_so(tmp_path: Path, pt2: Path, script: Path, part: float) -> None:
    for whole in (pt2, script):
        path = tmp_path / f"cut{whole.suffix}"
        path.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * part)])
        assert "cut off" in complaint(path, BrokenFile)


@pytest.mark.parametrize("seed", range(30))
def test_scrambled_bytes_give_a_graph_or_a_line(tmp_path: Path, pt2: Path, script: Path, seed: int) -> None:
    chance = random.Random(seed)
    for whole in (pt2, script):
        content = bytearray(whole.read_bytes())
        for _ in range(chance.choice([1, 8])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path = tmp_path / f"scrambled{whole.suffix}"
        path.write_bytes(content)
        outcome = graph_or_text(path)
        assert isinstance(outcome, Graph) or (outcome.startswith(f"{path}: ") and "\n" not in outcome)


def with_json(pt2: Path, tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    def changed(name: str, content: bytes) -> bytes:
        if not name.endswith("models/model.json"):
            return content
        whole = json.loads(content)
        found = change(whole)
        return json.dumps(whole if found is None else found).encode()

    return rewritten(pt2, changed, tmp_path / "changed.pt2")


@pytest.mark.parametrize("value", [None, [], {}, "text", 7, {"as_tensor": 3}, {"a": 1, "b": 2}, [None], 1e300])
def test_json_with_other_things_in_it(tmp_path: Path, pt2: Path, value: Any) -> None:
    """Every place of the schema in turn holds what it should not: a line or a graph, nothing else."""
    outcomes = set()
    keys: list[tuple[str, ...]] = [
        (), ("graph_module",), ("graph_module", "graph"), ("graph_module", "signature"), ("range_constraints",),
        *(("graph_module", "graph", key) for key in ("nodes", "inputs", "outputs", "tensor_values", "sym_int_values")),
        *(("graph_module", "signature", key) for key in ("input_specs", "output_specs")), ("opset_version",),
    ]  # fmt: skip
    for place in keys:

        def change(whole: dict[str, Any], place: tuple[str, ...] = place) -> Any:
            if not place:
                return value
            at = whole
            for key in place[:-1]:
                at = at[key]
            at[place[-1]] = value
            return None

        outcomes.add(graph_or_line(with_json(pt2, tmp_path, change)) is None)
    assert True in outcomes


@pytest.mark.parametrize("key", ["target", "inputs", "outputs", "metadata", "name"])
@pytest.mark.parametrize("value", [None, 7, [7], {"nn_module_stack": ";;,"}, {"stack_trace": 7}, "a/b;\n"])
def test_nodes_with_other_things_in_them(tmp_path: Path, pt2: Path, key: str, value: Any) -> None:
    def change(whole: dict[str, Any]) -> None:
        for node in whole["graph_module"]["graph"]["nodes"]:
            node[key] = value

    graph_or_line(with_json(pt2, tmp_path, change))


def graph_or_text(path: Path) -> Graph | str:
    """The graph, which keeps every invariant, or the complaint."""
    try:
        graph = open_trace(path).graph(0)
    except CaptureError as error:
        return str(error)
    lint(graph)
    return graph


def graph_or_line(path: Path) -> Graph | None:
    outcome = graph_or_text(path)
    if isinstance(outcome, Graph):
        return outcome
    assert outcome.startswith(f"{path}: not a valid .pt2 program: its models/model.json")
    assert "\n" not in outcome
    return None


def test_sizes_that_cannot_be_are_unknown(tmp_path: Path, pt2: Path) -> None:
    def change(whole: dict[str, Any]) -> None:
        sizes = [{"as_int": -1}, {"as_int": 2**80}, {"as_expr": {"expr_str": "(" * 9000}}, {"as_int": 3}]
        for meta in whole["graph_module"]["graph"]["tensor_values"].values():
            meta["sizes"] = sizes

    graph = graph_or_line(with_json(pt2, tmp_path, change))
    assert graph is not None
    found = graph.node(0).outputs[0].shape
    assert found is not None
    assert (*found[:2], found[3]) == (None, None, 3)


def test_a_value_that_nothing_gives_is_marked(tmp_path: Path, pt2: Path) -> None:
    def change(whole: dict[str, Any]) -> None:
        whole["graph_module"]["graph"]["nodes"][0]["inputs"][0]["arg"] = {"as_tensor": {"name": "nowhere"}}

    graph = graph_or_line(with_json(pt2, tmp_path, change))
    assert graph is not None
    assert dict(graph.node(0).inputs[0].attributes) == {"undeclared": True}


def test_json_nested_too_deeply(tmp_path: Path, pt2: Path) -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    path = rewritten(pt2, lambda name, content: deep if "models/" in name else content, tmp_path / "deep.pt2")
    assert "nested too deeply" in complaint(path, BrokenFile)


def test_an_entry_that_would_unpack_to_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/archive_format", "pt2")
        with archive.open("a/models/model.json", "w", force_zip64=True) as entry:
            for _ in range(600):
                entry.write(b" " * 2**20)
    assert "more than the" in complaint(path, BrokenFile)


def test_missing_entries(tmp_path: Path, script: Path) -> None:
    path = rewritten(script, lambda name, content: None if "constants.pkl" in name else content, tmp_path / "m.pt")
    assert "PyTorch says" in complaint(path, BrokenFile)
    path = rewritten(script, lambda name, content: None if "/code/" in name else content, tmp_path / "n.pt")
    complaint(path, PickledFile)


def test_compiled_packages_say_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "compiled.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("c/archive_format", "pt2")
        archive.writestr("c/data/aotinductor/model/c.so", b"")
    assert "compiled code" in complaint(path, BrokenFile)


def test_other_archives_and_files(tmp_path: Path) -> None:
    path = tmp_path / "letter.docx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", b"")
    assert all(kind in complaint(path, UnknownFile) for kind in accepted_kinds())
    with zipfile.ZipFile(path, "w"):
        pass
    complaint(path, UnknownFile)
    path = tmp_path / "model.pt2"
    path.write_bytes(b"hello, this is text")
    assert "no ZIP archive" in complaint(path, BrokenFile)
    path.write_bytes(b"PK\x03\x04 a zip")
    assert "cut off" in complaint(path, BrokenFile)


def test_a_program_opens_without_pytorch_and_a_script_names_the_extra(
    pt2: Path, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    lint(open_trace(pt2).graph(0))
    with pytest.raises(MissingExtra, match=r"PyTorch is not installed; get it with: pip install 'graphreel\[torch\]'"):
        open_trace(script)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("Symbol('s77', positive=True, integer=True)", "s77"),
        ("Add(Integer(1), Symbol('s0', integer=True))", "s0 + 1"),
        ("Mul(Integer(2), Add(Symbol('s0'), Integer(-1)))", "2*(s0 + -1)"),
        ("FloorDiv(Symbol('s0'), Integer(2))", "FloorDiv(s0, 2)"),
        ("__import__('os').system('true')", "__import__('os').system('true')"),
        ("no expression at all", "no expression at all"),
    ],
)
def test_sizes_are_written_as_people_do(expression: str, expected: str) -> None:
    assert readable(expression) == expected
