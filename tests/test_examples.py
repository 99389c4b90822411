"""The examples train, and what they are there to show can be seen in their traces."""

import subprocess
import sys
from pathlib import Path

import pytest

from graphreel import examples
from graphreel.graph import lint, walk
from graphreel.tracefile import Status, Trace, open_reel


def record(folder: Path, name: str, steps: int) -> Trace:
    path = folder / f"{name}.reel"
    done = subprocess.run(
        [sys.executable, "-m", "graphreel", "record", "-o", path, examples.path(name), "--steps", str(steps)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("loss") == steps
    trace = open_reel(path)
    assert [each.status for each in trace.iterations] == [Status.COMPLETE] * steps
    for each in trace.iterations:
        lint(trace.graph(each.index))
    return trace


def test_the_list_is_what_is_there() -> None:
    there = {path.stem for path in Path(examples.__file__).parent.glob("*.py")} - {"__init__"}
    assert there == set(examples.EXAMPLES)
    with pytest.raises(KeyError, match="there is no example 'gan'"):
        examples.path("gan")


def test_the_transformer_repeats_its_graph_and_learns(tmp_path: Path) -> None:
    trace = record(tmp_path, "transformer", 5)
    graphs = [each.graph for each in trace.iterations]
    assert len(set(graphs[1:])) == 1
    paths = set(trace.graph(1).paths)
    assert {f"forward/GPT/layers/{layer}/attn/qkv" for layer in range(4)} <= paths
    assert {"backward/GPT/layers/3/mlp/up", "optimizer/AdamW.step"} <= paths
    losses = [each.scalars["loss"] for each in trace.iterations]
    assert losses[-1] < losses[0]


def test_the_cnn_tells_shapes_apart(tmp_path: Path) -> None:
    trace = record(tmp_path, "cnn", 6)
    convolutions = [node.scope.path for node in walk(trace.graph(2)) if node.op == "aten.convolution.default"]
    assert convolutions == [f"forward/ShapeNet/blocks/{block}/conv" for block in range(3)]
    assert len({each.graph for each in trace.iterations[1:]}) == 1


def test_the_rnns_graph_changes_with_the_length(tmp_path: Path) -> None:
    trace = record(tmp_path, "rnn_varying_length", 6)
    assert len({each.nodes for each in trace.iterations[1:]}) > 1
    last = trace.iterations[-1].index
    cells = [path for path in trace.graph(last).paths if path.startswith("forward/Adder/cell")]
    assert cells[:3] == ["forward/Adder/cell", "forward/Adder/cell:2", "forward/Adder/cell:3"]
