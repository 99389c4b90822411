"""Graphreel, the debugger for computation graphs.

import graphreel

with graphreel.record("run.reel"):
    train()
"""

from graphreel.recording import record

__all__ = ["record"]
