"""What the tests of replay share: programs recorded into files, and sessions over them."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import graphreel
from graphreel.capture.torch import RecorderWarning
from graphreel.replay.torch.session import Request, Session
from graphreel.tracefile import Trace, open_reel


def recorded(path: Path, program: Callable[[], object], **options: Any) -> Trace:
    """Record a program, every iteration with a keyframe, and open what was recorded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # A fault of the recorder's is no matter of replay, but must show.
        warnings.simplefilter("error", RecorderWarning)
        torch.manual_seed(1)
        with graphreel.record(path, **{"keyframes": "0:", **options}):
            program()
    return open_reel(path)


def check_exact(trace: Trace) -> int:
    """Execute every iteration again, and compare every value; how many values were compared."""
    compared = 0
    assert trace.iterations
    for iteration in trace.iterations:
        result = Session(trace, iteration.index).run(Request(verify=True, keep_going=True))
        told = [(trace.graph(iteration.index).node(each.node).op, each.what) for each in result.differences]
        missing = [(trace.graph(iteration.index).node(each.node).op, each.reason) for each in result.missing]
        assert (told, missing, list(result.notes)) == ([], [], []), f"iteration {iteration.index}"
        assert result.executed == result.total
        compared += result.compared
    return compared
