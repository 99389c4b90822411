"""Pictures of graphs: a placed graph becomes a Scene, a Scene becomes SVG. Nothing here knows Qt."""

from graphreel.render.build import build_scene, picture
from graphreel.render.colouring import COLOUR_BY, coloured
from graphreel.render.labels import measure
from graphreel.render.overlay import Mark, Overlay
from graphreel.render.said import LINES, USUAL, Said, said
from graphreel.render.scene import EdgeLabels, Scene, Texts
from graphreel.render.styles import BOX_CLASSES, EDGE_CLASSES, TEXT_STYLES, BoxClass, EdgeClass, TextStyle
from graphreel.render.svg import to_svg
from graphreel.render.theme import DARK, LIGHT, THEMES, BoxPaint, EdgePaint, Theme

__all__ = [
    "BOX_CLASSES",
    "COLOUR_BY",
    "DARK",
    "EDGE_CLASSES",
    "LIGHT",
    "LINES",
    "TEXT_STYLES",
    "THEMES",
    "USUAL",
    "BoxClass",
    "BoxPaint",
    "EdgeClass",
    "EdgeLabels",
    "EdgePaint",
    "Mark",
    "Overlay",
    "Said",
    "Scene",
    "TextStyle",
    "Texts",
    "Theme",
    "build_scene",
    "coloured",
    "measure",
    "picture",
    "said",
    "to_svg",
]
