"""The promise to the user's program: recording never changes what it computes, raises or keeps in memory."""

import gc
import traceback
import warnings
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import graphreel.capture.torch.noting
from graphreel.capture.torch import RecorderWarning
from graphreel.graph import Phase
from graphreel.tracefile import CannotWrite, IterationRecord, Status
from tests.torch_runs import Kept, Net, node, nodes, recording, train


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(3, 5, num_layers=2, dropout=0.2)
        self.head = nn.Linear(5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0])


def transformer() -> nn.Module:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


Case = tuple[Callable[[], nn.Module], Callable[[nn.Module], torch.optim.Optimizer], tuple[int, ...]]
CASES: dict[str, Case] = {
    "cnn": (Net, lambda m: torch.optim.SGD(m.parameters(), 0.1, momentum=0.9), (3, 1, 8, 8)),
    "transformer-loop": (transformer, lambda m: torch.optim.AdamW(m.parameters(), foreach=False), (2, 5, 8)),
    "transformer-foreach": (transformer, lambda m: torch.optim.AdamW(m.parameters(), foreach=True), (2, 5, 8)),
    "transformer-fused": (transformer, lambda m: torch.optim.AdamW(m.parameters(), fused=True), (2, 5, 8)),
    "rnn": (Recurrent, lambda m: torch.optim.RMSprop(m.parameters()), (4, 2, 3)),
}


def outcome(case: Case) -> tuple[list[float], list[Tensor], Tensor]:
    """Losses, parameters and random state after some steps."""
    make, optimizer, shape = case
    torch.manual_seed(1)
    model = make()
    losses = train(model, optimizer(model), shape, steps=3)
    model.eval()
    with torch.inference_mode():
        losses.append(float(model(torch.randn(shape)).sum()))
    return losses, [parameter.detach().clone() for parameter in model.parameters()], torch.get_rng_state()


@pytest.mark.parametrize("name", CASES)
def test_losses_parameters_and_random_state_are_bit_equal(name: str) -> None:
    plain = outcome(CASES[name])
    with recording() as (kept, _):
        recorded = outcome(CASES[name])
    assert len(kept.records) == 4
    assert recorded[0] == plain[0]
    for one, other in zip(recorded[1], plain[1], strict=True):
        assert torch.equal(one, other)
    assert torch.equal(recorded[2], plain[2])
    steps = list(nodes(kept.graph(1), "aten._fused_adamw_.default"))
    assert bool(steps) == (name == "transformer-fused")


def test_no_tensor_is_kept_alive() -> None:
    freed: list[bool] = []
    with recording() as (kept, _):
        model = Net()
        optimizer = torch.optim.Adam(model.parameters())
        for _ in range(2):
            batch = torch.randn(2, 1, 8, 8)
            out = model(batch)
            loss = out.square().mean()
            loss.backward()
            optimizer.step()
            watched = [weakref.ref(each) for each in (batch, out, loss)]
            del batch, out, loss
            freed += [reference() is None for reference in watched]
        parameters = [weakref.ref(each) for each in model.parameters()]
        optimizer.zero_grad()
        del model, optimizer
        gc.collect()
        freed += [reference() is None for reference in parameters]
    assert len(kept.records) == 2
    assert all(freed)


def test_the_same_exception_with_the_same_traceback() -> None:
    model = Net()

    def frames() -> tuple[BaseException, list[str]]:
        with pytest.raises(RuntimeError) as caught:
            model(torch.randn(1, 3, 8, 8))
        names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
        # With any global hook, PyTorch itself calls `forward` by way of `inner`.
        return caught.value, [name for name in names if name not in ("frames", "inner")]

    plain, expected = frames()
    with recording() as (kept, _):
        error, found = frames()
    assert (type(error), str(error)) == (type(plain), str(plain))
    assert [name for name in found if not name.startswith("__torch_dispatch__")] == expected
    assert node(kept.graph(0), "aten.convolution.default").outputs == []


def test_a_failing_operation_is_the_last_node_and_named() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 4))
    with pytest.raises(RuntimeError, match="cannot be multiplied"), recording() as (kept, _):
        model(torch.randn(2, 4)).sum().backward()
    record = kept.records[0]
    assert record.status is Status.FAILED
    assert record.error is not None
    assert (record.error.type, record.error.node) == ("RuntimeError", record.graph.node_count - 1)
    failed = record.graph.node(record.graph.node_count - 1)
    assert failed.op == "aten.addmm.default"
    assert failed.scope.path == "forward/Sequential/1"
    assert [value.type_text for value in failed.inputs] == ["float32[4]", "float32[2, 4]", "float32[5, 4]"]
    assert "cannot be multiplied" in failed.attributes["error"]
    assert "model(torch.randn(2, 4))" in record.error.traceback
    assert "dispatch.py" not in record.error.traceback


def test_an_exception_in_backward_and_one_between_operations() -> None:
    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: object, grad: Tensor) -> Tensor:
            raise ValueError("no gradient today")

    raised = ValueError("between")
    with pytest.raises(ValueError, match="no gradient"), recording() as (kept, _):
        Bad.apply(torch.ones(2, requires_grad=True)).sum().backward()
    assert kept.records[0].error is not None
    assert kept.records[0].error.node is None

    def between() -> None:
        torch.ones(2)
        raise raised

    with pytest.raises(ValueError, match="between") as caught, recording() as (kept, _):
        between()
    assert caught.value is raised
    assert kept.records[0].status is Status.FAILED


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt(), Status.PARTIAL), (SystemExit(1), Status.PARTIAL), (SystemExit(0), Status.COMPLETE)],
)
def test_an_interrupt_or_exit_keeps_the_part_so_far(error: BaseException, status: Status) -> None:
    def program() -> None:
        nn.Linear(2, 2)(torch.ones(1, 2))
        raise error

    with pytest.raises(type(error)), recording() as (kept, _):
        program()
    assert kept.records[0].status is status


def test_an_exception_that_the_program_handles_does_not_end_the_recording() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with pytest.raises(RuntimeError):
            model(torch.ones(1, 3))
        train(model, optimizer, (1, 2), steps=2)
    assert [record.status for record in kept.records.values()] == [Status.COMPLETE] * 2
    assert kept.graph(1).node_count > 0


def test_a_fault_of_the_recorders_own_is_one_warning_and_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = outcome(CASES["cnn"])

    def broken(*args: object, **kwargs: object) -> int:
        raise ZeroDivisionError("a fault")

    with warnings.catch_warnings(record=True) as caught, recording() as (_, recorder):
        warnings.simplefilter("always")
        monkeypatch.setattr(graphreel.capture.torch.noting, "_get_sequence_nr", broken)
        assert outcome(CASES["cnn"])[0] == plain[0]
        assert not recorder.alive
    assert [(w.category, "ZeroDivisionError: a fault" in str(w.message)) for w in caught] == [(RecorderWarning, True)]


def test_a_fault_where_warnings_are_errors_does_not_raise(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*args: object) -> int:
        raise ZeroDivisionError("a fault")

    with recording():
        monkeypatch.setattr(graphreel.capture.torch.noting, "_get_sequence_nr", broken)
        assert torch.ones(2).sum().item() == 2
    assert "a fault" in capfd.readouterr().err


def test_a_full_disk_is_one_warning() -> None:
    class Full(Kept):
        def put(self, record: Callable[[], IterationRecord], index: int) -> None:
            raise CannotWrite("run.reel: the disk is full")

    from graphreel.capture.torch import TorchRecorder

    recorder = TorchRecorder(Full())
    recorder.start()
    model = nn.Linear(2, 2)
    with pytest.warns(RecorderWarning, match="recording ended: run.reel: the disk is full") as caught:
        train(model, torch.optim.SGD(model.parameters(), lr=0.1), (1, 2))
    recorder.stop()
    assert len(caught) == 1


def test_forked_workers_leave_the_recording_alone() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loader = DataLoader(
            TensorDataset(torch.randn(8, 2)), batch_size=2, num_workers=2, multiprocessing_context="fork"
        )
        for (batch,) in loader:
            model(batch).sum().backward()
            optimizer.step()
    assert not kept.abandoned
    assert len(kept.records) == 4


def test_conditions_as_operators_still_run() -> None:
    def compute(x: Tensor) -> Tensor:
        return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,))

    plain = compute(torch.ones(2))
    with warnings.catch_warnings(record=True) as said, recording() as (kept, recorder), recorder.iteration():
        assert torch.equal(compute(torch.ones(2)), plain)
    assert kept.graph(0).node_count > 0
    assert not [warning for warning in said if warning.category is RecorderWarning]


class Conditional(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cond(x.sum() > 0, lambda x: x.sin(), lambda x: x.cos(), (x,))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the same as below
def test_a_condition_can_be_exported_after_another_was_recorded() -> None:
    with recording() as (_, recorder), recorder.iteration():
        torch.cond(torch.ones(2).sum() > 0, lambda x: x + 1, lambda x: x - 1, (torch.ones(2),))
    exported = torch.export.export(Conditional(), (torch.ones(3),))
    assert torch.equal(exported.module()(torch.ones(3)), torch.ones(3).sin())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of PyTorch's compiler about Python's own ast module
def test_a_compiled_module_does_not_warn_of_our_hooks() -> None:
    compiled = torch.compile(nn.Linear(2, 2), backend="eager")
    plain = compiled(torch.ones(1, 2))
    with warnings.catch_warnings(record=True) as said, recording() as (_, recorder), recorder.iteration():
        warnings.simplefilter("always", UserWarning)
        assert torch.equal(compiled(torch.ones(1, 2)), plain)
    assert not [warning for warning in said if "global hooks" in str(warning.message)]


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors is in prototype stage")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the same as above
def test_a_tensor_without_a_shape_and_an_operator_of_the_interpreter_end_no_recording() -> None:
    with recording() as (kept, recorder), recorder.iteration():
        torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
        torch.export.export(nn.Linear(3, 3), (torch.ones(1, 3),))
        torch.ones(2).exp()
    assert len(nodes(kept.graph(0), "aten.exp.default")) == 1


def test_functional_transforms_still_run() -> None:
    def compute() -> Tensor:
        return torch.vmap(torch.func.grad(lambda x: (x**2).sum()))(torch.arange(6.0).view(3, 2))

    plain = compute()
    with recording() as (kept, recorder), recorder.iteration():
        assert torch.equal(compute(), plain)
    assert kept.graph(0).node_count > 0


def test_double_backward_and_checkpoints() -> None:
    from torch.utils.checkpoint import checkpoint

    def compute() -> list[Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 1))
        x = torch.randn(3, 2, requires_grad=True)
        (first,) = torch.autograd.grad(model(x).sum(), x, create_graph=True)
        first.square().sum().backward()
        checkpoint(model, x, use_reentrant=False).sum().backward()
        return [each.grad for each in model.parameters() if each.grad is not None]

    plain = compute()
    with recording() as (kept, recorder), recorder.iteration():
        recorded = compute()
    assert all(torch.equal(one, other) for one, other in zip(plain, recorded, strict=True))
    assert nodes(kept.graph(0), "aten.tanh_backward.default")[0].phase is Phase.BACKWARD


def test_tensors_can_be_swapped_while_recording() -> None:
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        with recording():
            model = Net()
            train(model, torch.optim.SGD(model.parameters(), lr=0.1), (2, 1, 8, 8), steps=1)
            model.load_state_dict(Net().state_dict())
            model.to(torch.float64)
        assert model.conv1.weight.dtype is torch.float64
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


def test_sparse_complex_and_meta_tensors_are_recorded() -> None:
    with recording() as (kept, recorder), recorder.iteration():
        torch.eye(3).to_sparse().matmul(torch.ones(3, 1))
        torch.fft.fft(torch.ones(4)).abs()
        torch.ones(2, device="meta") + 1
    assert node(kept.graph(0), "aten.add.Tensor").outputs[0].device == "meta"
