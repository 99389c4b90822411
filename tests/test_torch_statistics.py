"""Statistics and checksums of values: against NumPy, over dtypes, layouts and strides; and in recorded passes."""

import math
import struct
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from graphreel.capture.options import IterationRanges, Level, RecordOptions
from graphreel.capture.torch.statistics_device import DeviceRows
from graphreel.capture.torch.statistics_of import Statistics, checksum_of, in_order, statistics_of
from graphreel.capture.torch.statistics_rows import ROW_BYTES, Columns
from graphreel.graph import Node, walk
from graphreel.tracefile import IterationRecord
from tests.test_torch_keyframes import keyframed
from tests.torch_runs import Net, node, nodes, train

STATS = RecordOptions(Level.STATS, keyframes=IterationRanges(((9, 10),)))
REAL = [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2]
WHOLE = [torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool, torch.uint16]


def reference(tensor: Tensor) -> dict[str, float]:
    """The statistics by their definition, with NumPy."""
    wide = tensor.resolve_conj()
    wide = wide.to(torch.complex128) if wide.is_complex() else wide.to(torch.float64)
    numbers = wide.numpy().reshape(-1)
    nan = np.isnan(numbers)
    sizes = np.where(nan, np.nan, np.abs(numbers)) if numbers.dtype.kind == "c" else numbers
    there, finite = sizes[~nan], sizes[np.isfinite(sizes)]
    return {
        "min": there.min() if len(there) else math.nan,
        "max": there.max() if len(there) else math.nan,
        "mean": finite.mean() if len(finite) else math.nan,
        "std": finite.std() if len(finite) else math.nan,
        "nan": int(nan.sum()),
        "inf": int(np.isinf(sizes).sum()),
        "zeros": int((numbers == 0).sum()),
    }


def check(found: Statistics, tensor: Tensor) -> None:
    expected = reference(tensor)
    scale = abs(expected["mean"]) + expected["std"]
    for name, number in expected.items():
        given_number = getattr(found, name)
        if name == "std":
            assert given_number == pytest.approx(number, rel=1e-6, abs=1e-7 * scale, nan_ok=True), (name, tensor)
        elif name == "mean":
            assert given_number == pytest.approx(number, rel=1e-9, abs=1e-12 * scale, nan_ok=True), (name, tensor)
        elif math.isnan(number):
            assert math.isnan(given_number), name
        else:
            assert given_number == pytest.approx(number, rel=1e-9 if tensor.is_complex() else 0), (name, tensor)


def scatter(number: int) -> int:
    """The finalizer of SplitMix64, made odd."""
    most = (1 << 64) - 1
    found = (number + 1) * 0x9E3779B97F4A7C15 & most
    found = (found ^ found >> 30) * 0xBF58476D1CE4E5B9 & most
    found = (found ^ found >> 27) * 0x94D049BB133111EB & most
    return (found ^ found >> 31) | 1


def plain_checksum(data: bytes) -> int:
    """The checksum by its definition, one word after the other."""
    total, words = 0, ROW_BYTES // 8
    data += bytes(-len(data) % 8)
    for at, (word,) in enumerate(struct.iter_unpack("<q", data)):
        mixed = word * 0x9E3779B97F4A7C15 & (1 << 64) - 1
        mixed -= (mixed >> 63) << 64
        mixed ^= mixed >> 32
        row, place = divmod(at, words)
        total += mixed * scatter(place) * (scatter((1 << 32) + row) if row else 1)
    total &= (1 << 64) - 1
    return total - ((total >> 63) << 64)


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    dtype = draw(st.sampled_from([*REAL, *WHOLE, torch.complex64, torch.complex128]))
    shape = draw(st.sampled_from([(), (0,), (1,), (7,), (3, 5), (2, 3, 4), (9000,), (0, 3), (4, 2500)]))
    seed = draw(st.integers(0, 10_000))
    rng = torch.Generator().manual_seed(seed)
    scale = draw(st.sampled_from([0.0, 1.0, 100.0]))
    numbers = torch.randn(shape, generator=rng, dtype=torch.float64) * scale
    if dtype.is_complex:
        numbers = torch.complex(numbers, torch.randn(shape, generator=rng, dtype=torch.float64))
    found = numbers.abs().to(dtype) if dtype in (torch.uint8, torch.uint16) else numbers.to(dtype)
    odd = draw(st.sampled_from([None, math.nan, math.inf, -math.inf]))
    if odd is not None and found.numel() and (dtype.is_complex or dtype in REAL[:4]):
        found.view(-1)[draw(st.integers(0, found.numel() - 1))] = odd
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(tensors())
def test_statistics_are_those_of_numpy(tensor: Tensor) -> None:
    found = statistics_of(tensor)
    assert found is not None
    check(found, tensor)
    assert found.checksum == checksum_of(tensor)
    assert found.checksum == plain_checksum(in_order(tensor).view(torch.uint8).numpy().tobytes())


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(tensors(), min_size=1, max_size=5))
def test_a_device_computes_the_same(given_tensors: list[Tensor]) -> None:
    rows = DeviceRows(only_checksums=False)
    for number, tensor in enumerate(given_tensors):
        rows.take((0, number), in_order(tensor))
    found: dict[int, tuple[Columns, int]] = {}
    for keys, columns in rows.read():
        for at, (_, number) in enumerate(keys):
            found[number] = columns, at
    for number, tensor in enumerate(given_tensors):
        expected = statistics_of(tensor)
        assert expected is not None
        computed = Statistics.at(*found[number])
        assert computed.checksum == expected.checksum
        check(computed, tensor)


def test_a_checksum_tells_order_and_bits_but_not_strides() -> None:
    torch.manual_seed(0)
    for size in (8, 100, 20_000):
        for tensor in (torch.randn(size), torch.randint(0, 2, (size,)).float(), torch.arange(size)):
            found = checksum_of(tensor)
            assert checksum_of(tensor.clone()) == found
            apart = torch.stack([tensor, tensor], 1)[:, 0]
            assert not apart.is_contiguous()
            assert checksum_of(apart) == found
            assert checksum_of(tensor.flip(0)) != found
            assert checksum_of(tensor.roll(1)) != found
            changed = tensor.clone()
            changed[size // 2] += 1
            assert checksum_of(changed) != found
    square = torch.randn(64, 64)
    assert checksum_of(square.t()) == checksum_of(square.t().contiguous()) != checksum_of(square)
    assert checksum_of(torch.tensor([0.0])) != checksum_of(torch.tensor([-0.0]))
    numbers = torch.randn(6, dtype=torch.complex64)
    assert checksum_of(numbers.conj()) == checksum_of(numbers.conj().resolve_conj()) != checksum_of(numbers)


def test_no_two_of_many_small_changes_have_the_same_checksum() -> None:
    """Flipped signs, swapped blocks, small whole numbers: what plain sums confuse."""
    base = (torch.arange(4096) % 2).double()
    seen = {checksum_of(base)}
    for distance in (1, 2, 4, 8, 64, 512, 1024, 2048):
        for at in range(64):
            swapped = base.clone()
            swapped[[at, at + distance + 1]] = swapped[[at + distance + 1, at]]
            if not torch.equal(swapped, base):
                seen.add(checksum_of(swapped))
            doubled = base.clone()
            doubled[at] *= -1
            doubled[at + distance] += 2
            seen.add(checksum_of(doubled))
    # Only flips of the sign of a zero by a factor and what is asked for twice may coincide; each pair is distinct here.
    assert len(seen) == 1 + 8 * 64 + sum(
        not torch.equal(base[at], base[at + distance + 1])
        for distance in (1, 2, 4, 8, 64, 512, 1024, 2048)
        for at in range(64)
    )


def stats(record: IterationRecord, found: Node, output: int = 0) -> Statistics:
    value = found.outputs[output].id
    assert record.value_columns["counted"][value]
    return Statistics.at(dict(record.value_columns), value)


def test_every_value_that_an_operation_gives_is_counted() -> None:
    torch.manual_seed(0)
    with keyframed(STATS) as (kept, _):
        model = Net()
        train(model, torch.optim.Adam(model.parameters()), (2, 1, 8, 8), steps=3)
    for record in kept.records.values():
        columns = record.value_columns
        assert set(columns) == {"min", "max", "mean", "std", "nan", "inf", "zeros", "checksum", "counted"}
        assert all(len(column) == record.graph.value_count for column in columns.values())
        counted = {value.id for each in walk(record.graph) for value in each.outputs}
        missing = counted - set(np.flatnonzero(columns["counted"]).tolist())
        # Written through another view of the same memory, or expanded.
        assert all(record.graph.value(value).previous or record.graph.value(value).base for value in missing)
        assert len(missing) < len(counted) / 10
        relu = node(record.graph, "aten.relu.default", "forward/Net")
        assert stats(record, relu).min == 0
        assert stats(record, relu).zeros > 0


def test_values_are_what_they_were_then() -> None:
    numbers = torch.tensor([1.0, -2.0, 4.0])
    large = torch.randn(50_000)
    seen: list[Tensor] = []

    def compute() -> None:
        x = numbers * 2
        seen.append(x.clone())
        x.add_(1)
        seen.append(x.clone())
        x[:2].zero_()
        seen.append(x.clone())
        y = large * 3
        seen.append(y.clone())
        y.view(500, 100).mul_(2)
        seen.append(y.clone())
        seen.append(y.view(250, 200).t().contiguous())

    with keyframed(STATS) as (kept, recorder), recorder.iteration():
        compute()
    record = kept.records[0]
    graph = record.graph
    first, second = nodes(graph, "aten.mul.Tensor")
    check(stats(record, first), seen[0])
    (added,) = nodes(graph, "aten.add_.Tensor")
    check(stats(record, added), seen[1])
    (zeroed,) = nodes(graph, "aten.zero_.default")
    check(stats(record, zeroed), torch.zeros(2))
    check(stats(record, second), seen[3])
    (doubled,) = nodes(graph, "aten.mul_.Tensor")
    check(stats(record, doubled), seen[4])
    assert stats(record, doubled).checksum == checksum_of(seen[4])
    views = nodes(graph, "aten.view.default")
    assert [stats(record, view).checksum for view in views] == [checksum_of(seen[3]), checksum_of(seen[4])]
    (turned,) = nodes(graph, "aten.t.default")
    assert stats(record, turned).checksum == checksum_of(seen[5])


def test_lists_and_hidden_writes_are_counted() -> None:
    tensors = [torch.full((3,), float(at)) for at in range(4)]
    norm = nn.BatchNorm1d(2)

    def compute() -> None:
        torch._foreach_add_(tensors, 1.0)
        torch.stack(tensors).unbind(0)
        norm(torch.ones(4, 2))
        torch.add(torch.ones(2), 2, out=torch.empty(2))
        numbers = torch.complex(torch.ones(2), torch.ones(2)) * 1
        seen.append(checksum_of(numbers.conj()))

    seen: list[int | None] = []
    with keyframed(STATS) as (kept, recorder), recorder.iteration():
        compute()
    record = kept.records[0]
    (added,) = nodes(record.graph, "aten._foreach_add_.Scalar")
    assert [stats(record, added, at).mean for at in range(4)] == [1, 2, 3, 4]
    (apart,) = nodes(record.graph, "aten.unbind.int")
    assert [stats(record, apart, at).mean for at in range(4)] == [1, 2, 3, 4]
    (normed,) = nodes(record.graph, "aten.native_batch_norm.default")
    means = [stats(record, normed, at).mean for at in range(len(normed.outputs))]
    assert 0.1 in [pytest.approx(mean) for mean in means]  # the running mean, which the schema does not say is written
    conj = nodes(record.graph, "aten._conj.default")[-1]
    assert stats(record, conj).checksum == seen[0]
    (out,) = nodes(record.graph, "aten.add.out")
    assert stats(record, out).max == 3


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_other_kinds_of_tensors() -> None:
    dense = torch.tensor([[0.0, 2.0], [4.0, 0.0]])

    def compute() -> None:
        dense.to_sparse().clone()
        torch.quantize_per_tensor(dense, 0.5, 1, torch.quint8)
        torch.ones(2, device="meta") + 1
        torch.ones(1).expand(1_000_000)
        torch.empty(0) + 1
        (dense.sum() / 0) * 0
        dense.to_mkldnn()
        with torch.inference_mode():
            dense * 3

    with keyframed(STATS) as (kept, recorder), recorder.iteration():
        compute()
    record = kept.records[0]
    graph, counted = record.graph, record.value_columns["counted"]
    sparse = node(graph, "aten.clone.default")
    assert (stats(record, sparse).min, stats(record, sparse).max) == (2, 4)
    assert stats(record, sparse).checksum == checksum_of(dense.to_sparse())
    quantized = node(graph, "aten.quantize_per_tensor.default")
    assert (stats(record, quantized).max, stats(record, quantized).zeros) == (4, 2)
    for op in ("aten.expand.default",):
        assert not counted[node(graph, op).outputs[0].id]
    meta, empty = (each.outputs[0].id for each in nodes(graph, "aten.add.Tensor"))
    assert not counted[meta]
    assert counted[empty]
    assert math.isnan(record.value_columns["min"][empty])
    nothing = stats(record, nodes(graph, "aten.mul.Tensor")[0])
    assert (nothing.nan, math.isnan(nothing.mean)) == (1, True)
    assert stats(record, nodes(graph, "aten.mul.Tensor")[1]).max == 12


def test_more_small_tensors_than_wait_at_once() -> None:
    def compute() -> None:
        x = torch.zeros(8000)
        for _ in range(1200):
            x = x + 1

    with keyframed(STATS) as (kept, recorder), recorder.iteration():
        compute()
    record = kept.records[0]
    assert [stats(record, each).mean for each in nodes(record.graph, "aten.add.Tensor")] == list(range(1, 1201))


def test_an_iteration_with_a_keyframe_has_checksums() -> None:
    options = RecordOptions(Level.TIMING, keyframes=IterationRanges(((0, 1),)))
    with keyframed(options) as (kept, _):
        train(model := nn.Linear(3, 3), torch.optim.SGD(model.parameters(), 0.1), (2, 3), steps=2)
    assert set(kept.records[0].value_columns) == {"checksum", "counted"}
    assert not kept.records[1].value_columns
    last = nodes(kept.records[0].graph, "aten.add_.Tensor")[-1]
    assert kept.records[0].value_columns["counted"][[value.id for value in last.outputs]].all()
    with keyframed(replace(options, keyframe_limit=10)) as (kept, _):
        train(model := nn.Linear(3, 3), torch.optim.SGD(model.parameters(), 0.1), (2, 3), steps=1)
    assert not kept.records[0].value_columns


def test_what_comes_where_a_copy_lay_is_not_taken_for_it() -> None:
    ones = torch.ones(())
    with keyframed(STATS) as (kept, recorder), recorder.iteration():
        for size in range(16, 2000):
            # Put in order, the expanded ones take as much memory as the quotients that come next.
            ones.expand(size, 1).div(64.0)
    quotients = nodes(kept.records[0].graph, "aten.div.Tensor")
    assert {stats(kept.records[0], each).max for each in quotients} == {1 / 64}


def outcome() -> tuple[list[float], list[bytes], bytes]:
    torch.manual_seed(1)
    model = Net()
    losses = train(model, torch.optim.RMSprop(model.parameters(), momentum=0.9), (3, 1, 8, 8), steps=3)
    parameters = [parameter.detach().numpy().tobytes() for parameter in model.parameters()]
    return losses, parameters, torch.get_rng_state().numpy().tobytes()


def test_the_program_computes_the_same() -> None:
    plain = outcome()
    with keyframed(replace(STATS, keyframes=IterationRanges())) as (kept, _):
        assert outcome() == plain
    assert len(kept.records) == 3


def test_iterations_that_repeat_each_other_have_the_same_statistics_as_ones_looked_at_one_by_one() -> None:
    """With a keyframe every operation is noted down anew; without, those that an earlier pass foretold are not."""

    def run(keyframes: IterationRanges) -> list[IterationRecord]:
        torch.manual_seed(2)
        model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 6), nn.Flatten(0, 1), nn.ReLU(inplace=True))
        optimizer = torch.optim.AdamW(model.parameters())
        with keyframed(replace(STATS, keyframes=keyframes)) as (kept, _):
            train(model, optimizer, (2, 5, 6), steps=4)
            train(model, optimizer, (3, 5, 6), steps=3)
        return [kept.records[index] for index in sorted(kept.records)]

    followed, noted = run(IterationRanges()), run(IterationRanges(((0, 100),)))
    assert len(followed) == len(noted) == 7
    for one, other in zip(followed, noted, strict=True):
        assert one.value_columns["counted"].sum() > 60
        # What nobody has written yet may be anything.
        blank = [value.id for each in walk(one.graph) if "empty" in each.op for value in each.outputs]
        for name, column in one.value_columns.items():
            found, expected = np.delete(column, blank), np.delete(other.value_columns[name], blank)
            np.testing.assert_array_equal(found, expected, err_msg=name)


def test_memory_that_was_given_back_is_not_looked_at() -> None:
    whole = torch.ones(8)

    def compute() -> None:
        (whole + 1).view(2, 4)
        whole.untyped_storage().resize_(0)
        whole.view(2, 4).detach()

    with keyframed(STATS) as (kept, recorder), recorder.iteration():
        compute()
    record = kept.records[0]
    assert not record.findings
    added, gone = (each.outputs[0].id for each in nodes(record.graph, "aten.view.default"))
    counted = record.value_columns["counted"]
    assert (counted[added], counted[gone]) == (True, False)
    assert not counted[nodes(record.graph, "aten.detach.default")[0].outputs[0].id]
