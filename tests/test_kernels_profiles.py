"""Profiles of PyTorch's profiler: read as columns, and device work put to the operation that launched it."""

import gzip
import json
import tracemalloc
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphreel.capture.errors import BrokenFile, UnreadableFile
from graphreel.capture.kineto import Category, Profile, backward_pairs, device_work, enclosing, read_profile
from tests.kineto_profiles import event, step, write

REAL = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "kineto"
V100_A, V100_B, MI250 = (
    "resnet50_v100_a.pt.trace.json.gz",
    "resnet50_v100_b.pt.trace.json.gz",
    "mi250_minitoy_train.json.gz",
)


def named(profile: Profile, row: int) -> str:
    return profile.names[profile.name[row]] if row >= 0 else ""


def work(profile: Profile) -> list[tuple[str, str, str, int]]:
    """Device work as text: what, its launch, its operation, its bytes."""
    found = device_work(profile)
    rows = zip(found.event, found.launch, found.operation, found.nbytes, strict=True)
    return [
        (named(profile, at), named(profile, launch), named(profile, op), int(size)) for at, launch, op, size in rows
    ]


@pytest.mark.parametrize("name", ["trace.json", "trace.json.gz"])
def test_device_work_has_its_launch_and_its_operation(tmp_path: Path, name: str) -> None:
    profile = read_profile(write(tmp_path / name, step()))
    assert not profile.problems
    assert work(profile) == [
        ("Memcpy HtoD (Pageable -> Device)", "cudaMemcpyAsync", "aten::_to_copy", 4096),
        ("gemm", "cudaLaunchKernel", "aten::mm", 0),
        # Neither the kernel nor its launch names an operation: it is the one under way on the launch's thread.
        ("gemm", "cudaLaunchKernel", "aten::mm", 0),
        ("Memset (Device)", "", "", 64),
    ]
    assert device_work(profile).operation[2] != device_work(profile).operation[1]
    assert [named(profile, row) for pair in backward_pairs(profile) for row in pair] == ["aten::mm", "MmBackward0"]
    assert profile.start_ns[profile.rows(Category.RUNTIME)[0]] == 110_500


def test_nanoseconds_of_today_are_not_rounded(tmp_path: Path) -> None:
    text = '{"traceEvents": [{"ph":"X","cat":"cpu_op","name":"a","ts":1735632360603187.439,"dur":0.007,"args":{}}]}'
    (tmp_path / "t.json").write_text(text)
    profile = read_profile(tmp_path / "t.json")
    assert (profile.start_ns[0], profile.duration_ns[0]) == (1735632360603187439, 7)


def test_rocm_says_the_bytes_at_the_launch(tmp_path: Path) -> None:
    events = [
        event("cuda_runtime", "hipMemcpyWithStream", 5, 3, External_id=8, correlation=1, size="2560"),
        event("gpu_memcpy", "Memcpy HtoD (Host -> Device)", 6, 1, 2, 0, device=2, stream=0, correlation=1),
    ]
    profile = read_profile(write(tmp_path / "t.json", events))
    assert work(profile)[0][3] == 2560
    assert (profile.device[1], profile.stream[1]) == (2, 0)


def test_odd_events_are_kept_left_out_or_mended_and_said(tmp_path: Path) -> None:
    events: list[Any] = [
        event("cpu_op", "before the epoch", -50, 10),
        event("cpu_op", "no end", 10, -1),
        event("cpu_op", "no time", None, 1),
        event("cpu_op", "a word", "soon", 1),
        event("cpu_op", "a list", [1], 1),
        event("cpu_op", "beyond 64 bits", 1 << 80, 1),
        event("cpu_op", "largest number", 11, 1, Sequence_number=(1 << 64) - 1, External_id="7"),
        event("kernel", "no ids", 5, 1, "GPU", "stream x"),
        event("kernel", "clock jumped back", -(10**12), 1, 0, 0, correlation=3, device=0, stream="stream 4"),
        event("cuda_runtime", "launch", 12, 1, correlation=3, External_id=7),
        {"ph": "X"},
        {"ph": "s", "cat": "fwdbwd", "id": 1},
        {"ph": "X", "cat": None, "name": None, "ts": 1, "args": []},
        [],
        None,
        "text",
    ]
    profile = read_profile(write(tmp_path / "t.json", events))
    assert profile.problems == (
        "6 events without a usable time were left out",
        "1 events have a negative duration; it is taken for 0",
    )
    assert work(profile) == [("clock jumped back", "launch", "largest number", 0), ("no ids", "", "", 0)]
    assert profile.stream.max() == 4
    assert (profile.duration_ns >= 0).all()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b"[1, 2]", "'{' was expected"),
        (b"{}", "it has no 'traceEvents'"),
        (b'{"traceEvents": 3}', "it has no 'traceEvents'"),
        (b'{"traceEvents": {"a": 1}}', "it has no 'traceEvents'"),
        (b'{"traceEvents": [{"ph": "X"} {"ph": "X"}]}', "',' was expected at character 29, after entry 1"),
        (b'{"traceEvents": [{"ph": ?, "a": "something after it"}]}', "expecting value at character 24"),
        (b'{"traceEvents": [' + b"[" * 100_000, "nested too deeply"),
        (b'{"traceEvents": [' + b"9" * 10_000 + b",1]}", "digits"),
        (b'{3: "traceEvents"}', "a name was expected"),
        (b"\x1f\x8bnot really compressed", "its compression is damaged"),
        (b"\x89PNG\r\n\x1a\n", "'{' was expected"),
    ],
)
def test_a_broken_profile_says_what_is_wrong(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(content)
    with pytest.raises((BrokenFile, UnreadableFile), match=r"t\.json: ") as raised:
        read_profile(path)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_a_profile_cut_off_anywhere_is_refused(tmp_path: Path, suffix: str) -> None:
    whole = write(tmp_path / f"whole{suffix}", step()).read_bytes()
    path = tmp_path / f"cut{suffix}"
    for size in range(2, len(whole) - 1, 7):
        path.write_bytes(whole[:size])
        with pytest.raises(BrokenFile, match="is cut off after"):
            read_profile(path)


def test_places_that_hold_no_profile(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="no such file"):
        read_profile(tmp_path / "none.json")
    with pytest.raises(UnreadableFile, match="this is a folder"):
        read_profile(tmp_path)


def test_a_large_profile_is_never_held_as_a_whole(tmp_path: Path) -> None:
    stack = "train.py(54): <module>;" * 40
    events = [event("cpu_op", f"op {at % 50}", at, 1, External_id=at, Call_stack=stack) for at in range(20_000)]
    path = write(tmp_path / "t.json.gz", events)
    del events
    tracemalloc.start()
    profile = read_profile(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(profile) == 20_000
    assert len(gzip.decompress(path.read_bytes())) > 20 << 20
    assert peak < 12 << 20


def test_intervals_lie_in_the_innermost_around_them() -> None:
    start, end = np.array([0, 0, 2, 2, 6, 1]), np.array([10, 10, 4, 3, 9, 9])
    thread = np.array([0, 0, 0, 0, 0, 1])
    assert enclosing(thread, start, end).tolist() == [-1, 0, 1, 2, 1, -1]


def raw(name: str) -> list[dict[str, Any]]:
    """The complete events of a real profile, read without any of ours."""
    path = REAL / name
    if not path.exists():
        pytest.skip(f"{name} is not here: a profile of a real GPU that is not ours to pass on")
    found = json.loads(gzip.decompress(path.read_bytes()))["traceEvents"]
    return [entry for entry in found if entry.get("ph") == "X"]


DEVICE = {"Kernel", "Memcpy", "Memset", "kernel", "gpu_memcpy", "gpu_memset"}


def argument(entry: dict[str, Any], name: str) -> Any:
    return next((value for key, value in entry["args"].items() if key.lower() == name), None)


@pytest.mark.parametrize("name", [V100_A, V100_B, MI250])
def test_real_profiles_agree_with_a_plain_loop(name: str) -> None:
    events = raw(name)
    operations = {argument(e, "external id"): e["name"] for e in events if e["cat"] in ("Operator", "cpu_op")}
    launches = {argument(e, "correlation"): e for e in events if e["cat"] in ("Runtime", "cuda_runtime")}
    time: dict[str, float] = defaultdict(float)
    expected: Counter[tuple[str, str, str, int]] = Counter()
    for e in (each for each in events if each["cat"] in DEVICE):
        launch = launches[argument(e, "correlation")]
        operation = operations[argument(e, "external id")]
        time[operation] += e["dur"]
        moved = argument(e, "bytes") or (int(argument(launch, "size") or 0) if "emcpy" in e["name"] else 0)
        expected[e["name"], launch["name"], operation, moved] += 1
    profile = read_profile(REAL / name)
    assert not profile.problems
    assert Counter(work(profile)) == expected
    found = device_work(profile)
    for operation, total in time.items():
        mine = [named(profile, row) == operation for row in found.operation]
        assert profile.duration_ns[found.event[mine]].sum() == pytest.approx(total * 1000, abs=1), operation


@pytest.mark.parametrize(
    ("name", "kernels", "copies", "fills", "nbytes", "streams", "pairs"),
    [
        (V100_A, 8772, 12, 312, 482_082_960, {(0, 7)}, 1068),
        (V100_B, 8868, 12, 378, 482_087_184, {(0, 7)}, 1068),
        (MI250, 14, 2, 0, 5120, {(2, 0)}, 4),
    ],
)
def test_counts_of_the_real_profiles(
    name: str, kernels: int, copies: int, fills: int, nbytes: int, streams: set[tuple[int, int]], pairs: int
) -> None:
    raw(name)
    profile = read_profile(REAL / name)
    found = device_work(profile)
    kinds = Counter(profile.category[found.event].tolist())
    assert (kinds[Category.KERNEL], kinds[Category.COPY], kinds[Category.FILL]) == (kernels, copies, fills)
    assert (found.operation >= 0).all()
    assert (found.launch >= 0).all()
    assert found.nbytes.sum() == nbytes
    assert set(zip(profile.device[found.event].tolist(), profile.stream[found.event].tolist(), strict=True)) == streams
    # Nothing runs before it is launched, on the clock that host and device share in a profile.
    assert (profile.start_ns[found.event] >= profile.start_ns[found.launch]).all()
    assert len(backward_pairs(profile)) == pairs


def test_the_ids_and_the_clock_of_a_real_profile_agree() -> None:
    """Put to operations by time alone, with every id taken away, launches come to the same operations."""
    raw(V100_A)
    profile = read_profile(REAL / V100_A)
    by_id = device_work(profile)
    blank = np.full(len(profile), -1)
    by_time = device_work(replace(profile, external=blank))
    agreeing = np.count_nonzero(by_id.operation == by_time.operation) / len(by_id.event)
    assert agreeing > 0.99
