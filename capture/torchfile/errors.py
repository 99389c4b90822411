"""What can be wrong with a file of PyTorch's, beyond being broken."""

from pathlib import Path
from typing import Self

from graphreel.capture.errors import CaptureError

_INSTEAD = "torch.export.save(torch.export.export(model, inputs), 'model.pt2'), torch.jit.save or torch.onnx.export"


class PickledFile(CaptureError):
    """A file of torch.save or pickle, which is never opened, since unpickling runs whatever the file says."""

    @classmethod
    def module(cls, path: Path) -> Self:
        """A whole module, or other objects of classes that the file names."""
        return cls(
            f"{path}: this is a pickled model (torch.save of objects), which has no graph and could run any program"
            f" when unpickled, so Graphreel does not open it; save it instead with {_INSTEAD}"
        )

    @classmethod
    def checkpoint(cls, path: Path) -> Self:
        """Tensors only."""
        return cls(
            f"{path}: this is a checkpoint (torch.save of tensors), which holds weights but no graph; save the model"
            f" itself with {_INSTEAD}"
        )


class RunsCode(CaptureError):
    """A TorchScript file that PyTorch could load only by running operations that the file names."""

    @classmethod
    def while_loading(cls, path: Path, where: str, what: str) -> Self:
        """Say where in the file, and how else to look at the model."""
        return cls(
            f"{path}: {where} {what}, which PyTorch would run while loading the file, so Graphreel does not load it;"
            " if you trust the file, open it in Python with"
            " graphreel.capture.torchfile.graph_of(torch.jit.load(...)), or save the model with torch.export.save"
        )


class ForeignArchive(CaptureError):
    """A whole ZIP archive that PyTorch did not write."""
