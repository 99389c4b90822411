"""Executes recorded iterations again, operation by operation, in a process of its own."""

from graphreel.replay.api import Replay
from graphreel.replay.edits import Edit, RemoveNode, ReplaceOp, SetAttribute, SetDtype, SetValue
from graphreel.replay.errors import BadEdit, CannotReplay, NoKeyframe, ReplayError, WorkerDied, WorkerFault
from graphreel.replay.results import AsRecorded, Difference, Drift, Missing, ReplayResult, Timing, Verified

__all__ = [
    "AsRecorded",
    "BadEdit",
    "CannotReplay",
    "Difference",
    "Drift",
    "Edit",
    "Missing",
    "NoKeyframe",
    "RemoveNode",
    "ReplaceOp",
    "Replay",
    "ReplayError",
    "ReplayResult",
    "SetAttribute",
    "SetDtype",
    "SetValue",
    "Timing",
    "Verified",
    "WorkerDied",
    "WorkerFault",
]
