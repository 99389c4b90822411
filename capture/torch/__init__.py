"""Records what a PyTorch program does, operation by operation, and leaves the program as it was."""

from graphreel.capture.torch.errors import RecorderState, RecorderWarning
from graphreel.capture.torch.failures import strip_own_frames
from graphreel.capture.torch.recorder import TorchRecorder

__all__ = ["RecorderState", "RecorderWarning", "TorchRecorder", "strip_own_frames"]
