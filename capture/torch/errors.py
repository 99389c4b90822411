"""What can go wrong while PyTorch is recorded, each built by name."""

import os
import warnings
from typing import Self

from graphreel.capture.errors import CaptureError


class RecorderWarning(UserWarning):
    """The recorder came to a fault of its own, or cannot see a part of the program; the program itself goes on."""


def tell(message: str) -> None:
    """Warn the user of something, also where the program takes warnings for errors; ours must not be one."""
    try:
        warnings.warn(message, RecorderWarning, stacklevel=3)
    except RecorderWarning:
        os.write(2, f"graphreel: {message}\n".encode(errors="replace"))


class RecorderState(CaptureError):
    """The recorder was asked for something that its state does not allow."""

    @classmethod
    def running_already(cls) -> Self:
        """Two recorders would each record the other's work."""
        return cls("a recording is running already; end that one first, or record only once")

    @classmethod
    def not_running(cls) -> Self:
        """Iterations can only be marked while a recording runs."""
        return cls("no recording is running; mark iterations inside `with graphreel.record(path) as recorder:`")

    @classmethod
    def nested_iteration(cls) -> Self:
        """Iterations do not nest."""
        return cls("this iteration is marked already; recorder.iteration() cannot stand inside itself")


class CannotKeep(CaptureError):
    """A tensor that a keyframe cannot hold; the message becomes one of the keyframe's problems."""

    @classmethod
    def own_class(cls, kind: type) -> Self:
        """A class with operations of its own would have to be imported to be made again."""
        return cls(f"it is a {kind.__module__}.{kind.__qualname__}, which computes by rules of its own")

    @classmethod
    def memory(cls, layout: str, device: str) -> Self:
        """There is nothing to copy bytes from."""
        return cls(f"the memory of a tensor of layout {layout} on {device} cannot be read")
