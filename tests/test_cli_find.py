"""`graphreel find`, and pictures in colours, as a user types them."""

import json
from pathlib import Path

import pytest

from tests.gui_support import record, training_step, write_reel
from tests.test_cli import graphreel, one_line


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("find")
    write_reel(folder / "run.reel", [record(training_step(2)), record(training_step(3))])
    return folder


def test_lists_what_a_query_describes(folder: Path) -> None:
    done = graphreel("find", "run.reel", "op:mm -phase:backward time>=1us", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "number  op               scope                 shape           time  source",
        "     0  aten.mm.default  forward/Net/layers/0  float32[8, 16]  1 µs  train.py:10",
        "     2  aten.mm.default  forward/Net/layers/1  float32[8, 16]  1 µs  train.py:11",
        "     4  aten.mm.default  forward/Net/layers/2  float32[8, 16]  1 µs  train.py:12",
    ]
    assert done.stderr == "3 of 11 operations of iteration 1\n"


def test_tells_programs_the_keys(folder: Path) -> None:
    done = graphreel("find", "run.reel", "relu", "--iteration", "0", "--json", cwd=folder)
    told = json.loads(done.stdout)
    assert told["iteration"] == 0
    assert [row["number"] for row in told["found"]] == [1, 3]
    assert told["found"][0]["key"] == "forward/Net/layers/0/aten.relu.default@train.py:10#1"
    assert told["found"][0]["duration_ns"] == 1000


def test_nothing_found_is_told_by_the_exit_code(folder: Path) -> None:
    done = graphreel("find", "run.reel", "op:conv", cwd=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "0 of 11 operations of iteration 1\n"


def test_a_query_that_means_nothing_is_one_line(folder: Path) -> None:
    assert one_line(graphreel("find", "run.reel", "op:mm time>", cwd=folder)) == (
        "graphreel: the query, column 12: a number is expected, such as 5us, 1ms or 2s"
    )
    assert "there is no iteration 7" in one_line(graphreel("find", "run.reel", "mm", "--iteration", "7", cwd=folder))


def test_pictures_in_colours_have_a_legend(folder: Path) -> None:
    done = graphreel("export", "run.reel", "--color-by", "time", "-o", "time.svg", cwd=folder)
    assert done.returncode == 0, done.stderr
    svg = (folder / "time.svg").read_text()
    assert '<g class="legend"' in svg
    assert "median 1 µs" in svg
    wrong = graphreel("export", "run.reel", "--color-by", "heat", "-o", "time.svg", cwd=folder)
    assert wrong.returncode == 2
    assert "--color-by 'heat' is nothing to colour by; accepted: op, scope, dtype" in wrong.stderr
