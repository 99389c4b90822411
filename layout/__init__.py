"""Layered layout with nested groups: arrays in, arrays out. Knows graphs, but neither drawing nor text."""

from graphreel.layout.cache import LayoutCache
from graphreel.layout.check import check_placement
from graphreel.layout.errors import LayoutBug
from graphreel.layout.expansion import default_expansion
from graphreel.layout.hiding import Hidden
from graphreel.layout.nested import lay_out
from graphreel.layout.types import BoxKind, EdgeKind, LayoutOptions, Placement, Stubs, VisibleGraph
from graphreel.layout.visible import visible

__all__ = [
    "BoxKind",
    "EdgeKind",
    "Hidden",
    "LayoutBug",
    "LayoutCache",
    "LayoutOptions",
    "Placement",
    "Stubs",
    "VisibleGraph",
    "check_placement",
    "default_expansion",
    "lay_out",
    "visible",
]
