"""Where an operation in code that PyTorch generated comes from: the lines that FX traced it from.

Nothing here knows the recorder.
"""

import linecache
import re
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from torch.fx import GraphModule

MARK = "<eval_with_key>"
"""Begins the file name of code that FX generates."""

_INDUCTOR = "torch._inductor.runtime.cache_dir_utils"
_LINE = re.compile(r'File "(.+?)", line (\d+), in (.+)')


def is_inductors(file: str) -> bool:
    """Whether a file holds what the Inductor backend generated, which is nobody's own code."""
    cache = sys.modules.get(_INDUCTOR)
    return cache is not None and file.startswith(f"{cache.cache_dir()}/")


def lines_of(frame: FrameType) -> list[tuple[str, int, str]]:
    """The lines that the statement was traced from which a frame of generated code stands at, outermost first.

    WORKAROUND: FX generates one statement for each node, which begins with the node's name, and keeps the node's lines
    in `meta["stack_trace"]`. Both are conventions of torch/fx/graph.py; a test fails when they change.
    """
    module: Any = frame.f_locals.get("self")
    name = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip().partition(" ")[0]
    if not isinstance(module, GraphModule):
        return []
    node = next((node for node in module.graph.nodes if node.name == name), None)
    trace = node.meta.get("stack_trace") if node is not None else None
    return [(str(Path(file).absolute()), int(line), function) for file, line, function in _LINE.findall(trace or "")]
