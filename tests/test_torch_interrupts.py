"""What a signal handler of the program raises reaches the program, wherever in the recorder's code the signal comes."""

import gc
import inspect
import signal
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from torch import nn

import graphreel
import graphreel.capture
from graphreel.capture.interrupts import Uninterrupted
from graphreel.capture.torch import RecorderWarning
from graphreel.capture.torch.passes import Passes
from graphreel.capture.torch.spared import is_of_signal_handler
from tests.torch_runs import recording

OURS = str(Path(graphreel.capture.__file__).parent / "torch")


class Enough(RuntimeError):
    """Of a class that the recorder expects of PyTorch, too."""


def stop(number: int, frame: FrameType | None) -> None:
    raise Enough(number)


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.signal(signal.SIGUSR1, stop)
    yield
    signal.signal(signal.SIGUSR1, before)


@contextmanager
def signal_at(call: int, counted: list[int]) -> Iterator[None]:
    """Send the signal when so many functions of the recorder's were called."""

    def look(frame: FrameType, event: str, arg: Any) -> None:
        # A generator that is dropped is "called" once more, where no signal can come.
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(OURS) and not code.co_flags & inspect.CO_GENERATOR:
            counted[0] += 1
            if counted[0] == call:
                sys.setprofile(None)
                signal.raise_signal(signal.SIGUSR1)

    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(None)


def program(net: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    for _ in range(2):
        loss = net(torch.randn(2, 3)).sum() + torch.eye(2).to_sparse().to_dense().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@pytest.mark.filterwarnings("ignore::graphreel.capture.torch.RecorderWarning")
def test_wherever_the_signal_comes_its_exception_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    lost: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    program(net, optimizer)
    calls = [0]
    with recording(level="stats"), signal_at(0, calls):
        program(net, optimizer)
    assert calls[0] > 1000
    # A few calls are made once and never again.
    for at in range(1, calls[0] - 500, 397):
        with pytest.raises(Enough), recording(level="stats"), signal_at(at, [0]):
            program(net, optimizer)
        assert not torch._C._len_torch_dispatch_stack()
    assert not lost
    # Nothing of ours that was left half done took away the program's gradients.
    program(net, optimizer)


@pytest.mark.parametrize("what", ["begin", "finish_last", "drop"])
def test_a_signal_while_a_recording_begins_or_ends_does_not_cut_it(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs: Callable[..., Any] = getattr(Passes, what)

    def interrupted(passes: Passes, *args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(Passes, what, theirs)
        signal.raise_signal(signal.SIGUSR1)
        return theirs(passes, *args, **kwargs)

    monkeypatch.setattr(Passes, what, interrupted)
    with pytest.raises(Enough), graphreel.record(tmp_path / "run.reel"):
        nn.Linear(2, 2)(torch.ones(1, 2))
    assert (tmp_path / "run.reel").exists()
    with graphreel.record(tmp_path / "next.reel") as recorder:
        nn.Linear(2, 2)(torch.ones(1, 2))
    assert recorder.recorded == 1
    assert not torch._C._len_torch_dispatch_stack()


def test_a_recording_leaves_nothing_whose_death_calls_python(tmp_path: Path) -> None:
    """What is raised where a weak reference tells of a death is lost, so a signal must not come there."""
    gc.collect()
    with graphreel.record(tmp_path / "run.reel", level="stats"):
        nn.Linear(2, 2)(torch.ones(1, 2))
    called: list[str] = []

    def look(frame: FrameType, event: str, arg: Any) -> None:
        if event == "call" and frame.f_code.co_filename in (weakref.__file__, sys.modules["_weakrefset"].__file__):
            called.append(frame.f_code.co_qualname)

    sys.setprofile(look)
    gc.collect()
    sys.setprofile(None)
    assert not called


def test_signals_wait_and_a_second_one_does_not() -> None:
    came: list[str] = []

    def sends(times: int) -> None:
        for _ in range(times):
            signal.raise_signal(signal.SIGUSR1)
        came.append("went on")

    with pytest.raises(Enough), Uninterrupted():
        sends(1)
    with pytest.raises(Enough), Uninterrupted():
        sends(2)
    with pytest.raises(Enough), Uninterrupted(), Uninterrupted():
        sends(1)
    assert came == ["went on", "went on"]
    assert signal.getsignal(signal.SIGUSR1) is stop


class Handler:
    def __call__(self, *given: Any) -> None:
        raise Enough

    def method(self, number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise Enough


@pytest.mark.parametrize("of", [Handler(), Handler().method, partial(Handler().method), stop])
def test_a_handler_is_known_whatever_it_is(of: Callable[..., None]) -> None:
    signal.signal(signal.SIGUSR1, of)
    with pytest.raises(Enough) as raised:
        signal.raise_signal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    assert is_of_signal_handler(raised.value)


def test_a_fault_of_our_own_is_none_of_a_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*given: Any) -> None:
        raise Enough

    monkeypatch.setattr("graphreel.capture.torch.noting.Noting.take", broken)
    with pytest.warns(RecorderWarning, match="fault of Graphreel's own"), recording():
        nn.Linear(2, 2)(torch.ones(1, 2))
