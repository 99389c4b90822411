"""Nodes as a user names them on the command line, whole or in part, and what is offered where that means none."""

from pathlib import Path

import pytest

from graphreel.analysis import UnclearNode, find_meant
from graphreel.graph import Graph, GraphBuilder, node_keys, parse
from tests.command_line import CommandLine, recorded

ADDMM = "forward/Sequential/0/aten.addmm.default@"


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("keys") / "run.reel")


@pytest.fixture
def graphreel(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


def graph() -> Graph:
    builder = GraphBuilder()
    value = builder.value("float32", (2,))
    for op in ("aten.add.Tensor", "aten.add.Scalar", "aten.mul.Tensor", "aten.add.Tensor", "ReluBackward0", "Conv"):
        node = builder.node(op, [value], source=builder.source("/home/me/net.py", 7))
        value = builder.value("float32", (2,), producer=node)
    return builder.build()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("aten.add.Tensor@net.py:7#2", "aten.add.Tensor@net.py:7#2"),
        ("mul", "aten.mul.Tensor@net.py:7#1"),
        ("aten.mul", "aten.mul.Tensor@net.py:7#1"),
        ("mul.Tensor@net.py:7", "aten.mul.Tensor@net.py:7#1"),
        ("add.Scalar", "aten.add.Scalar@net.py:7#1"),
        ("add#2", "aten.add.Tensor@net.py:7#2"),
        ("ReluBackward0", "ReluBackward0@net.py:7#1"),
        ("Conv#1", "Conv@net.py:7#1"),
    ],
)
def test_a_key_or_a_part_that_only_one_node_has(text: str, key: str) -> None:
    assert node_keys(graph())[find_meant(graph(), text)] == key


def test_the_end_of_a_path_tells_nodes_apart() -> None:
    nodes = parse("forward/net/0/a:relu -> forward/net/10/b:relu -> forward/net/1/c:relu")
    assert node_keys(nodes)[find_meant(nodes, "0/relu")] == "forward/net/0/relu#1"
    assert node_keys(nodes)[find_meant(nodes, "net/10/relu")] == "forward/net/10/relu#1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("add", r"'add' means 3 nodes: aten.add.Tensor@net.py:7#1, .*; write more of the key; all keys: LIST"),
        (
            "aten.mull.Tensor",
            r"no node has the key 'aten.mull.Tensor'; near it: aten.mul.Tensor@net.py:7#1.*keys: LIST",
        ),
        ("relubackward", r"near it: ReluBackward0@net.py:7#1; all keys"),
        ("mul@net.py:8", r"near it: aten.mul.Tensor@net.py:7#1"),
        ("mul#2", r"near it: aten.mul.Tensor@net.py:7#1"),
        ("aten", r"no node has the key 'aten'"),
        ("zzzz", r"no node has the key 'zzzz'; all keys: LIST"),
        ("", r"no node has the key ''; all keys: LIST"),
        ("#@/#", r"no node has the key '#@/#'"),
        ("[(", r"no node has the key"),
    ],
)
def test_none_or_several_are_answered_with_keys(text: str, said: str) -> None:
    with pytest.raises(UnclearNode, match=said):
        find_meant(graph(), text, "LIST")


def test_a_large_graph_is_answered_too() -> None:
    builder = GraphBuilder()
    value = builder.value("float32", (2,))
    for _ in range(20_000):
        value = builder.value("float32", (2,), producer=builder.node("aten.add.Tensor", [value]))
    builder.output(builder.value("float32", (2,), producer=builder.node("aten.sin.default", [value])))
    large = builder.build()
    assert find_meant(large, "sin") == 20_000
    with pytest.raises(UnclearNode, match=r"means 20000 nodes: .* and 19997 more"):
        find_meant(large, "add")
    with pytest.raises(UnclearNode, match=r"near it: aten.add.Tensor#"):
        find_meant(large, "aten.ad.Tensor#7")


def test_each_command_takes_a_part_of_a_key(trace: Path, graphreel: CommandLine, tmp_path: Path) -> None:
    which = (trace, "--iteration", "2")
    code, out, _ = graphreel.run("value", *which, "--node", "1/relu")
    assert code == 0
    assert out.startswith("forward/Sequential/1/aten.relu.default@command_line.py:")
    assert graphreel.run("replay", *which, "--until", "0/addmm")[0] == 0
    code, out, _ = graphreel.run("replay", *which, "--time", "1/relu#1", "--repeats", "3")
    assert out.startswith("forward/Sequential/1/aten.relu.default@")
    assert graphreel.run("export", *which, "--cursor", "1/relu", "-o", tmp_path / "x.svg")[0] == 0


@pytest.mark.parametrize(
    "command",
    [
        ("replay", "--until"),
        ("replay", "--time"),
        ("replay", "--remove"),
        ("value", "--node"),
        ("export", "-o", "never.svg", "--cursor"),
    ],
    ids=" ".join,
)
def test_a_key_that_is_not_there_is_answered_with_near_ones_and_the_list(
    command: tuple[str, ...], trace: Path, graphreel: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trace.parent)
    name, *options = command
    said = graphreel.error(name, trace.name, "--iteration", "2", *options, "forward/Sequental/0/aten.admm.default")
    assert f"; near it: {ADDMM}" in said
    assert said.endswith("; all keys: graphreel info run.reel --keys --iteration 2")
    listed = graphreel.run("info", "run.reel", "--keys", "--iteration", "2")[1].splitlines()
    assert len(listed) > 30
    assert any(key.startswith(ADDMM) for key in listed)


def test_keys_are_listed_for_one_iteration(trace: Path, graphreel: CommandLine) -> None:
    last = graphreel.run("info", trace, "--keys")[1].splitlines()
    assert len(last) < 10
    assert "there are 4, numbered 0 to 3" in graphreel.error("info", trace, "--keys", "--iteration", "9")
    assert "add --keys" in graphreel.error("info", trace, "--iteration", "1", code=2)


def test_an_output_by_its_number_and_a_line_are_told_apart(trace: Path, graphreel: CommandLine) -> None:
    which = (trace, "--iteration", "2", "--node")
    key = graphreel.run("value", *which, "relu")[1].partition(": ")[0]
    whole = graphreel.run("value", *which, f"{key}:0")[1]
    assert whole.startswith(f"{key}: float32[2, 8]")
    assert whole == graphreel.run("value", *which, key.partition("#")[0])[1]
    assert whole == graphreel.run("value", *which, "relu:0")[1]
    assert "has no output 3; it has 1" in graphreel.error("value", *which, "relu:3")
