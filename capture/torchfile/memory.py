"""Graphs of PyTorch's static modules that stand in memory."""

from typing import Any

from graphreel.capture.errors import CaptureError
from graphreel.graph import Graph, MissingExtra, Progress, Unwatched


class NoStaticModule(CaptureError):
    """An object that is no module with a graph of its own."""

    @classmethod
    def given(cls, kind: str) -> "NoStaticModule":
        """Say what was given and what would be accepted."""
        return cls(
            f"a {kind} has no graph of its own; give a torch.jit.ScriptModule, a torch.export.ExportedProgram or a"
            " torch.fx.GraphModule, or record the model while it runs with graphreel.record"
        )


def graph_of(module: Any, progress: Progress | None = None) -> Graph:
    """The graph of a ScriptModule (scripted or traced), an ExportedProgram or an FX GraphModule.

    Only the code is walked; nothing of the module is run and nothing of it is changed. Raises NoStaticModule for
    anything else, MissingExtra where PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtra.named("PyTorch", "torch") from error
    watched = progress or Unwatched()
    if isinstance(module, torch.jit.ScriptModule):
        from graphreel.capture.torchfile.script import read_module

        return read_module(module, watched, {"framework": "torchscript", "torch": torch.__version__})[0]
    from graphreel.capture.torchfile.building import build_graph
    from graphreel.capture.torchfile.fx import exported_program, graph_module

    if isinstance(module, torch.export.ExportedProgram):
        return build_graph(exported_program(module), watched)
    if isinstance(module, torch.fx.GraphModule):
        return build_graph(graph_module(module), watched)
    raise NoStaticModule.given(type(module).__name__)
