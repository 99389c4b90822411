"""A loss keeps its name and its value where the program scales it before backward."""

import pytest
import torch
from torch import nn

from graphreel.tracefile import Status
from tests.torch_runs import recording


def test_a_scaled_loss_is_the_loss_that_the_program_reads() -> None:
    net = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    scaler = torch.amp.GradScaler("cpu")
    read: list[float] = []
    with recording() as (kept, _):
        for _ in range(3):
            loss = net(torch.randn(8, 4)).square().mean()
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            read.append(loss.item())
    assert [record.scalars["loss"] for record in kept.records.values()] == read


def test_micro_batches_have_a_loss_each() -> None:
    net = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    read: list[float] = []
    with recording() as (kept, _):
        for _ in range(2):
            loss = net(torch.randn(8, 4)).square().mean()
            scaled = loss / 2
            scaled.backward()
            read.append(loss.detach().item())
            assert scaled.item() == pytest.approx(loss.item() / 2)
        optimizer.step()
    (record,) = kept.records.values()
    assert [record.scalars["loss"], record.scalars["loss.2"]] == read


def test_what_is_weighted_by_something_computed_is_another_number() -> None:
    net = nn.Linear(4, 1)
    with recording() as (kept, _):
        out = net(torch.randn(8, 4))
        part = out.square().mean()
        (part * out.exp().mean()).backward()
        part.item()
    assert not [name for name in kept.records[0].scalars if name.startswith("loss")]


def test_last_words_with_gradients_are_no_part_of_an_iteration_that_lacks_something() -> None:
    net = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    with recording() as (kept, _):
        for _ in range(3):
            batch = torch.randn(8, 4)
            loss = net(batch).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        test = torch.randn(8, 4)
        net(test).square().mean().item()
        sum(parameter.norm() for parameter in net.parameters())
    assert [record.status for record in kept.records.values()] == [Status.COMPLETE] * 4
