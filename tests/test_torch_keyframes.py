"""Keyframes: what enters an iteration, byte for byte, whatever its layout, and the generators that it draws from."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from graphreel.capture.options import IterationRanges, Level, RecordOptions
from graphreel.capture.torch import TorchRecorder
from graphreel.capture.torch.keyframes_layouts import view_of
from graphreel.capture.torch.keyframes_memory import Memory
from graphreel.graph import NONE, Graph
from graphreel.tracefile import IterationRecord
from graphreel.tracefile.tensors import Keyframe, Storage, TensorView, to_numpy
from tests.torch_runs import Kept, Net, nodes, train

EVERY = RecordOptions(Level.TIMING, keyframes=IterationRanges())


@contextmanager
def keyframed(options: RecordOptions = EVERY) -> Iterator[tuple[Kept, TorchRecorder]]:
    """Record the block, with a keyframe of every iteration."""
    kept = Kept()
    recorder = TorchRecorder(kept, options)
    recorder.start()
    try:
        yield kept, recorder
    finally:
        recorder.stop()
    for record in kept.records.values():
        assert not [finding for finding in record.findings if finding.kind == "recorder-fault"], record.findings


def one(compute: Callable[[], object]) -> IterationRecord:
    """The one iteration that a function is."""
    with keyframed() as (kept, recorder), recorder.iteration():
        compute()
    return kept.records[0]


def keyframe_of(record: IterationRecord) -> Keyframe:
    assert record.keyframe is not None, record.findings
    return record.keyframe


def bits(tensor: Tensor) -> bytes:
    """The bytes of the elements, in order."""
    return tensor.detach().reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def rebuilt(view: TensorView, storages: list[Storage]) -> Tensor:
    """A strided tensor as a view says, or what is stored of a quantized one."""
    dtype = getattr(torch, view.dtype)
    data = torch.from_numpy(storages[view.storage].data.copy())
    numbers = torch.empty(0, dtype=dtype).set_(data.untyped_storage(), view.offset, view.shape, view.stride)
    if view.about.get("conj"):
        numbers = numbers.conj()
    return torch._neg_view(numbers) if view.about.get("neg") else numbers


def parts_of(view: TensorView, keyframe: Keyframe) -> dict[str, Tensor]:
    return {name: rebuilt(part, list(keyframe.storages)) for name, part in view.parts.items()}


def by_name(record: IterationRecord) -> dict[str, Tensor]:
    keyframe = keyframe_of(record)
    storages = list(keyframe.storages)
    return {record.graph.value(view.value).name: rebuilt(view, storages) for view in keyframe.tensors}


def outside(graph: Graph) -> set[int]:
    """The values that no node makes and that look at no memory that one made."""
    return set(np.flatnonzero(graph.values.producer == NONE).tolist())


def test_it_holds_what_entered_as_it_was() -> None:
    torch.manual_seed(0)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters())
    batch, before = torch.randn(3, 1, 8, 8), []
    with keyframed() as (kept, _):
        for _ in range(3):
            states = {
                f"{name}.{key}": state
                for name, parameter in model.named_parameters()
                for key, state in optimizer.state.get(parameter, {}).items()
            }
            before.append({name: tensor.detach().clone() for name, tensor in (model.state_dict() | states).items()})
            model(batch).square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert len(kept.records) == 3
    assert [len(expected) > len(model.state_dict()) for expected in before] == [False, True, True]
    for index, expected in enumerate(before):
        record = kept.records[index]
        found = by_name(record)
        for name, tensor in expected.items():
            assert found[name].dtype == tensor.dtype
            assert bits(found[name]) == bits(tensor), (index, name)
        assert bits(batch) in map(bits, found.values())
        assert {view.value for view in keyframe_of(record).tensors} == outside(record.graph)
        assert not keyframe_of(record).problems
        assert not keyframe_of(record).changes


def test_the_first_iteration_holds_the_model_after_its_preparation() -> None:
    with keyframed() as (kept, _):
        torch.manual_seed(3)
        data = torch.randn(6, 2)
        model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
        for parameter in model.parameters():
            nn.init.normal_(parameter)
        with torch.no_grad():
            model[0].weight.mul_(2)
            model[1].running_mean.add_(1)
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        expected = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        batch = data[:4].mul_(2)
        expected_batch = batch.clone()
        model(batch).sum().backward()
        optimizer.step()
    record = kept.records[0]
    found = by_name(record)
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
    # What the first batch is made of was made before the model, and so enters; how it was made of it is recorded.
    assert record.graph.node(0).op == "aten.slice.Tensor"
    (entered,) = [found[name] for name in found if name not in expected]
    assert torch.equal(entered[:4] * 2, expected_batch)
    assert outside(record.graph) == {view.value for view in keyframe_of(record).tensors}


def test_random_preparation_that_is_kept_has_its_generators_state() -> None:
    with keyframed() as (kept, _):
        torch.manual_seed(3)
        model = nn.Linear(2, 3)
        nn.init.normal_(model.weight)
        state = torch.get_rng_state()
        model(torch.randn(4, 2)).sum().backward()
        torch.optim.SGD(model.parameters(), 0.1).step()
    record = kept.records[0]
    assert record.graph.node(0).op == "aten.randn.default"
    (found,) = keyframe_of(record).generators
    assert (found.node, found.generator, found.state.tobytes()) == (0, "cpu", state.numpy().tobytes())


def test_tensors_that_share_memory_share_a_storage() -> None:
    memory = torch.arange(12.0)
    whole, row, column = memory.view(3, 4), memory.view(3, 4)[1], memory.view(3, 4)[:, 2]
    parameter = nn.Parameter(memory)
    array = np.ones(3, np.float32)
    first, second = torch.from_numpy(array), torch.from_numpy(array)
    record = one(lambda: (whole.sum(), row.sum(), column.sum(), parameter.sum(), first + second))
    keyframe = keyframe_of(record)
    assert [(v.storage, v.offset, v.shape, v.stride) for v in keyframe.tensors] == [
        (0, 0, (3, 4), (4, 1)),
        (0, 4, (4,), (1,)),
        (0, 2, (3,), (4,)),
        (0, 0, (12,), (1,)),
        (1, 0, (3,), (1,)),
        (1, 0, (3,), (1,)),
    ]
    assert [storage.data.nbytes for storage in keyframe.storages] == [48, 12]


def test_of_huge_memory_only_the_part_that_is_looked_at_is_kept() -> None:
    memory = torch.arange(2_000_000.0)
    first, second, before = memory[1_000_001:1_000_011], memory[1_000_101:1_000_103], memory[999_999:1_000_001]
    record = one(lambda: (first.sum(), second.sum(), before.sum()))
    keyframe = keyframe_of(record)
    assert len(keyframe.storages) == 1
    assert keyframe.nbytes < 1000
    for view, expected in zip(keyframe.tensors, (first, second, before), strict=True):
        assert torch.equal(rebuilt(view, list(keyframe.storages)), expected)
    assert keyframe.tensors[1].offset - keyframe.tensors[0].offset == 100


def test_a_tensor_that_shares_what_a_node_made_points_at_it() -> None:
    x = torch.ones(3, requires_grad=True)

    def compute() -> None:
        made = x * 2
        other = nn.Parameter(made, requires_grad=False)
        other.add_(1)
        made.sum()

    record = one(compute)
    keyframe = keyframe_of(record)
    layouts = {view.layout: record.graph.value(view.value) for view in keyframe.tensors}
    assert set(layouts) == {"strided", "base"}
    assert layouts["base"].base is not None
    assert layouts["base"].base.producer is not None
    assert len(keyframe.storages) == 1


LAYOUTS: dict[str, Callable[[], Tensor]] = {
    "sparse_coo": lambda: torch.tensor([[0.0, 1.5], [2.5, 0.0]]).to_sparse(),
    "sparse_csr": lambda: torch.tensor([[0.0, 1.5], [2.5, 0.0]]).to_sparse_csr(),
    "sparse_csc": lambda: torch.tensor([[0.0, 1.5], [2.5, 0.0]]).to_sparse_csc(),
    "sparse_bsr": lambda: torch.tensor([[0.0, 1.5], [2.5, 0.0]]).to_sparse_bsr((1, 1)),
    "sparse_bsc": lambda: torch.tensor([[0.0, 1.5], [2.5, 0.0]]).to_sparse_bsc((1, 1)),
}


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_sparse_layouts(layout: str) -> None:
    tensor = LAYOUTS[layout]()
    record = one(tensor.clone)
    keyframe = keyframe_of(record)
    (view,) = keyframe.tensors
    parts = parts_of(view, keyframe)
    assert (view.layout, view.dtype, view.shape) == (layout, "float32", (2, 2))
    if layout == "sparse_coo":
        assert view.about == {"coalesced": True}
        again = torch.sparse_coo_tensor(parts["indices"], parts["values"], view.shape)
    else:
        first, second = (name for name in parts if name != "values")
        again = torch.sparse_compressed_tensor(
            parts[first], parts[second], parts["values"], view.shape, layout=tensor.layout
        )
    assert torch.equal(again.to_dense(), tensor.to_dense())


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_quantized_tensors() -> None:
    numbers = torch.randn(3, 4)
    whole = torch.quantize_per_tensor(numbers, 0.1, 3, torch.quint8)
    rows = torch.quantize_per_channel(numbers, torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0, 1, 2]), 0, torch.qint8)
    record = one(lambda: (whole.t().dequantize(), rows.dequantize()))
    keyframe = keyframe_of(record)
    first, second = keyframe.tensors
    assert (first.layout, first.dtype, first.about) == (
        "quantized",
        "quint8",
        {"qscheme": "per_tensor_affine", "scale": 0.1, "zero_point": 3},
    )
    stored = keyframe.storages[first.storage].data
    assert stored.tobytes() == whole.int_repr().numpy().tobytes()
    assert second.about == {"qscheme": "per_channel_affine", "axis": 0}
    parts = parts_of(second, keyframe)
    assert torch.equal(parts["scales"], rows.q_per_channel_scales())
    assert torch.equal(parts["zero_points"], rows.q_per_channel_zero_points())


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage")
def test_nested_tensors() -> None:
    rows = [torch.ones(2, 3), torch.full((1, 3), 2.0)]
    strided, jagged = torch.nested.nested_tensor(rows), torch.nested.nested_tensor(rows, layout=torch.jagged)
    record = one(strided.sin)
    keyframe = keyframe_of(record)
    (first,) = keyframe.tensors
    parts = parts_of(first, keyframe)
    again = torch._nested_view_from_buffer(parts["buffer"], parts["sizes"], parts["strides"], parts["offsets"])
    assert all(torch.equal(one, other) for one, other in zip(again.unbind(), rows, strict=True))
    # An operation on a jagged tensor is recorded as those on its parts; as a whole only values may be kept.
    memory = Memory()
    second = view_of(jagged, memory.row_of)
    memory.read()
    parts = parts_of(second, Keyframe(storages=[memory.storage(row) for row in range(len(memory))]))
    again = torch.nested.nested_tensor_from_jagged(parts["values"], parts["offsets"])
    assert (second.layout, second.about) == ("jagged", {"ragged_idx": 1})
    assert all(torch.equal(one, other) for one, other in zip(again.unbind(), rows, strict=True))


def test_other_kinds_of_tensors() -> None:
    mkldnn = torch.arange(4.0).to_mkldnn()
    numbers = torch.view_as_complex(torch.randn(3, 2))
    conj, neg, meta = numbers.conj(), numbers.conj().imag, torch.ones(2, 3, device="meta")
    empty, scalar, low = torch.empty(0, 4), torch.tensor(2.5), torch.randn(4).to(torch.bfloat16)
    record = one(lambda: (mkldnn.to_dense(), conj * 2, neg.sin(), meta + 1, empty + 1, scalar + 1, low + 1))
    keyframe = keyframe_of(record)
    storages = list(keyframe.storages)
    views = keyframe.tensors
    assert [view.layout for view in views] == ["mkldnn", "strided", "strided", "meta", "strided", "strided", "strided"]
    assert torch.equal(parts_of(views[0], keyframe)["dense"], torch.arange(4.0))
    assert views[1].about == {"conj": True}
    assert views[2].about == {"neg": True}
    for view, expected in zip(views, (None, conj, neg, None, empty, scalar, low), strict=True):
        if expected is not None:
            assert torch.equal(rebuilt(view, storages), expected)
    assert (views[3].shape, views[3].storage) == ((2, 3), -1)
    assert np.array_equal(to_numpy(views[1], storages), conj.resolve_conj().numpy())


def test_a_tensor_of_a_class_with_its_own_rules_is_named() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode() as mode:
        fake = torch.ones(2, 3)
    plain = torch.ones(2)
    with keyframed() as (kept, recorder), recorder.iteration():
        plain + 1
        with mode:
            fake + 1
    problems = keyframe_of(kept.records[0]).problems
    assert len(problems) == 1
    assert "float32[2, 3]" in problems[0]
    assert "torch._subclasses.fake_tensor.FakeTensor" in problems[0]


def test_a_class_without_rules_of_its_own_is_kept() -> None:
    class Named(Tensor):
        pass

    tensor = torch.arange(3.0).as_subclass(Named)
    record = one(lambda: tensor + 1)
    assert torch.equal(next(iter(by_name(record).values())), torch.arange(3.0))


def test_what_is_written_by_operations_is_no_change() -> None:
    def compute() -> None:
        x = torch.ones(3, requires_grad=True)
        y = x * 2
        y.add_(1)
        y[0].mul_(2)
        z = y.view(3, 1)
        z.data.add_(1)
        torch.add(y.detach(), 1, out=torch.empty(3))
        (y.exp() * z.sum()).sum().backward()
        torch._foreach_add_([x.data, x.grad], 1.0)
        torch.empty(2).uniform_().clamp_(0, 1).resize_(4).fill_(1).sum()
        with torch.inference_mode():
            torch.ones(2).add_(1).view(2, 1).mul_(2).sum()
        batch_norm(torch.randn(4, 3)).sum()

    batch_norm = nn.BatchNorm1d(3)
    record = one(compute)
    assert not keyframe_of(record).changes
    assert not keyframe_of(record).problems


def test_a_parameter_whose_data_is_replaced_is_kept_again() -> None:
    model = nn.Linear(2, 2)
    replacement = torch.full((2, 2), 7.0)

    def compute() -> None:
        model(torch.ones(1, 2))
        model.weight.data = replacement
        model(torch.ones(1, 2))
        model(torch.ones(1, 2))

    record = one(compute)
    (change,) = keyframe_of(record).changes
    second = nodes(record.graph, "aten.addmm.default")[1]
    transposed = next(node for node in nodes(record.graph, "aten.t.default") if node.id == change.node)
    assert transposed.id < second.id
    assert not change.in_place
    assert change.view.value == transposed.inputs[0].id
    assert torch.equal(rebuilt(change.view, list(keyframe_of(record).storages)), replacement)


def test_a_write_that_no_operation_shows_is_kept() -> None:
    buffer = torch.zeros(4)
    part = buffer[:2]

    def compute() -> None:
        (buffer + 1, part + 1)
        other = threading.Thread(target=lambda: buffer.add_(5))
        other.start()
        other.join()
        (part + 1, buffer + 1)
        made = buffer * 2
        other = threading.Thread(target=lambda: made.fill_(9))
        other.start()
        other.join()
        made.sin()

    record = one(compute)
    keyframe = keyframe_of(record)
    first, second = keyframe.changes
    added = nodes(record.graph, "aten.add.Tensor")
    assert (first.node, first.in_place, first.view.value) == (added[2].id, True, added[2].inputs[0].id)
    assert keyframe.storages[first.view.storage].data.view(np.float32).tolist() == [5.0] * 4
    (sin,) = nodes(record.graph, "aten.sin.default")
    assert (second.node, second.in_place, second.view.value) == (sin.id, True, sin.inputs[0].id)
    assert keyframe.storages[second.view.storage].data.view(np.float32).tolist() == [9.0] * 4


def test_a_hidden_write_right_before_a_write_of_a_view_is_kept() -> None:
    buffer = torch.zeros(4)
    part = buffer[:2]

    def compute() -> None:
        (buffer + 1, part + 1)
        other = threading.Thread(target=lambda: buffer.add_(5))
        other.start()
        other.join()
        part.mul_(2)
        buffer + 1

    record = one(compute)
    keyframe = keyframe_of(record)
    (change,) = keyframe.changes
    assert change.node == nodes(record.graph, "aten.mul_.Tensor")[0].id
    assert keyframe.storages[change.view.storage].data.view(np.float32).tolist() == [5.0] * 4


def test_generators_are_kept_where_nothing_recorded_explains_their_state() -> None:
    torch.manual_seed(1)
    own = torch.Generator().manual_seed(5)
    states: list[Tensor] = []

    def compute() -> None:
        states.append(torch.get_rng_state())
        torch.rand(3)
        nn.functional.dropout(torch.ones(4), 0.5)  # goes on where the other left off
        torch.manual_seed(2)
        states.append(torch.get_rng_state())
        torch.randn(2)
        states.append(own.get_state())
        torch.randn(2, generator=own)
        torch.randn(2, generator=torch.default_generator)
        torch.empty(2).normal_(generator=own)
        threading.Thread(target=lambda: None)
        states.append(torch.get_rng_state())

    record = one(compute)
    found = keyframe_of(record).generators
    graph = record.graph
    assert [(graph.node(s.node).op, s.generator) for s in found] == [
        ("aten.rand.default", "cpu"),
        ("aten.randn.default", "cpu"),
        ("aten.randn.generator", "generator:1"),
    ]
    assert [s.state.tobytes() for s in found] == [state.numpy().tobytes() for state in states[:3]]
    drawn = nodes(graph, "aten.randn.generator")
    assert [node.attributes["generator"] for node in drawn] == ["generator:1", "cpu"]
    assert nodes(graph, "aten.normal_.default")[0].attributes["generator"] == "generator:1"


def test_an_operator_without_the_tag_that_draws_is_found_out() -> None:
    with torch.library._scoped_library("graphreel_test", "FRAGMENT") as library:
        library.define("draw(Tensor x) -> Tensor")
        library.define("still(Tensor x) -> Tensor")
        library.impl("draw", lambda x: x + torch.rand(x.shape), "CompositeExplicitAutograd")
        library.impl("still", lambda x: x + 1, "CompositeExplicitAutograd")
        torch.manual_seed(4)

        def compute() -> None:
            torch.ops.graphreel_test.still(torch.ones(2))
            torch.ops.graphreel_test.draw(torch.ones(2))
            torch.rand(2)

        record = one(compute)
    (found,) = keyframe_of(record).generators
    assert record.graph.node(found.node).op == "graphreel_test.draw.default"


def test_the_environment_is_plain_data() -> None:
    threads = torch.get_num_threads()
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_num_threads(1)
    try:
        environment = keyframe_of(one(lambda: torch.ones(2) + 1)).environment
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_num_threads(threads)
    assert environment["num_threads"] == 1
    assert (environment["deterministic"], environment["deterministic_warn_only"]) == (True, True)
    assert environment["torch"] == torch.__version__
    assert environment["default_dtype"] == "float32"
    assert environment["flush_denormal"] is False


def test_one_that_is_too_large_says_how_large() -> None:
    model = nn.Linear(300, 300)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with keyframed(replace(EVERY, keyframe_limit=200_000)) as (kept, _):
        train(model, optimizer, (2, 300), steps=2)
    for record in kept.records.values():
        assert record.keyframe is None
        (finding,) = record.findings
        assert finding.kind == "keyframe-too-large"
        assert "200,000" in finding.message
        assert "--keyframe-limit" in finding.message
    assert f"{300 * 301 * 4:,}" in kept.records[1].findings[0].message


def test_large_preparations_alone_cost_no_keyframe() -> None:
    with keyframed(replace(EVERY, keyframe_limit=100_000)) as (kept, _):
        model = nn.Linear(2, 2)
        large = torch.from_numpy(np.ones(100_000, np.float32))
        (large + 1).sum().item()
        train(model, torch.optim.SGD(model.parameters(), 0.1), (3, 2), steps=1)
    found = by_name(kept.records[0])
    assert {"weight", "bias"} <= found.keys()
    assert not keyframe_of(kept.records[0]).problems


def test_keyframes_stand_where_they_are_asked_for() -> None:
    model = nn.Linear(2, 2)
    with keyframed(RecordOptions(Level.GRAPH)) as (kept, _):
        train(model, torch.optim.SGD(model.parameters(), 0.1), (3, 2), steps=6)
    assert [index for index, record in kept.records.items() if record.keyframe is not None] == [0, 1, 2, 4]


def outcome(steps: int = 3) -> tuple[list[float], list[bytes], bytes, list[int], list[bool]]:
    torch.manual_seed(1)
    model = Net()
    optimizer = torch.optim.AdamW(model.parameters(), amsgrad=True)
    losses = train(model, optimizer, (3, 1, 8, 8), steps)
    parameters = list(model.parameters())
    return (
        losses,
        [bits(parameter) for parameter in parameters],
        torch.get_rng_state().numpy().tobytes(),
        [parameter._version for parameter in parameters],
        [parameter.requires_grad for parameter in parameters],
    )


def test_the_program_computes_the_same_and_nothing_is_kept_alive() -> None:
    plain = outcome()
    with keyframed() as (kept, _):
        assert outcome() == plain
        freed: list[weakref.ref[Tensor]] = []
        model = nn.Linear(2, 2)
        for _ in range(2):
            batch = torch.ones(1, 2)
            out = model(batch)
            out.sum().backward()
            torch.optim.SGD(model.parameters(), 0.1).step()
            freed += [weakref.ref(each) for each in (batch, out)]
            del batch, out
            assert all(reference() is None for reference in freed)
        swapped = nn.Linear(2, 2)
        swapped.weight.sum()
        # Refuses a tensor that anybody has a weak reference to.
        torch.utils.swap_tensors(swapped.weight, nn.Parameter(torch.ones(2, 2)))
        parameter = weakref.ref(model.weight)
        del model
        gc.collect()
        assert parameter() is None
    assert len(kept.records) == 5


def test_a_default_device_and_autocast_of_the_program_do_not_reach_us() -> None:
    model = nn.Linear(2, 2)
    torch.set_default_device("meta")
    try:
        with torch.autocast("cpu", torch.bfloat16):
            record = one(lambda: model(torch.ones(1, 2, device="cpu")))
    finally:
        torch.set_default_device(None)
    assert torch.equal(by_name(record)["weight"], model.weight)
