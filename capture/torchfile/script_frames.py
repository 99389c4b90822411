"""One graph of PyTorch's under way: a method, a function or a block, with what its names stand for."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from graphreel.graph import NONE, ScopeId, ValueId


@dataclass(frozen=True, slots=True)
class ModuleRef:
    """A module that a name stands for; `path` is dotted and empty for the outermost."""

    module: Any
    path: str


@dataclass(frozen=True, slots=True)
class Opaque:
    """A constant that is no tensor, as plain data."""

    told: Any


Thing: TypeAlias = ValueId | ModuleRef | Opaque


@dataclass(eq=False, slots=True)
class Frame:
    """What is known while the nodes of one graph are read.

    Attributes:
        outer: The graph around a block, whose names the block sees; None for methods and functions.
        bodies: Scopes of the bodies that this stands in, outermost first.
        caller: The source row of the line that called this.
        finish: What is to be done when the last node was read.
        keep: The graph itself, since PyTorch's nodes do not keep it alive.
    """

    scope: ScopeId
    module: ModuleRef
    function: str
    nodes: Iterator[Any] = field(default_factory=lambda: iter(()))
    outer: "Frame | None" = None
    things: dict[str, Thing] = field(default_factory=dict)
    bodies: tuple[ScopeId, ...] = ()
    caller: int = NONE
    finish: Callable[[], None] | None = None
    keep: Any = None

    def find(self, name: str) -> Thing:
        """What a name stands for, here or around; PyTorch has checked that there is something."""
        at: Frame | None = self
        while at is not None:
            if name in at.things:
                return at.things[name]
            at = at.outer
        return Opaque(None)
