"""What can be wrong with a request to execute an iteration again, each built by name."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from graphreel.graph import GraphreelError


class ReplayError(GraphreelError):
    """An iteration, or a part of it, that cannot be executed again."""


class NoKeyframe(ReplayError):
    """There is nothing to execute the iteration from."""

    @classmethod
    def at(cls, path: Path, index: int, known: Sequence[int]) -> Self:
        """Say which iterations have a keyframe, and how to record one."""
        have = f"those that have one: {_some(known)}" if known else "no iteration of this trace has one"
        return cls(
            f"{path}: iteration {index} has no keyframe, so it cannot be executed again; {have}; "
            f"record it with: graphreel record --keyframes {index} …"
        )

    @classmethod
    def of_source(cls, path: Path, source: str) -> Self:
        """Say that only recorded PyTorch programs can be executed again."""
        return cls(
            f"{path}: made by {source}, and nothing ran; what was recorded with PyTorch can be executed again, "
            "as by: graphreel record train.py"
        )


class CannotReplay(ReplayError):
    """Something of the iteration that was asked for cannot be had."""

    @classmethod
    def node(cls, key: str, reason: str) -> Self:
        """Name the node that stands in the way, and why."""
        return cls(f"{key} cannot be executed again: {reason}")

    @classmethod
    def replaced(cls, path: Path) -> Self:
        """Another recording stands in the file than the one that was opened."""
        return cls(f"{path}: holds another recording now; open it again")

    @classmethod
    def no_output(cls, key: str, port: int, ports: int) -> Self:
        """Say which outputs there are."""
        have = f"it has {ports}, numbered from 0" if ports else "it has none"
        return cls(f"{key} has no output {port}; {have}")

    @classmethod
    def failed_then(cls, key: str, message: str) -> Self:
        """The node raised when it was recorded, so it gave nothing."""
        return cls(f"{key} raised when it was recorded, so it gave nothing: {message}")

    @classmethod
    def module(cls, name: str, reason: str) -> Self:
        """A module that the user asked to import does not import."""
        return cls(f"--import {name}: {reason}")

    @classmethod
    def device(cls, device: str, reason: str) -> Self:
        """There is no such device here."""
        return cls(f"--device {device}: {reason}")

    @classmethod
    def dtype(cls, dtype: str) -> Self:
        """There is no such dtype, or not one to compute in."""
        return cls(f"--dtype {dtype}: not a floating dtype of PyTorch's; give float64, float32, bfloat16 or float16")


class BadEdit(ReplayError):
    """A change that does not fit the iteration."""

    @classmethod
    def at(cls, key: str, what: str) -> Self:
        """Name the node or value, and what would fit."""
        return cls(f"cannot change {key}: {what}")


class WorkerDied(ReplayError):
    """The process that executed the iteration ended by itself."""

    @classmethod
    def at(cls, where: str, how: str, said: str) -> Self:
        """Say where it was, how it ended, and what it said last."""
        more = f" ({said})" if said else ""
        return cls(f"the process that executes {where} died: {how}{more}; the trace is unharmed")


class WorkerFault(ReplayError):
    """A bug of ours, in the process that executes."""

    @classmethod
    def with_message(cls, message: str) -> Self:
        """Say what it was."""
        return cls(f"replay bug, please report: {message}")


def _some(numbers: Sequence[int]) -> str:
    shown = ", ".join(map(str, numbers[:12]))
    return f"{shown}, … ({len(numbers)})" if len(numbers) > 12 else shown
