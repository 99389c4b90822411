"""Reads what PyTorch itself saves: TorchScript files, programs of torch.export, and modules that stand in memory.

PyTorch is imported only inside the functions that need it; a `.pt2` is read without it.
"""

from graphreel.capture.torchfile.memory import graph_of

__all__ = ["graph_of"]
