"""What to record, as it is written on the command line and in `graphreel.record`."""

from pathlib import Path

import pytest
import torch
from torch import nn

import graphreel
from graphreel.capture.options import BadOption, IterationRanges, Level, RecordOptions
from graphreel.tracefile import open_reel
from tests.torch_runs import train


def test_levels_by_range() -> None:
    options = RecordOptions.parse("graph", "0:3=stats, 2=values,100,500:")
    levels = [options.level_at(index) for index in (0, 2, 3, 100, 499, 500, 10**6)]
    assert levels == [Level.STATS, Level.VALUES, None, Level.GRAPH, None, Level.GRAPH, Level.GRAPH]
    again = RecordOptions.parse("graph", options.settings()["iterations"])
    assert [again.level_at(index) for index in (0, 2, 3, 100, 499, 500, 10**6)] == levels


def test_every_iteration_with_some_at_another_level() -> None:
    options = RecordOptions.parse("timing", ":,10:20=stats")
    assert [options.level_at(index) for index in (0, 10, 20)] == [Level.TIMING, Level.STATS, Level.TIMING]


@pytest.mark.parametrize(
    ("text", "iterations", "having"),
    [
        ("", "", [0, 1, 2, 4, 8, 16]),
        ("", "5:", [5, 8, 16]),
        ("0,10:12", "", [0, 10, 11]),
        ("3:", "0:5", [3, 4]),
        ("none", "", []),
        ("NONE", "", []),
    ],
)
def test_keyframes(text: str, iterations: str, having: list[int]) -> None:
    options = RecordOptions.parse(iterations=iterations, keyframes=text)
    assert [index for index in range(17) if options.has_keyframe(index)] == having


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64MB", 64 * 10**6),
        ("64MiB", 64 << 20),
        ("1.5 GiB", 3 << 29),
        ("2g", 2 * 10**9),
        ("500000", 500000),
        (7, 7),
        ("0", 0),
        ("1tb", 10**12),
    ],
)
def test_sizes(text: str | int, size: int) -> None:
    options = RecordOptions.parse(keyframe_limit=text, limit=text)
    assert (options.keyframe_limit, options.limit) == (size, size)
    shown = options.settings()["limit"]
    assert RecordOptions.parse(limit=shown).limit == size


@pytest.mark.parametrize("text", ["", "MB", "-1", "12 apples", "1e6", "64 M B", "NaN"])
def test_sizes_that_are_none(text: str) -> None:
    for options in ({"keyframe_limit": text}, {"limit": text}, {"values_limit": text}):
        (name,) = options
        expected = f"--{name.replace('_', '-')} {text!r}: this is no size; write for example 64MB, 1.5GiB"
        with pytest.raises(BadOption) as raised:
            RecordOptions.parse(**options)
        assert expected in str(raised.value)


@pytest.mark.parametrize("text", ["x", "1:2:3", "3:3", "5:2", "1,,2", "-1", "1.5", "=stats", "0=stats,"])
def test_iterations_that_make_no_sense(text: str) -> None:
    with pytest.raises(BadOption, match="write for example 0:3,100,500:"):
        RecordOptions.parse(iterations=text)


def test_what_is_wrong_is_named_with_what_is_accepted() -> None:
    with pytest.raises(
        BadOption, match="--level 'all': there is no such level; give graph or timing or light or kernels or"
    ):
        RecordOptions.parse("all")
    with pytest.raises(BadOption, match="--iterations '0:3=all': 'all': there is no such level; give graph or"):
        RecordOptions.parse(iterations="0:3=all")
    with pytest.raises(BadOption, match="--iterations '0:3=': '': there is no such level; give graph or"):
        RecordOptions.parse(iterations="0:3=")
    with pytest.raises(BadOption, match=r"--keyframes '1,x': 'x' is neither .* write for example 0,100: .*, or none"):
        RecordOptions.parse(keyframes="1,x")
    with pytest.raises(BadOption, match="--values '', '\\*': an empty name matches nothing; write for example"):
        RecordOptions.parse("values", values=["", "*"])
    with pytest.raises(BadOption, match="--values: no iteration keeps values; add --level values"):
        RecordOptions.parse(values="layers.*")


def test_one_glob_or_several() -> None:
    assert RecordOptions.parse("values", values="layers.*").values == ("layers.*",)
    assert RecordOptions.parse(iterations="3=values", values=["a.*", "b"]).values == ("a.*", "b")


def test_the_settings_tell_all_options() -> None:
    options = RecordOptions.parse(
        "values", "0:3=stats,7", keyframes="0", keyframe_limit="1MB", values="*.weight", values_limit=5, limit="2GB"
    )
    assert dict(options.settings()) == {
        "level": "values",
        "iterations": "0:3,7,0:3=stats",
        "keyframes": "0",
        "keyframe-limit": "1MB",
        "values": "*.weight",
        "values-limit": "5B",
        "limit": "2GB",
    }
    assert dict(RecordOptions().settings()) == {
        "level": "timing",
        "iterations": "0:",
        "keyframes": "first and powers of two",
        "keyframe-limit": "64MiB",
    }
    assert str(IterationRanges(())) == "none"


def test_options_reach_the_trace(tmp_path: Path) -> None:
    with graphreel.record(tmp_path / "run.reel", level="graph", iterations="0,2=timing,3", keyframes="none"):
        model = nn.Linear(2, 2)
        train(model, torch.optim.SGD(model.parameters(), lr=0.1), (1, 2), steps=4)
    trace = open_reel(tmp_path / "run.reel")
    assert [each.index for each in trace.iterations] == [0, 2, 3]
    assert ["duration_ns" in trace.columns(index) for index in (0, 2, 3)] == [False, True, False]
    assert trace.info.settings["iterations"] == "0,2:4,2=timing"
    assert trace.info.settings["keyframes"] == "none"
    assert not trace.keyframes
    trace.close()


def test_a_limit_ends_the_recording_and_not_the_program(tmp_path: Path) -> None:
    model = nn.Linear(2, 2)
    with pytest.warns(graphreel.capture.torch.RecorderWarning, match="limit"):
        record_until(tmp_path / "run.reel", model)
    trace = open_reel(tmp_path / "run.reel")
    assert trace.info.ended
    assert len(trace.iterations) < 200
    trace.close()


def record_until(path: Path, model: nn.Module) -> None:
    with graphreel.record(path, keyframes="none", limit="150KB"):
        for size in range(1, 201):
            layers = nn.Sequential(*[model] * size)
            train(layers, torch.optim.SGD(model.parameters(), lr=0.1), (1, 2), steps=1)
