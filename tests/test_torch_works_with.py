"""What PyTorch programs use, while recording: the results are bit-equal, and the graph holds what ran."""

import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from graphreel.graph import Phase, ValueKind, walk
from tests.torch_runs import node, nodes, recording, train

OTHER, FORWARD, BACKWARD, OPTIMIZER = Phase.OTHER, Phase.FORWARD, Phase.BACKWARD, Phase.OPTIMIZER


def vmap_of_grad() -> Any:
    return torch.vmap(torch.func.grad(lambda x: (x**2).sin().sum()))(torch.arange(6.0).view(3, 2))


def jvp_and_jacobian() -> Any:
    x = torch.linspace(0, 1, 3)
    return torch.func.jvp(torch.sin, (x,), (x,)), torch.func.jacrev(lambda x: x.exp() * x)(x)


def functional_call() -> Any:
    model = nn.Linear(3, 2)
    weights = {name: each * 2 for name, each in model.named_parameters()}
    return torch.func.functional_call(model, weights, (torch.ones(1, 3),))


def sparse() -> Any:
    weight = torch.eye(3).to_sparse().requires_grad_()
    out = torch.sparse.mm(weight, torch.arange(6.0).view(3, 2))
    out.sum().backward()
    assert weight.grad is not None
    return out, weight.grad.to_dense(), torch.eye(4).to_sparse_csr().matmul(torch.ones(4, 1))


def complex_numbers() -> Any:
    x = torch.randn(4, dtype=torch.complex64, requires_grad=True)
    torch.fft.fft(x).abs().sum().backward()
    return x.grad


def quantized() -> Any:
    x = torch.quantize_per_tensor(torch.randn(4, 4), 0.1, 0, torch.qint8)
    fake = torch.fake_quantize_per_tensor_affine(torch.randn(3), 0.1, 0, -128, 127)
    return torch.dequantize(torch.clone(x)), x.int_repr(), fake


def nested_strided() -> Any:
    both = torch.nested.nested_tensor([torch.randn(2, 3), torch.randn(4, 3)])
    return torch.nested.to_padded_tensor(both * 2, 0.0)


def nested_jagged() -> Any:
    both = torch.nested.nested_tensor([torch.randn(2, 3), torch.randn(4, 3)], layout=torch.jagged, requires_grad=True)
    out = (both.sin() * 2).values()
    out.sum().backward()
    assert both.grad is not None
    return out, both.grad.values()


def meta() -> Any:
    return (torch.ones(2, 3, device="meta") @ torch.ones(3, 2, device="meta")).shape


def lbfgs() -> Any:
    model = nn.Linear(3, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)
    batch = torch.randn(8, 3)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = model(batch).square().mean()
        loss.backward()
        return loss

    return [optimizer.step(closure) for _ in range(2)], list(model.parameters())


def autocast() -> Any:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=16.0)
    for _ in range(2):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = model(torch.randn(3, 4)).float().square().mean()
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    return loss, list(model.parameters())


def checkpoints(use_reentrant: bool) -> Callable[[], Any]:
    def compute() -> Any:
        model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 1))
        x = torch.randn(3, 2, requires_grad=True)
        checkpoint(model, x, use_reentrant=use_reentrant).sum().backward()
        return x.grad, [parameter.grad for parameter in model.parameters()]

    return compute


def data_parallel() -> Any:
    model = nn.DataParallel(nn.Linear(2, 2))
    return model(torch.randn(4, 2))


def optimizers(make: Callable[[Any], torch.optim.Optimizer]) -> Callable[[], Any]:
    def compute() -> Any:
        model = nn.Sequential(nn.Linear(3, 4), nn.GELU(), nn.Linear(4, 1))
        return train(model, make(model.parameters()), (2, 3)), list(model.parameters())

    return compute


@torch.library.custom_op("graphreel_tests::twice", mutates_args=())
def twice(x: Tensor) -> Tensor:
    return (x + x).clone()


twice.register_autograd(lambda ctx, grad: grad * 2)


def custom_operator() -> Any:
    x = torch.randn(3, requires_grad=True)
    torch.ops.graphreel_tests.twice(x).sum().backward()
    return x.grad


def script_module() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.trace(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), torch.ones(1, 2))
    return scripted(torch.randn(2, 2))


def bridges() -> Any:
    array = torch.randn(3).numpy()
    return torch.from_numpy(array) * 2, torch.from_dlpack(torch.arange(3)) + 1, torch.as_tensor(array).tolist()


def packed() -> Any:
    rnn = nn.LSTM(3, 4, batch_first=True)
    lengths = torch.tensor([4, 2])
    batch = nn.utils.rnn.pack_padded_sequence(torch.randn(2, 4, 3), lengths, batch_first=True)
    out, _ = nn.utils.rnn.pad_packed_sequence(rnn(batch)[0], batch_first=True)
    out.sum().backward()
    return out, [parameter.grad for parameter in rnn.parameters()]


def sampling() -> Any:
    data = TensorDataset(torch.arange(12.0).view(6, 2))
    loader = DataLoader(data, batch_size=2, sampler=RandomSampler(data, replacement=True, num_samples=4))
    model = nn.Linear(2, 1)
    return [model(batch) for (batch,) in loader]


Case = tuple[Callable[[], Any], dict[str, Phase]]
CASES: dict[str, Case] = {
    "vmap of grad": (vmap_of_grad, {"aten.pow.Tensor_Scalar": FORWARD, "aten.cos.default": BACKWARD}),
    "jvp and jacrev": (jvp_and_jacobian, {"aten.sin.default": OTHER}),
    "functional_call": (functional_call, {"aten.addmm.default": FORWARD}),
    "sparse": (sparse, {"aten._sparse_addmm.default": FORWARD}),
    "complex": (complex_numbers, {"aten._fft_c2c.default": FORWARD, "aten.sgn.default": BACKWARD}),
    "quantized": (quantized, {"aten.quantize_per_tensor.default": OTHER, "aten.dequantize.self": OTHER}),
    "nested, strided": (nested_strided, {"aten.mul.Tensor": OTHER}),
    "nested, jagged": (nested_jagged, {"aten.sin.default": FORWARD, "aten.cos.default": BACKWARD}),
    "meta": (meta, {"aten.mm.default": OTHER}),
    "L-BFGS": (lbfgs, {"aten.addmm.default": FORWARD, "aten.mm.default": BACKWARD, "aten.add_.Tensor": OPTIMIZER}),
    "autocast and GradScaler": (autocast, {"aten._to_copy.default": FORWARD, "aten._amp_update_scale_.default": OTHER}),
    "checkpoint": (checkpoints(use_reentrant=False), {"aten.tanh_backward.default": BACKWARD}),
    "checkpoint, reentrant": (checkpoints(use_reentrant=True), {"aten.tanh_backward.default": BACKWARD}),
    "DataParallel": (data_parallel, {"aten.addmm.default": FORWARD}),
    "for-loop": (optimizers(lambda p: torch.optim.NAdam(p, foreach=False)), {"aten.addcdiv_.default": OPTIMIZER}),
    "foreach": (optimizers(lambda p: torch.optim.Adam(p, foreach=True)), {"aten._foreach_lerp_.Scalar": OPTIMIZER}),
    "fused": (optimizers(lambda p: torch.optim.SGD(p, lr=0.1, fused=True)), {"aten._fused_sgd_.default": OPTIMIZER}),
    "custom operator": (custom_operator, {"graphreel_tests.twice.default": FORWARD, "aten.mul.Tensor": BACKWARD}),
    "torch.jit": (script_module, {"aten.tanh.default": FORWARD}),
    "NumPy and DLPack": (bridges, {"aten.lift_fresh.default": OTHER}),
    "packed sequences": (packed, {"aten._pack_padded_sequence.default": OTHER}),
    "random sampling": (sampling, {"aten.stack.default": OTHER, "aten.addmm.default": FORWARD}),
}


def plain_data(found: Any) -> list[Any]:
    return [each.detach().clone() if isinstance(each, Tensor) else each for each in tree_leaves(found)]


def equal(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, b) if isinstance(a, Tensor) else a == b for a, b in zip(one, other, strict=True)
    )


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support:UserWarning")
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*quantize.*deprecated.*")
@pytest.mark.parametrize("name", CASES)
def test_results_are_bit_equal_and_what_ran_is_there(name: str) -> None:
    compute, expected = CASES[name]
    torch.manual_seed(3)
    plain = plain_data(compute())
    state = torch.get_rng_state()
    torch.manual_seed(3)
    with recording() as (kept, recorder):
        recorded = plain_data(compute())
        if not recorder.recorded:  # else a program of few operations would count as nothing
            torch.ones(1)
    assert equal(plain, recorded)
    assert torch.equal(torch.get_rng_state(), state)
    ran = {(each.op, each.phase) for record in kept.records.values() for each in walk(record.graph)}
    assert set(expected.items()) <= ran, sorted((op, phase.name) for op, phase in ran)
    assert not [finding for record in kept.records.values() for finding in record.findings]


class Doubled(Tensor):
    """Holds twice what it stands for, and computes with that: a class of tensors with rules of its own."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "Doubled":
        make: Any = Tensor._make_wrapper_subclass
        made: Doubled = make(cls, held.size(), dtype=held.dtype, device=held.device)
        made.held = held
        return made

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["held"], None

    @staticmethod
    def __tensor_unflatten__(inner: Any, meta: Any, size: Any, stride: Any) -> "Doubled":
        return Doubled(inner["held"])

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        def plain(given: Any) -> Any:
            return given.held * 0.5 if isinstance(given, Doubled) else given

        out = func(*tree_map(plain, args), **tree_map(plain, kwargs or {}))
        return tree_map(lambda each: Doubled(each * 2) if isinstance(each, Tensor) else each, out)


def test_inside_a_class_of_tensors_with_rules_of_its_own() -> None:
    def compute() -> Tensor:
        model = nn.Linear(2, 3)
        nn.init.ones_(model.weight)
        model.weight = nn.Parameter(Doubled(model.weight.detach() * 2))
        out = model(torch.arange(4.0).view(2, 2))
        assert type(out) is Doubled
        return out.held.detach()

    torch.manual_seed(0)
    plain = compute()
    torch.manual_seed(0)
    with recording() as (kept, recorder), recorder.iteration():
        assert torch.equal(compute(), plain)
    graph = kept.graph(0)
    addmm = node(graph, "aten.addmm.default")
    assert addmm.scope.path == "forward/Linear"
    # The halved weight, and not the class that no reader of the trace has, is what was multiplied with.
    halved = nodes(graph, "aten.mul.Tensor", "forward/Linear")[0]
    assert (halved.inputs[0].name, halved.inputs[0].kind) == ("weight", ValueKind.PARAMETER)
    assert addmm.inputs[2].producer is not None


class Named(Tensor):
    """A subclass without rules of its own."""


def test_a_plain_subclass_of_tensors() -> None:
    with recording() as (kept, recorder), recorder.iteration():
        assert type(torch.ones(2).as_subclass(Named) + 1) is Named
    assert len(nodes(kept.graph(0), "aten.add.Tensor")) == 1


def test_a_tensor_that_is_given_another_shape_in_place() -> None:
    with recording() as (kept, recorder), recorder.iteration():
        x = torch.ones(2, 1)
        x.squeeze_(1).unsqueeze_(0)
        x.add_(1).t_().sin()
    sin = node(kept.graph(0), "aten.sin.default")
    assert sin.inputs[0].type_text == "float32[2, 1]"
    chain = [each.outputs[0].type_text for each in walk(kept.graph(0))][:5]
    assert chain == ["float32[2, 1]", "float32[2]", "float32[1, 2]", "float32[1, 2]", "float32[2, 1]"]


def test_other_threads_are_noticed() -> None:
    def work() -> None:
        made.append(nn.Linear(2, 2)(torch.ones(1, 2)))

    made: list[Tensor] = []
    with recording() as (kept, recorder), recorder.iteration():
        thread = threading.Thread(target=work, name="worker")
        thread.start()
        thread.join()
        idle = threading.Thread(target=lambda: None, name="idle")
        idle.start()
        idle.join()
        made[0].sum()
    (finding,) = kept.records[0].findings
    assert (finding.kind, Path(finding.file).name) == ("unseen-thread", Path(__file__).name)
    assert finding.line == work.__code__.co_firstlineno
    assert "'worker'" in finding.message
    (total,) = walk(kept.graph(0))
    assert total.inputs[0].kind is ValueKind.INPUT
    assert threading.Thread._bootstrap_inner.__module__ == "threading"


def test_threads_that_outlive_the_recording_go_on() -> None:
    ready, go = threading.Event(), threading.Event()
    made: list[Tensor] = []

    def work() -> None:
        made.append(torch.ones(2))
        ready.set()
        go.wait(10)
        made.append(torch.ones(2) + made[0])

    thread = threading.Thread(target=work)
    with recording():
        thread.start()
        assert ready.wait(10)
    go.set()
    thread.join()
    assert made[1].tolist() == [2, 2]


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_that_load_data_leave_the_recording_alone(context: str) -> None:
    data = TensorDataset(torch.arange(16.0).view(8, 2))

    def run() -> list[float]:
        torch.manual_seed(0)
        model = nn.Linear(2, 1)
        loader: Any = DataLoader(
            data, batch_size=4, shuffle=True, num_workers=1, multiprocessing_context=context, persistent_workers=True
        )
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        losses = []
        for _ in range(2):
            for (batch,) in loader:
                loss = model(batch).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
        loader._iterator._shutdown_workers()
        return losses

    plain = run()
    with recording() as (kept, _):
        assert run() == plain
    assert not kept.abandoned
    assert len(kept.records) == 4
    batch = nodes(kept.graph(1), "aten.addmm.default")[0].inputs[1]
    assert batch.type_text == "float32[4, 2]"
    # Made of what the worker put into shared memory.
    assert batch.producer is None or batch.producer.op == "aten.set_.source_Storage_storage_offset"
