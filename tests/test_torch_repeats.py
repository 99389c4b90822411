"""Iterations that repeat an earlier one: what is only compared with it must be recorded as if it were the first."""

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from graphreel.capture.options import IterationRanges
from graphreel.capture.torch import TorchRecorder
from graphreel.graph import structure_hash
from tests.torch_runs import Kept, Net, node, nodes, recording, train

Program = Callable[[], None]


def linear(momentum: float = 0.0) -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Linear(4, 4)
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=momentum)


def other_lines() -> None:
    model, optimizer = linear()

    def doubled(x: Tensor) -> Tensor:
        return x * 2

    for turn in range(7):
        x = torch.ones(2, 4)
        if turn % 2:
            y = model(x)
            y = y + 1
        else:
            y = model(x)
            y = y + 1
        z = doubled(y)
        if turn % 3:
            z = doubled(z)
            z = z * 3
        else:
            z = doubled(z)
            z = z * 3
        optimizer.zero_grad()
        z.mean().backward()
        optimizer.step()


def ragged() -> None:
    model, optimizer = linear(0.9)
    for size in (4, 4, 4, 3, 4, 3, 4, 4):
        train(model, optimizer, (size, 4), steps=1)


def shapes_that_depend_on_data() -> None:
    model, optimizer = linear()
    for _ in range(8):
        x = torch.randn(6, 4)
        y = model(x)
        loss = y[y > 0].sum() + torch.nonzero(x > 0).shape[0]
        packed = nn.utils.rnn.pack_padded_sequence(y[None], torch.randint(1, 7, (1,)), batch_first=True)
        optimizer.zero_grad()
        (loss + packed.data.sum()).backward()
        optimizer.step()


def numbers() -> None:
    model, optimizer = linear()
    for factor in (1, 1.0, True, 0.0, -0.0, float("nan"), float("nan"), 2, 2, 2):
        optimizer.zero_grad()
        torch.clamp(model(torch.ones(2, 4)), min=factor).sum().backward()
        optimizer.step()


def other_memory() -> None:
    model, optimizer = linear()
    for turn in range(8):
        if turn in (3, 6):
            model.weight.data = torch.randn(4, 4)
        if turn == 5:
            model.bias.data = model.weight.data[0]
        optimizer.zero_grad()
        model(torch.ones(2, 4)).sum().backward()
        if turn != 5:
            optimizer.step()
        model.weight.data.mul(2)


def train_and_evaluate() -> None:
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(3):
        model.train()
        train(model, optimizer, (2, 1, 8, 8), steps=1)
        model.eval()
        with torch.no_grad():
            for size in (3, 3, 2):
                model(torch.randn(size, 1, 8, 8))


def gradients_and_hooks() -> None:
    model = Net()
    optimizer = torch.optim.RMSprop(model.parameters())
    for turn in range(7):
        handle = model.fc.weight.register_hook(lambda grad: grad * 2) if turn == 4 else None
        loss = model(torch.randn(2, 1, 8, 8)).square().mean()
        optimizer.zero_grad()
        with torch.set_grad_enabled(turn != 2):
            model.fc.weight.detach().sum()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if handle is not None:
            handle.remove()


def views() -> None:
    model = nn.Linear(4, 4)
    for turn in range(8):
        with torch.inference_mode():
            x = torch.randn(4, 4)
            y = (x if turn % 3 else x.t()).contiguous()
            y.squeeze_()
            model(y.reshape(4, 4)).chunk(2)[0].add_(1)


def sizes() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.25), nn.LayerNorm(4))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for size in (2, 2, 2, 2, 3, 4, 5, 8, 3, 3, 2, 2, 6):
        x = torch.full((size, 2, 4), 1 / size)
        y = model(x).reshape(2 * size, 4)
        parts = y.split(3)
        table = y.new_zeros(size, 4).index_fill(0, torch.arange(size), size / 2)
        loss = torch.stack([part.mean() for part in parts]).sum() + (y[:size] * table).sum().clamp(max=size - 4.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


PROGRAMS = [
    sizes,
    other_lines,
    ragged,
    shapes_that_depend_on_data,
    numbers,
    other_memory,
    train_and_evaluate,
    gradients_and_hooks,
    views,
]


def record(program: Program, wanted: str = "") -> Kept:
    """Every iteration asked for, without keyframes, so that nothing looks at the tensors."""
    with recording() as (kept, recorder):
        pass
    options = replace(
        recorder._options, keyframes=IterationRanges.parse("1000000"), iterations=IterationRanges.parse(wanted)
    )
    kept = Kept()
    recorder = TorchRecorder(kept, options)
    torch.manual_seed(0)
    recorder.start()
    try:
        program()
    finally:
        recorder.stop()
    return kept


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_iteration_that_follows_others_is_recorded_as_if_it_were_alone(program: Program) -> None:
    count = len(record(program).records)
    assert count >= 5
    # All from one line, since the lines of the program are part of what is compared.
    runs = {wanted: record(program, wanted).records for wanted in ("", *map(str, range(1, count)))}
    every = runs.pop("")
    for wanted, records in runs.items():
        found, alone = every[int(wanted)], records[int(wanted)]
        assert structure_hash(found.graph) == structure_hash(alone.graph), wanted
        assert sorted(found.columns) == sorted(alone.columns)
        for name, column in found.columns.items():
            if name.startswith("argument."):
                np.testing.assert_array_equal(column, alone.columns[name])


def test_equal_iterations_share_one_graph() -> None:
    kept = record(lambda: train(*linear(0.9), (2, 4), steps=8) and None)
    assert len({id(found.graph) for found in list(kept.records.values())[2:]}) == 1
    kept = record(train_and_evaluate)
    assert len({id(found.graph) for found in kept.records.values()}) <= 7


def test_a_program_that_goes_back_to_what_it_did_before_gets_that_graph() -> None:
    found = [kept.graph for kept in record(ragged).records.values()]
    assert found[2] is found[4] is found[6]
    assert found[3] is found[5]


def test_lists_of_different_floats_do_not_make_a_new_graph_of_each_step() -> None:
    def program() -> None:
        first, second = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2))
        optimizer = torch.optim.AdamW([first, second], foreach=True)
        for turn in range(40):
            optimizer.zero_grad()
            loss = first.sum() if turn == 0 else first.sum() + second.sum()
            loss.backward()
            optimizer.step()

    records = list(record(program).records.values())
    # Where the gradients lay come other tensors of the same pass, which are not named after them.
    assert all(each.graph is records[4].graph for each in records[5:-1])
    divide = nodes(records[4].graph, "aten._foreach_div_.ScalarList")[0]
    name = next(text for key, text in divide.attributes.items() if str(text).startswith("[argument."))
    assert str(name).endswith("] * 2")
    column = str(name).removeprefix("[").partition("]")[0]
    assert np.isnan(records[4].columns[column][divide.id])
    entries = [records[4].columns[f"{column}[{place}]"][divide.id] for place in range(2)]
    assert entries[0] != entries[1]
    assert entries[0] != records[5].columns[f"{column}[0]"][divide.id]


def test_a_tensor_that_takes_the_place_of_a_dead_one_is_not_taken_for_it() -> None:
    """The batch comes from where no operation is seen, at an address that an earlier one had."""

    def program() -> None:
        model, optimizer = linear()
        for _ in range(8):
            batch = torch.from_numpy(np.ones((2, 4), dtype=np.float32))
            middle = model(batch)
            del batch
            again = torch.from_numpy(np.ones((2, 4), dtype=np.float32))
            optimizer.zero_grad()
            (middle * again).sum().backward()
            optimizer.step()

    for found in list(record(program).records.values())[1:]:
        multiplied = node(found.graph, "aten.mul.Tensor", "forward")
        one, other = multiplied.inputs
        assert one.producer is not None
        assert other.storage != one.storage
        batch = next(value for value in node(found.graph, "aten.addmm.default").inputs if value.shape == (2, 4))
        assert batch.id != other.id


def test_parameters_can_be_swapped_between_iterations_that_repeat() -> None:
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:

        def program() -> None:
            model, optimizer = linear(0.9)
            for turn in range(8):
                train(model, optimizer, (2, 4), steps=1)
                if turn == 5:
                    model.load_state_dict(nn.Linear(4, 4).state_dict())

        assert len(record(program).records) == 8
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)


def test_repeated_iterations_keep_no_tensor_alive() -> None:
    model = Net()
    optimizer = torch.optim.Adam(model.parameters())
    freed: list[bool] = []

    def program() -> None:
        for _ in range(7):
            batch = torch.randn(2, 1, 8, 8)
            out = model(batch)
            loss = out.square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            watched = [weakref.ref(each) for each in (batch, out, loss, *(p.grad for p in model.parameters()))]
            del batch, out, loss
            optimizer.zero_grad()
            freed.extend(reference() is None for reference in watched)

    record(program)
    gc.collect()
    assert freed
    assert all(freed)


PEAK = """
import resource, sys, torch
from torch import nn
import graphreel
from contextlib import nullcontext
model = nn.Sequential(*(nn.Sequential(nn.Linear(64, 64), nn.Tanh()) for _ in range(8)))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
with graphreel.record(sys.argv[1], keyframes="1000000") if len(sys.argv) > 1 else nullcontext():
    for _ in range(6):
        optimizer.zero_grad()
        model(torch.ones(16384, 64)).sum().backward()
        optimizer.step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_the_peak_of_memory_grows_by_far_less_than_one_iterations_tensors(tmp_path: Path) -> None:
    def peak(*argv: str) -> int:
        run = subprocess.run([sys.executable, "-c", PEAK, *argv], capture_output=True, text=True, check=True)
        return int(run.stdout) // 1024

    # Each step makes 16 activations of 4 MiB; to keep those of a few steps would cost hundreds of MiB.
    assert peak(str(tmp_path / "run.reel")) - peak() < 64
