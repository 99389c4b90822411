"""Checks that a placement keeps what a layout promises. Run after each layout."""

from graphreel.layout.types import Placement, VisibleGraph


def check_placement(view: VisibleGraph, placement: Placement) -> None:
    """Raise LayoutBug where a promise is broken."""
