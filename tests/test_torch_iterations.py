"""Where an iteration begins and ends, and which of them are recorded."""

import io
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

import graphreel
from graphreel.capture.torch import RecorderState
from graphreel.graph import Graph, Phase, ScopeKind, structure_hash, walk
from graphreel.tracefile import Status
from tests.torch_runs import Kept, Net, nodes, recording, train


def phases(graph: Graph) -> list[str]:
    """Paths of the phase scopes, in order."""
    scopes = map(graph.scope, range(graph.scope_count))
    return [scope.path for scope in scopes if scope.kind is ScopeKind.PHASE]


def test_what_reads_a_result_after_the_step_belongs_to_it() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 2)
        train(model, torch.optim.SGD(model.parameters(), lr=0.1), (1, 2), steps=2)
    assert list(kept.records) == [0, 1]
    for index in kept.records:
        graph = kept.graph(index)
        last = graph.node(graph.node_count - 1)
        assert last.op == "aten._local_scalar_dense.default"
        assert next(iter(walk(graph))).op == "aten.randn.default"


def test_gradient_accumulation_is_one_iteration_with_two_visits() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            for _ in range(2):
                model(torch.randn(1, 2)).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
    assert len(kept.records) == 2
    assert phases(kept.graph(1)) == ["forward", "backward", "forward:2", "backward:2", "optimizer"]


def test_optimizers_that_step_together_are_one_iteration() -> None:
    with recording() as (kept, _):
        one, two = nn.Linear(2, 2), nn.Linear(2, 2)
        optimizers = [torch.optim.SGD(part.parameters(), lr=rate) for part, rate in ((one, 0.1), (two, 0.2))]
        for _ in range(3):
            two(one(torch.randn(1, 2))).sum().backward()
            for optimizer in optimizers:
                optimizer.step()
    assert [record.status for record in kept.records.values()] == [Status.COMPLETE] * 3


def test_evaluation_without_gradients_is_an_iteration_per_call() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        train(model, optimizer, (1, 2), steps=2)
        with torch.no_grad():
            for _ in range(3):
                model(torch.randn(1, 2)).argmax()
        train(model, optimizer, (1, 2), steps=1)
    assert [len(nodes(kept.graph(index), "aten.argmax.default")) for index in kept.records] == [0, 0, 1, 1, 1, 0]
    assert phases(kept.graph(3)) == ["forward"]
    assert {record.status for record in kept.records.values()} == {Status.COMPLETE}


def test_a_teacher_without_gradients_does_not_cut_the_step() -> None:
    with recording() as (kept, _):
        student, teacher = nn.Linear(2, 2), nn.Linear(2, 2)
        optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
        for _ in range(3):
            batch = torch.randn(1, 2)
            with torch.no_grad():
                target = teacher(batch)
            functional.mse_loss(student(batch), target).backward()
            optimizer.step()
    assert len(kept.records) == 3
    assert len(nodes(kept.graph(2), "aten.addmm.default")) == 2


def test_without_an_optimizer_each_outermost_call_is_an_iteration() -> None:
    with recording() as (kept, _):
        model = Net().eval()
        for _ in range(3):
            model(torch.randn(1, 1, 8, 8))
    assert [record.status for record in kept.records.values()] == [Status.COMPLETE] * 3


def test_an_optimizer_that_has_not_stepped_yet_is_known() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loss = sum(model(torch.randn(1, 2)).sum() for _ in range(5))
        assert isinstance(loss, torch.Tensor)
        loss.backward()
        optimizer.step()
    assert len(kept.records) == 1


def test_iterations_marked_by_hand_are_all_there_is() -> None:
    with recording() as (kept, recorder):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            with recorder.iteration():
                for _ in range(2):
                    model(torch.randn(1, 2)).sum().backward()
                    optimizer.step()
            torch.ones(7).sum()
        with recorder.iteration(), pytest.raises(RecorderState, match="marked already"), recorder.iteration():
            pass
    assert [len(nodes(kept.graph(index), "aten.addmm.default")) for index in (0, 1)] == [2, 2]
    assert all(not nodes(kept.graph(index), "aten.ones.default") for index in kept.records)


def test_only_the_iterations_asked_for() -> None:
    with recording(iterations="1,3:") as (kept, _):
        model = nn.Linear(2, 2)
        train(model, torch.optim.SGD(model.parameters(), lr=0.1), (1, 2), steps=6)
    assert list(kept.records) == [1, 3, 4, 5]
    assert all("loss" in record.scalars for record in kept.records.values())


def test_lbfgs_runs_its_closure_within_the_step() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 1)
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)
        batch = torch.randn(4, 2)

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = model(batch).square().mean()
            loss.backward()
            return loss

        for _ in range(2):
            optimizer.step(closure)
    assert len(kept.records) == 2
    found = {each.phase for each in walk(kept.graph(1))}
    assert found >= {Phase.FORWARD, Phase.BACKWARD, Phase.OPTIMIZER}


def test_a_plain_program_without_modules_is_one_iteration() -> None:
    with recording() as (kept, _):
        x = torch.ones(3, requires_grad=True)
        (x * 2).sum().backward()
    assert [record.status for record in kept.records.values()] == [Status.COMPLETE]
    assert phases(kept.graph(0)) == ["forward", "backward"]


def test_last_words_are_no_iteration() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 2)
        train(model, torch.optim.SGD(model.parameters(), lr=0.1), (1, 2), steps=2)
        torch.ones(3).sum()
    assert list(kept.records) == [0, 1]


def test_a_second_recorder_is_refused() -> None:
    with recording(), pytest.raises(RecorderState, match="running already"), recording():
        pass


def test_a_recording_that_cannot_begin_leaves_the_trace_of_the_run_before(tmp_path: Path) -> None:
    kept = tmp_path / "kept.reel"
    with graphreel.record(kept):
        torch.ones(2).exp()
    before = kept.read_bytes()
    with graphreel.record(tmp_path / "outer.reel"):
        torch.ones(2).exp()
        with pytest.raises(RecorderState), graphreel.record(kept):
            pass
    assert kept.read_bytes() == before
    assert not list(tmp_path.glob(".kept*"))


class Gan:
    """A generator and a discriminator, and a turn of their training with what programs do around it."""

    def __init__(self) -> None:
        self.generator, self.discriminator = nn.Sequential(nn.Linear(2, 3)), nn.Sequential(nn.Linear(3, 1))
        self.optimizers = [torch.optim.Adam(part.parameters()) for part in (self.discriminator, self.generator)]

    def turn(self, critics: int = 1) -> tuple[float, float]:
        for _ in range(critics):
            real = torch.rand(4, 3)
            self.optimizers[0].zero_grad()
            fake = self.generator(torch.randn(4, 2)).detach()
            loss_d = self.discriminator(fake).mean() - self.discriminator(real).mean()
            loss_d.backward()
            self.optimizers[0].step()
        self.optimizers[1].zero_grad()
        noise = torch.randn(4, 2)
        loss_g = -self.discriminator(self.generator(noise)).mean()
        loss_g.backward()
        self.optimizers[1].step()
        return loss_d.item(), loss_g.item()


def test_optimizers_that_take_turns_are_one_iteration_a_turn_of_the_loop() -> None:
    torch.manual_seed(0)
    with recording() as (kept, _):
        gan = Gan()
        losses = [gan.turn() for _ in range(4)]
    assert len(kept.records) == 4
    for record, (loss_d, loss_g) in zip(kept.records.values(), losses, strict=True):
        assert (record.scalars["loss"], record.scalars["loss.2"]) == (loss_d, loss_g)
        assert next(iter(walk(record.graph))).op == "aten.rand.default"
        assert phases(record.graph) == [
            *("forward", "backward", "optimizer"),
            *("forward:2", "backward:2", "optimizer:2"),
        ]
    assert {record.status for record in kept.records.values()} == {Status.COMPLETE}


def test_a_critic_that_steps_more_often_ends_an_iteration_with_each_step() -> None:
    with recording() as (kept, _):
        gan = Gan()
        for _ in range(3):
            gan.turn(critics=3)
    steps = [
        [each.scope.name for each in nodes(record.graph, "aten._foreach_lerp_.Scalar")]
        for record in kept.records.values()
    ]
    draws = [len(nodes(record.graph, "aten.rand.default")) for record in kept.records.values()]
    # The first turn is told by the second, so its last critic and the generator stand together.
    assert draws[-8:] == [1, 1, 1, 0] * 2
    assert len(steps) == len(draws) in (11, 12)


def test_iterations_are_numbered_alike_whichever_are_recorded() -> None:
    def program() -> None:
        torch.manual_seed(0)
        gan = Gan()
        for _ in range(6):
            gan.turn()

    found: list[Kept] = []
    for iterations in ("", "3,5"):
        with recording(iterations=iterations) as (kept, _):
            program()
        found.append(kept)
    every, some = found
    assert list(some.records) == [3, 5]
    for index, record in some.records.items():
        assert record.scalars == every.records[index].scalars
        assert structure_hash(record.graph) == structure_hash(every.graph(index))


def test_what_a_loop_does_after_the_step_belongs_to_the_turn() -> None:
    with recording() as (kept, _):
        model, average = nn.Linear(2, 2), nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(4):
            loss = model(torch.randn(1, 2)).sum()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=False)
            with torch.no_grad():
                for mean, parameter in zip(average.parameters(), model.parameters(), strict=True):
                    mean.mul_(0.9).add_(parameter, alpha=0.1)
            loss.item()
        torch.save(model.state_dict(), io.BytesIO())
        torch.cat([each.detach().flatten() for each in model.parameters()])
    ops = [[each.op for each in walk(record.graph)] for record in kept.records.values()]
    assert len(ops) == 4
    assert ops[1] == ops[2] == ops[3]
    for each in ops[:2]:
        assert [each.count(op) for op in ("aten.randn.default", "aten.mul_.Tensor", "aten.zero_.default")] == [1, 2, 2]
        assert each[-1] == "aten._local_scalar_dense.default"
    assert ops[1][0] == "aten.randn.default"


def test_without_an_optimizer_the_data_belongs_to_the_call_that_takes_it() -> None:
    with recording() as (kept, _):
        encoder, decoder = nn.Linear(2, 2), nn.Linear(2, 2)
        data = torch.arange(8.0).view(4, 2)
        total = torch.zeros(())
        for index in range(4):
            code = encoder(data[index] / 2)
            noise = torch.ones(2)
            out = decoder(code + noise)
            total += functional.mse_loss(out, torch.zeros(2)).detach()
        decoder.state_dict()
        torch.ones(2) + 1
    ops = [[each.op for each in walk(record.graph)] for record in kept.records.values()]
    assert len(ops) == 4
    assert ops[0][-len(ops[1]) :] == ops[1] == ops[2] == ops[3]
    assert ops[1][0] == "aten.select.int"
    assert ops[1][-1] == "aten.add_.Tensor"


def test_gradients_without_an_optimizer_are_an_iteration_a_turn() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 1)
        start = torch.zeros(3, 2)
        for _ in range(3):
            point = (start + 0.5).requires_grad_()
            (gradient,) = torch.autograd.grad(model(point).sum(), point)
            start = start + gradient.sign()
        weight = torch.zeros(2, requires_grad=True)
    assert len(kept.records) == 3
    assert [next(iter(walk(kept.graph(index)))).op for index in (1, 2)] == ["aten.add.Tensor"] * 2
    assert [phases(record.graph) for record in kept.records.values()] == [["forward", "backward"]] * 3
    assert weight.grad is None


def test_a_loop_of_plain_functions_with_gradients_is_an_iteration_a_turn() -> None:
    with recording() as (kept, _):
        weight = torch.zeros(2, requires_grad=True)
        for _ in range(3):
            (weight * 2 - 1).square().sum().backward()
            with torch.no_grad():
                assert weight.grad is not None
                weight -= 0.1 * weight.grad
                weight.grad = None
    assert [next(iter(walk(record.graph))).op for record in kept.records.values()][1:] == ["aten.mul.Tensor"] * 2
    assert [len(nodes(record.graph, "aten.sub_.Tensor")) for record in kept.records.values()] == [1, 1, 1]


def test_evaluation_between_epochs_takes_its_own_data() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            model.train()
            for _ in range(3):
                model(torch.randn(1, 2)).sum().backward()
                optimizer.step()
                optimizer.zero_grad()
            model.eval()
            with torch.no_grad():
                for _ in range(2):
                    model(torch.rand(1, 2)).argmax()
    first = [next(iter(walk(record.graph))).op for record in kept.records.values()]
    turn = ["aten.randn.default"] * 3 + ["aten.rand.default"] * 2
    assert first == turn * 2


def test_each_closure_of_lbfgs_is_part_of_the_one_step() -> None:
    with recording(iterations="1:") as (kept, _):
        model = nn.Linear(2, 1)
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)
        for _ in range(4):
            batch = torch.randn(4, 2)

            def closure(batch: torch.Tensor = batch) -> torch.Tensor:
                optimizer.zero_grad()
                loss = model(batch).square().mean()
                loss.backward()
                return loss

            optimizer.step(closure)
    assert list(kept.records) == [1, 2, 3]
    assert all(len(nodes(record.graph, "aten.addmm.default")) > 1 for record in kept.records.values())
    assert all(len(nodes(record.graph, "aten.randn.default")) == 1 for record in kept.records.values())


def test_a_step_that_the_scaler_leaves_out_still_ends_the_iteration() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
        for turn in range(4):
            factor = torch.full((), float("inf") if turn == 1 else 1.0)
            scaler.scale(model(torch.ones(1, 2)).sum() * factor).backward()
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
    assert [len(nodes(record.graph, "aten.addmm.default")) for record in kept.records.values()] == [1, 1, 1, 1]


def test_several_numbers_that_one_line_reads_are_all_kept() -> None:
    with recording() as (kept, _):
        model = nn.Linear(2, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for _ in range(2):
            out = model(torch.ones(1, 2))
            out.sum().backward()
            optimizer.step()
            read = [out.min().item(), out.max().item()]
    found = [number for name, number in kept.records[1].scalars.items() if name.startswith("item ")]
    assert found == read


def test_training_that_goes_on_after_an_evaluation_begins_an_iteration() -> None:
    """The data is there already, so that nothing but the call itself tells that a turn begins."""
    torch.manual_seed(0)
    model, average = nn.Linear(4, 2), nn.Linear(4, 2).eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = [torch.randn(3, 4) for _ in range(6)]
    with recording() as (kept, _):
        for turn, batch in enumerate(data):
            optimizer.zero_grad()
            model(batch).square().mean().backward()
            optimizer.step()
            if turn % 2:
                with torch.no_grad():
                    for other in data[:2]:
                        average(other)
    trained = [any(node.phase is Phase.BACKWARD for node in walk(record.graph)) for record in kept.records.values()]
    assert trained == [True, True, False, False] * 3


def test_layers_that_one_line_calls_in_turn_are_one_iteration() -> None:
    layers = [nn.Linear(4, 4) for _ in range(3)]
    with recording() as (kept, _), torch.no_grad():
        for _ in range(3):
            x = torch.ones(2, 4)
            for layer in layers:
                x = layer(x)
    assert [len(nodes(record.graph, "aten.addmm.default")) for record in kept.records.values()] == [3, 3, 3]


def test_each_optimizer_keeps_its_own_rate() -> None:
    first, second = nn.Linear(4, 4), nn.Linear(4, 1)
    optimizers = [torch.optim.SGD(first.parameters(), lr=0.1), torch.optim.SGD(second.parameters(), lr=0.3)]
    with recording() as (kept, _):
        for _ in range(2):
            second(first(torch.ones(2, 4))).sum().backward()
            for optimizer in optimizers:
                optimizer.step()
    assert kept.records[1].scalars["lr"] == 0.1
    assert kept.records[1].scalars["lr:2"] == 0.3


def test_numbers_read_in_inference_mode_are_kept() -> None:
    model = nn.Linear(4, 1)
    with recording() as (kept, _), torch.inference_mode():
        for _ in range(2):
            read = model(torch.ones(1, 4)).sum().item()
    assert list(kept.records[1].scalars.values()) == [read]


@pytest.mark.parametrize("wanted", ["0", "1", "2:4", "5"])
def test_inference_mode_runs_whichever_iterations_are_recorded(wanted: str) -> None:
    model = nn.Linear(4, 4)
    with recording(iterations=wanted) as (kept, _):
        for _ in range(6):
            with torch.inference_mode():
                model(torch.randn(2, 4))
            torch.ones(2) + 1
    start, _, end = wanted.partition(":")
    assert list(kept.records) == list(range(int(start), int(end or int(start) + 1)))
    assert nodes(kept.graph(int(start)), "aten.linear.default")
    torch.randn(2)
    with torch.inference_mode(), recording(iterations="1") as (kept, _):
        for _ in range(4):
            model(torch.randn(2, 4))
    assert list(kept.records) == [1]
    assert torch._C._len_torch_dispatch_stack() == 0
