"""`graphreel info` for people: scalars, errors and findings, on any width of terminal."""

from pathlib import Path

import pytest

from tests.command_line import CommandLine, edited, recorded


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("info") / "run.reel")


@pytest.fixture
def graphreel(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(monkeypatch, capsys)


def shown(graphreel: CommandLine, trace: Path, monkeypatch: pytest.MonkeyPatch, width: int) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, err = graphreel.run("info", trace)
    assert (code, err) == (0, "")
    return out.splitlines()


def test_scalars_are_a_small_table(trace: Path, graphreel: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(graphreel, trace, monkeypatch, 80)
    at = next(row for row, line in enumerate(lines) if line.split() == ["scalar", "first", "last", "min", "max"])
    rows = {line.split()[0]: line.split()[1:] for line in lines[at + 1 :] if line.strip()}
    first, last, least, greatest = map(float, rows["lr"])
    assert (first, last, least, greatest) == (0.5, 0.005, 0.005, 0.5)
    assert len(rows["loss"]) == 4


def test_what_is_not_finite_is_told(trace: Path, graphreel: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    path = edited(trace, "nan.reel", "UPDATE scalars SET value = NULL WHERE name = 'loss' AND iteration = 2")
    (loss,) = [line for line in shown(graphreel, path, monkeypatch, 80) if line.split()[:1] == ["loss"]]
    assert loss.split()[2] == "nan"
    assert loss.rstrip().endswith("  1 not finite")
    assert "nan" not in loss.split()[3:5]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_long_lines_wrap_with_a_hanging_indent(
    trace: Path, graphreel: CommandLine, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    lines = shown(graphreel, trace, monkeypatch, width)[1:]  # the first is the path, which is as long as it is
    assert max(map(len, lines)) <= width
    begin = next(
        row for row, line in enumerate(lines) if line.startswith("  iteration 3  failed  ValueError: the end:")
    )
    story = [lines[begin], *lines[begin + 1 :]]
    rest = story[1 : next(row for row, line in enumerate(story) if not line.strip())]
    assert all(line.startswith("      ") for line in rest)
    assert " ".join([story[0], *rest]).count("story") == 20
    (caught,) = [row for row, line in enumerate(lines) if line.startswith("  iteration 1  caught  command_line.py:")]
    whole = " ".join(line.strip() for line in lines[caught : caught + 3])
    assert "RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x5 and 4x8)" in whole


def test_a_status_keeps_its_column(trace: Path, graphreel: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(graphreel, trace, monkeypatch, 80)
    rows = [line.split() for line in lines if line.strip()[:1].isdigit()]
    assert [row[6] for row in rows] == ["complete", "complete", "complete", "failed"]
    assert [row[7:] for row in rows] == [["autograd"]] * 3 + [[]]
    assert len({row[1] for row in rows}) == 4


def test_an_error_of_a_damaged_graph_is_shown_all_the_same(
    trace: Path, graphreel: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = edited(trace, "damaged.reel", "UPDATE sections SET data = x'00'", "UPDATE errors SET node = 2")
    lines = shown(graphreel, path, monkeypatch, 80)
    assert any(line.startswith("  iteration 3  failed  ValueError") for line in lines)
    assert "      at node 2" in lines


def test_a_message_cannot_move_the_cursor(trace: Path, graphreel: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    path = edited(trace, "escape.reel", "UPDATE errors SET message = 'a' || char(27) || '[2Jb' || char(9) || '[red]c'")
    lines = shown(graphreel, path, monkeypatch, 80)
    assert any(line.startswith("  iteration 3  failed  ValueError: a [2Jb [red]c") for line in lines)
