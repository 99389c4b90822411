"""Graphreel, the debugger for computation graphs.

import graphreel

with graphreel.record("run.reel"):
    train()
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphreel.recording import record

__all__ = ["record"]


def __getattr__(name: str) -> Any:
    # Every `import graphreel.X` runs this module first: what records must not be imported by what only reads.
    if name == "record":
        from graphreel.recording import record

        return record
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
